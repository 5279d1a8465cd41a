package cutover

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// The ledger is what both databases know of a switch: a lock that one run at a
// time holds, which run is active, a copy of the journal on the one that is
// switched to, and the heartbeat. It stands in the schema pgparity, which
// nothing compares. Every row names the side it was written on: where a
// publication of all tables carries it to the other side, it meets no row there.

// lockKey is the advisory lock of a switch: the eight letters of pgparity.
const lockKey = 0x7067706172697479

// ledgerSQL makes the ledger on one side.
const ledgerSQL = `CREATE SCHEMA IF NOT EXISTS pgparity;
CREATE TABLE IF NOT EXISTS pgparity.cutover (side text PRIMARY KEY, run text NOT NULL, direction text NOT NULL, pair text NOT NULL, started_at timestamptz NOT NULL DEFAULT pg_catalog.now());
CREATE TABLE IF NOT EXISTS pgparity.cutover_journal (run text, side text, n int, record text NOT NULL, PRIMARY KEY (run, side, n));
CREATE TABLE IF NOT EXISTS pgparity.heartbeat (side text PRIMARY KEY, beat bigint NOT NULL)`

// errTwoRuns: another run is at work on a database.
type errTwoRuns struct{ where, who string }

func (e errTwoRuns) Error() string {
	return fmt.Sprintf("%s: another run is switching this database (%s): one at a time", e.where, e.who)
}

// lockBoth takes the lock on both databases, for as long as the control
// connections last. dead is a run that is known not to live any more: what its
// connections still hold is taken from them.
func (r *run) lockBoth(ctx context.Context, dead string) error {
	for _, e := range []*end{r.from, r.to} {
		if err := r.lock(ctx, e, dead); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) lock(ctx context.Context, e *end, dead string) error {
	a := Action{ID: "lock", On: e.name, Do: fmt.Sprintf("SELECT pg_catalog.pg_try_advisory_lock(%d)", int64(lockKey)), Why: "one run at a time"}
	return r.do(ctx, a, func(ctx context.Context) error {
		return poll(ctx, func(ctx context.Context) (bool, string, error) {
			got, err := text(ctx, e.control, "lock", a.Do)
			if err != nil || got == "t" {
				return got == "t", "", err
			}
			pid, who, err := r.holder(ctx, e)
			if err != nil {
				return false, "", err
			}
			if dead == "" || who != application(dead) {
				return false, "", errTwoRuns{e.name, fmt.Sprintf("%s, backend %s", who, pid)}
			}
			_, err = text(ctx, e.control, "lock", "SELECT pg_catalog.pg_terminate_backend($1)", pid)
			return false, "the connections of the run that died hold the lock still", err
		})
	})
}

// holdersSQL reads who holds the lock: its high and low halves are classid and objid.
var holdersSQL = fmt.Sprintf(`SELECT l.pid, coalesce(a.application_name, '') FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %d AND l.objid = %d AND l.objsubid = 1
AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`, lockKey>>32, lockKey&0xffffffff)

func (r *run) holder(ctx context.Context, e *end) (pid, who string, err error) {
	err = e.control.Each(ctx, "cutover lock", postgres.Statement{SQL: holdersSQL}, func(row postgres.Row) error {
		pid, who = row.Text(0), row.Text(1)
		return nil
	})
	return pid, who, err
}

// locked proves that this run holds the lock on both databases still.
func (r *run) locked(ctx context.Context) error {
	for _, e := range []*end{r.from, r.to} {
		err := r.gate(ctx, Action{ID: "still-locked", On: e.name, Do: "SELECT … FROM pg_locks WHERE locktype = 'advisory'", Why: "no other run has taken over"}, func(ctx context.Context) error {
			pid, _, err := r.holder(ctx, e)
			if err == nil && pid != fmt.Sprint(e.control.PID()) {
				err = fmt.Errorf("%s: the lock of this run is not held any more: its connection was ended", e.name)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeLedger makes the ledger on one side, and enters the run as the active one.
func (r *run) makeLedger(ctx context.Context, e *end) error {
	there, err := text(ctx, e.control, "ledger", `SELECT pg_catalog.to_regclass('pgparity.heartbeat') IS NOT NULL AND pg_catalog.to_regclass('pgparity.cutover') IS NOT NULL AND pg_catalog.to_regclass('pgparity.cutover_journal') IS NOT NULL`)
	if err != nil {
		return err
	}
	if there != "t" {
		if err := r.sql(ctx, e, "ledger", "what both databases know of the switch", ledgerSQL); err != nil {
			return err
		}
	}
	active := fmt.Sprintf(`INSERT INTO pgparity.cutover (side, run, direction, pair) VALUES (%s, %s, %s, %s)
ON CONFLICT (side) DO UPDATE SET run = excluded.run, direction = excluded.direction, pair = excluded.pair, started_at = excluded.started_at`,
		postgres.Literal(e.name), postgres.Literal(r.id), postgres.Literal(string(r.direction)), postgres.Literal(r.o.Pair))
	return r.sql(ctx, e, "active", "the run that is at work", active)
}

// copyJournal copies the records so far to an end. What a file of configuration
// holds stays here: it may be a secret.
func (r *run) copyJournal(ctx context.Context, e *end) error {
	var values, numbers []string
	for _, rec := range r.journal.records {
		if rec.Run != r.id {
			continue
		}
		if rec.Facts != nil {
			bare := *rec.Facts
			bare.Files = nil
			rec.Facts = &bare
		}
		b, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		numbers = append(numbers, strconv.Itoa(rec.N))
		values = append(values, fmt.Sprintf("(%s, %s, %d, %s)", postgres.Literal(rec.Run), postgres.Literal(e.name), rec.N, postgres.Literal(string(b))))
	}
	if len(values) == 0 {
		return nil
	}
	// One that was adopted is numbered differently. What is there already is not
	// touched: where a publication of all tables carries it, the other side may not
	// have it, and the server would count a conflict.
	return e.control.Exec(ctx, "cutover journal", fmt.Sprintf(`DELETE FROM pgparity.cutover_journal WHERE run = %s AND side = %s AND n > 0 AND n NOT IN (%s);
INSERT INTO pgparity.cutover_journal AS j (run, side, n, record) VALUES %s ON CONFLICT (run, side, n) DO UPDATE SET record = excluded.record WHERE j.record <> excluded.record`,
		postgres.Literal(r.id), postgres.Literal(e.name), strings.Join(numbers, ", "), strings.Join(values, ", ")))
}

// readLedger reads an end's copy of the journal of the run that is active there.
// Nothing is there where no run was.
func readLedger(ctx context.Context, e *end) ([]Record, error) {
	there, err := text(ctx, e.control, "ledger", `SELECT pg_catalog.to_regclass('pgparity.cutover_journal') IS NOT NULL`)
	if err != nil || there != "t" {
		return nil, err
	}
	var records []Record
	err = e.control.Each(ctx, "cutover ledger", postgres.Statement{SQL: `SELECT j.record FROM pgparity.cutover_journal j JOIN pgparity.cutover c ON c.side = j.side AND c.run = j.run WHERE j.side = $1 AND j.n > 0 ORDER BY j.n`,
		Args: []string{e.name}}, func(row postgres.Row) error {
		var rec Record
		if err := json.Unmarshal(row.Bytes(0), &rec); err != nil {
			return fmt.Errorf("%s: pgparity.cutover_journal has a record that cannot be read: %w", e.name, err)
		}
		records = append(records, rec)
		return nil
	})
	return records, err
}

// dropLedger removes it again, and the schema where nothing else is in it.
func (r *run) dropLedger(ctx context.Context, e *end) error {
	there, err := text(ctx, e.control, "ledger", `SELECT pg_catalog.to_regnamespace('pgparity') IS NOT NULL`)
	if err != nil || there != "t" {
		return err
	}
	if err := r.sql(ctx, e, "ledger-drop", "nothing of the switch is left", `DROP VIEW IF EXISTS pgparity.unfreeze; DROP TABLE IF EXISTS pgparity.cutover, pgparity.cutover_journal, pgparity.heartbeat, pgparity.downtime`); err != nil {
		return err
	}
	others, err := text(ctx, e.control, "ledger", `SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass AND refobjid = pg_catalog.to_regnamespace('pgparity')::pg_catalog.oid)`)
	if err != nil || others == "t" {
		return err
	}
	return r.sql(ctx, e, "schema-drop", "it is empty", "DROP SCHEMA IF EXISTS pgparity")
}
