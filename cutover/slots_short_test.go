package cutover

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestShortSlots: what the window reads of the log does not depend on how much was
// written beforehand.
func TestShortSlots(t *testing.T) {
	long(t)
	slow(t)
	for _, majors := range [][2]int{{15, 18}, {13, 15}} { // without the function, and with it
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, majors[0], majors[1], `CREATE TABLE a (id int PRIMARY KEY)`)
			w.replicate(t)
			o := w.options(t)
			behind := map[string]int64{}
			o.point = func(id string) {
				switch id {
				case "after verify-full":
					for _, p := range []*place{w.source, w.target} {
						p.once(t, `SELECT count(pg_logical_emit_message(false, 'noise', repeat('x', 1000000))) FROM generate_series(1, 120)`)
					}
				case "before reverse-aimed":
					behind["target"] = w.target.once(t, reads)
				case "before nothing-left":
					behind["source"] = w.source.once(t, reads)
				}
			}
			r, err := Run(t.Context(), o)
			succeed(t, r, err)
			for _, side := range []string{"source", "target"} {
				if n, looked := behind[side]; !looked || n > 80_000_000 { // other tests make databases, each of which is some megabytes of log
					t.Errorf("%s: a slot reads %d bytes of the log", side, n)
				}
			}
		})
	}
}

// reads is how much of the log the slot reads that begins earliest.
const reads = `SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn))::bigint FROM pg_replication_slots WHERE database = current_database()`

// once runs a query that gives one number, in a session of its own.
func (p *place) once(t *testing.T, sql string) (n int64) {
	conn, err := pgx.Connect(t.Context(), p.url)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Error(err)
	}
	return n
}
