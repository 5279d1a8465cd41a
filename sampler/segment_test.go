package sampler_test

import (
	"fmt"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// TestSegmentsHoldEachRowOnce reads a heap with dead rows and empty pages in
// segments, on a server that reads page ranges and on one that is given places.
func TestSegmentsHoldEachRowOnce(t *testing.T) {
	for _, major := range []int{10, 13, 15, 18} {
		if testing.Short() && major != 13 && major != 18 {
			continue
		}
		url := pgcluster.Shared(t, major).TestDB(t, "CREATE TABLE heap (n int, filler text) WITH (autovacuum_enabled = off)",
			"INSERT INTO heap SELECT g, repeat('x', g % 200) FROM generate_series(1, 5000) g",
			"DELETE FROM heap WHERE n % 3 = 0 OR n BETWEEN 2000 AND 2900", "UPDATE heap SET n = -n WHERE n % 7 = 0", "ANALYZE heap")
		db, pair := openPair(t, url)
		tab := pair.Tables[0]
		pages := tab.Source.Pages
		if pages < 20 {
			t.Fatalf("only %d pages", pages)
		}
		want := count(t, db, tab.Scope(postgres.Source))
		for _, step := range []int64{1, 7, pages / 2, pages, 3 * pages} {
			var sum int64
			for from := int64(0); from < pages; from += step {
				s := sampler.Segment{From: from, To: from + step}
				if s.To >= pages {
					s.To = 0
				}
				sum += count(t, db, s.Of(tab.Scope(postgres.Source), tab.Source, db.Server().BlockSize))
			}
			if sum != want {
				t.Errorf("%d: in segments of %d pages %d rows, want %d", major, step, sum, want)
			}
		}
	}
}

// TestTheLastSegmentIsOpen: pages that came after planning belong to it.
func TestTheLastSegmentIsOpen(t *testing.T) {
	for _, major := range []int{13, 18} {
		cluster := pgcluster.Shared(t, major)
		url := cluster.TestDB(t, "CREATE TABLE heap (n int)", "INSERT INTO heap SELECT generate_series(1, 1000)")
		db, pair := openPair(t, url)
		tab := pair.Tables[0]
		last := sampler.Segment{From: tab.Source.Pages - 1}
		before := count(t, db, last.Of(tab.Scope(postgres.Source), tab.Source, db.Server().BlockSize))
		run(t, url, "INSERT INTO heap SELECT generate_series(1, 2000)")
		if after := count(t, db, last.Of(tab.Scope(postgres.Source), tab.Source, db.Server().BlockSize)); after != before+2000 {
			t.Errorf("%d: %d rows, want %d", major, after, before+2000)
		}
	}
}

// TestPlacesPerPage fills pages with the smallest rows there are: no row may
// lie beyond the last place that is asked for.
func TestPlacesPerPage(t *testing.T) {
	url := pgcluster.Shared(t, 15).TestDB(t, "CREATE TABLE empty_rows ()", "INSERT INTO empty_rows SELECT FROM generate_series(1, 5000)")
	db, pair := openPair(t, url)
	var most int64
	scope := pair.Tables[0].Scope(postgres.Source)
	scope.From = fmt.Sprintf("(SELECT max(split_part(trim(both '()' from t.ctid::text), ',', 2)::int) AS most FROM %s) AS m CROSS JOIN LATERAL generate_series(1, m.most)", scope.From)
	most = count(t, db, scope)
	if want := sampler.PlacesPerPage(db.Server().BlockSize); most != want {
		t.Errorf("a page holds %d rows, places say %d", most, want)
	}
}
