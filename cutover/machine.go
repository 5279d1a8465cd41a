package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// step is one edge of the machine: what leads to its state.
type step struct {
	state State
	what  string
	// budget bounds it; nil is no bound.
	budget func(*Budgets) time.Duration
	// do is idempotent: it reads what is there first.
	do func(*run, context.Context) error
	// undo takes it back, as far as it was taken; nil where there is nothing.
	undo func(*run, context.Context) error
	// probe looks whether the databases are as the step leaves them: "" is yes, else
	// it says what is not so. nil where it leaves nothing to be seen, or nothing that
	// lasts.
	probe func(*run, context.Context) (string, error)
}

// machine are the steps in order. Up to PNR each can be undone; those from
// Freezing on are the window, in which the application cannot write.
//
// Why no write is lost, and none is taken by two databases:
//
//  1. From FREEZING on no new client session reaches the side that is closed, those
//     that were there have ended, and what they had open has ended with them: FROZEN
//     looks at the locks of transactions, not at a snapshot, which does not show a
//     lone writer.
//  2. DRAINED: a mark was taken after that, once, and each slot has confirmed it, while
//     all tables were carried. So what was written before is there.
//  3. Something that is no client (a superuser, a background worker, a login that was
//     under way) may still have written since. REVERSE_READY stops the replication, and
//     looks into each slot, last of all: what it finds there came after the mark, and
//     the attempt is given up.
//  4. PNR is on the disk here and in both databases before the other side opens. What
//     ends this process before it is answered by the guard, which acts only when it has
//     the journal's lock: one of the two lives. What ends it afterwards leads forward.
//  5. The side that was closed stays closed: the way back writes into it while it is.
func machine() []step {
	return []step{
		{state: Preflighted, what: "look for what would go wrong", do: (*run).preflight},
		{state: Prepared, what: "prepare what a window has no time for, and the way back", do: (*run).prepare, undo: (*run).unprepare, probe: (*run).isPrepared},
		{state: Synced, what: "all is carried, in time, and verified", do: flushing((*run).sync)},
		{state: Armed, what: "ask, look once more, and have all at hand that the window needs", budget: func(b *Budgets) time.Duration { return b.Arm }, do: flushing((*run).arm), undo: (*run).disarm},
		{state: Freezing, what: "keep clients out, and end what they have open", budget: func(b *Budgets) time.Duration { return b.Pause + b.Grace + b.Freeze }, do: (*run).freeze, undo: (*run).thaw, probe: (*run).isClosed},
		{state: Frozen, what: "prove that nobody writes", budget: func(*Budgets) time.Duration { return 2 * time.Second }, do: (*run).proveFrozen},
		{state: Drained, what: "wait until all that was written has arrived", budget: func(b *Budgets) time.Duration { return b.Drain }, do: (*run).drain},
		{state: Sequenced, what: "set the sequences ahead", budget: func(*Budgets) time.Duration { return 2 * time.Second }, do: (*run).sequence},
		{state: Verified, what: "prove that both sides hold the same", budget: func(b *Budgets) time.Duration { return b.Gate }, do: (*run).verify},
		{state: ReverseReady, what: "stop the replication, and have the way back ready", budget: func(*Budgets) time.Duration { return 5 * time.Second }, do: (*run).turn, undo: (*run).unturn},
		{state: PNR, what: "write down that there is no way back but the mirrored one", budget: func(*Budgets) time.Duration { return 2 * time.Second }, do: (*run).passNoReturn, undo: (*run).unpassNoReturn},
		{state: TargetOpen, what: "open the way back, and the database that is switched to", budget: func(b *Budgets) time.Duration { return b.Open }, do: (*run).openTo, probe: (*run).isOpen},
		{state: Redirected, what: "lead the application there", budget: func(b *Budgets) time.Duration { return b.Open }, do: (*run).redirect},
		{state: Live, what: "see that it has arrived, and that nobody writes to the other side", budget: func(b *Budgets) time.Duration { return b.Open }, do: (*run).goLive, probe: (*run).isLive},
	}
}

// order is that of all states.
var order = []State{Init, Preflighted, Prepared, Synced, Armed, Freezing, Frozen, Drained, Sequenced, Verified, ReverseReady, PNR, TargetOpen, Redirected, Live, Stabilising, Finalised}

// rank is where a state stands in the order, -1 for none of it.
func rank(s State) int { return slices.Index(order, s) }

// errBudget is the cause of a step that took too long.
type errBudget struct {
	state  State
	budget time.Duration
}

func (e errBudget) Error() string {
	return fmt.Sprintf("%s did not end within its budget of %v", e.state, e.budget)
}

// take takes one step: it is written down that it begins before anything is done.
func (r *run) take(ctx context.Context, s step) error {
	r.tell(s.state, false, "%s", s.what)
	if err := r.write(Begins, s.state, ""); err != nil {
		return err
	}
	r.begun = s.state
	result := StepResult{State: s.state, What: s.what, Attempt: r.attempt, Actions: []Action{}}
	bounded, cancel := ctx, func() {}
	if s.budget != nil {
		budget := s.budget(&r.o.Budgets)
		result.BudgetMS = budget.Milliseconds()
		if !r.exec.dry() {
			bounded, cancel = context.WithTimeoutCause(ctx, budget, errBudget{s.state, budget})
		}
	}
	began := time.Now()
	var err error
	if !r.o.dropStep[s.state] {
		err = s.do(r, bounded)
	}
	if err != nil && bounded.Err() != nil {
		if why := context.Cause(bounded); !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	cancel()
	result.Actions = append(result.Actions, r.exec.taken()...)
	result.PredictedMS = r.expected(s.state, len(result.Actions))
	r.finish(&result, began, err)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", s.state, err), r.record(Failed, s.state, err.Error(), result.Actions))
	}
	if err := r.record(Reached, s.state, "", result.Actions); err != nil {
		return err
	}
	r.result.State = s.state
	r.mark(s.state)
	r.tell(s.state, true, "")
	return nil
}

// finish keeps how a step went; in a plan, how it would be taken back.
func (r *run) finish(result *StepResult, began time.Time, err error) {
	if !r.exec.dry() {
		took := milliseconds(time.Since(began))
		result.TookMS, result.StartedAt = &took, began.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	}
	if err != nil {
		result.Error = err.Error()
	}
	r.result.Steps = append(r.result.Steps, *result)
}

// write appends a record without effects.
func (r *run) write(k Kind, s State, message string) error { return r.record(k, s, message, nil) }

// record appends a record. The last facts are with each: a reader needs no other.
func (r *run) record(k Kind, s State, message string, actions []Action) error {
	if r.exec.dry() {
		return nil
	}
	facts := r.facts
	err := r.journal.append(Record{Run: r.id, Direction: r.direction, Kind: k, State: s, Attempt: r.attempt, Message: message, Effects: effects(actions), Facts: &facts})
	if l, ok := r.exec.(*live); ok {
		l.at(fmt.Sprintf("journal %s %s", k, s))
	}
	return err
}

// window are the steps that are tried again together.
func window(s step) bool { return rank(s.state) >= rank(Armed) && rank(s.state) <= rank(PNR) }

// errGiveUp keeps a window from being tried again: what stands in its way does
// not pass by itself.
type errGiveUp struct{ err error }

func (e errGiveUp) Error() string { return e.err.Error() }
func (e errGiveUp) Unwrap() error { return e.err }

// before takes the steps that the application does not notice.
func (r *run) before(ctx context.Context) error {
	for _, s := range machine() {
		if rank(s.state) >= rank(Armed) {
			continue
		}
		if err := r.take(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// tries runs the window until it is through, or may not be tried again. Between
// two attempts all is as it was.
func (r *run) tries(ctx context.Context, last State) error {
	pause := r.o.Backoff
	for r.attempt = 1; ; r.attempt++ {
		err := r.throughWindow(ctx, last)
		if err == nil || r.exec.dry() {
			return err
		}
		if undo := r.giveUp(ctx, err); undo != nil {
			return errors.Join(err, undo)
		}
		var final errGiveUp
		if errors.As(err, &final) || ctx.Err() != nil || r.attempt >= max(r.o.Attempts, 1) {
			return err
		}
		r.tell(Aborted, true, "attempt %d was given up (%v); the next one begins in %v", r.attempt, err, pause)
		rest(ctx, pause)
		pause *= 2
		// A worker that was stopped and started again by us is no trouble.
		if err := errors.Join(r.workersUp(ctx), r.detect(ctx)); err != nil {
			return err
		}
	}
}

// throughWindow takes the steps from Armed to PNR, or to last.
func (r *run) throughWindow(ctx context.Context, last State) error {
	outer := ctx
	for _, s := range machine() {
		if !window(s) {
			continue
		}
		if s.state == Armed {
			if err := flushing((*run).ask)(r, ctx); err != nil {
				return err
			}
		}
		if s.state == Freezing && !r.exec.dry() {
			var cancel context.CancelFunc
			r.opened = time.Now()
			ctx, cancel = context.WithTimeoutCause(outer, r.o.Budgets.Window, errBudget{"the window", r.o.Budgets.Window})
			defer cancel()
		}
		if err := r.take(ctx, s); err != nil {
			return err
		}
		if s.state == last {
			return nil
		}
	}
	return nil
}

// undoPatience bounds the taking back of a window: longer than a side is away
// when a network blinks.
const undoPatience = time.Minute

// errNotUndone: a window could not be taken back.
type errNotUndone struct {
	err  error
	side string // what was closed
	open bool   // it is open again, and only the rest is not taken back
}

func (e errNotUndone) Error() string {
	if errors.As(e.err, new(errTwoRuns)) { // nothing is to be opened by hand then
		return fmt.Sprintf("what was done is left to another run: %v", e.err)
	}
	if e.open {
		return fmt.Sprintf("the %s can be written to again, and the rest could not be taken back: %v; run `pgparity cutover abort`", e.side, e.err)
	}
	return fmt.Sprintf("what was done could not be taken back: %v; the %s may be closed still, and the guard, where there is one, tries for %v more: run `pgparity cutover abort`, or run the .unfreeze.sql beside the journal", e.err, e.side, guardPatience)
}
func (e errNotUndone) Unwrap() error { return e.err }

// giveUp takes back what a window did, the last step first, whatever became of
// ctx.
func (r *run) giveUp(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
	defer cancel()
	r.tell(Aborting, false, "%v", why)
	if err := r.write(Undoes, Aborting, why.Error()); err != nil {
		// The disk may be full: what is closed has to be opened all the same.
		r.note("the journal could not be written: %v", err)
	}
	if open, err := r.undo(ctx, window); err != nil {
		r.leaveGuard = !open
		return errNotUndone{err, r.from.name, open}
	}
	r.opened, r.begun = time.Time{}, Synced
	return r.write(Undone, Synced, "")
}

// undo takes steps back, the last first. What can wait (the stream back to its
// stop, triggers) waits for what cannot: the application writes again. open tells
// that this much was done, or had not to be.
func (r *run) undo(ctx context.Context, which func(step) bool) (open bool, err error) {
	var errs []error
	result := StepResult{State: Aborting, What: "take back what was done", Attempt: r.attempt, Actions: []Action{}}
	began := time.Now()
	begun := func(s step) bool { return which(s) && rank(s.state) <= rank(r.begun) && s.undo != nil }
	open = true
	for _, s := range machine() {
		if s.state == Freezing && begun(s) {
			err := s.undo(r, ctx)
			errs, open = append(errs, err), err == nil
		}
	}
	if errors.As(errors.Join(errs...), new(errTwoRuns)) { // all of it is that one's by now
		r.finish(&result, began, errors.Join(errs...))
		return false, errors.Join(append(errs, removeFile(r.thawFile()))...)
	}
	for _, s := range slices.Backward(machine()) {
		// A source that is closed still is the guard's.
		if s.state != Freezing && begun(s) && (open || s.state != Armed) {
			errs = append(errs, r.again(ctx, s.undo))
		}
	}
	err = errors.Join(errs...)
	result.Actions = append(result.Actions, r.exec.taken()...)
	r.finish(&result, began, err)
	return open, err
}

// again does something until it is done, ctx is over, or it fails although both
// sides are there: one that is away may come back, and is connected to anew.
func (r *run) again(ctx context.Context, what func(*run, context.Context) error) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		try, cancel := context.WithTimeout(ctx, againPatience)
		err := what(r, try)
		cancel()
		if err == nil || ctx.Err() != nil || !r.reconnect(ctx) {
			return err
		}
		rest(ctx, pause)
	}
}

// againPatience bounds one try: what a connection that went silent is asked has no
// end of its own.
const againPatience = 20 * time.Second

// onward takes the steps behind the point of no return. There is no way but
// forward: each is tried again until its budget is over, and the error says that
// the run has to be taken up again.
func (r *run) onward(ctx context.Context) error {
	var onceMore State
	if r.result.State == Redirected { // taken up: it may have been led elsewhere, and what led it there corrected
		onceMore = Redirected
	}
	for _, s := range machine() {
		if rank(s.state) <= rank(PNR) || rank(r.result.State) >= rank(s.state) && s.state != onceMore {
			continue
		}
		deadline := time.Now().Add(s.budget(&r.o.Budgets))
		for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
			err := r.take(ctx, s)
			if err == nil {
				break
			}
			if ctx.Err() != nil || time.Now().Add(pause).After(deadline) {
				return err
			}
			r.tell(s.state, false, "%v; again", err)
			rest(ctx, pause)
			r.reconnect(ctx)
			if r.superseded != nil { // which may lead elsewhere: one of the two acts
				return r.superseded
			}
		}
	}
	return nil
}
