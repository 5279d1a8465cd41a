package monitor

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// How much history is kept.
const (
	keptRuns  = 500             // a pair and kind
	fine      = time.Hour       // samples as they were taken; older ones are thinnedTo
	thinnedTo = 5 * time.Minute // to one in so long
)

// addRun keeps a run that ended.
func (st *store) addRun(ctx context.Context, pair string, r Run) error {
	reasons, err := json.Marshal(r.Reasons)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return st.write(ctx, "keep a run", func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "INSERT INTO runs (pair, kind, started_at, finished_at, verdict, reasons, rows, findings) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			pair, r.Kind, micros(r.StartedAt), micros(r.FinishedAt), r.Verdict.String(), string(reasons), r.Rows, r.Findings); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM runs WHERE pair = ?1 AND kind = ?2 AND id <= (SELECT id FROM runs WHERE pair = ?1 AND kind = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)", pair, r.Kind, keptRuns)
		return err
	})
}

// runs reads the last ones, newest first: passes and the last quick checks.
func (st *store) runs(ctx context.Context, pair string, n int) (list []Run, err error) {
	err = st.each(ctx, "read runs", `SELECT id, kind, started_at, finished_at, verdict, reasons, rows, findings FROM (
  SELECT * FROM (SELECT * FROM runs WHERE pair = ?1 AND kind = 'pass' ORDER BY id DESC LIMIT ?2)
  UNION ALL SELECT * FROM (SELECT * FROM runs WHERE pair = ?1 AND kind <> 'pass' ORDER BY id DESC LIMIT ?2)) AS r ORDER BY id DESC`, []any{pair, n}, func(row *sql.Rows) error {
		var r Run
		var began, ended int64
		var verdict, reasons string
		if err := row.Scan(&r.ID, &r.Kind, &began, &ended, &verdict, &reasons, &r.Rows, &r.Findings); err != nil {
			return err
		}
		r.StartedAt, r.FinishedAt = fromMicros(began), fromMicros(ended)
		err := errors.Join(r.Verdict.UnmarshalText([]byte(verdict)), json.Unmarshal([]byte(reasons), &r.Reasons))
		list = append(list, r)
		return err
	})
	return list, err
}

// addSample keeps a point of the plots.
func (st *store) addSample(ctx context.Context, pair string, s Sample) error {
	_, err := st.light.ExecContext(ctx, "INSERT INTO samples (pair, at, watermark_age, lag_bytes, lag_seconds) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		pair, micros(s.At), s.WatermarkAge, s.LagBytes, s.LagSeconds)
	if err != nil {
		return fmt.Errorf("state: keep a sample: %w", err)
	}
	return nil
}

// samples reads those since a moment, oldest first.
func (st *store) samples(ctx context.Context, pair string, since time.Time) (list []Sample, err error) {
	err = st.each(ctx, "read samples", "SELECT at, watermark_age, lag_bytes, lag_seconds FROM samples WHERE pair = ? AND at >= ? ORDER BY at", []any{pair, micros(since)}, func(row *sql.Rows) error {
		var s Sample
		var at int64
		if err := row.Scan(&at, &s.WatermarkAge, &s.LagBytes, &s.LagSeconds); err != nil {
			return err
		}
		s.At = fromMicros(at)
		list = append(list, s)
		return nil
	})
	return list, err
}

// keepCells keeps the cells of tables.
func (st *store) keepCells(ctx context.Context, pair string, cells map[string][]Cell) error {
	tx, err := st.light.BeginTx(ctx, nil)
	if err == nil {
		defer func() { _ = tx.Rollback() }() // of one that was committed it is nothing
		for name, list := range cells {
			var text []byte
			if text, err = json.Marshal(list); err == nil {
				_, err = tx.ExecContext(ctx, "INSERT INTO cells (pair, name, cells) VALUES (?, ?, ?) ON CONFLICT (pair, name) DO UPDATE SET cells = excluded.cells", pair, name, string(text))
			}
			if err != nil {
				break
			}
		}
		if err == nil {
			err = tx.Commit()
		}
	}
	if err != nil {
		return fmt.Errorf("state: keep cells: %w", err)
	}
	return nil
}

func (st *store) cells(ctx context.Context, pair string) (map[string][]Cell, error) {
	all := map[string][]Cell{}
	err := st.each(ctx, "read cells", "SELECT name, cells FROM cells WHERE pair = ?", []any{pair}, func(row *sql.Rows) error {
		var name, text string
		if err := row.Scan(&name, &text); err != nil {
			return err
		}
		var list []Cell
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			return err
		}
		all[name] = list
		return nil
	})
	return all, err
}

// tidy removes what is older than is kept, and thins samples.
func (st *store) tidy(ctx context.Context, now time.Time, keep time.Duration) error {
	old := micros(now.Add(-keep))
	return st.write(ctx, "remove what is old", func(tx *sql.Tx) error {
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"DELETE FROM findings WHERE healed_at < ?", []any{old}},
			{"DELETE FROM runs WHERE finished_at < ?", []any{old}},
			{"DELETE FROM notices WHERE ended_at < ?", []any{old}},
			{"DELETE FROM samples WHERE at < ?", []any{old}},
			{`DELETE FROM samples AS s WHERE s.at < ?1 AND EXISTS (SELECT 1 FROM samples AS b WHERE b.pair = s.pair AND b.at < s.at AND b.at >= s.at - s.at % ?2)`,
				[]any{micros(now.Add(-fine)), thinnedTo.Microseconds()}},
		} {
			if _, err := tx.ExecContext(ctx, q.sql, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// forgetCells removes the cells of tables that a pair has no longer.
func (st *store) forgetCells(ctx context.Context, pair string, names []string) error {
	return st.write(ctx, "remove cells", func(tx *sql.Tx) error {
		for _, name := range names {
			if _, err := tx.ExecContext(ctx, "DELETE FROM cells WHERE pair = ? AND name = ?", pair, name); err != nil {
				return err
			}
		}
		return nil
	})
}
