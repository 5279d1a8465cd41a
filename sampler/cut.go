package sampler

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Range is a half-open range of the key, [From, To). nil is open: the first
// range has no From and the last no To, so that no row is outside.
type Range struct {
	From []string `json:"from,omitempty"`
	To   []string `json:"to,omitempty"`
}

// Scope is the range's rows on one side.
func (r Range) Scope(t *pairing.Table, side postgres.Side) postgres.Scope {
	scope := t.Scope(side)
	if r.From != nil {
		scope = scope.And(bound(t, side, ">=", len(scope.Args)), r.From...)
	}
	if r.To != nil {
		scope = scope.And(bound(t, side, "<", len(scope.Args)), r.To...)
	}
	return scope
}

// bound compares the whole key with parameters after the first n.
func bound(t *pairing.Table, side postgres.Side, op string, n int) string {
	var refs, values []string
	for i, k := range t.Key.Columns {
		refs = append(refs, k.Ref())
		values = append(values, fmt.Sprintf("CAST($%d AS %s)", n+i+1, k.Type(side).Text))
	}
	return compare(refs, op, values)
}

// compare compares two lists of expressions, as rows where they are several.
func compare(refs []string, op string, values []string) string {
	if len(refs) == 1 {
		return refs[0] + " OPERATOR(pg_catalog." + op + ") " + values[0]
	}
	return "ROW(" + strings.Join(refs, ", ") + ") " + op + " ROW(" + strings.Join(values, ", ") + ")"
}

// Cut divides a table into ranges of about equal numbers of rows, as many as
// planned or fewer; the first is a small one, a probe that tells early whether
// the table differs all over. Bounds come from the key's histogram in the
// statistics where that is fine enough, else from a sample of the table's
// pages: never from even steps, since keys have gaps and skew. It reads one
// side, the source; bounds that fit the other badly cost time, not truth.
// settings hold for its statements; one that they time out leaves fewer bounds.
func Cut(ctx context.Context, db *postgres.DB, t *pairing.Table, p Plan, settings ...string) ([]Range, error) {
	if p.Chunks <= 1 || p.Strategy != Ranges {
		return []Range{{}}, nil
	}
	var bounds [][]string
	var err error
	if len(t.Key.Columns) == 1 {
		bounds, err = histogram(ctx, db, t)
	}
	if err == nil && len(bounds) < p.Chunks {
		bounds, err = sample(ctx, db, t, p, settings)
	}
	if err != nil {
		return nil, err
	}
	return between(bounds, p.Chunks), nil
}

// probeShare is the first range's part of an even one.
const probeShare = 8

// between makes at most n ranges of sorted bounds, picking them evenly but for
// the first.
func between(bounds [][]string, n int) []Range {
	ranges := []Range{{}}
	for i := 1; i < n && len(bounds) > 0; i++ {
		at := (i * len(bounds)) / n
		if i == 1 {
			at /= probeShare
		}
		b := bounds[at]
		last := &ranges[len(ranges)-1]
		if last.From != nil && strings.Join(last.From, "\x00") == strings.Join(b, "\x00") {
			continue
		}
		last.To = b
		ranges = append(ranges, Range{From: b})
	}
	return ranges
}

func histogram(ctx context.Context, db *postgres.DB, t *pairing.Table) ([][]string, error) {
	var bounds [][]string
	sql := `SELECT b FROM (SELECT histogram_bounds::pg_catalog.text::pg_catalog.text[] AS h FROM pg_catalog.pg_stats
  WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND inherited = $4 AND histogram_bounds IS NOT NULL) s
CROSS JOIN LATERAL unnest(s.h) WITH ORDINALITY AS u(b, n) ORDER BY n`
	inherited := "false"
	if t.Source.Kind == 'p' {
		inherited = "true"
	}
	args := []string{t.Source.Schema, t.Source.Name, t.Key.Columns[0].Name, inherited}
	err := db.Read(ctx, "plan "+t.Name, func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
			bounds = append(bounds, []string{r.Text(0)})
			return nil
		})
	})
	if len(bounds) > 2 {
		bounds = bounds[1 : len(bounds)-1] // the least and the greatest value cut nothing off
	}
	return bounds, err
}

// How a table is sampled for bounds: pages for each bound, pages that one
// statement reads, and pages in all. They lie anywhere, so each may cost a seek;
// what a large table's sample lacks in bounds makes larger chunks, which are
// read in several statements.
const (
	samplePages    = 5
	statementPages = 2000
	maxSamplePages = 20_000
)

// sample reads the keys of random pages, sorted.
func sample(ctx context.Context, db *postgres.DB, t *pairing.Table, p Plan, settings []string) ([][]string, error) {
	pages := float64(max(t.Source.Bytes/db.Server().BlockSize, 1))
	want := math.Min(float64(p.Chunks*samplePages), maxSamplePages)
	statements := max(int(math.Ceil(math.Min(want, pages)/statementPages)), 1)
	st := postgres.Statement{SQL: sampleSQL(t, math.Min(100, 100*want/float64(statements)/pages), p.Chunks*4/statements)}
	var bounds [][]string
	for range statements {
		err := db.Read(ctx, "plan "+t.Name, func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, st, func(r postgres.Row) error {
				b := make([]string, r.Len())
				for i := range b {
					b[i] = r.Text(i)
				}
				bounds = append(bounds, b)
				return nil
			})
		}, settings...)
		if postgres.TimedOut(err) && ctx.Err() == nil {
			break // what there is has to do
		}
		if err != nil {
			return nil, err
		}
	}
	if statements == 1 {
		return bounds, nil
	}
	return sorted(ctx, db, t, bounds)
}

// sampleSQL reads about keep keys, in order, of some percent of the pages.
func sampleSQL(t *pairing.Table, percent float64, keep int) string {
	names, order := keyNames(t)
	return fmt.Sprintf(`SELECT %s FROM (
  SELECT %s, pg_catalog.row_number() OVER (ORDER BY %s) AS n, count(*) OVER () AS total
  FROM %s TABLESAMPLE SYSTEM (%g)
) AS s(%s, n, total)
WHERE n %% greatest(total / %d, 1) = 0 ORDER BY n`,
		names, order, order, t.Scope(postgres.Source).From, percent, names, max(keep, 1))
}

// keyNames are the key's columns as k1, k2, … and as they are.
func keyNames(t *pairing.Table) (names, refs string) {
	for i, k := range t.Key.Columns {
		if i > 0 {
			names, refs = names+", ", refs+", "
		}
		names, refs = names+fmt.Sprintf("k%d", i+1), refs+k.Ref()
	}
	return names, refs
}

// sorted lets the server sort keys: only it knows their order.
func sorted(ctx context.Context, db *postgres.DB, t *pairing.Table, keys [][]string) ([][]string, error) {
	names, _ := keyNames(t)
	params, casts, args := make([]string, len(t.Key.Columns)), make([]string, len(t.Key.Columns)), make([]string, len(t.Key.Columns))
	for i, k := range t.Key.Columns {
		column := make([]string, len(keys))
		for j, key := range keys {
			column[j] = key[i]
		}
		args[i] = postgres.TextArray(column)
		params[i] = fmt.Sprintf("$%d::pg_catalog.text[]", i+1)
		casts[i] = fmt.Sprintf("CAST(k%d AS %s)", i+1, k.Type(postgres.Source).Text)
		if k.Source.Collation != "" { // text that is ordered alike is ordered by bytes
			casts[i] += ` COLLATE "C"`
		}
	}
	sql := fmt.Sprintf("SELECT %s FROM unnest(%s) AS u(%s) ORDER BY %s", names, strings.Join(params, ", "), names, strings.Join(casts, ", "))
	var out [][]string
	err := db.Read(ctx, "plan "+t.Name, func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
			b := make([]string, r.Len())
			for i := range b {
				b[i] = r.Text(i)
			}
			out = append(out, b)
			return nil
		})
	})
	return out, err
}

// InOrder are a transaction's settings that make the planner follow an index's
// order instead of sorting: statistics that lie would have it sort a whole table
// for a few rows.
var InOrder = []string{"enable_seqscan = off", "enable_bitmapscan = off", "enable_sort = off"}

// Bound reads the key of the row that comes n rows after a scope's first on one
// side, in that side's own order; nil when the scope has no more than n rows. It
// cuts what one statement should not read at once, in a transaction with the
// settings InOrder.
func Bound(ctx context.Context, s *postgres.Session, t *pairing.Table, scope postgres.Scope, n int64) ([]string, error) {
	_, order := keyNames(t)
	sql := fmt.Sprintf("SELECT %s\n%s\nORDER BY %s OFFSET %d LIMIT 1", order, scope.Clause(), order, n)
	var bound []string
	err := s.Each(ctx, postgres.Statement{SQL: sql, Args: scope.Args}, func(row postgres.Row) error {
		for i := range row.Len() {
			bound = append(bound, row.Text(i))
		}
		return nil
	})
	return bound, err
}
