package report

import (
	"bytes"
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgparity/pgparity/cutover"
)

// cutoverPrometheus has a series for a state, an outcome and a claim: never for
// a table, an action or a name.
func cutoverPrometheus(buf *bytes.Buffer, r *cutover.Result, _ Options) error {
	g := &gauges{reg: prometheus.NewRegistry()}
	if r.Pair != "" {
		g.labels = prometheus.Labels{"pair": ident(r.Pair)}
	}
	g.cutover(r)
	g.cutoverSteps(r)
	if r.Outage != nil {
		g.outage(r.Outage)
	}
	if r.Gate != nil {
		g.gate(r.Gate)
	}
	return g.writeTo(buf)
}

func (g *gauges) cutover(r *cutover.Result) {
	outcome := g.vec("cutover_outcome", "What came of the command: 1 for its outcome, 0 for the others.", "outcome")
	for _, o := range cutoverOutcomes {
		outcome.WithLabelValues(string(o)).Set(truth(r.Outcome == o))
	}
	state := g.vec("cutover_state", "How far the switch has come: 1 for its state, 0 for the others.", "state")
	for _, s := range cutoverStates {
		state.WithLabelValues(string(s)).Set(truth(r.State == s))
	}
	if r.PredictedMS != nil {
		g.set("cutover_predicted_write_outage_seconds", "How long writes were expected to stop; absent where it is not known.", float64(*r.PredictedMS)/1000)
	}
	if !r.FinishedAt.IsZero() {
		g.set("cutover_finish_timestamp_seconds", "When the command finished, in seconds since 1970.", float64(r.FinishedAt.UnixMilli())/1000)
		if !r.StartedAt.IsZero() {
			g.set("cutover_duration_seconds", "How long the command took.", r.FinishedAt.Sub(r.StartedAt).Seconds())
		}
	}
	if e := r.Verified; e != nil {
		g.set("cutover_verified_rows", "Rows that the full verification compared.", float64(e.Rows))
		if !e.FinishedAt.IsZero() {
			g.set("cutover_verified_timestamp_seconds", "When the full verification finished that the switch rests on, in seconds since 1970.", float64(e.FinishedAt.UnixMilli())/1000)
		}
	}
	info := g.vec("cutover_info", "What was run; always 1.", "version", "command", "direction", "strategy", "source_version", "target_version")
	info.WithLabelValues(ident(r.Tool.Version), ident(r.Command), ident(string(r.Direction)), ident(string(r.Strategy)), ident(r.Source.ServerVersion), ident(r.Target.ServerVersion)).Set(1)
}

// cutoverSteps are of the attempt that was the last.
func (g *gauges) cutoverSteps(r *cutover.Result) {
	g.set("cutover_attempts", "How often the window was tried.", float64(attempts(r.Steps)))
	lasted := g.vec("cutover_step_seconds", "How long a step took, when it was last taken.", "state")
	budget := g.vec("cutover_step_budget_seconds", "How long a step may take.", "state")
	predicted := g.vec("cutover_step_predicted_seconds", "How long a step was expected to take.", "state")
	failed := g.vec("cutover_step_failed", "1 for a step that failed when it was last taken.", "state")
	for _, s := range lastAttempts(r.Steps) {
		if rankOf(s.State) < 0 {
			continue
		}
		state := string(s.State)
		failed.WithLabelValues(state).Set(truth(s.Error != ""))
		if s.TookMS != nil {
			lasted.WithLabelValues(state).Set(inSeconds(*s.TookMS))
		}
		if s.BudgetMS > 0 {
			budget.WithLabelValues(state).Set(float64(s.BudgetMS) / 1000)
		}
		if s.PredictedMS != nil {
			predicted.WithLabelValues(state).Set(float64(*s.PredictedMS) / 1000)
		}
	}
}

func (g *gauges) outage(o *cutover.Outage) {
	if o.Writes > 0 { // else it was not seen how long
		g.set("cutover_write_outage_seconds", "The longest time without an acknowledged write, as the application saw it.", inSeconds(o.WriteMS))
	}
	g.set("cutover_read_outage_seconds", "The longest time without an answered read, as the application saw it.", inSeconds(o.ReadMS))
	statements := g.vec("cutover_statements", "Statements that the application's connection was tried with, by what came of them.", "kind", "result")
	statements.WithLabelValues("write", "acknowledged").Set(float64(o.Writes))
	statements.WithLabelValues("read", "acknowledged").Set(float64(o.Reads))
	statements.WithLabelValues("any", "failed").Set(float64(o.Failed))
	statements.WithLabelValues("any", "retried").Set(float64(o.Retried))
	statements.WithLabelValues("write", "lost").Set(float64(o.Lost))
	statements.WithLabelValues("write", "elsewhere").Set(float64(o.Elsewhere))
}

func (g *gauges) gate(gate *cutover.Gate) {
	g.set("cutover_gate_passed", "1 where the verification in the window was passed.", truth(gate.Passed))
	g.set("cutover_gate_seconds", "How long the verification in the window took.", inSeconds(gate.TookMS))
	g.set("cutover_gate_findings", "Differences that the verification in the window found.", float64(len(gate.Findings)))
	tables := g.vec("cutover_gate_tables", "Tables by what was proved of them in the window.", "claim")
	rows := g.vec("cutover_gate_rows", "Rows that were compared in the window, by what was proved of their tables.", "claim")
	for _, c := range gateClaims {
		tables.WithLabelValues(c)
		rows.WithLabelValues(c)
	}
	for _, t := range gate.Tables {
		tables.WithLabelValues(t.Claim).Inc()
		rows.WithLabelValues(t.Claim).Add(float64(t.Compared))
	}
}

// inSeconds is to the microsecond, as durations are taken: 131.2 is 0.1312.
func inSeconds(ms float64) float64 { return math.Round(ms*1000) / 1e6 }
