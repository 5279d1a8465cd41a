package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/cutover"
)

// part is where in a switch a step lies.
type part int

const (
	ahead  part = iota // writes go on
	window             // writes stop
	beyond             // the application writes to the other side
	undone             // it is taken back
)

func partOf(s cutover.State) part {
	switch n := rankOf(s); {
	case s == cutover.Aborting || s == cutover.Aborted:
		return undone
	case n >= rankOf(cutover.Live):
		return beyond
	case n >= rankOf(cutover.Freezing):
		return window
	}
	return ahead
}

// borders are what a reader has to know between two steps.
const (
	writesStop  = "writes stop"
	noReturn    = "point of no return: up to here abort takes everything back, from here on it only goes forward"
	writesGoOn  = "writes go on"
	undoneAfter = "taken back"
)

// border is what stands before step i, or "".
func border(steps []cutover.StepResult, i int) string {
	was := ahead
	if i > 0 {
		was = partOf(steps[i-1].State)
	}
	now := partOf(steps[i].State)
	switch {
	case steps[i].State == cutover.PNR && (i == 0 || steps[i-1].State != cutover.PNR):
		return noReturn
	case now == was:
		return ""
	case now == window:
		return writesStop
	case now == undone:
		return undoneAfter
	case was == window:
		return writesGoOn
	}
	return ""
}

// stepName is the state, and the attempt where there were several.
func stepName(s *cutover.StepResult, attempts int) string {
	name := shorten(ident(string(s.State)), 16)
	if attempts > 1 && s.Attempt > 0 {
		name += fmt.Sprintf(" (%d)", s.Attempt)
	}
	return name
}

func attempts(steps []cutover.StepResult) int {
	n := 0
	for i := range steps {
		n = max(n, steps[i].Attempt)
	}
	return n
}

// stepWords are what came of the steps: done, failed, skipped, retried (it was
// taken again after it had failed), planned, or not ended.
func stepWords(r *cutover.Result) []string {
	words := make([]string, len(r.Steps))
	for i, again := range superseded(r.Steps) {
		words[i] = stepWord(&r.Steps[i], again, r.Command == "plan")
	}
	return words
}

func stepWord(s *cutover.StepResult, again, plan bool) string {
	switch {
	case s.Skipped != "":
		return "skipped"
	case s.Error != "" && again:
		return "retried"
	case s.Error != "":
		return "failed"
	case s.TookMS != nil:
		return "done"
	case plan:
		return "planned"
	}
	return "not ended"
}

// budgets are a step's budget and prediction, "-" for none.
func budgets(s *cutover.StepResult) (budget, predicted string) {
	budget, predicted = "-", "-"
	if s.BudgetMS > 0 {
		budget = span(s.BudgetMS)
	}
	if s.PredictedMS != nil {
		predicted = span(*s.PredictedMS)
		if *s.PredictedMS == 0 {
			predicted = "< 1 ms"
		}
	}
	return budget, predicted
}

// late tells whether a step took longer than it might.
func late(s *cutover.StepResult) bool {
	return s.TookMS != nil && s.BudgetMS > 0 && *s.TookMS > float64(s.BudgetMS)
}

// actionTitle names an action: what kind it is, which, where, and why.
func actionTitle(a *cutover.Action) string {
	s := ident(a.ID)
	if kind := actionKind(a); kind != "" {
		s = kind + " " + s
	}
	s += ", " + place(a.On)
	if a.Why != "" {
		s += ": " + prose(a.Why)
	}
	return s
}

// actionKind is gate for what has to hold, wait for what is repeated until it
// does, else "".
func actionKind(a *cutover.Action) string {
	switch {
	case a.Gate:
		return "gate"
	case a.Wait:
		return "wait"
	}
	return ""
}

// failure is a step, or one of its actions, that failed.
type failure struct {
	Step   string
	Action *cutover.Action // nil for the step itself
	Error  string
	Final  bool // it was not tried again
	Times  int  // how often in a row it failed like that
}

func failures(r *cutover.Result) []failure {
	var out []failure
	n, again := attempts(r.Steps), superseded(r.Steps)
	for i := range r.Steps {
		s := &r.Steps[i]
		final := !again[i]
		said := ""
		for k := range s.Actions {
			if a := &s.Actions[k]; a.Error != "" {
				out = fail(out, failure{stepName(s, n), a, prose(a.Error), final, 1})
				said = a.Error
			}
		}
		// A step's own error is mostly its action's, with words around it.
		if s.Error != "" && (said == "" || !strings.Contains(s.Error, said)) {
			out = fail(out, failure{stepName(s, n), nil, prose(s.Error), final, 1})
		}
	}
	return out
}

// fail adds a failure, or counts it with the one before, which it repeats.
func fail(list []failure, f failure) []failure {
	if n := len(list); n > 0 {
		last := &list[n-1]
		same := last.Step == f.Step && last.Error == f.Error && (last.Action == nil) == (f.Action == nil)
		if same && (f.Action == nil || last.Action.ID == f.Action.ID && last.Action.On == f.Action.On && last.Action.Do == f.Action.Do) {
			last.Final = f.Final
			last.Times++
			return list
		}
	}
	return append(list, f)
}

// often says that a failure was tried again, and how often it failed.
func (f failure) often() string {
	var parts []string
	if f.Times > 1 {
		parts = append(parts, fmt.Sprintf("%d times", f.Times))
	}
	if !f.Final {
		parts = append(parts, "tried again")
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// people are who has to be there, by the places that the actions name.
func people(r *cutover.Result) []string {
	from, to := ends(r)
	list := []string{fmt.Sprintf("who decides, and types the confirmation for %s", application(r)), fmt.Sprintf("who administers the databases: %s and %s", from, to)}
	var seen []string
	for i := range r.Steps {
		for _, actions := range [][]cutover.Action{r.Steps[i].Actions, r.Steps[i].Undo} {
			for k := range actions {
				on := actions[k].On
				if slices.Contains([]string{"", "here", "application"}, on) || onServer(on) || slices.Contains(seen, on) {
					continue
				}
				seen = append(seen, on)
				list = append(list, "who answers for "+prose(on))
			}
		}
	}
	return append(list, "who watches the application")
}

// takeBack are the undos of the steps before the point of no return, the last
// step's first; one that several steps have, once.
func takeBack(steps []cutover.StepResult) []cutover.StepResult {
	type what struct{ on, do string }
	seen := map[what]bool{}
	var out []cutover.StepResult
	for _, s := range slices.Backward(steps) {
		if rankOf(s.State) >= rankOf(cutover.PNR) || s.Skipped != "" {
			continue
		}
		u := cutover.StepResult{State: s.State, What: s.What}
		for _, a := range s.Undo {
			if at := (what{a.On, a.Do}); !seen[at] {
				seen[at] = true
				u.Actions = append(u.Actions, a)
			}
		}
		if len(u.Actions) > 0 {
			out = append(out, u)
		}
	}
	return out
}

// wayBack tells whether a rollback is prepared, and if not, why.
func wayBack(r *cutover.Result) (ready bool, why string) {
	if r.Strategy == cutover.Tool {
		return false, "the strategy is tool"
	}
	for _, s := range r.Steps {
		if s.State != cutover.ReverseReady {
			continue
		}
		if s.Skipped != "" {
			return false, prose(s.Skipped)
		}
		return true, ""
	}
	return false, "no step prepares it"
}

// gates counts the gates of the steps before writes stop.
func gates(steps []cutover.StepResult) int {
	n := 0
	for i := range steps {
		if partOf(steps[i].State) != ahead {
			continue
		}
		for k := range steps[i].Actions {
			n += int(truth(steps[i].Actions[k].Gate))
		}
	}
	return n
}

// stepMS is how long a step took, else how long it is predicted to take.
func stepMS(s *cutover.StepResult) float64 {
	switch {
	case s.TookMS != nil:
		return max(*s.TookMS, 0)
	case s.PredictedMS != nil:
		return float64(max(*s.PredictedMS, 0))
	}
	return 0
}
