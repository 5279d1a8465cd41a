package preflight

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	lives = append(lives, life{
		id: "setting-differs",
		during: func(t *testing.T, w *world) {
			db := w.source.db.Server().Database
			for _, set := range []string{`TimeZone = 'Europe/Paris'`, `DateStyle = 'iso, dmy'`, `search_path = "Weird ""name", public`, `statement_timeout = '5s'`,
				`default_transaction_isolation = 'repeatable read'`, `standard_conforming_strings = off`, `jit = off`, `bytea_output = 'hex'`, `work_mem = '8MB'`} {
				w.source.exec(t, "ALTER DATABASE "+db+" SET "+set)
			}
			db = w.target.db.Server().Database
			// The same in other words.
			for _, set := range []string{`IntervalStyle = 'postgres'`, `lock_timeout = 0`, `row_security = true`} {
				w.target.exec(t, "ALTER DATABASE "+db+" SET "+set)
			}
			w.target.exec(t, "ALTER DATABASE "+db+" SET default_text_search_config = 'pg_catalog.german'")
		},
		want: []string{"target setting DateStyle", "target setting TimeZone", "target setting default_text_search_config", "target setting default_transaction_isolation",
			"target setting jit", "target setting search_path", "target setting standard_conforming_strings", "target setting statement_timeout"},
		says: "Europe/Paris", mends: true,
	})
	livesElsewhere["preload-libraries-missing"] = "TestLibraries"
}

// TestDefaultsDiffer: what the versions chose otherwise by themselves is no
// hazard, on no pair of them.
func TestDefaultsDiffer(t *testing.T) {
	slow(t)
	t.Parallel()
	for _, majors := range [][2]int{{10, 18}, {13, 15}, {18, 10}} {
		w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]))
		w.found(t, "setting-differs")
		w.found(t, "preload-libraries-missing")
	}
}

// TestSettingsOfTheFence: a target that is read only is meant to be; a role's own
// value hides the server's, which is said.
func TestSettingsOfTheFence(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), orders)
	w.target.exec(t, "ALTER DATABASE "+w.target.db.Server().Database+" SET default_transaction_read_only = on")
	name, url := role(t, w.target, "")
	w.target.exec(t, "ALTER ROLE "+name+" SET statement_timeout = '1h'", "ALTER ROLE "+name+" SET default_transaction_read_only = on")
	found := w.seenAs(t, postgres.Target, url).found(t, "setting-differs", "target setting default_transaction_read_only", "target setting statement_timeout")
	for _, h := range found {
		if h.Severity != schema.Info {
			t.Errorf("%+v", h)
		}
	}
}

// TestLibraries: those that only the source loads; an extension that cannot work
// without blocks. Who may not see them says so.
func TestLibraries(t *testing.T) {
	slow(t)
	t.Parallel()
	loads := pgcluster.SharedWith(t, "loads 15", pgcluster.Options{Major: 15, Settings: map[string]string{
		"shared_preload_libraries": `pg_stat_statements, "$libdir/pg_trgm"`, "session_preload_libraries": "auto_explain", "max_connections": "150"}})
	w := newWorld(t, loads, pgcluster.Shared(t, 18), `CREATE EXTENSION pg_trgm`)
	found := w.found(t, "preload-libraries-missing", "target library auto_explain", "target library pg_stat_statements", "target library pg_trgm")
	for _, h := range found {
		if (h.Severity == schema.Block) != (h.Object == "library pg_trgm") {
			t.Errorf("%+v", h)
		}
	}
	if found := w.found(t, "setting-differs", "target setting max_connections"); found[0].Fix != "" || !strings.Contains(found[0].Sentence, "150 on the source and 100 on the target") {
		t.Errorf("%+v", found)
	}
	back := newWorld(t, pgcluster.Shared(t, 18), loads)
	back.found(t, "preload-libraries-missing")
	back.found(t, "setting-differs") // it takes more connections than the source: no hazard

	name, url := role(t, w.source, "")
	seen := w.seenAs(t, postgres.Source, url)
	_, unknown := detect(t, seen.facts(t, defaults()), "preload-libraries-missing")
	if len(unknown) != 1 || !strings.HasSuffix(unknown[0].Reason, `GRANT pg_read_all_settings TO "`+name+`"`) {
		t.Fatalf("hidden: %+v", unknown)
	}
	w.source.exec(t, "GRANT pg_read_all_settings TO "+name)
	seen.found(t, "preload-libraries-missing", "target library auto_explain", "target library pg_stat_statements", "target library pg_trgm")
}

// TestCanonical: values as they are written, and as the server prints them.
func TestCanonical(t *testing.T) {
	for _, c := range [][5]string{
		{"statement_timeout", "integer", "ms", "5s", "5000"},
		{"statement_timeout", "integer", "ms", "2 min", "120000"},
		{"statement_timeout", "integer", "ms", "5000", "5000"},
		{"lock_timeout", "integer", "ms", "1.5h", "1.5h"}, // told as different: never as alike
		{"jit", "bool", "", "TRUE", "on"},
		{"jit", "bool", "", "no", "off"},
		{"synchronous_commit", "enum", "", "1", "on"},
		{"IntervalStyle", "enum", "", "ISO_8601", "iso_8601"},
		{"search_path", "string", "", `"$user",public`, `"$user", public`},
		{"TimeZone", "string", "", "Europe/Paris", "Europe/Paris"},
	} {
		if got := canonical(c[0], c[1], c[2], c[3]); got != c[4] {
			t.Errorf("%s = %s: %q, want %q", c[0], c[3], got, c[4])
		}
	}
	for _, alike := range []struct {
		of   func(string) string
		a, b string
		want bool
	}{
		{zone, "Etc/UTC", "UTC", true}, {zone, "GMT", "utc", true}, {zone, "UTC", "Europe/London", false},
		{locale, "en_US.UTF-8", "en_US.utf8", true}, {locale, "C", "POSIX", true}, {locale, "C", "de_DE.UTF-8", false},
		{dateStyle, "ISO, MDY", "iso,mdy", true}, {dateStyle, "ISO, DMY", "European", true}, {dateStyle, "ISO, DMY", "ISO, MDY", false},
		{onIsMD5, "on", "md5", true},
	} {
		if (alike.of(alike.a) == alike.of(alike.b)) != alike.want {
			t.Errorf("%s and %s: want %v", alike.a, alike.b, alike.want)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, libraries(` a, "$libdir/b" ,c.so,`)); diff != "" {
		t.Error(diff)
	}
}
