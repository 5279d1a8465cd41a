package postgres

import (
	"context"
	"fmt"
)

// Explain is the plan of a statement without parameters, as JSON, in the session's
// settings. It is not read by Each, for the server's answer to EXPLAIN does not
// count its rows.
func (s *Session) Explain(ctx context.Context, sql string) ([]byte, error) {
	results, err := s.conn.Exec(ctx, s.comment()+"EXPLAIN (FORMAT JSON, COSTS OFF) "+sql).ReadAll()
	if err != nil {
		return nil, s.wrap("explain", err)
	}
	if len(results) != 1 || len(results[0].Rows) != 1 {
		return nil, fmt.Errorf("%s: explain: the server gave no plan", s.db.side)
	}
	return results[0].Rows[0][0], nil
}
