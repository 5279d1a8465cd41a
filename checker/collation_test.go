package checker_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// The claim under test: keys of text are told apart and found again, however
// the two sides order them.

// awkward are texts that collations order, or even tell apart, differently:
// case, accents, both ways to write one, blanks, digits, letters beyond the
// basic plane, Turkish i, letters that count as none.
var awkward = []string{
	`a`, `A`, `b`, `B`, `ä`, `Ä`, `a\u0308`, `z`, `Z`, `ß`, `ss`, `ẞ`, `é`, `e\u0301`, `E`, `a2`, `a10`, `a02`, `2`, `10`, `02`, `a `, `a  `, ` a`, `a\u00a0`, ``, ` `,
	`i`, `I`, `ı`, `İ`, `i\u0307`, `_`, `-b`, `b-`, `co-op`, `coop`, `co_op`, `\U0001F600`, `\U0001F600\U0001F3FD`, `\U0001F468\u200D\U0001F469`, `\uFF41`, `\uFFFD`, `\u200b`, `a\u200b`,
	`ａ`, `Æ`, `ae`, `Œ`, `ø`, `o`, `ö`, `Ångström`, `\u212Bngström`, `Łódź`, `日本`, `あ`, `ア`, `ｱ`, `\uE000`, `\U0010FFFD`, `%`, `\\`, `'`, `"`,
}

// escaped writes a text with \u and \U escapes as SQL.
func escaped(w string) string {
	return `U&'` + strings.NewReplacer(`'`, `''`, `\U00`, `\+`, `\u`, `\`).Replace(w) + `'`
}

// named and listed are filled with the awkward texts and with all pairs of them;
// collate is that of the key.
func named(collate string, damage ...string) []string {
	var odd []string
	for _, w := range awkward {
		odd = append(odd, escaped(w))
	}
	sql := []string{
		`CREATE COLLATION digits (provider = icu, locale = 'en-u-kn-true')`,
		`CREATE TABLE named (w text ` + collate + `, n int, PRIMARY KEY (w)); CREATE TABLE listed (w text ` + collate + `, n int)`,
		`CREATE TABLE odd (w text COLLATE "C"); INSERT INTO odd SELECT * FROM unnest(ARRAY[` + strings.Join(odd, ", ") + `])`,
		`INSERT INTO named SELECT w, ('x' || left(md5(w), 6))::bit(24)::int FROM (SELECT DISTINCT a.w || b.w AS w FROM odd a, odd b) s ORDER BY w ON CONFLICT DO NOTHING`,
		`INSERT INTO listed SELECT * FROM named`, `DROP TABLE odd`,
	}
	for _, d := range damage {
		sql = append(sql, strings.ReplaceAll(d, "?", "named"), strings.ReplaceAll(d, "?", "listed"))
	}
	return append(sql, `ANALYZE`)
}

// misnamed are a value changed, a row removed, one added, and a text that
// became another.
var misnamed = []string{
	`UPDATE ? SET n = -1 WHERE w COLLATE "C" = ` + escaped(`İİ`), `DELETE FROM ? WHERE w COLLATE "C" = 'a2a10'`, `INSERT INTO ? VALUES ('zzz zzz', 1)`,
	`UPDATE ? SET w = 'ẞẞẞ' WHERE w COLLATE "C" = 'ẞẞ'`,
}

// orderedDB makes a database with a collation of its own, dropped with the test.
func orderedDB(t *testing.T, major int, options string, sql ...string) string {
	t.Helper()
	c := pgcluster.Shared(t, major)
	name := fmt.Sprintf("ordered %d %s", major, rand.Text())
	if err := c.CreateDatabase(t.Context(), name, "TEMPLATE template0", options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.DropDatabase(context.Background(), name); err != nil {
			t.Log(err)
		}
	})
	if err := c.Exec(t.Context(), name, sql...); err != nil {
		t.Fatal(err)
	}
	return c.URL(name)
}

// TestCollations: pairs that order their texts differently, read in tiny pieces.
// Before 14 a side is cut in its own order of the key.
func TestCollations(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	icu := func(locale string) string {
		return fmt.Sprintf("LOCALE_PROVIDER icu ICU_LOCALE '%s' LOCALE 'C'", locale)
	}
	type side struct {
		major            int
		options, collate string
	}
	for i, c := range []struct{ source, target side }{
		{side{15, icu("de"), ""}, side{18, "LOCALE 'C'", ""}},
		{side{18, icu("tr"), ""}, side{15, "LOCALE 'C.UTF-8'", ""}},
		{side{15, icu("en-u-kn-true"), ""}, side{18, icu("de-u-co-phonebk"), ""}},
		{side{13, "LOCALE 'C'", `COLLATE "de-x-icu"`}, side{18, icu("en"), ""}},
		{side{13, "LOCALE 'C'", `COLLATE digits`}, side{11, "LC_COLLATE 'C' LC_CTYPE 'C'", `COLLATE "tr-x-icu"`}},
		{side{11, "LC_COLLATE 'C' LC_CTYPE 'C'", `COLLATE "C"`}, side{13, "LOCALE 'C'", `COLLATE "sv-x-icu"`}},
	} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		t.Run(fmt.Sprintf("%d %s%s - %d %s%s", c.source.major, c.source.options, c.source.collate, c.target.major, c.target.options, c.target.collate), func(t *testing.T) {
			source := orderedDB(t, c.source.major, c.source.options, named(c.source.collate)...)
			equal := orderedDB(t, c.target.major, c.target.options, named(c.target.collate)...)
			damaged := orderedDB(t, c.target.major, c.target.options, named(c.target.collate, misnamed...)...)
			for _, way := range []hashing.Way{hashing.Auto, hashing.Stream} {
				o := defaults()
				o.ChunkRows, o.Budget, o.Digest = 90, 2*time.Second, way
				res := verify(t, source, equal, o)
				if tab := table(res, "public.named"); res.Verdict != checker.Match || tab.Plan != "sweep" || *tab.Rows.Source < 3000 {
					t.Errorf("%s: equal: %s by %s of %d rows: %q", way, res.Verdict, tab.Plan, *tab.Rows.Source, res.Reasons)
				}
				res = verify(t, source, damaged, o)
				want := []string{"different İİ", "extra zzz zzz", "extra ẞẞẞ", "missing a2a10", "missing ẞẞ"}
				if diff := cmp.Diff(want, kindsAndKeys(table(res, "public.named"), "w")); diff != "" {
					t.Errorf("%s: (-want +got):\n%s", way, diff)
				}
				if tab := table(res, "public.listed"); tab.FindingsTotal != 6 || tab.Error != "" || tab.Plan != "multiset" {
					t.Errorf("%s: %+v", way, tab)
				}
			}
		})
	}
}

// kindsAndKeys lists a table's findings, sorted.
func kindsAndKeys(tab *checker.TableResult, key string) []string {
	var all []string
	for _, f := range tab.Findings {
		all = append(all, f.Kind+" "+f.Key[key])
	}
	slices.Sort(all)
	return all
}

// TestLooseCollations: a key whose collation takes unlike texts for equal has
// each of them once. A text that became an equal one is still a difference.
func TestLooseCollations(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	const loose = `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)`
	made := func(collate string, damage ...string) []string {
		all := append([]string{loose}, named(collate)...)
		return append(all, damage...)
	}
	for _, majors := range [][2]int{{15, 18}, {13, 15}} {
		if testing.Short() && majors[0] < 15 {
			continue
		}
		source := pgcluster.Shared(t, majors[0]).TestDB(t, made(`COLLATE loose`)...)
		equal := pgcluster.Shared(t, majors[1]).TestDB(t, made(`COLLATE loose`)...)
		damaged := pgcluster.Shared(t, majors[1]).TestDB(t, made(`COLLATE loose`,
			`UPDATE named SET w = lower(w COLLATE "en-x-icu") WHERE w = 'bz'`, `DELETE FROM named WHERE w = 'a2a10'`, `INSERT INTO named VALUES ('zzz zzz', 1)`)...)
		for _, way := range []hashing.Way{hashing.Auto, hashing.Stream} {
			o := defaults()
			o.ChunkRows, o.Budget, o.Digest = 90, 2*time.Second, way
			if res := verify(t, source, equal, o); res.Verdict != checker.Match {
				t.Errorf("%v %s: %s %q", majors, way, res.Verdict, res.Reasons)
			}
			res := verify(t, source, damaged, o)
			got := strings.ToLower(strings.Join(kindsAndKeys(table(res, "public.named"), "w"), ", "))
			if want := "different bz, extra zzz zzz, missing a2a10"; got != want || table(res, "public.named").FindingsTotal != 3 {
				t.Errorf("%v %s: %q of %d, want %q: %q", majors, way, got, table(res, "public.named").FindingsTotal, want, res.Reasons)
			}
		}
	}
}
