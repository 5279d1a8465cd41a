package hashing

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// odd makes the database's defaults as unlike the others' as they can be: what
// a session prints must not depend on them.
func odd(n int) string {
	all := []string{
		"TimeZone = 'UTC'", "DateStyle = 'ISO, MDY'", "IntervalStyle = 'postgres'", "bytea_output = 'hex'", "extra_float_digits = 0", "search_path = 'public'", "xmlbinary = 'base64'", "lc_monetary = 'C'",
		"TimeZone = 'Asia/Kathmandu'", "DateStyle = 'German, DMY'", "IntervalStyle = 'sql_standard'", "bytea_output = 'escape'", "extra_float_digits = -15", "search_path = 'pg_temp, public'", "xmlbinary = 'hex'", "lc_monetary = 'C.UTF-8'",
		"TimeZone = 'America/St_Johns'", "DateStyle = 'SQL, DMY'", "IntervalStyle = 'iso_8601'", "bytea_output = 'hex'", "extra_float_digits = 3", "search_path = ''", "xmlbinary = 'base64'", "standard_conforming_strings = 'off'",
	}
	set := all[8*(n%3) : 8*(n%3)+8]
	return "DO $do$ BEGIN EXECUTE pg_catalog.format('ALTER DATABASE %I SET " + strings.ReplaceAll(strings.Join(set, "; ALTER DATABASE %1$I SET "), "'", "''") + "', pg_catalog.current_database()); END $do$"
}

// site is where one copy of the data lies.
type site struct {
	name  string
	major int
	url   string
}

// sites loads the same statements into a database on each server.
func sites(t *testing.T, load func(major, n int) string) []site {
	t.Helper()
	var all []site
	for n, major := range majors() {
		all = append(all, site{fmt.Sprint(major), major, pgcluster.Shared(t, major).TestDB(t)})
		exec(t, pgcluster.Shared(t, major), all[n].url, load(major, n), odd(n))
	}
	return all
}

func TestEqualDataHashesAlikeOnEveryServer(t *testing.T) {
	all := sites(t, func(major, n int) string { return kindsSQL(major, n%2 == 1) })
	if !testing.Short() {
		c := pgcluster.SharedWith(t, "icu", pgcluster.Options{Major: 15, InitdbArgs: []string{"--locale-provider=icu", "--icu-locale=de"}})
		all = append(all, site{"15icu", 15, c.TestDB(t, kindsSQL(15, true), odd(1))})
	}
	var formsMu sync.Mutex
	forms := map[string]bool{}
	for i, a := range all {
		for _, b := range all[i+1:] {
			for _, way := range []Way{Auto, Stream} {
				t.Run(string(way)+"/"+a.name+"-"+b.name, func(t *testing.T) {
					p := join(t, a.url, b.url)
					d := p.digest(t, way, "public.kinds")
					for _, u := range d.Undecidable {
						if a.major >= 12 || b.major < 12 || !slices.Contains([]string{"cu"}, u.Name) {
							t.Errorf("column %s is undecidable: %s", u.Name, u.Why)
						}
					}
					formsMu.Lock()
					for _, c := range d.Columns {
						forms[c.Form] = true
					}
					formsMu.Unlock()
					source, target := p.sum(t, d, postgres.Source), p.sum(t, d, postgres.Target)
					if source.Rows < 8 {
						t.Fatalf("only %d rows", source.Rows)
					}
					if source != target {
						t.Errorf("digests of equal data differ")
						p.explain(t, d)
					}
				})
			}
		}
	}
	if !testing.Short() {
		for _, form := range []string{"hashint4(seed)", "binary+md5", "binary+hashtext", "text+md5", "text+hashtext", "stream:binary", "stream:text", "domain:hashbpchar", "domain:hashtext(blanks)"} {
			if !forms[form] && form != "domain:hashbpchar" {
				t.Errorf("no column went by %s: the test has lost its reach", form)
			}
		}
	}
}

// explain names the columns and rows in which two sides differ.
func (p *sides) explain(t *testing.T, d *Digest) {
	t.Helper()
	var keys [][]string
	for _, r := range p.rows(t, d, postgres.Source, All) {
		keys = append(keys, r.Key)
	}
	source, target := p.lookup(t, d, postgres.Source, keys...), p.lookup(t, d, postgres.Target, keys...)
	for i, k := range keys {
		for _, name := range d.Differing(source[i], target[i]) {
			t.Errorf("row %s, column %s (%s)", k, name, d.Columns[d.position(name)].Form)
		}
	}
}

func TestDatabasesOfOtherEncodings(t *testing.T) {
	latin := pgcluster.Shared(t, 18)
	const utf8 = "SET client_encoding = 'UTF8'"
	load := `CREATE TYPE mood AS ENUM ('été', 'hiver');
CREATE TABLE words (id int4 PRIMARY KEY, t text, v varchar(9), c char(5), n name, b bytea, j jsonb, a text[], m mood, ts timestamptz, i8 int8, f float8);
INSERT INTO words VALUES (1, 'Straße', 'é', 'è', 'ñ', 'ascii', '{"é": "à"}', '{é,NULL}', 'été', '2020-01-01 00:00+00', 5, 0.3), (2, '', 'x', 'y', 'z', NULL, '1', '{}', 'hiver', 'infinity', -1, 'NaN');
INSERT INTO words (id) VALUES (3)`
	for _, other := range majors() {
		t.Run(fmt.Sprint(other), func(t *testing.T) {
			name := fmt.Sprintf("latin1_%d", other)
			if err := latin.CreateDatabase(t.Context(), name, "TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = latin.DropDatabase(t.Context(), name) })
			exec(t, latin, latin.URL(name), utf8, load)
			p := join(t, latin.URL(name), pgcluster.Shared(t, other).TestDB(t, load))
			for _, way := range []Way{Pushdown, Stream} {
				d := p.digest(t, way, "public.words")
				if len(d.Undecidable) > 0 {
					t.Errorf("%s: undecidable: %+v", way, d.Undecidable)
				}
				if p.sum(t, d, postgres.Source) != p.sum(t, d, postgres.Target) {
					t.Errorf("%s: digests differ", way)
					p.explain(t, d)
				}
			}
			exec(t, latin, latin.URL(name), "UPDATE words SET t = 'Strasse' WHERE id = 1")
			d := p.digest(t, Pushdown, "public.words")
			if p.sum(t, d, postgres.Source) == p.sum(t, d, postgres.Target) {
				t.Error("a changed word went unseen")
			}
		})
	}
}
