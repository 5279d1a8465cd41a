package monitor

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// hostile is a name that would do harm wherever it is taken for more than a name.
const hostile = `"><script>alert(1)</script>` + "\u202e' OR 1=1 --\x1b[31m/../%2f\\"

// fixtures is a board with a fleet as it might be at now.
func fixtures(now time.Time) *Board {
	b := NewBoard()
	all := []Status{orders(now), billing(now), identity(now), catalog(now), payments(now), search(now)}
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	b.Keep(names)
	for _, s := range all {
		b.Put(s)
	}
	return b
}

func ref[T any](v T) *T { return &v }

func server(version, system, database string) checker.ServerInfo {
	return checker.ServerInfo{ServerVersion: version, SystemIdentifier: system, Database: database}
}

// watched is what the pairs have alike: matching and followed, its last pass some hours ago.
func watched(name string, now time.Time, proven time.Duration) Status {
	s := Status{
		Name: name, Activity: Following, Verdict: checker.Match, ProvenAt: now.Add(-proven), AsOfLSN: "2E/4A1F0C38",
		Source:    server("15.18", "7489213340912734021", name),
		Target:    server("18.4", "7561120983327741199", name),
		Watermark: &Watermark{LSN: "2E/9C41D7A0", At: now.Add(-1800 * time.Millisecond), AgeSeconds: 1.8},
		Lag:       &Lag{Bytes: 18432, Seconds: ref(0.21)},
		Slot:      &Slot{Name: "pgparity_" + name, RetainedBytes: 41 << 20, LimitBytes: 16 << 30},
		FenceMS:   ref(38.4), OldestXmin: &Age{Source: 1840, Target: 912},
		Pass:       &Progress{StartedAt: now.Add(-proven - 40*time.Minute), ChunksPlanned: 18240, ChunksCompared: 18240, RowsCompared: 412_300_114},
		NextPassAt: now.Add(6*time.Hour - proven), NextQuickAt: now.Add(42 * time.Second), LastSuccess: now.Add(-18 * time.Second),
		Totals:  Totals{Chunks: 402_118, Rows: 9_184_223_001, Suspects: 18_220, Rounds: 21_004, Changes: 88_402_113, Errors: 2, Passes: 22, Quick: 7_904},
		Samples: samples(now, uint64(len(name))),
	}
	for i, t := range []struct {
		name string
		rows int64
	}{
		{"public.orders", 184_220_118}, {"public.order_lines", 201_883_204}, {"public.customers", 4_120_334}, {"public.addresses", 6_201_118},
		{"public.payments", 15_204_881}, {"public.products", 88_204}, {"public.stock_levels", 411_220}, {"audit.events", 120_443},
	} {
		s.Tables = append(s.Tables, table(t.name, t.rows, now, proven, i))
	}
	s.Sequences = []Sequence{
		{Name: "public.orders_id_seq", Verdict: checker.Match, Headroom: 0.914}, {Name: "public.order_lines_id_seq", Verdict: checker.Match, Headroom: 0.182},
		{Name: "public.customers_id_seq", Verdict: checker.Match, Headroom: 0.998},
	}
	for i := range 8 {
		ended := now.Add(-proven - time.Duration(i)*6*time.Hour)
		s.Runs = append(s.Runs, Run{
			ID: int64(22 - i), Kind: "pass", StartedAt: ended.Add(-38*time.Minute - time.Duration(i*17)*time.Second), FinishedAt: ended,
			Verdict: checker.Match, Rows: 412_300_114 - int64(i)*2_310_442,
		})
	}
	return s
}

// table is a followed one that matches, its cells compared one after the other in the last pass.
func table(name string, rows int64, now time.Time, proven time.Duration, nth int) Table {
	t := Table{
		Name: name, Verdict: checker.Match, Rows: rows, Followed: true,
		Watermark: &Watermark{LSN: "2E/9C41D7A0", At: now.Add(-1800 * time.Millisecond), AgeSeconds: 1.8 + float64(nth%3)/10},
	}
	n := int(min(max(rows/20_000, 1), MaxCells))
	for i := range n {
		t.Cells = append(t.Cells, Cell{checker.Match, now.Add(-proven - time.Duration(n-i)*20*time.Second - time.Duration(nth)*3*time.Minute)})
	}
	return t
}

// samples are of six hours, with a busy hour and a pause.
func samples(now time.Time, seed uint64) []Sample {
	r := rand.New(rand.NewPCG(seed, 7))
	var out []Sample
	for i := range 360 {
		at := now.Add(-time.Duration(360-i) * time.Minute)
		busy := 6 * math.Exp(-math.Pow(float64(i-int(150+seed*10))/24, 2))
		s := Sample{At: at}
		if i < 270 || i > 282 { // the monitor was restarted
			age := 1.1 + busy + r.ExpFloat64()*0.7
			lag := 0.12 + busy/4 + r.ExpFloat64()*0.09
			s.WatermarkAge, s.LagSeconds, s.LagBytes = ref(age), ref(lag), ref(int64(lag*210_000))
			out = append(out, s)
		}
	}
	return out
}

func orders(now time.Time) Status { return watched("orders", now, 2*time.Hour+14*time.Minute) }

// billing has open findings, and healed ones.
func billing(now time.Time) Status {
	s := watched("billing", now, 3*time.Hour+5*time.Minute)
	s.Verdict = checker.Mismatch
	s.Reasons = []string{"public.invoices: 2 rows differ, 1 row is missing on the target"}
	s.Tables = append([]Table{table("public.invoices", 9_204_118, now, 3*time.Hour, 0)}, s.Tables...)
	t := &s.Tables[0]
	t.Verdict, t.Open, t.Reason = checker.Mismatch, 3, "2 rows differ, 1 row is missing on the target"
	t.Cells[31].Verdict, t.Cells[32].Verdict, t.Cells[88].Verdict = checker.Mismatch, checker.Mismatch, checker.Mismatch
	for i := range 40 { // a pass is under way, and has come so far
		t.Cells[i].At = now.Add(-time.Duration(40-i) * 6 * time.Second)
	}
	s.Tables = append(s.Tables, Table{
		Name: `public."Ledger"`, Verdict: checker.Unproven, Reason: "no replica identity: updates of it are not in the change stream", Rows: 1_204_221,
		Cells: table("x", 1_204_221, now, 3*time.Hour, 2).Cells,
	})
	last := &s.Tables[len(s.Tables)-1]
	for i := range last.Cells[40:] {
		last.Cells[40+i] = Cell{}
	}
	for i := range 6 {
		last.Cells[20+i].Verdict = checker.Unproven
	}
	s.Watermark.Exceptions = 1
	key := func(v string) []KeyPart { return []KeyPart{{"id", v}} }
	s.Findings = []Finding{
		{ID: 118, Object: "public.invoices", Kind: "different", Key: key("4182277"), Columns: []string{"total_cents", "updated_at"}, FirstSeen: now.Add(-11 * time.Minute), LastSeen: now.Add(-40 * time.Second), By: "follow"},
		{ID: 117, Object: "public.invoices", Kind: "different", Key: key("4182279"), Columns: []string{"total_cents"}, FirstSeen: now.Add(-11 * time.Minute), LastSeen: now.Add(-40 * time.Second), By: "follow"},
		{ID: 104, Object: "public.invoices", Kind: "missing", Key: []KeyPart{{"tenant", "acme"}, {"id", "9917301"}}, FirstSeen: now.Add(-187 * time.Minute), LastSeen: now.Add(-40 * time.Second), By: "pass"},
		{ID: 96, Object: "public.customers", Kind: "different", Key: key("55021"), Columns: []string{"email"}, FirstSeen: now.Add(-27 * time.Hour), LastSeen: now.Add(-26 * time.Hour), HealedAt: now.Add(-26 * time.Hour), By: "follow"},
		{ID: 61, Object: "public.stock_levels", Kind: "extra", Key: []KeyPart{{"sku", "TX-2210"}, {"site", "4"}}, FirstSeen: now.Add(-50 * time.Hour), LastSeen: now.Add(-45 * time.Hour), HealedAt: now.Add(-44 * time.Hour), By: "pass"},
	}
	s.Sequences = append(s.Sequences, Sequence{Name: "public.invoices_id_seq", Verdict: checker.Match, Headroom: 0.951})
	s.Runs = append([]Run{{
		ID: 23, Kind: "quick", StartedAt: now.Add(-19 * time.Second), FinishedAt: now.Add(-18 * time.Second), Verdict: checker.Mismatch,
		Reasons: []string{"public.invoices: 1 row is missing on the target"}, Rows: 4_400, Findings: 1,
	}}, s.Runs...)
	s.Activity = Passing
	s.Pass = &Progress{StartedAt: now.Add(-4 * time.Minute), ChunksPlanned: 18_402, ChunksCompared: 2_204, RowsCompared: 44_201_992, Running: true}
	return s
}

// identity is in its first pass.
func identity(now time.Time) Status {
	s := watched("identity", now, time.Hour)
	s.Activity, s.Verdict, s.ProvenAt, s.Watermark, s.Slot = Passing, checker.Unproven, time.Time{}, nil, nil
	s.Reasons = []string{"the first full pass has not ended"}
	s.Pass = &Progress{StartedAt: now.Add(-12 * time.Minute), ChunksPlanned: 4_410, ChunksCompared: 1_896, RowsCompared: 31_220_411, Running: true}
	s.Samples, s.Runs, s.Findings = nil, nil, nil
	for i := range s.Tables {
		s.Tables[i].Verdict, s.Tables[i].Watermark = checker.Unproven, nil
	}
	return s
}

// catalog is not followed: its slot kept too much.
func catalog(now time.Time) Status {
	s := watched("catalog", now, 5*time.Hour)
	s.Activity, s.Watermark = Resting, nil
	s.Slot = &Slot{Name: "pgparity_catalog", LimitBytes: 16 << 30, Dropped: "it kept 16 GB of log on the source; following begins again with the next full pass"}
	s.Lag = &Lag{}
	for i := range s.Tables {
		s.Tables[i].Followed, s.Tables[i].Watermark = false, nil
	}
	for i := range s.Samples {
		s.Samples[i].WatermarkAge = nil
	}
	return s
}

// payments is being switched.
func payments(now time.Time) Status {
	s := watched("payments", now, 50*time.Minute)
	began := now.Add(-14 * time.Second)
	s.Cutover = &Switch{Run: "c-20261122-0904", Direction: "forward", State: "FROZEN", StartedAt: began}
	for _, step := range []struct {
		state string
		took  time.Duration
	}{{"PREFLIGHT", 2100 * time.Millisecond}, {"PREPARED", 3300 * time.Millisecond}, {"SYNCED", 6800 * time.Millisecond}, {"ARMED", 800 * time.Millisecond}, {"FREEZING", 41 * time.Millisecond}} {
		s.Cutover.Steps = append(s.Cutover.Steps, SwitchStep{step.state, began, began.Add(step.took)})
		began = began.Add(step.took)
	}
	s.Cutover.Steps = append(s.Cutover.Steps, SwitchStep{State: "FROZEN", BeganAt: began})
	return s
}

// search cannot be reached.
func search(now time.Time) Status {
	s := watched("search", now, 26*time.Hour)
	s.Activity, s.Verdict, s.LastError = Retrying, checker.Unproven, "target: connect: dial tcp 10.4.2.18:5432: connection refused; is the server running?"
	s.Reasons = []string{"the target has not been reached for 12 min"}
	s.Watermark.AgeSeconds = 744
	s.LastSuccess = now.Add(-12 * time.Minute)
	return s
}

// nasty has hostile text in every place that text can come from.
func nasty(now time.Time) Status {
	s := billing(now)
	s.Name, s.LastError, s.AsOfLSN = hostile, hostile, hostile
	s.Reasons = []string{hostile}
	s.Source, s.Target = server(hostile, hostile, hostile), server(hostile, hostile, hostile)
	s.Watermark.LSN, s.Slot.Name, s.Slot.Dropped = hostile, hostile, hostile
	s.Activity = Activity(hostile)
	s.Tables[0].Name, s.Tables[0].Reason = hostile, hostile
	s.Sequences[0].Name = hostile
	f := &s.Findings[0]
	f.Object, f.Kind, f.By, f.Columns = hostile, hostile, hostile, []string{hostile}
	f.Key = []KeyPart{{hostile, hostile}}
	s.Runs[0].Kind, s.Runs[0].Reasons = hostile, []string{hostile}
	s.Cutover = &Switch{Run: hostile, Direction: hostile, State: hostile, Outcome: hostile, Steps: []SwitchStep{{State: hostile}}}
	return s
}
