package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
)

var (
	cutoverOutcomes = []cutover.Outcome{cutover.Done, cutover.Refused, cutover.Unproven, cutover.AbortedRun, cutover.Stopped, cutover.Elsewhere}
	cutoverStates   = []cutover.State{
		cutover.Init, cutover.Preflighted, cutover.Prepared, cutover.Synced, cutover.Armed,
		cutover.Freezing, cutover.Frozen, cutover.Drained, cutover.Sequenced, cutover.Verified, cutover.ReverseReady,
		cutover.PNR, cutover.TargetOpen, cutover.Redirected,
		cutover.Live, cutover.Stabilising, cutover.Finalised, cutover.Aborting, cutover.Aborted,
	}
	// gateClaims are what may be proved of a table, the weakest first.
	gateClaims = []string{"nothing", "last", "followed", "changed", "whole"}
)

// settleCutover returns the copy of r that is rendered: no nil list, times in
// UTC, numbers that JSON has, and no claim that the content does not carry.
// Lists that need no change stay shared with r.
func settleCutover(r *cutover.Result) *cutover.Result {
	c := *r
	c.SchemaVersion = cutover.SchemaVersion
	c.StartedAt, c.FinishedAt = c.StartedAt.UTC(), c.FinishedAt.UTC()
	c.Reasons, c.Notes, c.Next = listed(c.Reasons), listed(c.Notes), listed(c.Next)
	if c.State == "" {
		c.State = cutover.Init
	}
	if c.Direction == "" {
		c.Direction = cutover.Forward
	}
	c.Steps = slices.Clone(listed(c.Steps))
	for i := range c.Steps {
		s := &c.Steps[i]
		s.TookMS = finiteOf(s.TookMS)
		s.Actions, s.Undo = settleActions(listed(s.Actions)), settleActions(s.Undo)
	}
	if c.Preflight != nil {
		c.Preflight = settlePreflight(c.Preflight)
	}
	if c.Verified != nil {
		e := *c.Verified
		e.Verdict, e.FinishedAt = known(e.Verdict), e.FinishedAt.UTC()
		c.Verified = &e
	}
	if c.Gate != nil {
		c.Gate = settleGate(*c.Gate)
	}
	if c.Outage != nil {
		c.Outage = settleOutage(*c.Outage)
	}
	if !slices.Contains(cutoverOutcomes, c.Outcome) {
		c.Outcome = cutover.Unproven
	}
	if against := notSo(r); len(against) > 0 {
		c.Reasons = slices.Concat(c.Reasons, []string{
			fmt.Sprintf("the result claims to be %s and contradicts itself: %s", r.Outcome, strings.Join(against, "; ")),
		})
		c.Outcome = cutover.Unproven
	}
	return &c
}

func settleActions(list []cutover.Action) []cutover.Action {
	list = slices.Clone(list)
	for i := range list {
		list[i].TookMS = finiteOf(list[i].TookMS)
	}
	return list
}

// settleGate makes a claim that nobody knows none at all.
func settleGate(g cutover.Gate) *cutover.Gate {
	g.TookMS = finite(g.TookMS)
	g.Findings = listed(g.Findings)
	g.Passed = g.Passed && len(g.Findings) == 0
	g.Tables = slices.Clone(listed(g.Tables))
	for i := range g.Tables {
		if !slices.Contains(gateClaims, g.Tables[i].Claim) {
			g.Tables[i].Claim = gateClaims[0]
		}
	}
	return &g
}

func settleOutage(o cutover.Outage) *cutover.Outage {
	for _, v := range []*float64{&o.WriteMS, &o.ReadMS, &o.WriteAtMS, &o.ReadAtMS, &o.IntervalMS, &o.ProbedMS} {
		*v = moment(*v)
	}
	o.Timeline, o.Marks = slices.Clone(listed(o.Timeline)), slices.Clone(listed(o.Marks))
	for i := range o.Timeline {
		b := &o.Timeline[i]
		b.AtMS, b.TookMS = moment(b.AtMS), moment(b.TookMS)
	}
	for i := range o.Marks {
		o.Marks[i].AtMS = moment(o.Marks[i].AtMS)
	}
	return &o
}

// moment bounds what is drawn to what can be: no probe goes on for decades, and
// a picture's scale is counted through.
func moment(ms float64) float64 { return min(max(finite(ms), 0), 1e12) }

func finiteOf(v *float64) *float64 {
	if v == nil {
		return nil
	}
	f := finite(*v)
	return &f
}

// notSo says what in r speaks against the outcome that it claims: that of a
// command that is done, or undone. Nothing else is a claim.
func notSo(r *cutover.Result) []string {
	against := []string{}
	if r.Outcome == cutover.Done {
		against = notDone(r)
	}
	// The way back, when it is given up, leaves what it was to take back.
	if n := rankOf(r.State); r.Outcome == cutover.AbortedRun && r.Direction != cutover.Rollback && n >= rankOf(cutover.PNR) && n <= rankOf(cutover.Finalised) {
		against = append(against, fmt.Sprintf("it has come to %s, past the point of no return", r.State))
	}
	// The list can be as long as the steps are many; the first few tell it.
	if n := len(against); n > 5 {
		against = append(against[:5], fmt.Sprintf("and %d more", n-5))
	}
	return against
}

func notDone(r *cutover.Result) (against []string) {
	add := func(format string, args ...any) { against = append(against, fmt.Sprintf(format, args...)) }
	if len(r.Reasons) > 0 {
		add("it gives a reason against: %s", r.Reasons[0])
	}
	if r.Command == "run" || r.Command == "rollback" {
		if !arrived(r) {
			add("it has come to %s only", orNone(string(r.State)))
		}
		if e := r.Verified; e != nil && e.Verdict != checker.Match {
			add("the full verification says %s", e.Verdict)
		}
		if o := r.Outage; o != nil && o.Lost > 0 {
			add("%s", plural(int64(o.Lost), "acknowledged write is lost", "acknowledged writes are lost"))
		}
		if g := r.Gate; g != nil && !g.Passed {
			add("the verification in the window was not passed")
		}
		if g := r.Gate; g != nil && len(g.Findings) > 0 {
			add("the verification in the window found: %s", g.Findings[0])
		}
	}
	for _, s := range lastAttempts(r.Steps) {
		if s.Error != "" && r.Command != "status" {
			add("%s failed: %s", s.State, s.Error)
		}
	}
	return against
}

// arrived tells whether a switch came to its end; where somebody else switches
// there is none to come to.
func arrived(r *cutover.Result) bool {
	n := rankOf(r.State)
	return r.Strategy == cutover.VerifyOnly || n >= rankOf(cutover.Live) && n <= rankOf(cutover.Finalised)
}

// rankOf is a state's place in the order, -1 for one that nobody knows.
func rankOf(s cutover.State) int { return slices.Index(cutoverStates, s) }

// lastAttempts leaves of each state the step that was taken last: what failed
// before that was undone, or was not to be undone, and was tried again.
func lastAttempts(steps []cutover.StepResult) []cutover.StepResult {
	var out []cutover.StepResult
	again := superseded(steps)
	for i := range steps {
		if !again[i] {
			out = append(out, steps[i])
		}
	}
	return out
}

// superseded tells of each step whether it was taken again later, or the window
// that it is of.
func superseded(steps []cutover.StepResult) []bool {
	again := make([]bool, len(steps))
	later, last := map[cutover.State]bool{}, 0
	for i := len(steps) - 1; i >= 0; i-- {
		s := &steps[i]
		again[i] = later[s.State] || s.Attempt > 0 && s.Attempt < last
		later[s.State], last = true, max(last, s.Attempt)
	}
	return again
}
