//go:build unix

package cutover

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What an outage may be: the limits are held over the runs of CUTOVER_RUNS on a
// machine that has little else to do. Where that is not set, as in CI, anything
// may disturb it, and only what is out of all proportion fails.
const (
	medianLimit = 500 * time.Millisecond
	worstLimit  = time.Second
	crowdLimit  = 5 * time.Second
)

// The pause of a client between two transactions.
const (
	busy  = 5 * time.Millisecond
	quiet = 100 * time.Millisecond
)

// TestSwitchUnderLoad switches an application that goes through PgBouncer and
// never pauses: forward, back with what was written meanwhile, and forward again.
// No transaction fails, none is lost, and none is there twice.
//
// CUTOVER_RUNS=10 repeats it with larger tables, prints what clients saw, and
// holds the limits.
func TestSwitchUnderLoad(t *testing.T) {
	long(t)
	slow(t)
	runs, branches, accounts := 1, 10, 1000
	measured, _ := strconv.Atoi(os.Getenv("CUTOVER_RUNS"))
	if measured > 0 {
		runs, branches, accounts = measured, 5, 20_000
	}
	for _, majors := range [][2]int{{15, 18}, {13, 17}} {
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			if measured == 0 {
				t.Parallel()
			}
			var all []switched
			for run := range runs {
				// A test of its own: its pair and its pooler are gone when the next begins.
				t.Run(fmt.Sprintf("run %d", run+1), func(t *testing.T) {
					all = append(all, underLoad(t, majors, branches, accounts)...)
				})
			}
			table := switchTable(all)
			t.Logf("%d switches, load average %s\n%s", len(all), loadAverage(), strings.Join(table, "\n"))
			if measured == 0 {
				return
			}
			if m := median(all, func(s switched) float64 { return milliseconds(s.clients.worst) }); m >= milliseconds(medianLimit) {
				t.Errorf("the median of what clients waited at most is %.0f ms, and may be %v", m, medianLimit)
			}
			for _, s := range all {
				if s.clients.worst >= worstLimit {
					t.Errorf("%s: a client waited %v, and may %v", s.name, s.clients.worst, worstLimit)
				}
			}
		})
	}
}

// switched is one switch, and what clients saw of it.
type switched struct {
	name    string
	clients lap
	result  *Result
}

// underLoad switches there, back and there again.
func underLoad(t *testing.T, majors [2]int, branches, accounts int) (all []switched) {
	w := newWorld(t, majors[0], majors[1], bankSQL...)
	client := w.customer(t)
	w.found(t, branches, accounts)
	w.replicate(t)
	pooler := poolTransactions(t, w.source, client)
	o := w.options(t)
	o.Application, o.Poolers = pooler.url(), []Pooler{pooler.configured(w.target)}
	b := openBank(t, pooler.url(), 8, branches, accounts, busy)
	if os.Getenv("CUTOVER_RUNS") == "" { // the full verification has less to look at twice
		o.OnEvent = func(e Event) {
			switch {
			case e.State == Synced && !e.Reached:
				b.pause.Store(int64(quiet))
			case e.State == Armed && !e.Reached:
				b.pause.Store(int64(busy))
			}
		}
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, Options) (*Result, error)
	}{{"there", Run}, {"back", RollBack}, {"again", Run}} {
		b.writes(t, 1000)
		b.lap()
		r, err := step.run(t.Context(), o)
		rest(t.Context(), 100*time.Millisecond) // who waited in it is answered by now
		s := switched{name: step.name, clients: b.lap(), result: r}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
		if r.Outcome != Done {
			t.Log(breakdown(r))
		}
		succeed(t, r, err)
		t.Log(breakdown(r))
		if s.clients.worst > crowdLimit {
			t.Errorf("%s: a client waited %v", step.name, s.clients.worst)
		}
		if out := r.Outage; out == nil || out.Failed > 0 || out.Lost > 0 || out.Elsewhere > 0 || out.WriteMS > milliseconds(crowdLimit) {
			t.Errorf("%s: the probe saw %+v", step.name, out)
		}
	}
	b.writes(t, 1000)
	b.audit(t, w.target)
	until(t, "the way back has carried everything", func() bool {
		return w.source.ask(t, "SELECT count(*) FROM tokens") == w.target.ask(t, "SELECT count(*) FROM tokens")
	})
	return all
}

// configured is the pooler as a switch to a side is told of it.
func (p *transactionPooler) configured(to *place) Pooler {
	return Pooler{Name: "a", Admin: "postgres://postgres@127.0.0.1:" + p.port + "/pgbouncer?sslmode=disable", Databases: []string{"app"}, File: p.dir + "/ini",
		Target: fmt.Sprintf("host=%s port=%d dbname=%s", to.cluster.Host(), to.cluster.Port(), to.database())}
}

// breakdown tells where the time of a switch went.
func breakdown(r *Result) string {
	var b strings.Builder
	for _, s := range r.Steps {
		if s.TookMS == nil {
			continue
		}
		fmt.Fprintf(&b, "%-14s %8.1f ms ", s.State, *s.TookMS)
		for _, a := range s.Actions {
			if a.TookMS != nil && *a.TookMS >= 1 {
				fmt.Fprintf(&b, " %s/%s %.1f", a.ID, a.On, *a.TookMS)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// inWindow are the steps from the first pause until the application writes again.
var inWindow = []State{Freezing, Frozen, Drained, Sequenced, Verified, ReverseReady, PNR, TargetOpen, Redirected, Live}

// switchTable is one line a switch, and the median and the worst of each column,
// in milliseconds.
func switchTable(all []switched) []string {
	type column struct {
		name string
		of   func(switched) float64
	}
	columns := []column{
		{"client", func(s switched) float64 { return milliseconds(s.clients.worst) }},
		{"probe w", func(s switched) float64 { return outageOf(s).WriteMS }},
		{"probe r", func(s switched) float64 { return outageOf(s).ReadMS }},
	}
	for _, state := range inWindow {
		columns = append(columns, column{strings.ToLower(string(state))[:min(7, len(state))], func(s switched) float64 { return stepMS(s.result, state) }})
	}
	line := func(name string, value func(column) string) string {
		text := fmt.Sprintf("%-7s", name)
		for _, c := range columns {
			text += fmt.Sprintf(" %8s", value(c))
		}
		return text
	}
	lines := []string{line("", func(c column) string { return c.name }) + "   transactions  failed"}
	for _, s := range all {
		lines = append(lines, line(s.name, func(c column) string { return fmt.Sprintf("%.0f", c.of(s)) })+fmt.Sprintf(" %14d %7d", s.clients.acked, s.clients.failed))
	}
	return append(lines, line("median", func(c column) string { return fmt.Sprintf("%.0f", median(all, c.of)) }),
		line("worst", func(c column) string {
			worst := 0.0
			for _, s := range all {
				worst = max(worst, c.of(s))
			}
			return fmt.Sprintf("%.0f", worst)
		}))
}

func outageOf(s switched) Outage {
	if s.result == nil || s.result.Outage == nil {
		return Outage{}
	}
	return *s.result.Outage
}

func stepMS(r *Result, state State) (ms float64) {
	for _, s := range r.Steps {
		if s.State == state && s.TookMS != nil {
			ms += *s.TookMS
		}
	}
	return ms
}

func median(all []switched, of func(switched) float64) float64 {
	if len(all) == 0 {
		return 0
	}
	var list []float64
	for _, s := range all {
		list = append(list, of(s))
	}
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
