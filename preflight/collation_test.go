package preflight

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	// Collations that are recorded at another version: of them two are used by
	// indexes, one by nothing.
	const made = `CREATE SCHEMA "Odd "".name"; CREATE COLLATION "Odd "".name"."Ä ""b" (provider = icu, locale = 'de'); CREATE COLLATION unused (provider = icu, locale = 'sv');
CREATE COLLATION fine (provider = icu, locale = 'en');
CREATE TABLE "Odd "".name".t (w text COLLATE "Odd "".name"."Ä ""b", v text COLLATE unused, f text COLLATE fine);
CREATE INDEX "i "" w" ON "Odd "".name".t (w); CREATE INDEX ON "Odd "".name".t (f); CREATE INDEX expr ON "Odd "".name".t ((f COLLATE "Odd "".name"."Ä ""b"))`
	const aged = `UPDATE pg_collation SET collversion = '0.1' WHERE collname IN ('unused', 'Ä "b')`
	lives = append(lives,
		life{
			id: "collation-version", both: []string{made}, source: []string{aged}, target: []string{aged},
			want: []string{`source collation "Odd "".name"."Ä ""b"`, `target collation "Odd "".name"."Ä ""b"`}, says: "unique ones let duplicates in", mends: true,
		},
		life{
			id: "extension-outdated", both: []string{`CREATE EXTENSION pg_trgm`},
			target: []string{`CREATE SCHEMA aside; CREATE EXTENSION pageinspect SCHEMA aside VERSION '1.8'; CREATE EXTENSION citext VERSION '1.5'`},
			want:   []string{"target extension citext", "target extension pageinspect"}, says: "1.5", mends: true,
		},
		life{ // gone since 17
			id: "extension-unavailable", both: []string{`CREATE EXTENSION citext`}, source: []string{`CREATE EXTENSION old_snapshot; CREATE EXTENSION hstore`},
			want: []string{"target extension old_snapshot"}, says: "does not have it",
		},
	)
	livesElsewhere["database-collation-version"] = "TestDatabaseCollationVersion"
	livesElsewhere["locale-differs"] = "TestLocaleDiffers"
}

// localDB makes an empty database with a locale of its own, dropped with the
// test.
func localDB(t *testing.T, major int, options string) string {
	t.Helper()
	c := pgcluster.Shared(t, major)
	name := fmt.Sprintf("local %d %s", major, rand.Text())
	if err := c.CreateDatabase(t.Context(), name, "TEMPLATE template0", options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.DropDatabase(context.Background(), name); err != nil {
			t.Log(err)
		}
	})
	return c.URL(name)
}

func localWorld(t *testing.T, source, target int, options [2]string) *world {
	t.Helper()
	return &world{source: newEnd(t, postgres.Source, pgcluster.Shared(t, source), localDB(t, source, options[0])),
		target: newEnd(t, postgres.Target, pgcluster.Shared(t, target), localDB(t, target, options[1]))}
}

// A partition key or a constraint depends on a collation as well, and no
// statement mends that: rows have to move.
func TestCollationOfNoIndex(t *testing.T) {
	slow(t)
	for _, major := range []int{10, 13, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			c := pgcluster.Shared(t, major)
			w := newWorld(t, c, c, `CREATE COLLATION partly (provider = icu, locale = 'da'); CREATE TABLE parts (w text, CONSTRAINT low CHECK (w COLLATE partly < 'm')) PARTITION BY RANGE (w COLLATE partly)`)
			w.target.exec(t, `UPDATE pg_collation SET collversion = '0.1' WHERE collname = 'partly'`)
			found := w.look(t, "collation-version", defaults())
			if len(found) != 1 || found[0].Object != "collation public.partly" || found[0].Severity != schema.Block || found[0].Fix != "" ||
				!strings.HasSuffix(found[0].Sentence, ": public.parts constraint low, public.parts partition key") || !strings.Contains(found[0].Sentence, "partitions") {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestDatabaseCollationVersion(t *testing.T) {
	t.Parallel()
	w := localWorld(t, 15, 18, [2]string{`LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`})
	const id = "database-collation-version"
	if found := w.look(t, id, defaults()); len(found) > 0 {
		t.Fatalf("found without being there: %+v", found)
	}
	for _, e := range []*end{w.source, w.target} {
		e.exec(t, `UPDATE pg_database SET datcollversion = '0.1' WHERE datname = current_database()`)
	}
	for _, h := range w.look(t, id, defaults()) { // no index depends on it
		if h.Severity != schema.Info || !strings.Contains(h.Sentence, "no index") {
			t.Errorf("%+v", h)
		}
	}
	for _, e := range []*end{w.source, w.target} {
		e.exec(t, `CREATE TABLE t (w text PRIMARY KEY, c text COLLATE "C" UNIQUE); CREATE TABLE p (w text) PARTITION BY RANGE (w)`)
	}
	found := w.look(t, id, defaults())
	if len(found) != 2 || found[0].Severity != schema.Warn || found[1].Severity != schema.Block || found[1].Side != postgres.Target {
		t.Fatalf("%+v", found)
	}
	for _, h := range found {
		if !strings.HasPrefix(h.Object, `database "local 1`) || !strings.Contains(h.Sentence, "now): lookups") || !strings.HasSuffix(h.Sentence, ": public.p partition key, public.t index t_pkey") {
			t.Errorf("%+v", h)
		}
		w.on(h.Side).exec(t, h.Fix)
	}
	if found := w.look(t, id, defaults()); len(found) > 0 {
		t.Errorf("still there after its own fix: %+v", found)
	}
}

func TestLocaleDiffers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		source, target int
		options        [2]string
		want           []string // severity and object
	}{
		{"spelled otherwise", 13, 18, [2]string{`LOCALE 'C.UTF-8'`, `LOCALE 'C.utf8'`}, nil},
		{"code points by two providers", 15, 18, [2]string{`LOCALE 'C'`, `LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'`}, []string{"warn character classes"}},
		{"another locale", 15, 18, [2]string{`LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'sv' LOCALE 'C'`}, []string{"warn sort order", "warn character classes"}},
		{"the same", 15, 15, [2]string{`LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`}, nil},
		{"a tag spelled otherwise", 15, 18, [2]string{`LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kn-true-kf-upper' LOCALE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'de-u-kf-upper-kn' LOCALE 'C'`}, nil},
		{"a keyword more", 15, 18, [2]string{`LOCALE_PROVIDER icu ICU_LOCALE 'de_DE' LOCALE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'de-DE-u-kn' LOCALE 'C'`}, []string{"warn sort order", "warn character classes"}},
		{"rules", 15, 18, [2]string{`LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'de' ICU_RULES '&a < g' LOCALE 'C'`}, []string{"warn sort order"}},
		{"another provider", 10, 18, [2]string{`LC_COLLATE 'C' LC_CTYPE 'C'`, `LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C'`}, []string{"warn sort order", "warn character classes"}},
		{"into UTF8", 10, 18, [2]string{`ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`, `LOCALE 'C'`}, []string{"warn encoding"}},
		{"out of UTF8", 15, 13, [2]string{`LOCALE 'C'`, `ENCODING 'LATIN9' LOCALE 'C'`}, []string{"block encoding"}},
		{"bytes", 13, 15, [2]string{`ENCODING 'SQL_ASCII' LOCALE 'C'`, `LOCALE 'C'`}, []string{"warn encoding"}},
		{"into bytes", 13, 15, [2]string{`LOCALE 'C'`, `ENCODING 'SQL_ASCII' LOCALE 'C'`}, []string{"warn encoding"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := localWorld(t, c.source, c.target, c.options)
			var got []string
			for _, h := range w.look(t, "locale-differs", defaults()) {
				if h.Severity != schema.Info { // the servers' ICU libraries may be of two versions
					got = append(got, string(h.Severity)+" "+h.Object)
				}
				if h.Side != postgres.Target || h.Sentence == "" {
					t.Errorf("%+v", h)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
