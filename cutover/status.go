package cutover

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// Status says how far a switch has come, by the journal and by the databases, and
// what to do next. It changes nothing, and may be asked while a run is at work. A
// side that cannot be reached is said so.
func Status(ctx context.Context, o Options) (*Result, error) {
	r, err := newRun(o, "status", Forward)
	if err != nil {
		return nil, err
	}
	j, held, err := readJournal(o.Journal)
	if err != nil {
		return nil, err
	}
	r.journal = j
	defer r.close()
	s := j.standing()
	r.facts, r.direction = s.Facts, s.Direction
	r.result.Direction, r.result.Run, r.result.State, r.result.Strategy = s.Direction, s.Run, s.State, s.Facts.Strategy
	r.result.Verified, r.result.PredictedMS = s.Facts.Evidence, s.Facts.PredictedMS
	if rank(s.State) >= rank(Drained) { // before, it is an earlier run's
		r.result.FenceLSN = s.Facts.FenceLSN
	}
	r.result.Outcome = Done
	unreachable := r.openToLook(ctx)
	r.say(s, held)
	if shut := (errShut{}); errors.As(unreachable, &shut) && s.switched() { // as it is to be
		r.note("%v", shut)
		return r.done(), nil
	}
	if unreachable != nil {
		r.result.Outcome = Unproven
		r.result.Reasons = append(r.result.Reasons, unreachable.Error())
		return r.done(), nil
	}
	is, err := r.look(ctx)
	if err != nil {
		r.result.Outcome = Unproven
		r.result.Reasons = append(r.result.Reasons, err.Error())
		return r.done(), nil
	}
	for _, e := range []struct {
		end  *end
		open bool
	}{{r.from, is.fromOpen}, {r.to, is.toOpen}} {
		how := "is closed: clients cannot write there"
		if e.open {
			how = "is open: clients can write there"
		}
		r.note("%s (%s) %s", e.end.name, e.end.db.Server().Database, how)
	}
	if is.reverse {
		r.note("the way back is started")
	}
	what := s.contradicts(is, r)
	if what == "" && s.Direction == Forward && rank(s.State) >= rank(Prepared) && s.State != Finalised {
		if what, err = r.probeReached(ctx, s.State); err != nil {
			what = err.Error()
		}
	}
	if what != "" {
		r.result.Outcome = Unproven
		r.result.Reasons = append(r.result.Reasons, errContradiction{what}.Error())
	}
	if s.Run == "" && !is.fromOpen {
		r.result.Next = append(r.result.Next, "the journal knows of no run, and the source is closed: where a run of pgparity did that, `pgparity cutover abort` with the right journal, or with a new one, opens it again")
	}
	return r.done(), nil
}

// errShut: a side is closed, and the role is no superuser.
type errShut struct{ side string }

func (e errShut) Error() string {
	return fmt.Sprintf("the %s is closed, and lets in nobody but superusers: as one, status says more", e.side)
}

// openToLook connects the ends as far as a look needs them.
func (r *run) openToLook(ctx context.Context) error {
	r.from, r.to = &end{name: "source", url: r.o.Source}, &end{name: "target", url: r.o.Target}
	if r.direction == Rollback {
		r.from, r.to = r.to, r.from
	}
	var errs []error
	for _, e := range []*end{r.from, r.to} {
		o := postgres.Options{Side: r.sideOf(e), URL: e.url, MaxConns: 1, Run: r.id, Application: "pgparity cutover status", Primary: true}
		var err error
		if e.db, err = postgres.Open(ctx, o); err == nil {
			e.control, err = postgres.OpenControl(ctx, o)
		}
		if full(err) && len(r.facts.Saved) > 0 {
			err = errShut{e.name}
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.identify(ctx)
	for side, system := range r.facts.Systems {
		if now := r.systems()[side]; now != system {
			return fmt.Errorf("journal %s is of another pair: its %s is %s, and %s is given now", r.o.Journal, side, system, now)
		}
	}
	return nil
}

// say puts the journal's last run into sentences.
func (r *run) say(s standing, held bool) {
	next := func(format string, args ...any) {
		r.result.Next = append(r.result.Next, fmt.Sprintf(format, args...))
	}
	since := s.Since.Local().Format("2006-01-02 15:04:05")
	command := "run"
	if s.Direction == Rollback {
		command = "rollback"
	}
	switch {
	case s.Run == "":
		r.note("the journal (%s) knows of no run", r.o.Journal)
		next("`pgparity cutover plan` prints the runbook, `pgparity cutover run` switches")
	case held:
		r.note("run %s is at work: %s since %s", s.Run, s.last(), since)
		next("nothing: a process holds the journal")
	case s.Over && s.State == Live && s.Direction == Rollback:
		r.note("run %s led back, since %s", s.Run, since)
		next("`pgparity cutover run` switches again")
	case s.Over && s.State == Finalised:
		r.note("run %s was finalised, %s", s.Run, since)
	case s.switched() && s.finalising():
		r.note("the way back is being removed, since %s", since)
		next("`pgparity cutover finalize` completes that, and only that")
	case s.switched():
		if s.Direction == Forward {
			r.note("run %s switched, since %s", s.Run, since)
		} else {
			r.note("the application was led to the target; run %s, which was to lead it back, was given up, %s: %s", s.Run, since, s.Message)
		}
		if len(s.Facts.Reverse) == 0 && s.Direction == Forward {
			next("there is no way back; `pgparity cutover finalize` removes what the switch has left")
			break
		}
		next("`pgparity cutover rollback` leads back with all that was written since; `pgparity cutover finalize` removes the way back")
	case s.Over && s.Message == errRehearsed.Error():
		r.note("run %s was a rehearsal, %s: all was taken back", s.Run, since)
		next("`pgparity cutover run` switches")
	case s.Over:
		r.note("run %s was given up, %s: %s", s.Run, since, s.Message)
		next("mend what it was given up for, and `pgparity cutover run` again")
	case s.passed():
		r.note("run %s was interrupted behind the point of no return, at %s, %s", s.Run, s.last(), since)
		meanwhile := "the application writes nowhere meanwhile"
		if rank(s.State) >= rank(Redirected) {
			meanwhile = "the application was led to the " + r.to.name + " already"
		}
		next("`pgparity cutover %s` goes on from there, and only that: %s", command, meanwhile)
	case s.exposed():
		r.note("run %s was interrupted in its window, at %s, %s", s.Run, s.last(), since)
		next("`pgparity cutover abort` lets the application write again, as the guard does where it lives")
	default:
		r.note("run %s was interrupted at %s, %s, before anything was closed", s.Run, s.last(), since)
		next("`pgparity cutover %s` begins anew, `pgparity cutover abort` removes what was prepared", command)
	}
}
