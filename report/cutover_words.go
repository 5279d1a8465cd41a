package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
)

// The words that the formats of a cutover share. Everything returned here is
// safe to show, but for what returns a checker's type.

// cutoverRun is what a cutover and a verify say alike: who, when, with what.
func cutoverRun(r *cutover.Result) *checker.Result {
	return &checker.Result{Pair: r.Pair, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Tool: checker.Tool{Version: r.Tool.Version}}
}

func cutoverRunLine(r *cutover.Result) string {
	s := runLine(cutoverRun(r))
	if r.Run != "" {
		s = strings.TrimPrefix(s+", run "+ident(r.Run), ", ")
	}
	return s
}

// soIt heads what a status found, which others have as notes.
const soIt = "What is so"

// application is what is switched.
func application(r *cutover.Result) string {
	if r.Pair == "" {
		return "the application"
	}
	return ident(r.Pair)
}

// ends name the sides that are switched from and to.
func ends(r *cutover.Result) (from, to string) {
	if r.Direction == cutover.Rollback {
		return "target", "source"
	}
	return "source", "target"
}

// outcomeWord is the outcome in a word.
func outcomeWord(r *cutover.Result) string {
	switch {
	case r.Outcome == cutover.AbortedRun:
		return "aborted"
	case r.Outcome != cutover.Done:
		return string(r.Outcome)
	case r.Command == "run" && r.Strategy == cutover.VerifyOnly:
		return "proven"
	case r.Command == "run" && r.Direction == cutover.Rollback: // one that was interrupted
		return "switched back"
	case r.Command == "status":
		return strings.ReplaceAll(strings.ToLower(ident(string(r.State))), "_", " ")
	}
	words := map[string]string{"plan": "plan", "run": "switched", "rollback": "switched back", "rehearse": "rehearsed", "abort": "aborted", "finalize": "finalized"}
	if w, ok := words[r.Command]; ok {
		return w
	}
	return "done"
}

// mood is the verdict of verify that looks like an outcome; nothing is said by
// the colour of a plan, or of a pair that nobody has begun to switch.
func mood(r *cutover.Result) (v checker.Verdict, tells bool) {
	switch r.Outcome {
	case cutover.Done:
		switch r.Command {
		case "plan":
			return checker.Match, false
		case "status":
			return statusMood(r.State)
		}
		return checker.Match, true
	case cutover.Refused, cutover.Stopped:
		return checker.Mismatch, true
	default:
		return checker.Unproven, true
	}
}

func statusMood(s cutover.State) (checker.Verdict, bool) {
	switch n := rankOf(s); {
	case s == cutover.Aborted || n >= 0 && n < rankOf(cutover.Freezing):
		return checker.Match, false
	case n >= rankOf(cutover.Live) && n <= rankOf(cutover.Finalised):
		return checker.Match, true
	case n >= rankOf(cutover.PNR) && n <= rankOf(cutover.Redirected):
		return checker.Mismatch, true
	}
	return checker.Unproven, true
}

// outcomeSentence says what came of it, and where the application writes.
func outcomeSentence(r *cutover.Result) string {
	app, s := application(r), ""
	from, to := ends(r)
	switch r.Outcome {
	case cutover.Done:
		s = doneSentence(r)
	case cutover.Refused:
		s = refusal(r)
	case cutover.AbortedRun:
		s = givenUp(r)
	case cutover.Stopped:
		switch r.Command {
		case "abort":
			s = "the point of no return is passed: this switch cannot be aborted any more"
		case "finalize":
			s = "not everything is removed that the switch of " + app + " needed: run it again"
		case "run", "rollback":
			if rankOf(r.State) >= rankOf(cutover.Redirected) {
				s = fmt.Sprintf("%s was led to the %s, and that is not finished yet: run it again, it only goes forward", app, to)
				break
			}
			fallthrough
		default:
			s = fmt.Sprintf("the point of no return is passed, and %s is not switched to the %s yet: run it again, it only goes forward", app, to)
		}
	case cutover.Elsewhere:
		s = "it was stopped by a person before anything was touched; " + app + " writes to the " + from
	default:
		s = "not everything could be proved, and nothing is claimed"
	}
	for _, more := range []string{outageSentence(r), predictedSentence(r)} {
		if more != "" {
			s += " · " + more
		}
	}
	return s
}

func givenUp(r *cutover.Result) string {
	what := "the switch"
	switch {
	case r.Command == "finalize": // it takes nothing from the application
		return "finalizing was given up; the switch of " + application(r) + " is where it was"
	case r.Command == "rehearse":
		what = "the rehearsal"
	case r.Direction == cutover.Rollback:
		what = "the way back"
	}
	from, _ := ends(r)
	return fmt.Sprintf("%s was given up and undone; %s can write to the %s, as before", what, application(r), from)
}

func refusal(r *cutover.Result) string {
	if r.Command == "abort" || r.Command == "finalize" {
		return "nothing was touched; the switch of " + application(r) + " is where it was"
	}
	from, _ := ends(r)
	return fmt.Sprintf("nothing was touched; %s writes to the %s, as before", application(r), from)
}

func doneSentence(r *cutover.Result) string {
	app := application(r)
	from, to := ends(r)
	switch {
	case r.Command == "plan":
		return fmt.Sprintf("how %s is switched from the %s to the %s", app, from, to)
	case r.Command == "run" && r.Strategy == cutover.VerifyOnly:
		return "what was compared agrees; who switches " + app + " may do so"
	case r.Command == "run" || r.Command == "rollback":
		return fmt.Sprintf("%s now writes to the %s", app, to)
	case r.Command == "rehearse":
		return fmt.Sprintf("every step that a rehearsal takes held; %s writes to the %s, as before", app, from)
	case r.Command == "abort":
		return fmt.Sprintf("what was done is undone; %s can write to the %s, as before", app, from)
	case r.Command == "finalize":
		return "what the switch of " + app + " needed is removed, and the way back with it"
	case r.Command == "status":
		return statusSentence(r)
	}
	return "what was asked for is done"
}

// statusSentence says what a state means for the application.
func statusSentence(r *cutover.Result) string {
	app := application(r)
	from, to := ends(r)
	on := app + " writes to the " + from
	switch n := rankOf(r.State); {
	case r.State == cutover.Init:
		return "no switch has changed anything; " + on
	case r.State == cutover.Aborting:
		return "a switch is being taken back: the " + from + " may still be closed"
	case r.State == cutover.Aborted:
		return "what was begun is undone; " + on
	case n < 0:
		return "this state is not known"
	case n < rankOf(cutover.Freezing):
		return "a switch was begun, and writes go on; " + on
	case n < rankOf(cutover.PNR):
		return fmt.Sprintf("the window is open: the %s is closed, and the %s not open yet", from, to)
	case n < rankOf(cutover.Live):
		return "the point of no return is passed, and the switch is not finished: it only goes forward"
	case r.State == cutover.Finalised:
		return fmt.Sprintf("%s writes to the %s, and the way back is removed", app, to)
	}
	return fmt.Sprintf("%s writes to the %s, and the switch is not finalized yet", app, to)
}

// outageSentence says how long writes stopped, or "" where nobody asks.
func outageSentence(r *cutover.Result) string {
	if r.Outage == nil {
		if r.Outcome == cutover.Done && len(r.Steps) > 0 && (r.Command == "run" && r.Strategy != cutover.VerifyOnly || r.Command == "rollback") {
			return "how long writes stopped was not measured" + forecast(r)
		}
		return ""
	}
	return writesStopped(r.Outage) + forecast(r)
}

func writesStopped(o *cutover.Outage) string {
	if o.Writes == 0 {
		return "no write was acknowledged while it was watched"
	}
	return "writes stopped for " + took(o.WriteMS)
}

func forecast(r *cutover.Result) string {
	if r.PredictedMS == nil {
		return " (not predicted)"
	}
	return " (predicted " + span(*r.PredictedMS) + ")"
}

// predictedSentence is a plan's.
func predictedSentence(r *cutover.Result) string {
	rehearsed := r.Command == "rehearse" && r.Outcome == cutover.Done && r.Outage == nil
	if !rehearsed && (r.Command != "plan" || r.Strategy == cutover.VerifyOnly) {
		return ""
	}
	if r.PredictedMS == nil {
		return "how long writes will stop is not known"
	}
	return "writes are expected to stop for " + span(*r.PredictedMS)
}

// Milliseconds writes a duration as the reports do.
func Milliseconds(ms int64) string { return span(ms) }

// took writes a measured duration.
func took(ms float64) string {
	switch {
	case ms < 0:
		return notKnown
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return span(int64(ms))
}

func tookOf(ms *float64) string {
	if ms == nil {
		return "-"
	}
	return took(*ms)
}

// strategyText says what is done about the replication.
func strategyText(s cutover.Strategy) string {
	switch s {
	case cutover.Native:
		return "native: subscriptions are stopped, and a stream back is prepared"
	case cutover.Tool:
		return "tool: something else replicates, and hooks stop it; there is no way back but one's own"
	case cutover.VerifyOnly:
		return "verify-only: somebody else switches"
	case "":
		return notKnown
	case cutover.Auto: // it is not decided yet
	}
	return prose(string(s))
}

// reached says since when the state is what it is, or "".
func reached(r *cutover.Result) string {
	for _, s := range slices.Backward(r.Steps) {
		if s.State != r.State || s.StartedAt == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, s.StartedAt)
		if err != nil {
			return prose(s.StartedAt)
		}
		if s.TookMS != nil {
			at = at.Add(time.Duration(*s.TookMS * float64(time.Millisecond)))
		}
		return at.UTC().Format("2006-01-02 15:04:05") + " UTC"
	}
	return ""
}

// place is where an action is taken, in a sentence.
func place(on string) string {
	switch on {
	case "source", "target":
		return "on the " + on
	case "both":
		return "on both"
	case "", "here":
		return "here"
	}
	if strings.HasPrefix(on, "pooler ") {
		return "at " + prose(on)
	}
	return prose(on)
}
