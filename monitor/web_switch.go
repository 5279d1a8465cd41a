package monitor

import (
	"strings"
	"time"

	"github.com/pgparity/pgparity/report"
)

// switchView is a cutover as its journal has it.
type switchView struct {
	Run, Direction, State, Outcome string
	Running                        bool
	Started                        *moment
	Steps                          []switchStep
}

// switchStep has its bar on the scale of the whole switch.
type switchStep struct {
	Name, Took, Start, Width string
	Running                  bool
	Reached                  *moment
}

func switchOf(s *Switch, now time.Time) *switchView {
	if s == nil {
		return nil
	}
	v := &switchView{
		Run: report.Name(s.Run), Direction: report.Sentence(s.Direction), State: stateWord(s.State), Outcome: report.Sentence(s.Outcome),
		Running: s.Outcome == "", Started: when(now, s.StartedAt),
	}
	var whole, done float64
	lasted := make([]float64, len(s.Steps))
	for i, step := range s.Steps {
		end := step.ReachedAt
		if end.IsZero() {
			end = now
		}
		lasted[i] = max(end.Sub(step.BeganAt).Seconds(), 0)
		whole += lasted[i]
	}
	for i, step := range s.Steps {
		const least = 0.8 // what takes no time is still a step
		share := func(seconds float64) float64 { return 100 * seconds / max(whole, 1e-9) }
		width := min(max(share(lasted[i]), least), 100)
		row := switchStep{
			Name: stateWord(step.State), Took: span(lasted[i]), Width: measure(width), Start: measure(min(share(done), 100-width)),
			Reached: when(now, step.ReachedAt),
		}
		row.Running = v.Running && row.Reached == nil
		if row.Reached == nil && !row.Running {
			row.Took = "not reached"
		}
		done += lasted[i]
		v.Steps = append(v.Steps, row)
	}
	return v
}

// stateWord is a state as people write it: TARGET_OPEN is target open, PNR the point of no return.
func stateWord(state string) string {
	if state == "PNR" {
		return "point of no return"
	}
	return strings.ReplaceAll(strings.ToLower(report.Sentence(state)), "_", " ")
}
