package monitor

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// cheapCounts is how many rows a pair may have for all of them to be counted with each quick check.
const cheapCounts = 200_000

// checks does what takes seconds: quick checks, and rechecks of what is open.
func (s *session) checks(ctx context.Context) error {
	w := s.w
	// Not all pairs at the same moment.
	quick := time.Now().Add(rand.N(min(w.o.Quick, 5*time.Second)/2 + 1))
	recheck := time.Now().Add(rand.N(w.o.Recheck/4 + 1))
	for {
		w.set(func() { w.nextQuick = quick })
		next := quick
		if recheck.Before(next) {
			next = recheck
		}
		t := time.NewTimer(time.Until(next))
		asked := int64(0)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case asked = <-w.now:
		case <-t.C:
		}
		t.Stop()
		if w.paused() && asked == 0 {
			quick, recheck = later(quick, w.o.Quick), later(recheck, w.o.Recheck)
			continue
		}
		if asked != 0 || !time.Now().Before(recheck) {
			if err := s.recheckOpen(ctx, asked); err != nil {
				return err
			}
			if asked == 0 {
				recheck = time.Now().Add(w.o.Recheck)
			}
		}
		if !time.Now().Before(quick) && !w.paused() {
			release, err := w.s.checkLimit.take(ctx)
			if err != nil {
				return err
			}
			err = s.quickCheck(ctx)
			release()
			if err != nil {
				return err
			}
			quick = time.Now().Add(w.o.Quick)
		}
	}
}

// later is the next time that is not over.
func later(at time.Time, every time.Duration) time.Time {
	if now := time.Now(); at.Before(now) {
		return now.Add(every)
	}
	return at
}

// quickCheck compares what takes seconds: sequences, the last rows, and counts of a small pair.
func (s *session) quickCheck(ctx context.Context) error {
	w, began := s.w, time.Now().UTC()
	if err := s.gauges(ctx); err != nil {
		return err
	}
	o := s.options()
	o.Checks = slices.DeleteFunc(slices.Clone(o.Checks), func(check string) bool {
		return check != "sequences" && check != "last" && (check != "counts" || !w.small())
	})
	if len(o.Checks) == 0 {
		return nil
	}
	read := time.Now().UTC()
	res, err := checker.Run(ctx, s.sides.Source, s.sides.Target, o)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Definitions were read first: what is newer than that knows better.
	if err := w.see(ctx, "quick", read, slices.DeleteFunc(structural(res), func(f sighting) bool { return w.healedSince(f, read) })); err != nil {
		return err
	}
	order := s.keys()
	var seen []sighting
	for _, t := range res.Tables {
		for _, f := range t.Findings {
			seen = append(seen, sightingOf(t.Name, f, order[t.Name]))
		}
	}
	if err := w.see(ctx, "quick", time.Now().UTC(), seen); err != nil {
		return err
	}
	if err := w.heal(ctx, "quick", began, w.goneSequences(res, began)); err != nil {
		return err
	}
	s.headroom(res)
	w.set(func() {
		if res.Verdict != checker.Unproven {
			w.quick, w.quickDoubts = nil, 0
			return
		}
		if w.quickDoubts++; w.quickDoubts > 1 {
			w.quick = res.Reasons
		}
	})
	return w.ended(ctx, runFrom("quick", began, res))
}

// small tells whether counting all rows is cheap.
func (w *watcher) small() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	rows := int64(0)
	for _, t := range w.facts.Tables {
		rows += t.Rows
	}
	return rows <= cheapCounts && len(w.facts.Tables) > 0
}

// goneSequences are the open findings about sequences, and about counts, that a check has disproved.
func (w *watcher) goneSequences(res *checker.Result, since time.Time) (ids []int64) {
	fine := map[string]bool{}
	for _, q := range res.Sequences {
		fine[q.Name] = q.Verdict == checker.Match
	}
	counted := map[string]bool{}
	for _, t := range res.Tables {
		counted[t.Name] = t.Verdict == checker.Match && t.Rows.Source != nil && t.Rows.Target != nil && *t.Rows.Source == *t.Rows.Target
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.findings {
		if f.Open() && len(f.Key) == 0 && f.LastSeen.Before(since) && (fine[f.Object] || f.Kind == "counts" && counted[f.Object]) {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// gauges reads how long a fence takes, and how far vacuum is held back. The look at the
// fence is for the figure: that it is not passed, the check says.
func (s *session) gauges(ctx context.Context) error {
	fencing, cancel := context.WithTimeout(ctx, max(s.options().Settle, time.Second))
	defer cancel()
	began := time.Now()
	mark, err := s.stream.Fence.Mark(fencing)
	if err == nil {
		err = s.stream.Fence.Wait(fencing, mark)
	}
	took := float64(time.Since(began).Microseconds()) / 1000
	look, done := context.WithTimeout(ctx, lookPatience)
	defer done()
	ages, xmin := postgres.Both(look, s.sides.Source, s.sides.Target, func(ctx context.Context, db *postgres.DB) (int64, error) {
		g, err := db.XminAge(ctx)
		return g.Value, err
	})
	s.w.set(func() {
		if err == nil {
			s.w.fenceMS = &took
		}
		if xmin == nil {
			s.w.oldest = &Age{Source: ages[0], Target: ages[1]}
		}
	})
	return context.Cause(ctx)
}

// headroom tells how much each sequence of the target has left.
func (s *session) headroom(res *checker.Result) {
	defs := map[string]*postgres.Sequence{}
	for _, q := range s.joined().Sequences {
		if q.Target != nil {
			defs[q.Name] = q.Target
		}
	}
	list := make([]Sequence, 0, len(res.Sequences))
	for _, q := range res.Sequences {
		def := defs[q.Name]
		if def == nil || q.Target == nil {
			continue
		}
		list = append(list, Sequence{Name: q.Name, Verdict: q.Verdict, Headroom: left(def, q.Target.LastValue)})
	}
	s.w.set(func() { s.w.sequences = list })
}

// left is the part of a sequence's values that lies ahead of one, 0 to 1; all of one that begins anew.
func left(q *postgres.Sequence, last int64) float64 {
	if q.Cycle {
		return 1
	}
	all, ahead := float64(q.Max)-float64(q.Min), float64(q.Max)-float64(last)
	if q.Increment < 0 {
		ahead = float64(last) - float64(q.Min)
	}
	if all <= 0 {
		return 0
	}
	return min(max(ahead/all, 0), 1)
}

// maxRechecked bounds the rows of a table that one recheck reads; those that were seen longest ago come first.
const maxRechecked = 1000

// recheckOpen reads rows that are known to differ once more, or the one that was asked for.
func (s *session) recheckOpen(ctx context.Context, asked int64) error {
	w := s.w
	rows := w.toRecheck(asked)
	if len(rows) == 0 {
		return nil
	}
	if err := s.join(ctx); err != nil {
		return err
	}
	pair := *s.joined()
	pair.Tables = slices.DeleteFunc(slices.Clone(pair.Tables), func(t *pairing.Table) bool { return rows[t.Name] == nil || !t.Both() })
	if len(pair.Tables) == 0 {
		return nil
	}
	o := s.options()
	o.MaxDiffs = maxRechecked
	window, err := checker.OpenWindow(ctx, s.sides.Source, s.sides.Target, &pair, checker.Horizon{}, o)
	if err != nil {
		return err
	}
	for _, t := range window.Tables {
		if t.Reason != "" || !t.Keyed {
			continue
		}
		if err := s.recheckTable(ctx, window, t, rows[t.Name]); err != nil {
			return err
		}
	}
	return nil
}

// row is one that is to be read again; of a suspicion the ids are none.
type row struct {
	key []KeyPart
	ids []int64
}

// toRecheck are the rows that are open, by table.
func (w *watcher) toRecheck(asked int64) map[string][]row {
	w.mu.Lock()
	defer w.mu.Unlock()
	open := slices.DeleteFunc(slices.Clone(w.findings), func(f Finding) bool {
		return !f.Open() || len(f.Key) == 0 || asked != 0 && f.ID != asked
	})
	slices.SortStableFunc(open, func(a, b Finding) int { return a.LastSeen.Compare(b.LastSeen) })
	rows := map[string][]row{}
	for _, f := range open {
		if len(rows[f.Object]) < maxRechecked {
			rows[f.Object] = append(rows[f.Object], row{f.Key, []int64{f.ID}})
		}
	}
	if asked == 0 {
		for _, x := range w.suspicions {
			rows[x.table] = append(rows[x.table], row{key: x.key})
		}
		w.suspicions = nil
	}
	return rows
}

func (s *session) recheckTable(ctx context.Context, window *checker.Window, t *checker.WindowTable, rows []row) error {
	w, began := s.w, time.Now().UTC()
	order := keyColumns(t.Table)
	ids := map[string][]int64{}
	var keys [][]string
	for _, r := range rows {
		key := make([]string, 0, len(order))
		for _, part := range r.key {
			if at := len(key); at < len(order) && part.Column == order[at] {
				key = append(key, part.Value)
			}
		}
		if len(key) != len(order) || len(key) != len(r.key) {
			continue // the table has another key by now: a pass will tell
		}
		name := joined(key)
		if _, twice := ids[name]; !twice {
			keys = append(keys, key)
		}
		ids[name] = append(ids[name], r.ids...)
	}
	res, err := window.Recheck(ctx, t, s.stream, keys)
	if err != nil {
		if ctx.Err() == nil && !postgres.Lost(err) { // the table is not carried, or not readable, now
			w.log.Warn("differences could not be rechecked", keyTable, t.Name, keyError, err)
			w.set(func() { w.lastError = err.Error(); w.totals.Errors++ })
			return nil
		}
		return err
	}
	var seen []sighting
	for _, f := range res.Findings {
		seen = append(seen, sightingOf(f.Table, f.Finding, order))
	}
	if err := w.see(ctx, "recheck", time.Now().UTC(), seen); err != nil {
		return err
	}
	var equal []int64
	for _, key := range res.Equal {
		equal = append(equal, ids[joined(key)]...)
	}
	w.set(func() { w.totals.Rounds += res.Rounds; w.lastSuccess = time.Now().UTC() })
	return w.heal(ctx, "recheck", began, equal)
}

// joined makes one text of a key: no two keys have the same.
func joined(key []string) string {
	var b strings.Builder
	for _, k := range key {
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(k, `\`, `\\`), "|", `\|`))
		b.WriteByte('|')
	}
	return b.String()
}
