package report

import (
	"bytes"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgparity/pgparity/preflight"
)

func preflightPrometheus(buf *bytes.Buffer, r *preflight.Result, _ Options) error {
	g := &gauges{reg: prometheus.NewRegistry()}
	if r.Pair != "" {
		g.labels = prometheus.Labels{"pair": ident(r.Pair)}
	}
	g.preflight(r)
	g.hazards(r)
	if r.Rehearsal != nil {
		g.rehearsal(r.Rehearsal)
	}
	return g.writeTo(buf)
}

func (g *gauges) preflight(r *preflight.Result) {
	verdict := g.vec("preflight_verdict", "What the preflight found: 1 for its verdict, 0 for the others.", "verdict")
	for _, v := range preflightVerdicts {
		verdict.WithLabelValues(string(v)).Set(truth(r.Verdict == v))
	}
	g.set("preflight_tables", "Tables of the source that were chosen.", float64(r.Coverage.Tables))
	g.set("preflight_tables_carried", "Tables that the replication carries whole.", float64(r.Coverage.Carried))
	g.set("preflight_objects_not_carried", "Objects that the replication does not carry, or not whole.", float64(len(r.Coverage.NotCarried)))
	if !r.FinishedAt.IsZero() {
		g.set("preflight_finish_timestamp_seconds", "When the preflight finished, in seconds since 1970.", float64(r.FinishedAt.UnixMilli())/1000)
		if !r.StartedAt.IsZero() {
			g.set("preflight_duration_seconds", "How long the preflight took.", r.FinishedAt.Sub(r.StartedAt).Seconds())
		}
	}
	kind := ""
	if r.Replication != nil {
		kind = ident(r.Replication.Kind)
	}
	info := g.vec("preflight_info", "What was run; always 1.", "version", "source_version", "target_version", "replication")
	info.WithLabelValues(ident(r.Tool.Version), ident(r.Source.ServerVersion), ident(r.Target.ServerVersion), kind).Set(1)
}

func (g *gauges) hazards(r *preflight.Result) {
	bySeverity := g.vec("preflight_hazards", "Hazards that were found, one for each object.", "severity", "acknowledged")
	unknown := g.vec("preflight_unknown", "Detectors that could not look, once for each side.", "acknowledged")
	for _, acknowledged := range []bool{false, true} {
		for _, s := range severities {
			bySeverity.WithLabelValues(string(s), strconv.FormatBool(acknowledged))
		}
		unknown.WithLabelValues(strconv.FormatBool(acknowledged))
	}
	for _, h := range r.Hazards {
		bySeverity.WithLabelValues(string(h.Severity), strconv.FormatBool(h.Acknowledged)).Inc()
	}
	for _, u := range r.Unknown {
		unknown.WithLabelValues(strconv.FormatBool(u.Acknowledged)).Inc()
	}
	// The ids are as many as there are detectors, but in a report that was edited.
	found := g.vec("preflight_detector_open", "What a detector found, or could not look for, and nobody has acknowledged.", "id")
	for i, t := range turns(r) {
		if i == labelledTables {
			break
		}
		open := 0
		for _, h := range t.Hazards {
			open += int(truth(!h.Acknowledged))
		}
		for _, u := range t.Unknown {
			open += int(truth(!u.Acknowledged))
		}
		found.WithLabelValues(t.ID).Add(float64(open))
	}
}

func (g *gauges) rehearsal(rh *preflight.Rehearsal) {
	g.set("preflight_verify_rows", "Rows that a verify reads of the source, as its planner estimates them.", float64(rh.Rows))
	g.set("preflight_verify_bytes", "Bytes that a verify reads of the source.", float64(rh.Bytes))
	if o := outageOf(rh); o.Known > 0 && len(o.Unknown) == 0 {
		g.set("preflight_write_outage_seconds", "How long a switch is expected to stop writes; absent where it is not known.", float64(o.MS)/1000)
	}
	phases := g.vec("preflight_phase_seconds", "How long a phase of a switch is expected to take.", "phase", "writes")
	for i, p := range rh.Phases {
		if i < labelledTables && p.EstimateMS != nil {
			phases.WithLabelValues(ident(p.Name), strconv.FormatBool(p.Writes)).Add(float64(*p.EstimateMS) / 1000)
		}
	}
	if rh.Rate != nil {
		g.set("preflight_hash_bytes_per_second", "How fast rows were hashed on one connection a side, by the slower side.", rh.Rate.BytesPerSecond)
	}
	if l := rh.Lag; l != nil {
		g.set("preflight_lag_bytes", "Log that the target was behind.", float64(l.Bytes))
		g.set("preflight_lag_inflow_bytes_per_second", "Log that the source wrote.", l.Inflow)
		g.set("preflight_lag_drained_bytes_per_second", "Log that was confirmed.", l.Drained)
		g.set("preflight_lag_growing", "1 where more log came in than was confirmed.", truth(l.Growing))
		if l.DrainMS != nil {
			g.set("preflight_lag_drain_seconds", "Until all is drained once writes stop.", float64(*l.DrainMS)/1000)
		}
	}
	oldest := g.vec("preflight_oldest_transaction_seconds", "Age of a side's oldest open transaction.", "side")
	for _, t := range rh.Oldest {
		age := oldest.WithLabelValues(sideWord(t.Side))
		age.Set(float64(t.AgeMS) / 1000)
	}
	dead := g.vec("preflight_dead_rows", "Rows for vacuum to remove, in the tables that have the most.", "side")
	for _, d := range rh.DeadTuples {
		dead.WithLabelValues(sideWord(d.Side)).Add(float64(d.Dead))
	}
}
