package cutover

import (
	"context"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// In the window slots are looked into on from, and moved ahead on to. Both read the
// server's log from where the slot would begin anew, which is the last but one time
// that the server wrote down what was running: it does so every 15 s, and what a busy
// one writes in those takes seconds to be read. So it is made to write it down, twice:
// the second time tells that what was running the first time has ended.

// snapshotPatience bounds that: a slot waits for all that is running.
const snapshotPatience = 5 * time.Second

// shortenSlots has both servers write down what is running. Where that fails the
// window may take longer, and nothing else.
func (r *run) shortenSlots(ctx context.Context) error {
	if r.strategy != Native {
		return nil
	}
	short := func(e *end) func(context.Context) error {
		a := Action{ID: "slots-short", On: e.name, Do: "SELECT pg_catalog.pg_log_standby_snapshot() -- where that is not to be had: a temporary slot, made and dropped",
			Why: "so that in the window a slot reads little of the log"}
		return func(ctx context.Context) error {
			return r.do(ctx, a, func(ctx context.Context) error {
				bounded, cancel := context.WithTimeout(ctx, snapshotPatience)
				defer cancel()
				err := e.logRunning(bounded, "pgparity_short_"+r.id)
				if err == nil || ctx.Err() != nil || postgres.Lost(err) {
					return err
				}
				r.note("%s: its slots could not be made to begin late, so the window may take longer: %v", e.name, err)
				return nil
			})
		}
	}
	return r.together(ctx, short(r.from), short(r.to))
}

// logRunning has the server write down what is running. A new slot has it do so too;
// slot is the name of one.
func (e *end) logRunning(ctx context.Context, slot string) error {
	may, err := text(ctx, e.control, "short", `SELECT pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('pg_catalog.pg_log_standby_snapshot()')::pg_catalog.oid, 'EXECUTE')`)
	if err != nil {
		return err
	}
	if may == "t" {
		_, err = text(ctx, e.control, "short", `SELECT pg_catalog.pg_log_standby_snapshot()`)
		return err
	}
	if _, err := text(ctx, e.control, "short", `SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', true)`, slotName(slot)); err != nil {
		return err
	}
	_, err = text(ctx, e.control, "short", `SELECT pg_catalog.pg_drop_replication_slot($1)`, slotName(slot))
	return err
}
