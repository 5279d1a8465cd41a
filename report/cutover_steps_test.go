package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/cutover"
)

// TestStepWords: what failed and was tried again is told from what failed.
func TestStepWords(t *testing.T) {
	took := ptr(1.0)
	r := &cutover.Result{Command: "run", Steps: []cutover.StepResult{
		{State: cutover.Prepared, TookMS: took},
		{State: cutover.Frozen, Attempt: 1, TookMS: took},
		{State: cutover.Verified, Attempt: 1, TookMS: took, Error: "no"}, // the second attempt did not come so far
		{State: cutover.Aborting, Attempt: 1, TookMS: took},
		{State: cutover.Frozen, Attempt: 2, TookMS: took, Error: "no"},
		{State: cutover.Aborting, Attempt: 2, TookMS: took, Error: "no"},
		{State: cutover.TargetOpen, TookMS: took, Error: "no"},
		{State: cutover.TargetOpen, TookMS: took},
		{State: cutover.Redirected},
		{State: cutover.Live, Skipped: "why"},
	}}
	want := "done done retried done failed failed retried done not ended skipped"
	if got := strings.Join(stepWords(r), " "); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var final []string
	for _, f := range failures(r) {
		if f.Final {
			final = append(final, f.Step)
		}
	}
	if diff := cmp.Diff([]string{"FROZEN (2)", "ABORTING (2)"}, final); diff != "" {
		t.Error(diff)
	}
	r.Command = "plan"
	if words := stepWords(r); words[8] != "planned" {
		t.Errorf("a step of a plan is %s", words[8])
	}
}

// TestBorders: the window is between where writes stop and where they go on, and
// the point of no return is in it.
func TestBorders(t *testing.T) {
	borders := func(states ...cutover.State) (list []string) {
		steps := make([]cutover.StepResult, len(states))
		for i, s := range states {
			steps[i].State = s
		}
		for i := range steps {
			list = append(list, border(steps, i))
		}
		return list
	}
	for _, c := range []struct {
		states []cutover.State
		want   []string
	}{
		{[]cutover.State{cutover.Prepared, cutover.Armed, cutover.Freezing, cutover.Verified, cutover.PNR, cutover.Redirected, cutover.Live, cutover.Finalised}, []string{"", "", writesStop, "", noReturn, "", writesGoOn, ""}},
		{[]cutover.State{cutover.Armed, cutover.Freezing, cutover.Aborting, cutover.Armed, cutover.Freezing, cutover.Aborting, cutover.Aborted}, []string{"", writesStop, undoneAfter, "", writesStop, undoneAfter, ""}},
		{[]cutover.State{cutover.PNR, cutover.PNR, cutover.TargetOpen}, []string{noReturn, "", ""}},
		{[]cutover.State{cutover.Live}, []string{""}},
	} {
		if diff := cmp.Diff(c.want, borders(c.states...)); diff != "" {
			t.Errorf("%v: %s", c.states, diff)
		}
	}
}

func TestTakeBack(t *testing.T) {
	undo := func(on, do string) cutover.Action { return cutover.Action{ID: "x", On: on, Do: do} }
	var got []string
	for _, s := range takeBack([]cutover.StepResult{
		{State: cutover.Prepared, Undo: []cutover.Action{undo("source", "a"), undo("target", "a")}},
		{State: cutover.Freezing, Skipped: "why", Undo: []cutover.Action{undo("source", "b")}},
		{State: cutover.Frozen, Undo: []cutover.Action{undo("source", "c"), undo("source", "a")}},
		{State: cutover.Drained},
		{State: cutover.PNR, Undo: []cutover.Action{undo("source", "d")}},
	}) {
		for _, a := range s.Actions {
			got = append(got, string(s.State)+" "+a.On+" "+a.Do)
		}
	}
	if diff := cmp.Diff([]string{"FROZEN source c", "FROZEN source a", "PREPARED target a"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheWeakestClaimComesFirst(t *testing.T) {
	var got []string
	for _, table := range weakest(passedGate().Tables)[:4] {
		got = append(got, table.Claim)
	}
	if diff := cmp.Diff([]string{"nothing", "last", "changed", "changed"}, got); diff != "" {
		t.Error(diff)
	}
	if shown, more := listedClaims(passedGate(), 3); len(shown) != 3 || more != "and 41 tables (whole: 1, what changed: 40) more" {
		t.Errorf("%d shown, %s", len(shown), more)
	}
	if shown, more := listedClaims(passedGate(), 0); len(shown) != 44 || more != "" {
		t.Errorf("%d shown, %s", len(shown), more)
	}
}
