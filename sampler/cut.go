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
	if len(refs) == 1 {
		return refs[0] + " OPERATOR(pg_catalog." + op + ") " + values[0]
	}
	return "ROW(" + strings.Join(refs, ", ") + ") " + op + " ROW(" + strings.Join(values, ", ") + ")"
}

// Cut divides a table into ranges of about equal numbers of rows, as many as
// planned or fewer. Bounds come from the key's histogram in the statistics
// where that is fine enough, else from a sample of the table's pages: never
// from even steps, since keys have gaps and skew. It reads one side, the
// source; bounds that fit the other badly cost time, not truth.
func Cut(ctx context.Context, db *postgres.DB, t *pairing.Table, p Plan) ([]Range, error) {
	if p.Chunks <= 1 || p.Strategy != Ranges {
		return []Range{{}}, nil
	}
	var bounds [][]string
	err := db.Read(ctx, "plan "+t.Name, func(ctx context.Context, s *postgres.Session) error {
		var err error
		if len(t.Key.Columns) == 1 {
			bounds, err = histogram(ctx, s, t)
		}
		if err == nil && len(bounds) < p.Chunks {
			bounds, err = sample(ctx, s, t, p)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return between(bounds, p.Chunks), nil
}

// between makes at most n ranges of sorted bounds, picking them evenly.
func between(bounds [][]string, n int) []Range {
	ranges := []Range{{}}
	for i := 1; i < n && len(bounds) > 0; i++ {
		b := bounds[(i*len(bounds))/n]
		last := &ranges[len(ranges)-1]
		if last.From != nil && strings.Join(last.From, "\x00") == strings.Join(b, "\x00") {
			continue
		}
		last.To = b
		ranges = append(ranges, Range{From: b})
	}
	return ranges
}

func histogram(ctx context.Context, s *postgres.Session, t *pairing.Table) ([][]string, error) {
	var bounds [][]string
	sql := `SELECT b FROM (SELECT histogram_bounds::pg_catalog.text::pg_catalog.text[] AS h FROM pg_catalog.pg_stats
  WHERE schemaname = $1 AND tablename = $2 AND attname = $3 AND inherited = $4 AND histogram_bounds IS NOT NULL) s
CROSS JOIN LATERAL unnest(s.h) WITH ORDINALITY AS u(b, n) ORDER BY n`
	inherited := "false"
	if t.Source.Kind == 'p' {
		inherited = "true"
	}
	args := []string{t.Source.Schema, t.Source.Name, t.Key.Columns[0].Name, inherited}
	err := s.Each(ctx, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
		bounds = append(bounds, []string{r.Text(0)})
		return nil
	})
	if len(bounds) > 2 {
		bounds = bounds[1 : len(bounds)-1] // the least and the greatest value cut nothing off
	}
	return bounds, err
}

// samplePages is how many pages are read for each bound.
const samplePages = 5

func sample(ctx context.Context, s *postgres.Session, t *pairing.Table, p Plan) ([][]string, error) {
	pages := max(float64(t.Source.Bytes)/8192, 1)
	percent := math.Min(100, 100*float64(p.Chunks*samplePages)/pages)
	refs := make([]string, len(t.Key.Columns))
	names := make([]string, len(refs))
	for i, k := range t.Key.Columns {
		refs[i] = k.Ref()
		names[i] = fmt.Sprintf("k%d", i+1)
	}
	order := strings.Join(refs, ", ")
	sql := fmt.Sprintf(`SELECT %s FROM (
  SELECT %s, pg_catalog.row_number() OVER (ORDER BY %s) AS n, count(*) OVER () AS total
  FROM %s TABLESAMPLE SYSTEM (%g)
) AS s(%s, n, total)
WHERE n %% greatest(total / %d, 1) = 0 ORDER BY n`,
		strings.Join(names, ", "), order, order, t.Scope(postgres.Source).From, percent, strings.Join(names, ", "), p.Chunks*4)
	var bounds [][]string
	err := s.Each(ctx, postgres.Statement{SQL: sql}, func(r postgres.Row) error {
		b := make([]string, r.Len())
		for i := range b {
			b[i] = r.Text(i)
		}
		bounds = append(bounds, b)
		return nil
	})
	return bounds, err
}
