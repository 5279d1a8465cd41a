package cutover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// drain waits until all that was written to from is on to: a row of ours, the
// last that is written, and a position behind it on every slot. The position is
// taken once.
func (r *run) drain(ctx context.Context) error {
	if r.strategy == Native {
		if err := r.sql(ctx, r.from, "beat", "the last row that is written there", beatSQL(r.from.name)); err != nil {
			return err
		}
	}
	if err := r.drainTo(ctx); err != nil {
		return err
	}
	return r.together(ctx, r.beatArrived, r.drainedHealthy)
}

// drainedHealthy: nothing went wrong on the way.
func (r *run) drainedHealthy(ctx context.Context) error {
	return r.gate(ctx, Action{ID: "drained-healthy", On: r.to.name, Do: "SELECT … FROM pg_subscription_rel, pg_stat_subscription_stats", Why: "every table is carried, and nothing failed on the way"}, func(ctx context.Context) error {
		var h fence.Health
		err := r.together(ctx, r.carried, func(ctx context.Context) (err error) {
			h, err = r.fence.Health(ctx)
			return err
		})
		if err != nil {
			return err
		}
		for _, t := range h.Troubles {
			if t.Kind == fence.ApplyErrors || t.Kind == fence.Conflicts || t.Kind == fence.WorkerRestarts {
				return fmt.Errorf("%s: %s", t.Side, t.Sentence)
			}
		}
		return nil
	})
}

// beatSQL writes a side's row. It is committed durably: a control session sees to
// that.
func beatSQL(side string) string {
	return fmt.Sprintf(`INSERT INTO pgparity.heartbeat (side, beat) VALUES (%s, 1) ON CONFLICT (side) DO UPDATE SET beat = heartbeat.beat + 1`, postgres.Literal(side))
}

// push has what was applied confirmed at once, until the second context is over. A
// subscription commits without waiting for the disk, and tells the other side when
// it happens to look, 200 ms later: a commit on to that does wait takes the log to
// the disk, and a row from from wakes the worker.
//
// A statement that is under way is let to its end: cancelling it takes longer.
func (r *run) push(ctx, until context.Context) {
	if r.strategy != Native {
		return
	}
	flush := "UPDATE pgparity.cutover SET run = run WHERE side = " + postgres.Literal(r.to.name)
	for until.Err() == nil {
		rest(until, pushPause)
		// What fails here fails what is waited for.
		_ = r.to.control.Exec(ctx, "cutover push", flush)
		_ = r.from.control.Exec(ctx, "cutover push", beatSQL(r.from.name))
	}
}

const pushPause = 5 * time.Millisecond

// flushing is a step in which marks are waited for while the application may write
// little: an idle server keeps what no commit has flushed (a page that was tidied up)
// from its disk for up to 15 s, and nothing is sent that is not there. So something
// is committed each second.
func flushing(do func(*run, context.Context) error) func(*run, context.Context) error {
	return func(r *run, ctx context.Context) error {
		if r.strategy != Native || r.exec.dry() {
			return do(r, ctx)
		}
		until, stop := context.WithCancel(ctx)
		var ended sync.WaitGroup
		ended.Go(func() {
			for rest(until, flushPause); until.Err() == nil; rest(until, flushPause) {
				_ = r.from.control.Exec(ctx, "cutover flush", "UPDATE pgparity.cutover SET run = run WHERE side = "+postgres.Literal(r.from.name))
			}
		})
		ended.Go(func() { r.keepForward(ctx, until) })
		defer ended.Wait()
		defer stop()
		return do(r, ctx)
	}
}

const flushPause = time.Second

// keepForward moves the slots of the way back ahead now and then: a verification and
// a person's answer may take hours, in which they would keep the whole log.
func (r *run) keepForward(ctx, until context.Context) {
	pause := cmp.Or(r.o.forward, forwardPause)
	for rest(until, pause); until.Err() == nil && r.movable(); rest(until, pause) {
		for _, s := range r.facts.Reverse { // what fails here fails when the run is armed
			_ = r.to.control.Exec(ctx, "cutover forward", "SELECT pg_catalog.pg_replication_slot_advance("+postgres.Literal(r.moved(s))+", pg_catalog.pg_current_wal_lsn())")
		}
	}
}

const forwardPause = time.Minute

// drainTo takes the mark, and waits until it has arrived.
func (r *run) drainTo(ctx context.Context) error {
	return r.await(ctx, Action{ID: "drained", On: r.from.name, Do: "SELECT pg_catalog.pg_current_wal_insert_lsn(); SELECT slot_name, confirmed_flush_lsn FROM pg_catalog.pg_replication_slots", Why: "each slot has confirmed the position that was taken once"}, func() func(context.Context) (bool, string, error) {
		var mark *fence.Mark
		return func(ctx context.Context) (bool, string, error) {
			if mark == nil {
				m, err := r.fence.Mark(ctx)
				if err != nil {
					return false, "", err
				}
				mark = &m
				lsn := m.LSN
				if lsn == 0 { // a kind that has none: what was written lies before this one
					if lsn, err = r.from.db.WriteMark(ctx); err != nil {
						return false, "", err
					}
				}
				r.facts.FenceLSN = lsn.String()
				r.result.FenceLSN = r.facts.FenceLSN
			}
			pushing, stop := context.WithCancel(ctx)
			var pushed sync.WaitGroup
			pushed.Go(func() { r.push(ctx, pushing) })
			err := r.fence.Wait(ctx, *mark)
			stop()
			pushed.Wait()
			return true, "", err
		}
	}())
}

// beatArrived: the row is visible, whatever positions say.
func (r *run) beatArrived(ctx context.Context) error {
	if r.strategy != Native {
		return nil
	}
	read := "SELECT beat FROM pgparity.heartbeat WHERE side = " + postgres.Literal(r.from.name)
	return r.await(ctx, Action{ID: "beat-arrived", On: r.to.name, Do: read, Why: "the last row is there"}, func(ctx context.Context) (bool, string, error) {
		sent, err := text(ctx, r.from.control, "beat", read)
		if err != nil {
			return false, "", err
		}
		seen, err := text(ctx, r.to.control, "beat", read)
		return seen == sent && seen != "", fmt.Sprintf("the heartbeat's row is not there: %s was written, and %q is seen", sent, seen), err
	})
}

func (r *run) sequence(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	return r.setSequences(ctx)
}

func (r *run) verify(ctx context.Context) error {
	if err := r.copyInWindow(ctx); err != nil {
		return err
	}
	return r.verifyWindow(ctx)
}

// turn stops the replication, proves that nothing came after the mark, and has
// the way back ready.
func (r *run) turn(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	if r.strategy == Tool {
		if err := r.drainAgain(ctx); err != nil {
			return err
		}
	}
	if err := r.callHooks(ctx, OnStop); err != nil {
		return err
	}
	// Without such a hook nobody stops it, and it is spared on.
	r.toolStopped = slices.ContainsFunc(r.o.Hooks, func(h Hook) bool { return h.When == OnStop })
	for _, s := range r.facts.Streams {
		if err := r.stopStream(ctx, s); err != nil {
			return err
		}
	}
	// Definitions before triggers are enabled, which changes them; and what a writer
	// that is no client may have done last of all.
	if err := r.together(ctx, inTurn(r.sameDefinitions, r.enableTriggers), r.aimReverse); err != nil {
		return err
	}
	return r.together(ctx, r.sameSequences, inTurn(r.locked, r.proveNoWriters, r.proveNothingLeft, r.sameEnds))
}

// proveNothingLeft looks into the slots, when all that was committed is in the log.
func (r *run) proveNothingLeft(ctx context.Context) error {
	if len(r.facts.Streams) == 0 {
		return nil
	}
	if err := r.sql(ctx, r.from, "last-beat", "what was committed without waiting for the disk is on it behind this, and only what is there can be looked into", beatSQL(r.from.name)); err != nil {
		return err
	}
	for _, s := range r.facts.Streams {
		if err := r.nothingLeft(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// drainAgain: what a tool carries cannot be looked into as a slot can, so what
// was written since the mark by something that is no client is waited for.
func (r *run) drainAgain(ctx context.Context) error {
	return r.await(ctx, Action{ID: "drained-again", On: r.to.name, Do: "as for DRAINED", Why: "nothing was written since"}, func(ctx context.Context) (bool, string, error) {
		mark, err := r.fence.Mark(ctx)
		if err != nil {
			return false, "", err
		}
		return true, "", r.fence.Wait(ctx, mark)
	})
}

// stopStream disables a subscription, and waits until its worker has let go of
// the slot.
func (r *run) stopStream(ctx context.Context, s Stream) error {
	if err := r.sql(ctx, r.to, "stop", "nothing is applied any more", "ALTER SUBSCRIPTION "+postgres.Ident(s.Subscription)+" DISABLE"); err != nil {
		return err
	}
	read := "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = " + postgres.Literal(s.Slot)
	return r.await(ctx, Action{ID: "stopped", On: r.from.name, Do: read, Why: "the worker has let go of the slot"}, func(ctx context.Context) (bool, string, error) {
		// The worker looks at its subscription when something arrives, else once a
		// second. The row stays in the slot: it is a beat, which nobody misses.
		if r.strategy == Native {
			_ = r.from.control.Exec(ctx, "cutover push", beatSQL(r.from.name))
		}
		active, err := text(ctx, r.from.control, "stopped", read)
		return active == "f", fmt.Sprintf("slot %q is read still", s.Slot), err
	})
}

// nothingLeft looks into a slot: what is in it was written after the mark, by
// something that is no client. Beginnings and ends of transactions that changed
// nothing are no changes: before 15 they are sent too. Nor are rows of the
// heartbeat, whose relation's number follows the letter of the message.
func (r *run) nothingLeft(ctx context.Context, s Stream) error {
	peek := fmt.Sprintf(`SELECT count(*) FROM pg_catalog.pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version', '1', 'publication_names', %s) 
WHERE pg_catalog.get_byte(data, 0) NOT IN (66, 67) AND pg_catalog.substr(data, 2, 4) <> pg_catalog.int4send('pgparity.heartbeat'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.int4)`,
		postgres.Literal(s.Slot), postgres.Literal(quotedList(s.Publications)))
	return r.gate(ctx, Action{ID: "nothing-left", On: r.from.name, Do: peek, Why: "0: nobody wrote after the mark"}, func(ctx context.Context) error {
		left, err := text(ctx, r.from.control, "peek", peek)
		if err == nil && left != "0" {
			err = fmt.Errorf("%s: %s changes were written after the database was closed to clients, and are not on the other side: a superuser, a job or another background process writes there; find it, and run again", r.from.name, left)
		}
		return err
	})
}

// quotedList is a list of publications as the plugin's option takes it.
func quotedList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = postgres.Ident(n)
	}
	return strings.Join(quoted, ",")
}

// unturn has the replication go on as before.
func (r *run) unturn(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	var errs []error
	for _, s := range r.facts.Streams {
		enabled, err := text(ctx, r.to.control, "streams", `SELECT subenabled FROM pg_catalog.pg_subscription WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`, s.Subscription)
		if err == nil && enabled == "f" {
			err = r.sql(ctx, r.to, "start-again", "the replication goes on", "ALTER SUBSCRIPTION "+postgres.Ident(s.Subscription)+" ENABLE")
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, r.disableTriggers(ctx), r.callHooks(ctx, OnStart))...)
}

// passNoReturn writes down that there is no way back: in both databases, and then
// in the journal, whose record is the point.
func (r *run) passNoReturn(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	noted := func(e *end) func(context.Context) error {
		row := fmt.Sprintf("INSERT INTO pgparity.cutover_journal (run, side, n, record) VALUES (%s, %s, 0, %s) ON CONFLICT DO NOTHING",
			postgres.Literal(r.id), postgres.Literal(e.name), postgres.Literal(fmt.Sprintf(`{"n":0,"run":%q,"kind":"reached","state":"PNR","direction":%q}`, r.id, r.direction)))
		return func(ctx context.Context) error {
			return r.sql(ctx, e, "no-return", "whoever has no journal reads it there", row)
		}
	}
	return r.together(ctx, noted(r.from), noted(r.to))
}

// unpassNoReturn takes the rows back, whichever run wrote them: the journal's record
// was not reached.
func (r *run) unpassNoReturn(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	var errs []error
	for _, e := range []*end{r.from, r.to} {
		there, err := text(ctx, e.control, "no-return", `SELECT pg_catalog.to_regclass('pgparity.cutover_journal') IS NOT NULL`)
		if err == nil && there == "t" {
			err = r.sql(ctx, e, "no-return-back", "", fmt.Sprintf("DELETE FROM pgparity.cutover_journal WHERE n = 0 AND side = %s", postgres.Literal(e.name)))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// thawSQL are the statements that open from again, for its maintenance
// database: those for settings, and those for roles, before the one that lets
// clients in. A session keeps the settings that it began with.
func (r *run) thawSQL() (settings, roles, letIn []string) {
	saved, known := r.facts.Saved[r.from.name]
	if !known {
		return nil, nil, nil
	}
	for _, role := range saved.overriding() {
		roles = append(roles, role.openSQL(r.from.database))
	}
	return []string{readOnlySQL(r.from.database, saved.ReadOnly)}, roles, []string{limitTo(r.from.database, saved.Limit)}
}

// gone tells whether a role is not there any more.
func gone(err error) bool { return postgres.HasCode(err, "42704") }

// limitTo gives a database a connection limit.
func limitTo(database string, n int) string {
	return fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", database, n)
}

// thaw opens from again and lets the poolers go on, and proves that clients can
// write. It is tried until ctx is over: a side that is away may come back. It
// needs nothing but the maintenance connection, and makes a new one.
func (r *run) thaw(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	settings, roles, letIn := r.thawSQL()
	writable := time.Now()
	opened := r.await(ctx, Action{ID: "thaw", On: r.from.name + ", database " + r.o.maintenance(), Do: strings.Join(slices.Concat(settings, roles, letIn), ";\n"), Why: "clients may connect and write again"}, func(ctx context.Context) (bool, string, error) {
		err := r.maintain(ctx, r.from, settings, r.alone)
		if errors.As(err, new(errTwoRuns)) {
			return false, "", err
		}
		if err != nil { // nobody is let in who could not write
			return false, err.Error(), nil //nolint:nilerr // it is tried again, and told when the time is over
		}
		for _, role := range roles {
			// Whose setting may not be changed was not changed either, and who was
			// dropped, or has another name by now, keeps nobody waiting.
			if one := r.maintain(ctx, r.from, []string{role}, nil); !postgres.Denied(one) && !gone(one) {
				err = errors.Join(err, one)
			}
		}
		writable = time.Now()
		err = errors.Join(err, r.maintain(ctx, r.from, letIn, nil))
		return err == nil, fmt.Sprint(err), nil
	})
	if errors.As(opened, new(errTwoRuns)) {
		return opened
	}
	released := r.resumePoolers(ctx)
	hooked := r.callHooks(ctx, OnThaw)
	if opened != nil {
		return errors.Join(opened, released, hooked)
	}
	if err := r.endReadOnly(ctx, writable); err != nil {
		r.note("%s: sessions that were connected while it was closed may be read only still, for as long as they last: %v", r.from.name, err)
	}
	written := r.await(ctx, Action{ID: "thawed", On: r.from.name, Do: "connect, and CREATE TABLE pgparity.written", Why: "a new session can write"}, func(ctx context.Context) (bool, string, error) {
		ok, err := r.tryToWrite(ctx, r.from)
		before := r.facts.Saved[r.from.name].ReadOnly
		ok = ok || r.asBefore(r.from, err) || postgres.HasCode(err, "25006") && before != nil && isOn(*before)
		return ok, fmt.Sprintf("%s: a new session cannot write: %v", r.from.name, err), nil
	})
	return errors.Join(written, released, hooked)
}

// endReadOnly ends sessions that were connected to from while it was closed, as a
// superuser's may be: they would stay read only for as long as they last. Those are
// left that came when it was writable again.
func (r *run) endReadOnly(ctx context.Context, writable time.Time) error {
	if r.facts.ClosedAt.IsZero() {
		return nil
	}
	const of = `SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.datname = $1 AND a.backend_type = 'client backend' AND a.application_name <> ALL ($2::pg_catalog.text[])
  AND a.backend_start BETWEEN pg_catalog.clock_timestamp() - $3::pg_catalog.interval AND pg_catalog.clock_timestamp() - $4::pg_catalog.interval`
	ours := postgres.TextArray([]string{r.calls(), application(r.id)})
	a := Action{ID: "end-read-only", On: r.from.name + ", database " + r.o.maintenance(), Do: "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_start > …", Why: "who has connected since it was closed stays read only for as long as they last"}
	return r.do(ctx, a, func(ctx context.Context) error {
		ago := func(t time.Time) string { return fmt.Sprintf("%d ms", time.Since(t).Milliseconds()) }
		pids, err := rows(ctx, r.from.maintenance, "read only", of, func(row postgres.Row) string { return row.Text(0) }, r.facts.database(r.from.name), ours, ago(r.facts.ClosedAt), ago(writable))
		for _, pid := range pids {
			_, one := text(ctx, r.from.maintenance, "read only", "SELECT pg_catalog.pg_terminate_backend($1)", pid)
			err = errors.Join(err, one)
		}
		r.facts.ClosedAt = time.Time{}
		return err
	})
}

// asBefore tells whether a try to write failed for what the switch has not brought
// about: the role may not write there, or could not before.
func (r *run) asBefore(e *end, err error) bool {
	saved := r.facts.Saved[e.name]
	switch {
	case postgres.Denied(err), postgres.HasCode(err, "3F000"):
		return true
	case full(err):
		return saved.Limit >= 0 // it takes some, and those are there
	}
	readOnly := func(role Role) bool {
		return e.db != nil && role.Name == postgres.Ident(e.db.Server().User) && isOn(role.Value)
	}
	return postgres.HasCode(err, "25006") && slices.ContainsFunc(saved.Roles, readOnly)
}

// maintain runs statements from the maintenance database, over a new connection
// where the old one is gone. Before anything else it ends what the server has of
// connections that were lost: a statement that was sent there may arrive late, and
// close again what this one opens. look, nil for none, has to agree then.
func (r *run) maintain(ctx context.Context, e *end, statements []string, look func(context.Context) error) error {
	try, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	run := func() error {
		if err := r.endLost(try, e); err != nil {
			return err
		}
		if look != nil {
			if err := look(try); err != nil {
				return err
			}
		}
		for _, s := range statements {
			if err := e.maintenance.Exec(try, "cutover thaw", s); err != nil {
				return err
			}
		}
		return nil
	}
	if e.maintenance != nil {
		if err := run(); err == nil || !postgres.Lost(err) {
			return err
		}
		e.lost = append(e.lost, e.maintenance.PID())
		e.maintenance.Close()
		e.maintenance = nil
	}
	if err := r.openMaintenance(try, e); err != nil {
		return err
	}
	return run()
}

// aloneSQL reads, from the maintenance database, by what other run a database is
// switched: by its lock, or by the way back, which none before the point of no return
// starts.
const aloneSQL = `SELECT coalesce(a.application_name, '') FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %[1]d AND l.objid = %[2]d AND l.objsubid = 1 AND coalesce(a.application_name, '') <> ALL ($2::pg_catalog.text[])
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = $1)
UNION ALL
SELECT 'subscription ' || s.subname || ' is enabled: the point of no return is passed' FROM pg_catalog.pg_subscription s
WHERE s.subenabled AND s.subname::pg_catalog.text = ANY ($3::pg_catalog.text[]) AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = $1)`

// alone makes sure that no other run has taken this one for dead: from another host,
// while this one was cut off. What it has closed is not to be opened behind its back.
func (r *run) alone(ctx context.Context) error {
	var back []string
	for _, s := range r.facts.Reverse {
		back = append(back, s.Subscription)
	}
	others, err := rows(ctx, r.from.maintenance, "alone", fmt.Sprintf(aloneSQL, lockKey>>32, lockKey&0xffffffff), func(row postgres.Row) string { return strings.Clone(row.Text(0)) },
		r.facts.database(r.from.name), postgres.TextArray([]string{r.calls(), application(r.id)}), postgres.TextArray(back))
	if err == nil && len(others) > 0 {
		err = errTwoRuns{r.from.name, others[0]}
	}
	if err != nil || len(back) > 0 {
		return err
	}
	return r.lastThere(ctx)
}

// acrossPatience bounds a look at the other side by who opens the one that was closed.
const acrossPatience = time.Second

// lastThere makes sure that the run that was at work last on the side that is switched
// to is one that this journal knows, where no way back tells how far another one has
// come. A side that does not answer is not waited for.
func (r *run) lastThere(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, acrossPatience)
	defer cancel()
	c, err := postgres.OpenControl(ctx, r.options(r.to))
	if err != nil {
		return nil //nolint:nilerr // it may be what this one is given up for
	}
	defer c.Close()
	active, err := text(ctx, c, "alone", `SELECT run FROM pgparity.cutover WHERE side = $1`, r.to.name)
	if err == nil && !r.journal.knows(active) {
		return errTwoRuns{r.to.name, "run " + active}
	}
	return nil
}

// endLost ends the backends of connections that were lost, and for a guard those of
// the dead run.
func (r *run) endLost(ctx context.Context, e *end) error {
	lost, dead := slices.Clone(e.lost), ""
	if e.control != nil && e.control.Lost() {
		lost = append(lost, e.control.PID())
	}
	if r.result.Command == "guard" {
		dead = application(r.id)
	}
	if len(lost) == 0 && dead == "" {
		return nil
	}
	pids := make([]string, len(lost))
	for i, pid := range lost {
		pids[i] = fmt.Sprint(pid)
	}
	const end = `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
WHERE (pid = ANY ($1::pg_catalog.int4[]) AND application_name = $2 OR application_name = $3) AND application_name <> '' AND pid <> pg_catalog.pg_backend_pid()`
	err := poll(ctx, func(ctx context.Context) (bool, string, error) {
		left, err := rows(ctx, e.maintenance, "lost", end, func(row postgres.Row) bool { return row.Bool(0) }, postgres.TextArray(pids), r.calls(), dead)
		return len(left) == 0, fmt.Sprintf("%s: %d sessions whose connection was lost do not end", e.name, len(left)), err
	})
	if err == nil {
		e.lost = nil
	}
	return err
}

// sideOf is the role that an end plays in this direction.
func (r *run) sideOf(e *end) postgres.Side {
	if e == r.to {
		return postgres.Target
	}
	return postgres.Source
}
