package cutover

import (
	"context"
	"strconv"

	"github.com/pgparity/pgparity/postgres"
)

// numbers are all from one to another, both included.
type numbers struct{ from, to int64 }

// tokens are the numbers of the writes that were acknowledged, by who did.
type tokens map[string][]numbers

// add adds a number. Those of one side only grow.
func (t tokens) add(on string, n int64) {
	if l := t[on]; len(l) > 0 && l[len(l)-1].to == n-1 {
		l[len(l)-1].to = n
		return
	}
	t[on] = append(t[on], numbers{n, n})
}

// account looks for what was acknowledged where it was acknowledged. Rows may be
// carried to the other side or not: what a side acknowledged is its own to keep.
// A side that does not answer is not counted, and a note says so.
func (r *run) account(o *Outage, t tokens) {
	for _, e := range []*end{r.from, r.to} {
		if len(t[e.name]) == 0 {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), accountBudget)
		lost, err := e.missing(ctx, r.id, t[e.name])
		cancel()
		if err != nil {
			r.note("%s: whether the writes of the downtime probe that it acknowledged are there could not be counted: %v", e.name, err)
		}
		o.Lost += lost
	}
}

// missing counts the numbers of a run that are not there.
func (e *end) missing(ctx context.Context, run string, spans []numbers) (int, error) {
	var from, to []string
	for _, s := range spans {
		from, to = append(from, strconv.FormatInt(s.from, 10)), append(to, strconv.FormatInt(s.to, 10))
	}
	list, err := rows(ctx, e.control, "downtime", `SELECT pg_catalog.sum(s.b - s.a + 1 - (SELECT pg_catalog.count(*) FROM pgparity.downtime d WHERE d.run = $1 AND d.n BETWEEN s.a AND s.b))::pg_catalog.int8
FROM ROWS FROM (pg_catalog.unnest($2::pg_catalog.int8[]), pg_catalog.unnest($3::pg_catalog.int8[])) AS s(a, b)`, func(r postgres.Row) int { return int(r.Int(0)) },
		run, postgres.TextArray(from), postgres.TextArray(to))
	if err != nil {
		return 0, err
	}
	return list[0], nil
}
