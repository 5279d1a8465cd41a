package report

import (
	"bytes"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/pgparity/pgparity/checker"
)

// labelledTables bounds the series of a run, for a label per table is a
// series per table in every scrape. Those that are not match come first.
const labelledTables = 500

var verdicts = []checker.Verdict{checker.Match, checker.Mismatch, checker.Unproven}

// gauges registers families as they are first set, all with the pair's name
// as a constant label.
type gauges struct {
	reg    *prometheus.Registry
	labels prometheus.Labels
	err    error
}

// vec makes a family; the error of a registration waits in g.err.
func (g *gauges) vec(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Namespace: "pgparity", Name: name, Help: help, ConstLabels: g.labels,
	}, labels)
	if err := g.reg.Register(v); err != nil && g.err == nil {
		g.err = err
	}
	return v
}

func (g *gauges) set(name, help string, v float64) { g.vec(name, help).WithLabelValues().Set(v) }

func writePrometheus(buf *bytes.Buffer, r *checker.Result, _ Options) error {
	g := &gauges{reg: prometheus.NewRegistry()}
	if r.Pair != "" {
		g.labels = prometheus.Labels{"pair": ident(r.Pair)}
	}
	g.run(r)
	g.tables(r)
	g.sequences(r)
	g.replication(r)
	return g.writeTo(buf)
}

// writeTo writes what was gathered, unless something went wrong before.
func (g *gauges) writeTo(buf *bytes.Buffer) error {
	if g.err != nil {
		return g.err
	}
	families, err := g.reg.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(buf, f); err != nil {
			return err
		}
	}
	return nil
}

func (g *gauges) run(r *checker.Result) {
	verdict := g.vec("verdict", "What the run found: 1 for its verdict, 0 for the others.", "verdict")
	for _, v := range verdicts {
		verdict.WithLabelValues(v.String()).Set(truth(r.Verdict == v))
	}
	c := &r.Coverage
	g.set("chunks_planned", "Chunks that were to be compared.", float64(c.ChunksPlanned))
	g.set("chunks_compared", "Chunks that were compared.", float64(c.ChunksCompared))
	g.set("rows_compared", "Rows of the source in compared chunks.", float64(c.RowsCompared))
	g.set("skipped_objects", "Objects that were planned and not compared.", float64(len(c.Skipped)))
	g.set("excluded_objects", "Objects that were left out on purpose.", float64(len(c.Excluded)))
	if !r.FinishedAt.IsZero() {
		g.set("finish_timestamp_seconds", "When the run finished, in seconds since 1970.",
			float64(r.FinishedAt.UnixMilli())/1000)
		if !r.StartedAt.IsZero() {
			g.set("duration_seconds", "How long the run took.", r.FinishedAt.Sub(r.StartedAt).Seconds())
		}
	}
	if s := r.Sampled; s != nil {
		g.set("sample_share", "Only a sample was compared: the share of differing rows that it would have shown in every table sampled, with the confidence.", s.Share)
		g.set("sample_confidence", "With which probability the sample would have shown that share.", s.Confidence)
	}
	info := g.vec("run_info", "What was run; always 1.", "version", "digest_spec", "source_version", "target_version")
	info.WithLabelValues(ident(r.Tool.Version), ident(r.Tool.DigestSpec),
		ident(r.Source.ServerVersion), ident(r.Target.ServerVersion)).Set(1)
	schema := g.vec("schema_findings", "Differences between the two catalogs.", "severity")
	for _, s := range []string{checker.SeverityBlock, checker.SeverityWarn, checker.SeverityInfo} {
		schema.WithLabelValues(s)
	}
	for _, f := range r.Schema {
		schema.WithLabelValues(ident(f.Severity)).Inc()
	}
}

func (g *gauges) tables(r *checker.Result) {
	byVerdict := g.vec("tables", "Tables by verdict.", "verdict")
	for _, v := range verdicts {
		byVerdict.WithLabelValues(v.String())
	}
	verdict := g.vec("table_verdict", "What a table was found to be: 1 for its verdict, 0 for the others.", "table", "verdict")
	rows := g.vec("table_rows", "Rows counted on a side.", "table", "side")
	planned := g.vec("table_chunks_planned", "Chunks of a table that were to be compared.", "table")
	compared := g.vec("table_chunks_compared", "Chunks of a table that were compared.", "table")
	findings := g.vec("table_findings", "Confirmed differences of a table, in rows.", "table")
	all := int64(0)
	labelled := map[string]bool{}
	for i, t := range bySeverity(r.Tables) {
		byVerdict.WithLabelValues(t.Verdict.String()).Inc()
		all += total(&t)
		name := ident(t.Name)
		// Of two tables with one name the worse one, which comes first, stays.
		if i >= labelledTables || labelled[name] {
			continue
		}
		labelled[name] = true
		for _, v := range verdicts {
			verdict.WithLabelValues(name, v.String()).Set(truth(t.Verdict == v))
		}
		planned.WithLabelValues(name).Set(float64(t.Chunks.Planned))
		compared.WithLabelValues(name).Set(float64(t.Chunks.Compared))
		findings.WithLabelValues(name).Set(float64(total(&t)))
		if n := t.Rows.Source; n != nil {
			rows.WithLabelValues(name, "source").Set(float64(*n))
		}
		if n := t.Rows.Target; n != nil {
			rows.WithLabelValues(name, "target").Set(float64(*n))
		}
	}
	g.set("findings", "Confirmed differences of all tables, in rows.", float64(all))
	g.set("tables_unlabelled", "Tables that have no series of their own, for they are too many.",
		float64(max(len(r.Tables)-labelledTables, 0)))
}

func (g *gauges) sequences(r *checker.Result) {
	byVerdict := g.vec("sequences", "Sequences by verdict.", "verdict")
	for _, v := range verdicts {
		byVerdict.WithLabelValues(v.String())
	}
	for _, s := range r.Sequences {
		byVerdict.WithLabelValues(s.Verdict.String()).Inc()
	}
}

// replication is left out of the metrics of a pair at rest.
func (g *gauges) replication(r *checker.Result) {
	open, known := unsettledTables(r), moving(r)
	if len(open) == 0 && known == nil {
		return
	}
	all := int64(0)
	rows := g.vec("table_unsettled_rows", "Rows of a table that were neither equal nor a finding.", "table")
	for i := range open {
		all += unsettled(&open[i])
	}
	for i, t := range bySeverity(r.Tables) {
		if i == labelledTables {
			break
		}
		rows.WithLabelValues(ident(t.Name)).Add(float64(unsettled(&t)))
	}
	g.set("unsettled_rows", "Rows of all tables that were neither equal nor a finding.", float64(all))
	if known == nil {
		return
	}
	g.set("replication_troubles", "What was wrong with what replicates the pair, in sentences of the report.", float64(len(known.Troubles)))
	lag := g.vec("replication_lag_bytes", "Log between what a stream has applied and its end.", "stream", "direction")
	worst := map[[2]string]int64{} // names may be one and the same on two publishers
	for _, s := range known.Streams {
		direction := "forward"
		if s.Reverse {
			direction = "reverse"
		}
		at := [2]string{ident(s.Name), direction}
		if was, seen := worst[at]; s.Confirmed == "" || seen && was >= s.LagBytes || !seen && len(worst) == labelledTables {
			continue
		}
		worst[at] = s.LagBytes
		lag.WithLabelValues(at[0], at[1]).Set(float64(s.LagBytes))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
