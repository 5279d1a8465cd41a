package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// clientsSQL reads the sessions of clients in the database, but for ours and those
// of a tool that is waited for. What a session is may be hidden from the role: then
// it counts as a client.
const clientsSQL = `SELECT a.pid, coalesce(a.usename::pg_catalog.text, ''), a.xact_start IS NOT NULL, coalesce(a.state, ''), a.backend_type IS NULL
FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND coalesce(a.backend_type, 'client backend') = 'client backend' AND coalesce(a.application_name, '') <> $1
  AND NOT coalesce(a.application_name, '') LIKE ANY ($2::pg_catalog.text[])
ORDER BY a.xact_start NULLS LAST`

// clientsText is that of a runbook: whoever runs it by hand is left out too.
func clientsText(columns string) string {
	return "SELECT " + columns + ` FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend' AND a.application_name NOT LIKE 'pgparity cutover %' AND a.pid <> pg_catalog.pg_backend_pid()`
}

type client struct {
	pid         string
	user, state string
	busy        bool // it has a transaction open
	hidden      bool
}

func (c client) String() string {
	return fmt.Sprintf("backend %s of role %q (%s)", c.pid, c.user, c.state)
}

func (r *run) clients(ctx context.Context, e *end) ([]client, error) {
	return rows(ctx, e.control, "clients", clientsSQL, func(row postgres.Row) client {
		return client{pid: strings.Clone(row.Text(0)), user: row.Text(1), busy: row.Bool(2), state: row.Text(3), hidden: row.Bool(4)}
	}, application(r.id), postgres.TextArray(r.spared()))
}

// spared are patterns of what those sessions call themselves that carry the pair:
// Bucardo is a client of both sides, and until it is stopped it has to read the
// last rows, and to write down that it has.
func (r *run) spared() []string {
	if r.toolStopped || r.detection == nil || !slices.ContainsFunc(r.detection.Forward, func(f fence.Found) bool { return f.Kind == fence.KindBucardo }) {
		return nil
	}
	return []string{`bucardo %`}
}

// checkRole makes sure that the role can do what the window asks of it.
func (r *run) checkRole(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	for _, e := range []*end{r.from, r.to} {
		a := Action{ID: "role", On: e.name, Do: roleSQL, Why: "the role owns the database, sees all sessions, and may end them"}
		err := r.gate(ctx, a, func(ctx context.Context) error { return r.roleOn(ctx, e) })
		if err != nil {
			return err
		}
	}
	return nil
}

const roleSQL = `SELECT r.rolsuper, pg_catalog.pg_has_role(d.datdba, 'USAGE'), pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
  pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'), r.rolreplication, pg_catalog.quote_ident(r.rolname)
FROM pg_catalog.pg_roles r, pg_catalog.pg_database d WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()`

func (r *run) roleOn(ctx context.Context, e *end) error {
	return e.control.Each(ctx, "cutover role", postgres.Statement{SQL: roleSQL}, func(row postgres.Row) error {
		role := row.Text(5)
		var lacks []string
		for _, l := range []struct {
			is    bool
			grant string
		}{
			{row.Bool(1), "ALTER DATABASE " + e.database + " OWNER TO " + role},
			{row.Bool(2), "GRANT pg_monitor TO " + role},
			{row.Bool(3), "GRANT pg_signal_backend TO " + role},
			{row.Bool(4) || r.strategy != Native, "ALTER ROLE " + role + " REPLICATION (to look into the slots)"},
		} {
			if !l.is && !row.Bool(0) {
				lacks = append(lacks, l.grant)
			}
		}
		if len(lacks) > 0 {
			return fmt.Errorf("%s: role %s lacks what a switch needs; run there: %s", e.name, role, strings.Join(lacks, "; "))
		}
		return nil
	})
}

// noLongTransactions: what is open for long is open still when the window is
// there, and then it either holds it up or is cut.
func (r *run) noLongTransactions(ctx context.Context) error {
	limit := max(r.o.Preflight.LongTransaction, time.Second)
	sql := fmt.Sprintf(`SELECT a.pid, coalesce(a.usename::pg_catalog.text, ''), extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8 FROM pg_catalog.pg_stat_activity a
WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend' AND a.application_name <> %s AND a.xact_start < pg_catalog.clock_timestamp() - interval '%d ms' ORDER BY a.xact_start LIMIT 1`, postgres.Literal(application(r.id)), limit.Milliseconds())
	return r.await(ctx, Action{ID: "no-long-transactions", On: r.from.name, Do: sql, Why: fmt.Sprintf("no client has a transaction open for more than %v", limit)}, func(ctx context.Context) (bool, string, error) {
		found, err := rows(ctx, r.from.control, "long", sql, func(row postgres.Row) string {
			return fmt.Sprintf("backend %s of role %q has had a transaction open for %s s: end it (SELECT pg_terminate_backend(%[1]s)), or try again later", row.Text(0), row.Text(1), row.Text(2))
		})
		return len(found) == 0, strings.Join(found, ""), err
	})
}

// freeze keeps clients out of from, and ends those that are in.
func (r *run) freeze(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	r.toolStopped = false
	if err := r.guardLives(ctx); err != nil {
		return err
	}
	if err := r.callHooks(ctx, OnFreeze); err != nil {
		return err
	}
	pause, cancel := context.WithTimeoutCause(ctx, r.o.Budgets.Pause, fmt.Errorf("the poolers could not be paused within %v", r.o.Budgets.Pause))
	defer cancel()
	if err := r.pausePoolers(pause); err != nil {
		return err
	}
	limit, err := r.closedLimit(ctx, application(r.id))
	if err != nil {
		return err
	}
	if err := r.sql(ctx, r.from, "freeze-limit", "nobody connects any more", limitTo(r.from.database, limit)); err != nil {
		return err
	}
	if err := r.sql(ctx, r.from, "freeze-read-only", "who does (a superuser) cannot write by accident", "ALTER DATABASE "+r.from.database+" SET default_transaction_read_only = on"); err != nil {
		return err
	}
	r.facts.ClosedAt = time.Now().UTC()
	if err := r.closeRoles(ctx); err != nil {
		return err
	}
	return r.endClients(ctx)
}

// closedLimit is the connection limit of a closed database. Up to 12 a limit
// counts walsenders of roles that are no superusers as well, and keeps one from
// reconnecting: those have to fit in, beside our own connections, which count too
// for as long as they last.
func (r *run) closedLimit(ctx context.Context, ours string) (int, error) {
	if r.from.db.Server().Major() > 12 {
		return 0, nil
	}
	counts, err := rows(ctx, r.from.control, "limit", `SELECT count(*) FILTER (WHERE a.backend_type = 'walsender' AND NOT r.rolsuper), count(*) FILTER (WHERE a.backend_type = 'walsender' OR a.application_name = $1)
FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid WHERE a.datname = pg_catalog.current_database()`,
		func(row postgres.Row) [2]int { return [2]int{int(row.Int(0)), int(row.Int(1))} }, ours)
	if err != nil || counts[0][0] == 0 {
		return 0, err
	}
	return counts[0][1], nil
}

// leaveClosed has the closed database take no more than those walsenders that stay:
// what the limit had room for beside them is gone, or goes with this process.
func (r *run) leaveClosed(ctx context.Context) error {
	now, err := readSettings(ctx, r.from)
	if err != nil || now.Limit <= 0 || now.open() {
		return err
	}
	limit, err := r.closedLimit(ctx, "")
	if err != nil || limit >= now.Limit {
		return err
	}
	return r.sql(ctx, r.from, "leave-closed", "the room that the limit had for the replication is not a client's", limitTo(r.from.database, limit))
}

// closeRoles sets read only what has a setting of its own that would override the
// database's.
func (r *run) closeRoles(ctx context.Context) error {
	for _, role := range r.facts.Saved[r.from.name].overriding() {
		err := r.sql(ctx, r.from, "freeze-role", "its own setting overrides the database's", "ALTER ROLE "+role.Name+" IN DATABASE "+r.from.database+" SET default_transaction_read_only = on")
		if postgres.Denied(err) {
			r.note("%s: role %s has default_transaction_read_only = %s of its own, which may not be changed: the connection limit alone keeps it out", r.from.name, role.Name, role.Value)
			continue
		}
		if err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// endClients ends the sessions of clients: those without a transaction at once,
// the others when the grace is over.
func (r *run) endClients(ctx context.Context) error {
	return r.await(ctx, Action{ID: "end-clients", On: r.from.name, Do: clientsText("pg_catalog.pg_terminate_backend(a.pid)"), Why: fmt.Sprintf("who is connected still; transactions have %v to end", r.o.Budgets.Grace)}, func() func(context.Context) (bool, string, error) {
		grace := time.Now().Add(r.o.Budgets.Grace)
		return func(ctx context.Context) (bool, string, error) {
			list, err := r.clients(ctx, r.from)
			if err != nil {
				return false, "", err
			}
			for _, c := range list {
				if c.busy && time.Now().Before(grace) {
					continue
				}
				if c.busy && !r.o.TerminateStragglers {
					return false, "", fmt.Errorf("%s: %v has a transaction open after a grace of %v", r.from.name, c, r.o.Budgets.Grace)
				}
				if err := r.endClient(ctx, c); err != nil {
					return false, "", err
				}
			}
			if len(list) == 0 {
				return true, "", nil
			}
			return false, fmt.Sprintf("%s: %v does not end (%d sessions in all)", r.from.name, list[0], len(list)), nil
		}
	}())
}

func (r *run) endClient(ctx context.Context, c client) error {
	_, err := text(ctx, r.from.control, "end", "SELECT pg_catalog.pg_terminate_backend($1)", c.pid)
	if postgres.Denied(err) {
		return errGiveUp{fmt.Errorf("%s: %v may not be ended by this role: it is a superuser's, or pg_signal_backend is lacking; end it by hand and run again", r.from.name, c)}
	}
	return err
}

// writersSQL reads who has a transaction that writes in this database: by the
// locks of transactions, as a snapshot does not show a lone one. A vacuum's or an
// analysis's is none.
const writersSQL = `SELECT coalesce(l.pid::pg_catalog.text, ''), l.transactionid::pg_catalog.text, coalesce(a.backend_type, ''), coalesce(a.usename::pg_catalog.text, '')
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND a.datname = pg_catalog.current_database() AND coalesce(a.backend_type, '') <> 'autovacuum worker' AND a.pid <> pg_catalog.pg_backend_pid()`

const preparedSQL = `SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()`

// proveFrozen proves that nobody writes to from.
func (r *run) proveFrozen(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	return r.together(ctx, r.proveNoWriters, r.proveClosed, r.sameDefinitions)
}

// proveNoWriters proves that nobody has a session or a transaction by which from
// could be written to. Once is not enough: a background worker asks nobody.
func (r *run) proveNoWriters(ctx context.Context) error {
	err := r.await(ctx, Action{ID: "frozen-clients", On: r.from.name, Do: clientsText("a.pid, a.usename, a.state, a.xact_start"), Why: "no session of a client is left"}, func(ctx context.Context) (bool, string, error) {
		list, err := r.clients(ctx, r.from)
		if err != nil || len(list) == 0 {
			return err == nil, "", err
		}
		for _, c := range list { // a superuser's, which no limit keeps out
			if err := r.endClient(ctx, c); err != nil {
				return false, "", err
			}
		}
		return false, fmt.Sprintf("%s: %v is connected, and connects again when it is ended", r.from.name, list[0]), nil
	})
	if err != nil {
		return err
	}
	err = r.await(ctx, Action{ID: "frozen-writers", On: r.from.name, Do: writersSQL, Why: "no transaction that writes is open"}, func(ctx context.Context) (bool, string, error) {
		list, err := rows(ctx, r.from.control, "writers", writersSQL, func(row postgres.Row) string {
			return fmt.Sprintf("%s: transaction %s of backend %s (%s, role %q) writes", r.from.name, row.Text(1), row.Text(0), row.Text(2), row.Text(3))
		})
		return len(list) == 0, strings.Join(list, "; "), err
	})
	if err != nil {
		return err
	}
	return r.gate(ctx, Action{ID: "frozen-prepared", On: r.from.name, Do: preparedSQL, Why: "none is prepared, which could be committed later"}, func(ctx context.Context) error {
		list, err := rows(ctx, r.from.control, "prepared", preparedSQL, func(row postgres.Row) string { return row.Text(0) })
		if err == nil && len(list) > 0 {
			err = fmt.Errorf("%s: transaction %q is prepared: commit it or roll it back", r.from.name, list[0])
		}
		return err
	})
}

// proveClosed tries to write as a new client, which has to fail.
func (r *run) proveClosed(ctx context.Context) error {
	return r.gate(ctx, Action{ID: "frozen-closed", On: r.from.name, Do: "connect, and CREATE TABLE pgparity.written", Why: "a new session is refused, or cannot write"}, func(ctx context.Context) error {
		if written, err := r.tryToWrite(ctx, r.from); written {
			return fmt.Errorf("%s: a new session of role %q can write: a setting of its own overrides the database's", r.from.name, r.from.db.Server().User)
		} else if err != nil && !closed(err) {
			return err
		}
		return nil
	})
}

// tryToWrite connects to an end as a client does, and tells whether it could
// write.
func (r *run) tryToWrite(ctx context.Context, e *end) (bool, error) {
	c, err := postgres.OpenControl(ctx, postgres.Options{Side: r.sideOf(e), URL: e.url, Run: r.id, Application: r.calls(), AsClient: true, Primary: true})
	if err != nil {
		return false, err
	}
	defer c.Close()
	err = c.Exec(ctx, "cutover try", "BEGIN; CREATE TABLE pgparity.written (); ROLLBACK")
	return err == nil, err
}

// closed tells whether an error is what a closed database says.
func closed(err error) bool {
	return postgres.HasCode(err, "25006") || postgres.HasCode(err, "53300") || postgres.HasCode(err, "28000") || postgres.HasCode(err, "55000")
}

// rememberHealth keeps what the fence's counters said when the window began.
func (r *run) rememberHealth(ctx context.Context) (err error) {
	r.baseline, err = r.fence.Health(ctx)
	return err
}

var errFingerprint = errors.New("definitions have changed since the run was armed: somebody altered, created or dropped something; look what, and run again")
