package hashing

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestFormsTellTheirVectorsApart: two servers agree just as well on a form
// that loses what its vectors differ in, or that makes a value a NULL.
func TestFormsTellTheirVectorsApart(t *testing.T) {
	names := slices.Sorted(maps.Keys(extended))
	for _, major := range majors() {
		if major < 11 {
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			db := pgcluster.Shared(t, major).TestDB(t)
			p := join(t, db, db)
			for _, name := range names {
				typ := &postgres.Type{Name: name, BuiltIn: true, Kind: 'b', Text: "pg_catalog." + postgres.Ident(name)}
				vectors := peers{encodings: [2]string{"UTF8", "UTF8"}, sameEncoding: true}.vectorsOf(typ)
				f := Form{template: extended[name].sql, cast: typ.Text, vectors: vectors}
				got, err := postgres.ParseTextArray([]byte(p.ask(t, postgres.Source, f.probe())[0]))
				if err != nil || len(got) != len(vectors)+1 || len(vectors) == 0 {
					t.Fatalf("%s: %d vectors, %d answers, %v", name, len(vectors), len(got), err)
				}
				if got[len(vectors)] != nil {
					t.Errorf("%s: NULL hashes to %s", name, *got[len(vectors)])
				}
				seen := map[string]string{}
				for i, v := range vectors {
					if got[i] == nil {
						t.Errorf("%s: %s hashes to NULL", name, v)
					} else if other, there := seen[*got[i]]; there {
						t.Errorf("%s: %s and %s hash alike", name, v, other)
					} else {
						seen[*got[i]] = v
					}
				}
			}
		})
	}
}

// TestHeavyBytesWhoseTextNoServerHolds: 600 million bytes, which hex digits would
// double beyond the gigabyte that a value may have.
func TestHeavyBytesWhoseTextNoServerHolds(t *testing.T) {
	heavy(t)
	if testing.Short() {
		t.Skip("-short: it needs some seconds, and 1.2 GB of memory on the server")
	}
	db := pgcluster.Shared(t, 18).TestDB(t, `CREATE TABLE k (id int4 PRIMARY KEY, b bytea);
INSERT INTO k SELECT n, pg_catalog.convert_to(pg_catalog.repeat('x', 599999999) || n, 'SQL_ASCII') FROM pg_catalog.generate_series(1, 2) n`)
	p := join(t, db, db)
	agree := p.agree(t, Pushdown)
	for _, want := range []string{"hash_array", "binary+md5"} {
		d := agree.Digest(p.table(t, "public.k"))
		b := d.Columns[d.position("b")]
		if b.Form != want {
			t.Fatalf("the column goes by %s, want %s", b.Form, want)
		}
		states := p.lookup(t, d, postgres.Source, []string{"1"}, []string{"2"})
		if differing := d.Differing(states[0], states[1]); strings.Join(differing, " ") != "b id" {
			t.Errorf("%s: the last of the bytes differs, seen in columns %v", want, differing)
		}
		agree.agreed[b.form.id()] = false
	}
}
