package monitor

import (
	"cmp"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

// Collector gives what a board holds as metrics, at the moment of a scrape. Its labels are
// the pairs of the configuration and words of this program: never a table, a key or a text.
// What is not known has no series: no number would be true.
type Collector struct {
	board   *Board
	version string
	now     func() time.Time
}

// NewCollector is of b; version is that of the program.
func NewCollector(b *Board, version string) *Collector {
	return &Collector{board: b, version: version, now: time.Now}
}

// NewRegistry has a board's metrics, and those of the process.
func NewRegistry(b *Board, version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(NewCollector(b, version), collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// kinds are those that findings have; others are counted together.
var kinds = []string{"missing", "extra", "different", "behind", "collides", "definition", unlisted, "other"}

var activities = []Activity{Starting, Passing, Following, Resting, Paused, Retrying, Aside, NotRunning}

// family is a metric: what it is called, and what a pair adds to it.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(s *Status, add func(v float64, labels ...string))
}

func gauge(name, help string, of func(*Status, func(float64, ...string)), labels ...string) family {
	return family{prometheus.NewDesc("pgparity_"+name, help, append([]string{"pair"}, labels...), nil), prometheus.GaugeValue, of}
}

func counter(name, help string, of func(*Totals) int64) family {
	return family{
		prometheus.NewDesc("pgparity_"+name, help, []string{"pair"}, nil), prometheus.CounterValue,
		func(s *Status, add func(float64, ...string)) { add(float64(of(&s.Totals))) },
	}
}

// stamp is a moment; one that never was has no series.
func stamp(name, help string, of func(*Status) time.Time) family {
	return gauge(name, help, func(s *Status, add func(float64, ...string)) {
		if at := of(s); !at.IsZero() {
			add(float64(at.UnixMilli()) / 1000)
		}
	})
}

var buildInfo = prometheus.NewDesc("pgparity_build_info", "What runs; always 1.", []string{"version", "goversion"}, nil)

// families are all metrics of a pair. The names that a report's metrics have too mean the
// same here.
var families = slices.Concat(verdictFamilies(), coverageFamilies(), findingFamilies(), followFamilies(), serverFamilies())

func verdictFamilies() []family {
	return []family{
		gauge("verdict", "What the pair was found to be: 1 for its verdict, 0 for the others.", func(s *Status, add func(float64, ...string)) {
			for _, v := range []checker.Verdict{checker.Match, checker.Mismatch, checker.Unproven} {
				add(truth(s.Verdict == v), v.String())
			}
		}, "verdict"),
		gauge("activity", "What the monitor does with the pair: 1 for its activity, 0 for the others.", func(s *Status, add func(float64, ...string)) {
			for _, a := range activities {
				add(truth(s.Activity == a), string(a))
			}
		}, "activity"),
		stamp("proven_timestamp_seconds", "When a full pass last found all content equal, in seconds since 1970.", func(s *Status) time.Time { return s.ProvenAt }),
		stamp("last_success_timestamp_seconds", "When any check last ended, whatever it found, in seconds since 1970.", func(s *Status) time.Time { return s.LastSuccess }),
		stamp("updated_timestamp_seconds", "When the monitor last had any news of the pair, in seconds since 1970.", func(s *Status) time.Time { return s.UpdatedAt }),
		stamp("next_pass_timestamp_seconds", "When the next full pass is due, in seconds since 1970.", func(s *Status) time.Time { return s.NextPassAt }),
		counter("errors_total", "Errors since the monitor started; what failed was tried again.", func(t *Totals) int64 { return t.Errors }),
		gauge("cutover_running", "1 while a cutover of the pair is under way.", func(s *Status, add func(float64, ...string)) {
			add(truth(s.Cutover != nil && s.Cutover.Outcome == ""))
		}),
	}
}

func coverageFamilies() []family {
	pass := func(of func(*Progress) float64) func(*Status, func(float64, ...string)) {
		return func(s *Status, add func(float64, ...string)) {
			if s.Pass != nil {
				add(of(s.Pass))
			}
		}
	}
	return []family{
		gauge("pass_running", "1 while a full pass is under way.", func(s *Status, add func(float64, ...string)) {
			add(truth(s.Pass != nil && s.Pass.Running))
		}),
		gauge("chunks_planned", "Chunks of the pass under way, or of the last, that were to be compared.", pass(func(p *Progress) float64 { return float64(p.ChunksPlanned) })),
		gauge("chunks_compared", "Chunks of the pass under way, or of the last, that were compared.", pass(func(p *Progress) float64 { return float64(p.ChunksCompared) })),
		gauge("rows_compared", "Rows of the source in compared chunks of the pass under way, or of the last.", pass(func(p *Progress) float64 { return float64(p.RowsCompared) })),
		gauge("coverage_ratio", "Part of the planned chunks that was compared, in the pass under way or the last: 0 to 1.", func(s *Status, add func(float64, ...string)) {
			if p := s.Pass; p != nil && p.ChunksPlanned > 0 {
				add(float64(p.ChunksCompared) / float64(p.ChunksPlanned))
			}
		}),
		gauge("tables", "Tables by verdict.", func(s *Status, add func(float64, ...string)) {
			n := map[checker.Verdict]int{}
			for i := range s.Tables {
				n[s.Tables[i].Verdict]++
			}
			for _, v := range []checker.Verdict{checker.Match, checker.Mismatch, checker.Unproven} {
				add(float64(n[v]), v.String())
			}
		}, "verdict"),
		counter("chunks_verified_total", "Chunks compared since the monitor started.", func(t *Totals) int64 { return t.Chunks }),
		counter("rows_verified_total", "Rows of the source compared since the monitor started.", func(t *Totals) int64 { return t.Rows }),
		counter("passes_total", "Full passes that ended since the monitor started.", func(t *Totals) int64 { return t.Passes }),
		counter("quick_checks_total", "Quick checks that ended since the monitor started.", func(t *Totals) int64 { return t.Quick }),
	}
}

func findingFamilies() []family {
	return []family{
		gauge("findings_open", "Confirmed differences that have not healed, by kind; unlisted are those that a table counts beyond those it lists.", func(s *Status, add func(float64, ...string)) {
			n := map[string]int64{}
			for kind, open := range openByKind(s) {
				if !slices.Contains(kinds, kind) {
					kind = "other"
				}
				n[kind] += open
			}
			for _, kind := range kinds {
				add(float64(n[kind]), kind)
			}
		}, "kind"),
		counter("suspects_total", "Rows whose two sides disagreed once, since the monitor started.", func(t *Totals) int64 { return t.Suspects }),
		counter("recheck_rounds_total", "Rounds in which suspects were read again behind a fence, since the monitor started.", func(t *Totals) int64 { return t.Rounds }),
	}
}

func followFamilies() []family {
	return []family{
		gauge("watermark_age_seconds", "How long ago on the source all was committed that is known to have been equal on the target: of the table that is furthest behind.", func(s *Status, add func(float64, ...string)) {
			if s.Watermark != nil {
				add(s.Watermark.AgeSeconds)
			}
		}),
		gauge("watermark_exceptions", "Rows that the watermark leaves out, for they did not settle.", func(s *Status, add func(float64, ...string)) {
			if s.Watermark != nil {
				add(float64(s.Watermark.Exceptions))
			}
		}),
		gauge("tables_followed", "Tables whose changes are followed.", func(s *Status, add func(float64, ...string)) {
			n := 0
			for i := range s.Tables {
				if s.Tables[i].Followed {
					n++
				}
			}
			add(float64(n))
		}),
		counter("changes_followed_total", "Row changes read from the source's change stream since the monitor started.", func(t *Totals) int64 { return t.Changes }),
		gauge("slot_retained_bytes", "Log that the source keeps for the monitor's own slot.", func(s *Status, add func(float64, ...string)) {
			if s.Slot != nil && s.Slot.Dropped == "" {
				add(float64(s.Slot.RetainedBytes))
			}
		}),
		gauge("slot_limit_bytes", "Kept log at which the monitor drops its own slot.", func(s *Status, add func(float64, ...string)) {
			if s.Slot != nil && s.Slot.LimitBytes > 0 {
				add(float64(s.Slot.LimitBytes))
			}
		}),
		gauge("slot_dropped", "1 where the monitor's own slot is gone, so that changes are not followed.", func(s *Status, add func(float64, ...string)) {
			if s.Slot != nil {
				add(truth(s.Slot.Dropped != ""))
			}
		}),
	}
}

func serverFamilies() []family {
	return []family{
		gauge("replication_lag_bytes", "Log between what the target has applied and the source's end, by the replication's own account.", func(s *Status, add func(float64, ...string)) {
			if s.Lag != nil {
				add(float64(s.Lag.Bytes))
			}
		}),
		gauge("replication_lag_seconds", "How far the target is behind in time, by the replication's own account.", func(s *Status, add func(float64, ...string)) {
			if s.Lag != nil && s.Lag.Seconds != nil {
				add(*s.Lag.Seconds)
			}
		}),
		gauge("fence_latency_seconds", "How long the last fence took: until the target had applied all that the source had committed.", func(s *Status, add func(float64, ...string)) {
			if s.FenceMS != nil {
				add(*s.FenceMS / 1000)
			}
		}),
		gauge("sequence_headroom_ratio", "Part of its values that is left to the sequence of the target that has the least: 0 to 1.", func(s *Status, add func(float64, ...string)) {
			if len(s.Sequences) > 0 {
				add(slices.MinFunc(s.Sequences, func(a, b Sequence) int { return cmp.Compare(a.Headroom, b.Headroom) }).Headroom)
			}
		}),
		gauge("oldest_xmin_age_transactions", "Age of the oldest transaction that a side still sees, in transactions.", func(s *Status, add func(float64, ...string)) {
			if s.OldestXmin != nil {
				add(float64(s.OldestXmin.Source), "source")
				add(float64(s.OldestXmin.Target), "target")
			}
		}, "side"),
	}
}

// Describe sends the descriptions of all metrics.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	to <- buildInfo
	for _, f := range families {
		to <- f.desc
	}
}

// Collect sends what the board holds now.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(buildInfo, prometheus.GaugeValue, 1, report.Name(c.version), runtime.Version())
	now := c.now()
	for _, s := range c.board.Pairs() {
		aged := settled(&s, now)
		pair := report.Name(s.Name)
		for _, f := range families {
			f.of(aged, func(v float64, labels ...string) {
				m, err := prometheus.NewConstMetric(f.desc, f.kind, v, append([]string{pair}, labels...)...)
				if err != nil {
					m = prometheus.NewInvalidMetric(f.desc, err)
				}
				to <- m
			})
		}
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
