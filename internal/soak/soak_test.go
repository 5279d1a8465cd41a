package soak_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/sampler"
)

// size is how much a soak does. SOAK_TIME makes it a long one of about as long,
// all its pairs together; SOAK_SEED repeats the draws of an earlier one.
type size struct {
	long  bool
	load  time.Duration // for each pair
	seed  uint64
	rows  int           // of most tables
	items int           // of the table of the big transactions
	big   int           // rows of a big transaction
	pause time.Duration // between two of them
	pace  time.Duration
}

func soakSize(t *testing.T, pairs int) size {
	t.Helper()
	z := size{load: 4 * time.Second, seed: uint64(time.Now().UnixNano()), rows: 4000, items: 12_000, big: 8000, pause: 2 * time.Second, pace: 25 * time.Millisecond}
	if text := os.Getenv("SOAK_TIME"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SOAK_TIME: %v", err)
		}
		z = size{long: true, load: d / time.Duration(pairs), seed: z.seed, rows: 20_000, items: 600_000, big: 500_000, pause: 15 * time.Second, pace: 20 * time.Millisecond}
	} else if testing.Short() {
		t.Skip("takes half a minute: runs without -short")
	}
	if text := os.Getenv("SOAK_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SOAK_SEED: %v", err)
		}
		z.seed = n
	}
	return z
}

// setting is a pair of servers and how the one subscribes to the other.
type setting struct {
	source, target            int
	publication, subscription string
	long                      bool // in a long soak only
}

var settings = []setting{
	{source: 15, target: 18, publication: "publish_via_partition_root = true"},
	{source: 10, target: 15, long: true},
	{source: 16, target: 18, subscription: "streaming = parallel, two_phase = true", long: true},
}

// pairs is how many a long soak has, of both tests together.
const pairs = 6

// soaked is a pair under load.
type soaked struct {
	*pair
	*crowd
	size
	draw   *rand.Rand
	tables []*stock
	all    []string // outcomes of the runs
}

// soak makes a pair and its load, which does not run yet.
func soak(t *testing.T, how setting) *soaked {
	t.Helper()
	z := soakSize(t, pairs)
	if how.long && !z.long {
		t.Skip("a long soak's: set SOAK_TIME, or make soak")
	}
	s := &soaked{size: z, draw: rand.New(rand.NewPCG(z.seed, 300)), tables: stocks(how.source, z.rows, z.items)}
	sql := []string{brakeTable}
	for _, tab := range s.tables {
		sql = append(sql, tab.definitions()...)
	}
	s.pair = newPairWith(t, how.source, how.target, how.publication, how.subscription, sql...)
	fitBrake(t, s.pair)
	s.crowd = &crowd{p: s.pair, tables: s.tables, seed: z.seed, big: z.big, pause: z.pause, pace: z.pace}
	t.Cleanup(func() {
		t.Logf("SOAK_SEED=%d: %s", z.seed, s.told())
		t.Logf("runs:\n  %s", strings.Join(s.all, "\n  "))
	})
	return s
}

// run verifies, and keeps what came of it for the log.
func (s *soaked) run(t *testing.T, change ...func(*checker.Options)) *checker.Result {
	t.Helper()
	var asked checker.Options
	res := s.verify(t, append(change, func(o *checker.Options) { asked = *o })...)
	words := map[checker.Verdict]int{}
	why := ""
	for _, tab := range res.Tables {
		words[tab.Verdict]++
		if tab.Verdict == checker.Unproven {
			why = fmt.Sprintf("; %s: %d unsettled; %.200s", tab.Name, tab.UnsettledTotal, tab.Error)
		}
	}
	s.all = append(s.all, fmt.Sprintf("%s in %s, %d rows, checks %v, plans %v, digest %q, chunks of %d, budget %s, concurrency %d: %v%s", res.Verdict, res.FinishedAt.Sub(res.StartedAt).Round(time.Millisecond),
		res.Coverage.RowsCompared, asked.Checks, asked.Plans, asked.Digest, asked.ChunkRows, asked.Budget, asked.Concurrency, words, why))
	return res
}

// patient lets a run take the time that a big transaction takes.
func (s *soaked) patient(o *checker.Options) {
	o.Settle, o.Concurrency = 20*time.Second, 6
	if s.long {
		o.Settle = 2 * time.Minute
	}
}

// draws are options as they come. Where damages are to be recognised, tables
// with a key are compared by it.
func (s *soaked) draws(o *checker.Options) {
	o.Checks = [][]string{{"ranges"}, {"ranges"}, {"last", "ranges"}, {"counts", "last", "ranges"}, {"counts", "last", "sample"}}[s.draw.IntN(5)]
	o.Last, o.SampleRows, o.Seed = 10+s.draw.IntN(200), 50, s.draw.Int64()
	o.ChunkRows = []int{0, 0, 1000, 2500}[s.draw.IntN(4)]
	o.Concurrency = 2 + s.draw.IntN(4)
	o.Digest = []hashing.Way{"", "", hashing.Pushdown, hashing.Stream}[s.draw.IntN(4)]
	o.Budget = []time.Duration{2 * time.Second, 2 * time.Second, 50 * time.Millisecond, 0}[s.draw.IntN(4)]
	o.Settle = time.Duration(5+s.draw.IntN(10)) * time.Second
	o.Plans = map[string]sampler.Strategy{}
	for _, tab := range s.tables {
		if s.draw.IntN(2) == 0 {
			o.Plans["public."+tab.name] = sampler.Strategy(tab.plans[s.draw.IntN(len(tab.plans))])
		}
	}
}

// TestSoakQuiet: whatever the load does to a sound pair, no run finds anything;
// and once it stops, all is proven.
func TestSoakQuiet(t *testing.T) {
	for _, how := range settings {
		t.Run(fmt.Sprintf("%d to %d", how.source, how.target), func(t *testing.T) {
			s := soak(t, how)
			for _, tab := range s.tables {
				if tab.name == "parts" && how.source >= 11 {
					tab.truncated = true
				}
				if keyed(tab) { // by rows, as if it had none
					tab.plans = append(tab.plans, "multiset")
				}
			}
			s.start(t)
			for until := time.Now().Add(s.load); time.Now().Before(until) && !t.Failed(); {
				calm(t, s.run(t, s.draws))
			}
			s.end()
			res := s.run(t, s.patient, func(o *checker.Options) { o.Checks = []string{"counts", "last", "ranges"} })
			if calm(t, res); res.Verdict != checker.Match {
				t.Errorf("after the load: %s", told(res))
			}
		})
	}
}

// calm fails the test when a run accused anything.
func calm(t *testing.T, res *checker.Result) {
	t.Helper()
	if res.Verdict == checker.Mismatch || slices.ContainsFunc(res.Tables, func(tab checker.TableResult) bool { return tab.FindingsTotal > 0 }) {
		t.Errorf("accused falsely: %s", told(res))
	}
}

// TestSoakDamaged: what is damaged while the load runs is found, with its key,
// and nothing else is.
func TestSoakDamaged(t *testing.T) {
	for _, how := range settings {
		t.Run(fmt.Sprintf("%d to %d", how.source, how.target), func(t *testing.T) {
			s := soak(t, how)
			tables := slices.DeleteFunc(slices.Clone(s.tables), func(tab *stock) bool { return tab.truncated })
			l := newLedger(t, s.pair, tables)
			d := newDamager(t, s.pair, tables, l, s.size.seed)
			t.Cleanup(func() { t.Log(l.told()) })
			s.start(t)
			stop := wreck(t, d, tables, max(s.load/100, 400*time.Millisecond))
			defer stop()
			for until := time.Now().Add(s.load); time.Now().Before(until) && !t.Failed(); {
				s.check(t, l, "while it is damaged", false, s.draws)
			}
			stop()
			s.check(t, l, "when all is damaged", true, s.patient)
			s.end()
			s.check(t, l, "after the load", true, s.patient)
		})
	}
}

// check verifies and compares with the ledger.
func (s *soaked) check(t *testing.T, l *ledger, when string, exact bool, change func(*checker.Options)) {
	t.Helper()
	res := s.run(t, change)
	wrong, missed := l.judge(res, exact)
	if len(wrong)+len(missed) > 0 {
		t.Errorf("%s:\naccused falsely:\n  %s\nmissed:\n  %s\n%s", when, strings.Join(wrong, "\n  "), strings.Join(missed, "\n  "), told(res))
	}
}
