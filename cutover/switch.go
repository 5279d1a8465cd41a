package cutover

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
)

// OperatorError is a request that cannot be carried out as it was made.
type OperatorError struct{ err error }

func (e *OperatorError) Error() string { return e.err.Error() }
func (e *OperatorError) Unwrap() error { return e.err }

// Run switches the application from the source to the target. It takes up a run
// that was interrupted: behind the point of no return where that stood, before
// it anew, when what was done is taken back.
//
// The error is what kept it from beginning: a mistake of the operator's, a side or
// a journal that is not to be had. Everything else ends in a Result.
func Run(ctx context.Context, o Options) (*Result, error) {
	return begin(ctx, o, "run", Forward, func(ctx context.Context, r *run) error { return r.whole(ctx) })
}

// RollBack leads the application back, with everything that was written since
// the switch: the same machine, mirrored.
func RollBack(ctx context.Context, o Options) (*Result, error) {
	return begin(ctx, o, "rollback", Rollback, func(ctx context.Context, r *run) error { return r.whole(ctx) })
}

// Rehearse takes the steps up to the window, or with window those up to the point
// of no return, and takes them back. Without window nobody notices; with it
// the application cannot write for as long as it would in earnest, but for the
// opening of the other side.
func Rehearse(ctx context.Context, o Options, window bool) (*Result, error) {
	return begin(ctx, o, "rehearse", Forward, func(ctx context.Context, r *run) error { return r.rehearse(ctx, window) })
}

// Plan lists what Run would do, without doing anything: the runbook.
func Plan(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(o, "plan", Forward)
	if err != nil {
		return nil, err
	}
	r.exec, r.journal = &dry{}, &journal{path: o.Journal}
	if j, _, err := readJournal(o.Journal); err == nil {
		r.facts = j.standing().Facts
		r.journal = j
	}
	defer r.close()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	r.identify(ctx)
	if err := errors.Join(r.samePair(), r.choose(ctx)); err != nil {
		return nil, &OperatorError{err}
	}
	r.result.Outcome = Done
	if _, err := r.lookAhead(ctx); err != nil {
		return nil, err
	}
	if r.strategy != VerifyOnly {
		r.note("by hand, a statement on a closed database needs SET default_transaction_read_only = off in its session (the target is closed from PREPARED to TARGET_OPEN, the source from FREEZING on), and a session of who is no superuser has to be connected before FREEZING")
	}
	if err := r.list(ctx); err != nil {
		r.result.Outcome = Unproven
		r.result.Reasons = append(r.result.Reasons, err.Error())
	}
	return r.done(), nil
}

// Abort takes back whatever a run before the point of no return has done, what
// was prepared included unless it is to be kept.
func Abort(ctx context.Context, o Options) (*Result, error) {
	return begin(ctx, o, "abort", Forward, func(ctx context.Context, r *run) error { return r.abort(ctx) })
}

// Finalize verifies the pair as it is now, and removes what a way back would
// need.
func Finalize(ctx context.Context, o Options) (*Result, error) {
	return begin(ctx, o, "finalize", Forward, func(ctx context.Context, r *run) error { return r.finalise(ctx) })
}

func newID() string {
	id := make([]byte, 4)
	_, _ = rand.Read(id) // crypto/rand never fails
	return hex.EncodeToString(id)
}

func newRun(o Options, command string, d Direction) (*run, error) {
	if o.Journal == "" {
		return nil, &OperatorError{errors.New("no journal is named: a switch that is interrupted could not be taken up")}
	}
	o.Attempts = max(o.Attempts, 1)
	o.MaxAge = cmp.Or(o.MaxAge, 24*time.Hour)
	o.Budgets = o.Budgets.orDefaults()
	r := &run{o: o, id: newID(), direction: d, attempt: 1}
	r.exec = &live{point: o.point}
	r.result = &Result{SchemaVersion: SchemaVersion, Tool: preflight.Tool{Version: o.Version, OptionsHash: o.OptionsHash}, Pair: o.Pair, Command: command, Run: r.id,
		Direction: d, State: Init, StartedAt: time.Now().UTC(), Reasons: []string{}, Notes: []string{}, Next: []string{}, Steps: []StepResult{}}
	return r, nil
}

// begin opens journal and databases, and does one command.
func begin(ctx context.Context, o Options, command string, d Direction, do func(context.Context, *run) error) (*Result, error) {
	r, err := newRun(o, command, d)
	if err != nil {
		return nil, err
	}
	if r.journal, err = openJournal(o.Journal); err != nil {
		return nil, err
	}
	defer r.journal.close()
	defer r.close()
	if err := r.attach(ctx); err != nil {
		return nil, err
	}
	adopted, err := r.adopt(ctx)
	if err != nil {
		return nil, err
	}
	if adopted { // it may lead the other way, and its sessions have its name
		r.close()
		if err := r.attach(ctx); err != nil {
			return nil, err
		}
	}
	err = do(ctx, r)
	if errors.As(err, new(*OperatorError)) {
		return nil, err
	}
	r.conclude(err)
	return r.done(), nil
}

// attach connects to the pair as the journal's last run left it, and takes the
// locks.
func (r *run) attach(ctx context.Context) error {
	s := r.journal.standing()
	if err := r.follow(s); err != nil {
		return err
	}
	if err := r.connect(ctx); err != nil {
		return err
	}
	r.identify(ctx)
	if err := r.samePair(); err != nil {
		return &OperatorError{err}
	}
	if err := r.lockBoth(ctx, s.Run); err != nil {
		return err
	}
	return r.keepShut(ctx)
}

// follow takes over what the journal says. A run that has not ended is taken up in
// its own direction, whatever was asked for, but for a rollback of a switch that
// has not come to its end: that one is to be ended first, forward or by abort.
func (r *run) follow(s standing) error {
	r.facts = s.Facts
	unfinished := s.Run != "" && !s.Over
	if unfinished && r.direction != s.Direction {
		if r.direction == Rollback {
			next := "`pgparity cutover abort` takes it back, `pgparity cutover run` begins it anew"
			if s.passed() {
				next = "`pgparity cutover run` goes on from there; what has gone through can be rolled back"
			}
			return &OperatorError{fmt.Errorf("there is no switch to roll back: run %s stands at %s; %s", s.Run, s.last(), next)}
		}
		r.direction = s.Direction
		r.result.Direction = r.direction
	}
	if err := r.sameConfiguration(s); err != nil {
		return err
	}
	switch {
	case unfinished && s.passed():
		r.past = true
		r.result.State, r.result.FenceLSN = s.State, s.Facts.FenceLSN
	case r.result.Command == "finalize" && s.switched():
		r.result.State = Live
	default:
		return nil
	}
	r.id, r.result.Run = s.Run, s.Run
	r.strategy, r.result.Strategy = s.Facts.Strategy, s.Facts.Strategy
	return nil
}

// sameConfiguration makes sure that a run that is taken up knows of what it has left
// undone: a table that is not named any more would never be copied, and nobody would
// miss it.
func (r *run) sameConfiguration(s standing) error {
	if s.Over || !s.passed() && !s.exposed() {
		return nil
	}
	for _, name := range s.Facts.Poolers {
		if !slices.ContainsFunc(r.o.Poolers, func(p Pooler) bool { return p.Name == name }) {
			r.note("run %s may have paused the pooler %s, which is not configured any more (cutover.poolers): where its clients wait, lead it where it belongs, and type on its console RESUME", s.Run, name)
		}
	}
	for _, table := range s.Facts.Later {
		if s.passed() && !slices.ContainsFunc(r.o.Delayed, func(d Delayed) bool { return d.Table == table && d.After }) {
			return &OperatorError{fmt.Errorf("run %s has left the rest of %s for when the %s is live, and the configuration does not say so any more: name it as it was (cutover.delayed, after), and run again", s.Run, table, postgres.Target)}
		}
	}
	return nil
}

// identify says who the sides are.
func (r *run) identify(context.Context) {
	for _, e := range []*end{r.from, r.to} {
		s := e.db.Server()
		into := &r.result.Source
		if e.name == string(postgres.Target) {
			into = &r.result.Target
		}
		*into = preflight.Server{ServerVersion: s.Version, SystemIdentifier: s.SystemID, Database: s.Database, InRecovery: s.InRecovery}
	}
}

// systems name the two databases, whatever leads to them.
func (r *run) systems() map[string]string {
	m := map[string]string{}
	for _, e := range []*end{r.from, r.to} {
		s := e.db.Server()
		m[e.name] = s.SystemID + "/" + s.Database
	}
	return m
}

// samePair makes sure that the journal is this pair's, and that both can be written
// to.
func (r *run) samePair() error {
	for _, e := range []*end{r.from, r.to} {
		if e.db.Server().InRecovery {
			return fmt.Errorf("%s: it is a standby, which nobody writes to: a switch leads from a primary to a primary", e.name)
		}
	}
	for side, system := range r.facts.Systems {
		if now := r.systems()[side]; now != system {
			return fmt.Errorf("journal %s is of another pair: its %s is %s, and %s is given now; give the right journal, or another file", r.o.Journal, side, system, now)
		}
	}
	r.facts.Systems = r.systems()
	return nil
}

// survey reads what the pair is, and chooses the strategy.
func (r *run) survey(ctx context.Context) error {
	if err := r.join(ctx); err != nil {
		return &OperatorError{err}
	}
	if r.past { // what carried it may be gone by now
		return nil
	}
	if err := r.choose(ctx); err != nil {
		return &OperatorError{err}
	}
	return nil
}

// choose finds the strategy: what the operator said, or what replicates the pair.
func (r *run) choose(ctx context.Context) error {
	if r.direction == Rollback {
		// What carried the switch is what the way back from the rollback is made of.
		r.facts.Reverse = r.facts.carriers()
	}
	if err := r.findStreams(ctx); err != nil {
		return err
	}
	native := len(r.facts.Streams) > 0
	for _, f := range r.detection.Forward {
		native = native && f.Kind == fence.KindLogical
	}
	r.strategy = r.o.Strategy
	if r.strategy == Auto || r.strategy == "" {
		if r.strategy = Tool; native {
			r.strategy = Native
		}
	}
	if r.strategy == Native && !native {
		return fmt.Errorf("no native logical replication carries %s to %s: strategy native needs a subscription (%s)", r.from.name, r.to.name, "pgparity preflight says what was found")
	}
	r.facts.Strategy, r.result.Strategy = r.strategy, r.strategy
	return nil
}

// whole runs the machine from where it stands to LIVE.
func (r *run) whole(ctx context.Context) error {
	goOn, err := r.resume(ctx)
	if err != nil || !goOn {
		return err
	}
	if err := r.survey(ctx); err != nil {
		return err
	}
	if r.direction == Rollback {
		if err := r.readyForRollback(); err != nil {
			return err
		}
		if !r.passed() { // these are of one direction
			r.facts.Enabled, r.facts.Disabled, r.facts.Copied, r.facts.Ends, r.facts.Later = nil, nil, nil, nil, nil
		}
	}
	if !r.passed() {
		if err := r.before(ctx); err != nil {
			return r.retire(ctx, err)
		}
		if r.strategy == VerifyOnly {
			return r.verifyOnly()
		}
		if err := r.tries(ctx, PNR); err != nil {
			return r.retire(ctx, err)
		}
	}
	return r.complete(ctx)
}

// verifyOnly: somebody else switches. That both sides are equal is all there is to
// say.
func (r *run) verifyOnly() error {
	r.note("nothing was closed, and nothing switched: what is written to the %s after the verification has begun (%s) is not covered", r.from.name, r.facts.Evidence.AsOfLSN)
	return r.write(Over, Synced, "verified, and nothing more was asked")
}

// passed tells whether the point of no return lies behind.
func (r *run) passed() bool { return rank(r.result.State) >= rank(PNR) }

// complete does what follows the point of no return. It is not interrupted: until
// the application has arrived it can write nowhere.
func (r *run) complete(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if err := r.followDowntime(ctx); err != nil {
		r.note("the outage is not measured: %v", err)
	}
	if err := r.onward(ctx); err != nil {
		return err
	}
	if r.o.Application != "" {
		rest(ctx, afterLive)
	}
	r.result.Outage = r.stopDowntime()
	r.releaseGuard()
	if r.direction == Rollback {
		r.afterRollback()
	}
	if err := r.copyRest(ctx); err != nil {
		return err
	}
	if err := r.write(Over, Live, ""); err != nil {
		return err
	}
	return r.copyJournal(ctx, r.to)
}

// copyRest copies what delayed tables lack that may come later. It may take hours,
// and has no budget.
func (r *run) copyRest(ctx context.Context) error {
	if r.direction == Rollback {
		return nil
	}
	for _, d := range r.o.Delayed {
		if d.After {
			return r.take(ctx, step{state: Live, what: "copy the rest of the delayed tables", do: (*run).copyAfter})
		}
	}
	return nil
}

// afterLive is how long the application is watched once it has arrived.
const afterLive = 300 * time.Millisecond

// errRefused: nothing was touched.
type errRefused struct{ error }

func (e errRefused) Unwrap() error { return e.error }

// retire ends a run that is given up: the window is undone by now, and what was
// prepared goes too, unless it is to be kept.
func (r *run) retire(ctx context.Context, why error) error {
	var stuck errNotUndone
	if errors.As(why, &stuck) || r.exec.dry() {
		return why
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	if rank(r.begun) < rank(Prepared) {
		if r.direction == Forward && len(r.facts.Saved) > 0 {
			r.note("what an earlier run prepared is there still: a slot of the way back keeps the log of its server until the next run, or `pgparity cutover abort`")
		}
		return errors.Join(errRefused{why}, r.end(why.Error()))
	}
	if r.o.KeepPrepared {
		r.note("what was prepared was kept: a slot of the way back keeps the log of its server until the next run, or `pgparity cutover abort`")
		return errors.Join(why, r.end(why.Error()))
	}
	if _, err := r.undo(ctx, func(s step) bool { return s.state == Prepared }); err != nil {
		r.note("what was prepared could not be removed: %v; run `pgparity cutover abort`", err)
		return errors.Join(why, r.write(Undone, Prepared, why.Error()))
	}
	return errors.Join(why, r.end(why.Error()))
}

// end writes down that a run was given up. After a rollback's the switch stands as
// it stood: what carried it is what carries it.
func (r *run) end(why string) error {
	if r.direction == Rollback {
		r.facts.Streams, r.facts.Reverse = r.facts.Reverse, r.facts.Streams
	}
	return r.write(Over, Aborted, why)
}

// rehearse takes steps, and takes them back.
func (r *run) rehearse(ctx context.Context, through bool) error {
	if r.direction == Rollback {
		return &OperatorError{errors.New("a rollback was interrupted: run `pgparity cutover rollback` again, or abort; there is nothing to rehearse meanwhile")}
	}
	goOn, err := r.resume(ctx)
	if err != nil {
		return err
	}
	if !goOn || r.passed() {
		return &OperatorError{errors.New("the switch was made already: there is nothing to rehearse")}
	}
	if err := r.survey(ctx); err != nil {
		return err
	}
	if err := r.before(ctx); err != nil {
		return r.retire(ctx, err)
	}
	last := Armed
	if through {
		last = ReverseReady
	}
	if err := r.throughWindow(ctx, last); err != nil {
		return r.retire(ctx, errors.Join(err, r.giveUp(ctx, err)))
	}
	window := time.Since(r.opened)
	if err := r.giveUp(ctx, errRehearsed); err != nil {
		return err
	}
	if !through { // nothing stopped: the probe shows that it works
		r.stopDowntime()
		r.result.Outage = nil
	}
	if through {
		r.note("the window was open for %v up to the point of no return", window.Round(time.Millisecond))
	}
	if err := r.retire(ctx, errRehearsed); !errors.Is(err, errRehearsed) {
		return err
	}
	return nil
}

var errRehearsed = errors.New("it was a rehearsal")

// list runs the machine with the dry executor: each step lists what it would do,
// and how it would be taken back.
func (r *run) list(ctx context.Context) error {
	for _, s := range machine() {
		if r.strategy == VerifyOnly && rank(s.state) >= rank(Armed) {
			break
		}
		if s.state == Armed {
			if err := r.ask(ctx); err != nil {
				return err
			}
		}
		if err := r.take(ctx, s); err != nil {
			return err
		}
		if s.undo == nil {
			continue
		}
		r.begun = s.state
		facts := r.facts // what is taken back is not remembered, and nothing was
		if err := s.undo(r, ctx); err != nil {
			return err
		}
		r.facts = facts
		r.result.Steps[len(r.result.Steps)-1].Undo = r.exec.taken()
	}
	r.result.State = r.journal.standing().State
	return r.copyRest(ctx)
}

// conclude turns what ended a command into its outcome.
func (r *run) conclude(err error) {
	if r.result.Outcome != "" {
		return
	}
	var blocked errBlocked
	var stuck errNotUndone
	if err != nil {
		r.result.Reasons = append(r.result.Reasons, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	switch {
	case err == nil:
		r.result.Outcome = Done
		r.advise()
	case errors.As(err, &stuck), errors.As(err, new(errContradiction)), r.result.Command == "abort": // what was done stands, or nobody knows
		r.result.Outcome = Unproven
	case r.result.Command == "finalize":
		r.result.Outcome = Stopped
		r.result.Next = append(r.result.Next, "the application goes on as it did: mend what is said above, and run `pgparity cutover finalize` again")
	case r.passed():
		r.result.Outcome = Stopped
		r.result.Next = append(r.result.Next, "the point of no return is passed, and the source stays closed: mend what is said above, and run `pgparity cutover run` again, which goes on from here")
		if r.direction == Rollback {
			r.result.Next[len(r.result.Next)-1] = "the point of no return is passed: mend what is said above, and run `pgparity cutover rollback` again, which goes on from here"
		}
	case errors.As(err, &blocked), errors.As(err, new(errRefused)):
		r.result.Outcome, r.result.State = Refused, Init
	default:
		r.result.Outcome, r.result.State = AbortedRun, Aborted
	}
}

// advise says what follows a command that is done.
func (r *run) advise() {
	next := ""
	switch {
	case r.result.Command == "rehearse":
		next = "`pgparity cutover run` switches"
	case r.result.State != Live || r.strategy != Native:
	case r.direction == Rollback:
		next = "the target stays closed, and is kept up to date; `pgparity cutover run` switches again"
	case len(r.facts.Reverse) > 0:
		next = "`pgparity cutover rollback` leads back with all that was written since; `pgparity cutover finalize` removes the way back"
	}
	if next != "" {
		r.result.Next = append(r.result.Next, next)
	}
}

func (r *run) done() *Result {
	r.result.FinishedAt = time.Now().UTC()
	if r.result.Outage == nil {
		r.result.Outage = r.stopDowntime()
	}
	r.releaseGuard()
	return r.result
}
