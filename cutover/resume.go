package cutover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// errContradiction: the journal and the databases do not say the same. Nothing
// is done then: a person has to look.
type errContradiction struct{ what string }

func (e errContradiction) Error() string {
	return "the journal and the databases contradict each other: " + e.what
}

func contradiction(what string) error {
	if what == "" {
		return nil
	}
	return errContradiction{what}
}

// resume finds out how far an earlier run has come, and says whether there is
// anything to do. What is in the databases is looked at before anything is
// done.
func (r *run) resume(ctx context.Context) (bool, error) {
	s := r.journal.standing()
	is, err := r.look(ctx)
	if err != nil && s.exposed() {
		return false, errNotUndone{err, r.from.name, false}
	}
	if err != nil {
		return false, err
	}
	if err := contradiction(s.contradicts(is, r)); err != nil {
		return false, err
	}
	switch {
	case s.switched() && s.finalising():
		return false, &OperatorError{fmt.Errorf("the switch of journal %s is finalised (%s): there is no way back any more, and another switch is another journal's", r.o.Journal, s.last())}
	case s.Over && s.Led == r.direction:
		r.result.State, r.result.Strategy = Live, s.Facts.Strategy
		r.note("the application was led to the %s already: there is nothing to do", r.to.name)
		return false, nil
	case s.passed() && !s.Over:
		if what, err := r.probeReached(ctx, s.State); err != nil || what != "" {
			return false, errors.Join(err, contradiction(what))
		}
		r.note("taken up at %s, after run %s was interrupted", s.State, s.Run)
		return true, r.checkPoolers(ctx)
	case s.exposed():
		r.note("run %s was interrupted in its window (%s): what it had done was taken back first", s.Run, s.last())
		return true, r.takeBack(ctx, s)
	}
	return true, nil
}

// last is the step that was being taken, or the last that was.
func (s standing) last() State {
	if s.Begun != "" {
		return s.Begun
	}
	return s.State
}

// takeBack undoes another run's window.
func (r *run) takeBack(ctx context.Context, s standing) error {
	r.facts, r.strategy, r.begun = s.Facts, s.Facts.Strategy, s.last()
	if s.Undoing {
		r.begun = PNR // how far it had come is not said: everything is looked at
	}
	r.attempt = 1
	return r.giveUp(ctx, fmt.Errorf("run %s was interrupted", s.Run))
}

// reality is what the databases say of a switch.
type reality struct {
	fromOpen, toOpen bool
	reverse          bool // the way back is started
	// stranger is a run that the ledger of the side at has as the last one, and the
	// journal does not know.
	stranger, at string
}

func (r *run) look(ctx context.Context) (is reality, err error) {
	if is.fromOpen, err = r.accepts(ctx, r.from); err != nil {
		return is, err
	}
	if is.toOpen, err = r.accepts(ctx, r.to); err != nil {
		return is, err
	}
	for _, s := range r.facts.Reverse {
		now, err := readStream(ctx, r.from, s.Subscription)
		if err != nil {
			return is, err
		}
		is.reverse = is.reverse || now.enabled && now.slot == s.Slot
	}
	for _, e := range []*end{r.from, r.to} {
		there, err := text(ctx, e.control, "ledger", `SELECT pg_catalog.to_regclass('pgparity.cutover') IS NOT NULL`)
		if err != nil {
			return is, err
		}
		if there != "t" {
			continue
		}
		active, err := text(ctx, e.control, "ledger", `SELECT run FROM pgparity.cutover WHERE side = $1`, e.name)
		if err != nil {
			return is, err
		}
		if !r.journal.knows(active) {
			is.stranger, is.at = active, e.name
		}
	}
	return is, nil
}

// contradicts says what of the journal the databases do not bear out, "" for
// nothing.
func (s standing) contradicts(is reality, r *run) string {
	sourceOpen := is.fromOpen
	if r.direction == Rollback {
		sourceOpen = is.toOpen
	}
	switch {
	case is.stranger != "":
		return fmt.Sprintf("the %s says that run %s was the last one at work, and the journal does not know it: it is an old copy, or of another switch; give that run's journal, or a new file, which takes over what the databases know", is.at, is.stranger)
	case s.passed() && !s.Over && is.fromOpen:
		return fmt.Sprintf("the point of no return was passed (%s), and the %s can be written to: if clients have written there, that is nowhere else; close it (ALTER DATABASE … SET default_transaction_read_only = on), compare (pgparity verify), and run again", s.State, r.from.name)
	case s.passed() && !s.Over && rank(s.State) >= rank(TargetOpen) && !is.toOpen:
		return fmt.Sprintf("the %s was opened (%s), and is read only now: somebody closed it; open it (ALTER DATABASE … RESET default_transaction_read_only) where that was a mistake, and run again", r.to.name, s.State)
	case s.passed() && !s.Over, s.switched() && s.finalising():
		return ""
	case s.switched() && sourceOpen:
		return "the application was led to the target, and the source can be written to: somebody opened it; if clients have written there, that is nowhere else; close it (ALTER DATABASE … SET default_transaction_read_only = on), and compare (pgparity verify)"
	case s.switched(), s.Over && s.Led == Rollback && r.direction == Rollback:
		return ""
	case is.reverse:
		return fmt.Sprintf("the point of no return was not passed (%s), and the way back is started: the journal is not the one of the last run, or somebody enabled the subscription; disable it on the %s where nothing was written to the %s, and run again", s.last(), r.from.name, r.to.name)
	case is.toOpen && !is.fromOpen:
		return fmt.Sprintf("no switch is known to have passed the point of no return (%s), and the %s is open while the %s is read only: the application was led there already, by a run of another journal or by hand; give that journal, or, where nothing was written to the %[2]s, close it, and run again", s.last(), r.to.name, r.from.name)
	}
	return ""
}

// adopt takes over what the databases know of a run whose journal is lost, and
// tells whether there was one. Without the journal the other side being open, or
// the way back being started, means that the point of no return was passed.
func (r *run) adopt(ctx context.Context) (bool, error) {
	if len(r.journal.records) > 0 {
		return false, nil
	}
	var records []Record
	for _, e := range []*end{r.to, r.from} {
		found, err := readLedger(ctx, e)
		if err != nil {
			return false, err
		}
		if len(found) > len(records) {
			records = found
		}
	}
	for _, rec := range records {
		if err := r.journal.append(rec); err != nil {
			return false, err
		}
	}
	s := r.journal.standing()
	if len(records) == 0 || len(s.Facts.Saved) == 0 {
		return len(records) > 0, nil
	}
	r.note("journal %s is new: what the databases know of run %s was taken over", r.o.Journal, s.Run)
	if s.Over {
		return true, nil
	}
	if r.facts = s.Facts; r.direction != s.Direction {
		r.direction, r.from, r.to = s.Direction, r.to, r.from
	}
	is, err := r.look(ctx)
	if err != nil {
		return false, err
	}
	// How far the window had come is not known: all of it is taken back.
	lost := Record{Run: s.Run, Direction: s.Direction, Kind: Undoes, State: Aborting, By: "databases", Message: "the journal was lost", Facts: &s.Facts}
	if is.reverse || is.toOpen && !is.fromOpen {
		lost.Kind, lost.State = Reached, PNR
	}
	return true, r.journal.append(lost)
}

// abort takes back what a run has done.
func (r *run) abort(ctx context.Context) error {
	s := r.journal.standing()
	is, err := r.look(ctx)
	if err != nil {
		return err
	}
	if err := contradiction(s.contradicts(is, r)); err != nil {
		return err
	}
	switch {
	case s.passed() && !s.Over:
		return &OperatorError{fmt.Errorf("the point of no return was passed (%s): `pgparity cutover run` goes on, `pgparity cutover rollback` leads back then", s.State)}
	case s.switched():
		return &OperatorError{errors.New("the switch went through: there is nothing to abort; `pgparity cutover rollback` leads back, where it is not finalised")}
	case s.Over && s.State == Live:
		return &OperatorError{errors.New("the application was led back: there is nothing to abort")}
	}
	r.facts, r.strategy = s.Facts, s.Facts.Strategy
	if len(r.facts.Saved) == 0 {
		r.note("nothing was prepared: there is nothing to take back")
		return errors.Join(r.dropLedger(ctx, r.from), r.dropLedger(ctx, r.to))
	}
	if s.exposed() || !is.fromOpen {
		if err := r.takeBack(ctx, standing{Run: s.Run, State: s.State, Undoing: true, Facts: s.Facts}); err != nil {
			return err
		}
	}
	r.begun = Prepared
	if r.o.KeepPrepared {
		r.note("what was prepared was kept: a slot of the way back keeps the log of its server until the next run, or `pgparity cutover abort`")
		return r.end("aborted by an operator")
	}
	if _, err := r.undo(ctx, func(s step) bool { return s.state == Prepared }); err != nil {
		return errNotUndone{err, r.from.name, true}
	}
	r.result.State = Aborted
	return errors.Join(r.end("aborted by an operator"), removeFile(r.thawFile()))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

// readyForRollback makes sure that there is a way back.
func (r *run) readyForRollback() error {
	s := r.journal.standing()
	if s.Direction == Rollback && !s.Over {
		return nil
	}
	if !s.switched() {
		return &OperatorError{fmt.Errorf("there is no switch to roll back: the journal says %s", strings.TrimSpace(string(s.Direction)+" "+string(s.State)))}
	}
	if len(r.facts.Streams) == 0 {
		return &OperatorError{errors.New("there is no way back: it was switched without one, or it was removed since; what was written to the target since is nowhere else")}
	}
	return nil
}

// afterRollback leaves the facts as they were before the switch: what carried it
// carries again.
func (r *run) afterRollback() {
	r.facts.Streams, r.facts.Reverse, r.facts.Evidence = nil, nil, nil
}

// finalise verifies the pair the other way round, and removes the way back.
func (r *run) finalise(ctx context.Context) error {
	s := r.journal.standing()
	if !s.switched() || s.State == Finalised {
		return &OperatorError{fmt.Errorf("there is no switch to finalise: the journal says %s", strings.TrimSpace(string(s.Direction)+" "+string(s.State)))}
	}
	is, err := r.look(ctx)
	if err != nil {
		return err
	}
	if err := contradiction(s.contradicts(is, r)); err != nil {
		return err
	}
	if r.o.Confirm != nil {
		q := Question{What: fmt.Sprintf("The way back to %s (%s) is removed: a rollback is not possible any more.", r.from.db.Server().Database, r.from.name), Type: r.from.db.Server().Database}
		if err := r.o.Confirm(ctx, q); err != nil {
			return &OperatorError{fmt.Errorf("not confirmed: %w", err)}
		}
	}
	for _, part := range []step{
		{state: Stabilising, what: "verify that the way back has carried everything", do: (*run).verifyBack},
		{state: Finalised, what: "remove the way back, and what the switch left", do: (*run).cleanUp},
	} {
		if part.state == Stabilising && (s.State == Stabilising || s.finalising()) {
			continue // it was verified, and the way back may be gone in part
		}
		if err := r.take(ctx, part); err != nil {
			return err
		}
	}
	return r.write(Over, Finalised, "")
}

// cleanUp removes everything of the switch but the closed source, which is the
// operator's to remove.
func (r *run) cleanUp(ctx context.Context) error {
	if err := r.dropReverse(ctx); err != nil {
		return err
	}
	for _, s := range r.facts.Streams {
		if err := r.dropSubscription(ctx, r.to, s); err != nil {
			return err
		}
		// A rollback that was given up may have left both, where they were to be kept.
		if err := errors.Join(r.dropSlot(ctx, r.from, s.Slot), r.dropSlot(ctx, r.from, s.ahead())); err != nil {
			return err
		}
	}
	if r.facts.Heartbeat != "" {
		if err := r.dropHeartbeat(ctx); err != nil {
			return err
		}
	}
	for _, e := range []*end{r.from, r.to} {
		if err := r.dropLedger(ctx, e); err != nil {
			return err
		}
	}
	r.note("%s stays closed; its publications are left as they are, as others may read them", r.from.name)
	return r.callHooks(ctx, OnRemove)
}

// verifyBack compares the pair the other way round: from the one that is written
// to, to the one that is closed.
func (r *run) verifyBack(ctx context.Context) error {
	if len(r.facts.Reverse) == 0 {
		r.note("there is no way back: nothing to be verified")
		return nil
	}
	back := &run{o: r.o, id: r.id, direction: Rollback, strategy: r.strategy, attempt: 1, exec: r.exec, journal: r.journal, result: r.result, facts: r.facts}
	back.o.Verified = nil
	defer back.close()
	if err := back.open(ctx); err != nil {
		return err
	}
	return back.verifyFull(ctx)
}
