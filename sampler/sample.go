package sampler

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Confidence is the probability with which a sample shows a difference that is
// as frequent as Share says.
const Confidence = 0.999

// triesPerRow bounds a draw: how many places are tried for each row asked for.
// Pages with few and wide rows hold many places without one.
const triesPerRow = 20

// Tries is how many places may be tried to draw rows.
func Tries(rows int) int64 { return int64(rows) * triesPerRow }

// What drawing costs, beside Cost: to try a place, and to look up a row by its
// key on both sides (measured on one slow core with all in memory; from a disk
// both are reads at random, and a table is read in order).
const (
	placeTime = 2 * time.Microsecond
	lookTime  = 20 * time.Microsecond
)

// WholeIsCheaper tells whether all rows of a table on both sides are expected to
// be compared in the time in which so many of each would be drawn: then that
// proves more, and costs less. Wide rows are such a case: a page has few, and
// most of its places are tried in vain.
func WholeIsCheaper(t *pairing.Table, rows int, sourceBlock, targetBlock int64) bool {
	var whole, draws time.Duration
	for _, s := range []struct {
		table *postgres.Table
		block int64
	}{{t.Source, sourceBlock}, {t.Target, targetBlock}} {
		places := s.table.Bytes / s.block * int64(offsets(s.block))
		n := estimatedRows(s.table)
		tries := min(Tries(rows), int64(rows)*divideUp(places, max(n, 1)))
		draws += time.Duration(tries)*placeTime + time.Duration(rows)*lookTime
		whole = max(whole, time.Duration(n)*Cost(s.table, len(t.Columns)))
	}
	return whole <= draws
}

// Share is the least share of rows of which n draws with replacement would
// have hit one with Confidence: 1-(1-Confidence)^(1/n), and 1 for none drawn.
func Share(n int64) float64 {
	if n <= 0 {
		return 1
	}
	return -math.Expm1(math.Log1p(-Confidence) / float64(n))
}

// Percent prints a share in percent with two digits, rounded up, so that what
// is claimed of it stays true.
func Percent(share float64) string {
	p := share * 100
	if p <= 0 || p >= 100 {
		return strconv.FormatFloat(p, 'f', -1, 64)
	}
	digits := max(1-int(math.Floor(math.Log10(p))), 0)
	scale := math.Pow10(digits)
	s := strconv.FormatFloat(math.Ceil(p*scale)/scale, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// Place is where a row version can be: a line pointer of a page of one of a
// table's heaps. Many have none that is visible.
type Place struct {
	heap   int
	page   int64
	offset int
}

// heap is a relation that holds rows of a table itself: the table, or a leaf.
type heap struct {
	scope postgres.Scope
	pages int64
}

// Drawer draws rows of one side of a table at random, without reading the
// others, each visible row as likely as any other:
//
//  1. A place is chosen at random among all there can be: of all pages of all
//     heaps each with the same chance, and on the page each of the offsets
//     that a page can have.
//  2. A visible row version has exactly one place, and no place has two; HOT
//     chains are not followed when a place is read. So a place that has a row
//     gives each row with the same chance, whatever the fill of its page, and
//     one that has none gives nothing and says nothing.
//  3. Places are chosen independently of each other, with replacement, and of
//     a partitioned table for each leaf by itself: one ctid in all leaves at
//     once would draw rows together that were perhaps damaged together.
//
// The pages are those of the time when it was made: what comes later on new
// ones is not drawn. The same seed and the same pages give the same places. It
// is not safe for concurrent use.
type Drawer struct {
	rng     *rand.Rand
	heaps   []heap
	pages   int64    // of all heaps
	offsets int      // places of a page
	keys    []string // the key's columns, as they stand in a statement
}

// Page layout: 24 bytes are the page's header, and a row takes its line
// pointer of 4 and a header of 24 at least (MaxHeapTuplesPerPage).
const (
	pageHeader = 24
	leastTuple = 28
)

// heapsSQL lists the heaps of a table with their pages, in an order that does
// not depend on OIDs. Those the role may not read by themselves are read
// through the root. A leaf on its way out (DETACH CONCURRENTLY, since 14) is no
// part of the root any more.
const heapsSQL = `WITH RECURSIVE tree(oid) AS (
  SELECT $1::pg_catalog.oid
  UNION ALL
  SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid
  WHERE $2 = 'p' AND pg_catalog.to_jsonb(i) ->> 'inhdetachpending' IS DISTINCT FROM 'true'
)
SELECT c.oid, n.nspname, c.relname,
  pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
    AND NOT (c.relrowsecurity AND pg_catalog.row_security_active(c.oid))
FROM tree
JOIN pg_catalog.pg_class c ON c.oid = tree.oid AND c.relkind <> 'p'
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY n.nspname::pg_catalog.text COLLATE "C", c.relname::pg_catalog.text COLLATE "C"`

// NewDrawer looks at the heaps of one side of a table whose rows have ctids
// (postgres.Table.Tids), on a server with pages of so many bytes.
func NewDrawer(ctx context.Context, s *postgres.Session, t *pairing.Table, side postgres.Side, blockSize, seed int64) (*Drawer, error) {
	own := t.On(side)
	sum := sha256.Sum256(fmt.Appendf(nil, "pgparity sample %d %s %s", seed, side, t.Name))
	d := &Drawer{rng: rand.New(rand.NewChaCha8(sum)), offsets: offsets(blockSize)}
	if t.Key != nil {
		for _, k := range t.Key.Columns {
			d.keys = append(d.keys, k.Ref())
		}
	}
	args := []string{strconv.FormatUint(uint64(own.OID), 10), string(own.Kind)}
	err := s.Each(ctx, postgres.Statement{SQL: heapsSQL, Args: args}, func(r postgres.Row) error {
		h := heap{scope: postgres.Scope{From: "ONLY " + postgres.Ident(r.Text(1), r.Text(2)) + " AS t"}, pages: r.Int(3)}
		if !r.Bool(4) {
			h.scope = t.Scope(side).And("t.tableoid = '" + r.Text(0) + "'::pg_catalog.oid")
		}
		d.heaps = append(d.heaps, h)
		d.pages += h.pages
		return nil
	})
	return d, err
}

// Places is how many places the heaps have.
func (d *Drawer) Places() int64 { return d.pages * int64(d.offsets) }

// offsets is how many line pointers a page can have.
func offsets(blockSize int64) int { return int((blockSize - pageHeader) / leastTuple) }

// Choose draws some places, in an order that says nothing of them, and the same
// one as often as chance has it.
func (d *Drawer) Choose(n int) []Place {
	if d.pages == 0 {
		return nil
	}
	places := make([]Place, n)
	for i := range places {
		places[i] = d.place()
	}
	return places
}

func (d *Drawer) place() Place {
	page := d.rng.Int64N(d.pages)
	p := Place{offset: 1 + d.rng.IntN(d.offsets)}
	for page >= d.heaps[p.heap].pages {
		page -= d.heaps[p.heap].pages
		p.heap++
	}
	p.page = page
	return p
}

// TidScan are the settings for Read. Reading a page per row looks dear to the
// planner, and it would rather compare each row of the table with each place.
var TidScan = []string{"enable_seqscan = off", "enable_tidscan = on"}

// Read reads the keys of the rows that are at some places now, in a transaction
// with the settings TidScan: one statement for each heap that has any of them.
func (d *Drawer) Read(ctx context.Context, s *postgres.Session, places []Place) (map[Place][]string, error) {
	byHeap := make([][]Place, len(d.heaps))
	for _, p := range places {
		byHeap[p.heap] = append(byHeap[p.heap], p)
	}
	rows := map[Place][]string{}
	for n, list := range byHeap {
		if len(list) > 0 {
			if err := d.readHeap(ctx, s, n, list, rows); err != nil {
				return nil, err
			}
		}
	}
	return rows, nil
}

func (d *Drawer) readHeap(ctx context.Context, s *postgres.Session, n int, places []Place, rows map[Place][]string) error {
	tids := make([]string, len(places))
	at := make(map[string]Place, len(places))
	for i, p := range places {
		tids[i] = "(" + strconv.FormatInt(p.page, 10) + "," + strconv.Itoa(p.offset) + ")"
		at[tids[i]] = p
	}
	scope := d.heaps[n].scope.And("t.ctid = ANY ($1::pg_catalog.tid[])", postgres.TextArray(tids))
	sql := "SELECT " + strings.Join(append([]string{"t.ctid"}, d.keys...), ", ") + "\n" + scope.Clause()
	return s.Each(ctx, postgres.Statement{SQL: sql, Args: scope.Args}, func(r postgres.Row) error {
		p, ok := at[r.Text(0)]
		if !ok {
			return fmt.Errorf("a row was read at %s, where none was asked for", r.Text(0))
		}
		key := make([]string, len(d.keys))
		for i := range key {
			key[i] = r.Text(i + 1)
		}
		rows[p] = key
		return nil
	})
}
