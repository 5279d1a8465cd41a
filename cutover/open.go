package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// openTo opens the way back, and then the database that is switched to. The one
// that is switched from is closed, and stays so: that is looked at first, since a
// run that is taken up again finds what somebody did meanwhile.
func (r *run) openTo(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	err := r.gate(ctx, Action{ID: "still-closed", On: r.from.name, Do: limitSQL, Why: "two databases never take writes"}, func(ctx context.Context) error {
		open, err := r.accepts(ctx, r.from)
		if err == nil && open {
			err = fmt.Errorf("%s: it was opened again after the point of no return: what was written there since is nowhere else; close it and see what was written (pgparity verify), or give the switch up by hand", r.from.name)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.together(ctx, r.startReverse, r.admit, r.forgetThaw)
}

// admit opens to, and sees that it is.
func (r *run) admit(ctx context.Context) error {
	statements, err := r.openSQL(ctx, r.to)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if err := r.sql(ctx, r.to, "open", "clients can write there", s); err != nil {
			return err
		}
	}
	if err := r.endOldSessions(ctx); err != nil {
		return err
	}
	return r.await(ctx, Action{ID: "opened", On: r.to.name, Do: "connect, and CREATE TABLE pgparity.written", Why: "a new session can write"}, func(ctx context.Context) (bool, string, error) {
		ok, err := r.tryToWrite(ctx, r.to)
		return ok || r.asBefore(r.to, err), fmt.Sprintf("%s: a new session cannot write: %v", r.to.name, err), nil
	})
}

// accepts tells whether clients may connect to a database and write there, by
// its settings.
func (r *run) accepts(ctx context.Context, e *end) (bool, error) {
	now, err := readSettings(ctx, e)
	return err == nil && now.open(), err
}

// openSQL are the statements that open a database: as it was before it was closed,
// but that it can be written to. Clients are let in last: a session keeps the
// settings that it began with.
func (r *run) openSQL(ctx context.Context, e *end) (list []string, err error) {
	now, err := readSettings(ctx, e)
	if err != nil {
		return nil, err
	}
	saved, known := r.facts.Saved[e.name]
	if !known {
		saved = SavedDatabase{Limit: now.Limit}
	}
	if saved.ReadOnly != nil && isOn(*saved.ReadOnly) {
		saved.ReadOnly = nil
	}
	if saved.ReadOnly == nil {
		if saved.ReadOnly, err = r.lifted(ctx, e); err != nil {
			return nil, err
		}
	}
	if !equal(now.ReadOnly, saved.ReadOnly) || r.exec.dry() {
		list = append(list, readOnlySQL(e.database, saved.ReadOnly))
	}
	for _, role := range saved.overriding() {
		closed := func(is Role) bool { return is.Name == role.Name && is.Here && isOn(is.Value) }
		if slices.ContainsFunc(now.Roles, closed) { // it was closed once: an owner may not change what is not so
			list = append(list, role.openSQL(e.database))
		}
	}
	if now.Limit != saved.Limit {
		list = append(list, limitTo(e.database, saved.Limit))
	}
	return list, nil
}

// lifted is the setting that lets clients write to a database that has none of its
// own: none, but where the whole server is read only by default, to keep strangers out
// until it is its turn.
func (r *run) lifted(ctx context.Context, e *end) (*string, error) {
	if e.maintenance != nil && e.maintenance.Lost() { // a try before this one saw that
		e.lost = append(e.lost, e.maintenance.PID())
		e.maintenance.Close()
		e.maintenance = nil
	}
	if err := r.openMaintenance(ctx, e); err != nil {
		return nil, err
	}
	server, err := text(ctx, e.maintenance, "open", `SELECT reset_val FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'`)
	if err != nil || !isOn(server) {
		return nil, err
	}
	off := "off"
	return &off, nil
}

const oldSessionsSQL = `SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND a.backend_type = 'client backend'
  AND a.application_name <> $1 AND a.backend_start < pg_catalog.clock_timestamp() - $2::pg_catalog.interval`

// endOldSessions ends sessions that were connected to to while it was closed:
// they would stay read only for as long as they last.
func (r *run) endOldSessions(ctx context.Context) error {
	began := time.Now()
	return r.await(ctx, Action{ID: "end-old-sessions", On: r.to.name, Do: clientsText("pg_catalog.pg_terminate_backend(a.pid)"), Why: "sessions of before stay read only for as long as they last"}, func(ctx context.Context) (bool, string, error) {
		list, err := rows(ctx, r.to.control, "sessions", oldSessionsSQL, func(row postgres.Row) string { return row.Text(0) }, application(r.id), fmt.Sprintf("%d ms", time.Since(began).Milliseconds()))
		if err != nil {
			return false, "", err
		}
		list = slices.DeleteFunc(list, func(pid string) bool {
			_, one := text(ctx, r.to.control, "sessions", "SELECT pg_catalog.pg_terminate_backend($1)", pid)
			if postgres.Denied(one) {
				r.note("%s: a superuser's session was there before it was opened, and may not be ended by this role: it stays read only", r.to.name)
				return true
			}
			err = errors.Join(err, one)
			return false
		})
		return len(list) == 0, "backends " + strings.Join(list, ", ") + " do not end", err
	})
}

// redirect leads the application to the database that was opened.
func (r *run) redirect(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	if err := r.redirectPoolers(ctx); err != nil {
		return err
	}
	when := OnRedirect
	if r.direction == Rollback {
		when = OnBack
	}
	if err := r.callHooks(ctx, when); err != nil {
		return err
	}
	return r.releasePoolers(ctx)
}

// goLive sees that the application has arrived and that the way back works, and
// removes what would fill the disk of the side that was closed.
func (r *run) goLive(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	if err := r.arrived(ctx, r.to); err != nil {
		return err
	}
	err := r.gate(ctx, Action{ID: "nobody-behind", On: r.from.name, Do: clientsText("a.pid, a.usename, a.state, a.xact_start"), Why: "no client is on the side that was closed"}, func(ctx context.Context) error {
		list, err := r.clients(ctx, r.from)
		if err == nil && len(list) > 0 {
			r.note("%s: %v is connected there, and cannot write but by force", r.from.name, list[0])
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.wayBackWorks(ctx); err != nil {
		return err
	}
	for _, s := range r.facts.Streams {
		if err := r.detach(ctx, r.to, s); err != nil {
			return err
		}
		if err := r.dropSlot(ctx, r.from, s.Slot); err != nil {
			return err
		}
	}
	for _, s := range r.facts.Reverse {
		if err := r.dropSlot(ctx, r.to, s.ahead()); err != nil {
			return err
		}
	}
	if err := r.leaveClosed(ctx); err != nil {
		return err
	}
	if err := r.sql(ctx, r.to, "unfreeze-copy-gone", "nobody is to run it any more", "DROP VIEW IF EXISTS pgparity.unfreeze"); err != nil {
		return err
	}
	if r.direction == Rollback { // what they say is of the target
		return nil
	}
	return r.callHooks(ctx, OnLive)
}

// wayBackWorks writes a row to to, and waits until it has come back to from.
func (r *run) wayBackWorks(ctx context.Context) error {
	if len(r.facts.Reverse) == 0 {
		if r.strategy == Native {
			r.note("there is no way back: what is written to the %s now is nowhere else", r.to.name)
		}
		return nil
	}
	if err := r.sql(ctx, r.to, "reverse-beat", "a row that is to come back", beatSQL(r.to.name)); err != nil {
		return err
	}
	read := "SELECT beat FROM pgparity.heartbeat WHERE side = " + postgres.Literal(r.to.name)
	return r.await(ctx, Action{ID: "reverse-arrived", On: r.from.name, Do: read, Why: "the way back works"}, func(ctx context.Context) (bool, string, error) {
		sent, err := text(ctx, r.to.control, "beat", read)
		if err != nil {
			return false, "", err
		}
		seen, err := text(ctx, r.from.control, "beat", read)
		return seen == sent && seen != "", fmt.Sprintf("the way back does not carry: %s was written, and %q has come back; the log of the %s says why; where its connection is wrong, in a session that may write there (SET default_transaction_read_only = off): ALTER SUBSCRIPTION %s CONNECTION '…', and run again", sent, seen, r.from.name, postgres.Ident(r.facts.Reverse[0].Subscription)), err
	})
}

// reconnect makes the connections anew that have broken, and tells whether any
// had: a side that went away may come back.
func (r *run) reconnect(ctx context.Context) (broken bool) {
	for _, e := range []*end{r.from, r.to} {
		if r.answers(ctx, e.control) {
			continue
		}
		broken = true
		if err := r.connectAgain(ctx, e); err != nil {
			continue // tried again soon
		}
		if r.result.Command == "guard" { // which needs no lock but the journal's
			continue
		}
		if err := r.lock(ctx, e, r.id); err != nil {
			r.note("%v", err)
			if errors.As(err, new(errTwoRuns)) {
				r.superseded = err
			}
		}
	}
	return broken
}

// answerPatience is how long a side has to answer before it counts as away.
const answerPatience = 5 * time.Second

func (r *run) answers(ctx context.Context, c *postgres.Control) bool {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	_, err := text(ctx, c, "alive", "SELECT 1")
	return err == nil
}

// connectAgain gives an end a new connection that writes.
func (r *run) connectAgain(ctx context.Context, e *end) error {
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	open := func(ctx context.Context) error {
		c, err := postgres.OpenControl(ctx, r.options(e))
		if err == nil {
			e.control.Close()
			e.control = c
		}
		return err
	}
	err := open(ctx)
	if full(err) {
		err = r.letIn(ctx, e, 1, err, open)
	}
	return err
}
