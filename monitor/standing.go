package monitor

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// publishing tells the board what has changed, but not more often than a page is looked at, and those who want
// to know what is worth it.
func (w *watcher) publishing(ctx context.Context) {
	t := time.NewTicker(w.s.pace.sample)
	defer t.Stop()
	for {
		w.publish(ctx, time.Now())
		rest(ctx, w.s.pace.publish)
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		case <-t.C:
		}
	}
}

func (w *watcher) publish(ctx context.Context, now time.Time) {
	s := w.status(now)
	w.s.board.Put(s)
	if err := w.tell(ctx, s, now); err != nil && ctx.Err() == nil {
		w.log.Error("what has changed could not be noted down to be told", keyError, err)
	}
}

// status is what is known now. Nothing of it is shared with the watcher that is changed later.
func (w *watcher) status(now time.Time) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := Status{
		Name: w.o.Name, Activity: w.doing(), ProvenAt: w.facts.ProvenAt, AsOfLSN: w.facts.AsOfLSN, Source: w.facts.Source, Target: w.facts.Target,
		Watermark: w.leastWatermark(now), Lag: w.lag, Slot: w.slot, FenceMS: w.fenceMS, OldestXmin: w.oldest, Pass: w.pass,
		NextQuickAt: w.nextQuick, LastSuccess: w.lastSuccess, LastError: w.lastError, Totals: w.totals,
		Sequences: w.sequences, Runs: w.runs, Samples: slices.Clone(w.samples), Cutover: w.cutover,
	}
	if !w.passing && !w.nextPass.IsZero() {
		s.NextPassAt = w.nextPass
	}
	s.Verdict, s.Reasons = w.judge(now)
	open := w.openByTable()
	for _, name := range slices.Sorted(maps.Keys(w.facts.Tables)) {
		s.Tables = append(s.Tables, w.tableStatus(name, open[name], now))
	}
	for _, f := range w.findings {
		if len(s.Findings) == shownOpen {
			break
		}
		s.Findings = append(s.Findings, w.shownFinding(f))
	}
	return s
}

func (w *watcher) doing() Activity {
	switch {
	case w.activity != Resting:
		return w.activity
	case w.facts.Paused:
		return Paused
	case w.passing:
		return Passing
	case w.followed.Slot != "" && w.o.Follow && w.refused[""] == "":
		return Following
	}
	return Resting
}

// openByTable counts what is open of each table: its rows, its columns, and what was not
// listed.
func (w *watcher) openByTable() map[string]int64 {
	open := map[string]int64{}
	for _, f := range w.findings {
		if !f.Open() {
			continue
		}
		name := f.Object
		if _, is := w.facts.Tables[name]; !is {
			for t := range w.facts.Tables {
				if strings.HasPrefix(f.Object, t+".") {
					name = t
				}
			}
		}
		open[name]++
	}
	for name, t := range w.facts.Tables {
		if t.Unlisted > 0 {
			open[name] += t.Unlisted
		}
	}
	return open
}

func (w *watcher) tableStatus(name string, open int64, now time.Time) Table {
	f := w.facts.Tables[name]
	t := Table{Name: name, Rows: f.Rows, Open: open, Cells: slices.Clone(w.cells[name])}
	why := w.refused[name]
	if w.refused[""] != "" {
		why = w.refused[""]
	}
	if state, known := w.followed.Tables[name]; known && why == "" && w.o.Follow {
		t.Followed, why = true, state.Dirty
		t.Watermark = watermark(state.LSN, state.At, len(state.Exceptions), now)
	}
	switch {
	case open > 0:
		t.Verdict = checker.Mismatch
		t.Reason = rowsDiffer(open)
	case f.Doubt != "" || !f.Compared:
		t.Reason = f.Doubt
	default:
		t.Verdict = checker.Match
		t.Reason = why
	}
	return t
}

func watermark(lsn string, at time.Time, exceptions int, now time.Time) *Watermark {
	if lsn == "" {
		return nil
	}
	return &Watermark{LSN: lsn, At: at, AgeSeconds: max(now.Sub(at).Seconds(), 0), Exceptions: exceptions}
}

// leastWatermark is that of all followed tables: nil where one of them has none yet.
func (w *watcher) leastWatermark(now time.Time) (least *Watermark) {
	if !w.o.Follow || w.refused[""] != "" {
		return nil
	}
	exceptions, lowest := 0, postgres.LSN(0)
	for name, t := range w.followed.Tables {
		if w.refused[name] != "" {
			continue
		}
		lsn, err := postgres.ParseLSN(t.LSN)
		if t.LSN == "" || err != nil {
			return nil
		}
		exceptions += len(t.Exceptions)
		if least == nil || lsn < lowest {
			least, lowest = watermark(t.LSN, t.At, 0, now), lsn
		}
	}
	if least != nil {
		least.Exceptions = exceptions
	}
	return least
}

// judge decides the verdict, and says why. What is open is a mismatch. Else everything that keeps it from
// being a match is said; none of it goes away by itself.
func (w *watcher) judge(now time.Time) (checker.Verdict, []string) {
	var doubts []string
	doubt := func(format string, args ...any) { doubts = append(doubts, "unproven: "+fmt.Sprintf(format, args...)) }
	if w.facts.PassedAt.IsZero() {
		doubt("no full pass has ended yet")
	} else if overdue := now.Sub(w.facts.PassedAt); overdue > 2*w.o.Cycle+w.s.pace.settle {
		doubt("no full pass has ended for %s, and one is due every %s", overdue.Round(time.Second), w.o.Cycle)
	}
	if w.failed != "" && (now.Sub(w.failedSince) > w.s.pace.settle || w.facts.PassedAt.IsZero()) {
		doubt("out of reach: %s", w.failed)
	}
	if w.aside != "" {
		doubt("%s", w.aside)
	}
	doubts = append(doubts, w.facts.Doubts...)
	for _, reason := range w.quick {
		if !slices.Contains(doubts, reason) {
			doubts = append(doubts, reason)
		}
	}
	mismatches := w.mismatches()
	if len(mismatches) > 0 {
		return checker.Mismatch, append(mismatches, doubts...)
	}
	if len(doubts) > 0 {
		return checker.Unproven, doubts
	}
	return checker.Match, nil
}

// maxSaid bounds the objects that are named one by one.
const maxSaid = 20

// mismatches are sentences about what is open.
func (w *watcher) mismatches() (list []string) {
	rows := map[string]int64{}
	var order []string
	more := 0
	for _, f := range w.findings {
		switch {
		case !f.Open():
		case len(f.Key) > 0:
			if rows[f.Object] == 0 {
				order = append(order, f.Object)
			}
			rows[f.Object]++
		case len(list) < maxSaid:
			list = append(list, f.Object+": "+f.Kind)
		default:
			more++
		}
	}
	for name, t := range w.facts.Tables {
		if t.Unlisted > 0 {
			if rows[name] == 0 {
				order = append(order, name)
			}
			rows[name] += t.Unlisted
		}
	}
	slices.Sort(order)
	for _, name := range order {
		if len(list) >= maxSaid {
			more++
			continue
		}
		list = append(list, name+": "+rowsDiffer(rows[name]))
	}
	if more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	if w.facts.Unlisted > 0 {
		list = append(list, fmt.Sprintf("%s that following found, and did not list: the next full pass will", rowsDiffer(w.facts.Unlisted)))
	}
	return list
}

func rowsDiffer(n int64) string {
	if n == 1 {
		return "1 row differs"
	}
	return fmt.Sprintf("%d rows differ", n)
}

// shownFinding is a finding as it leaves the process: keys are hidden where that is asked for, the same one
// always alike.
func (w *watcher) shownFinding(f Finding) Finding {
	if !w.o.HashKeys || len(f.Key) == 0 {
		return f
	}
	shown := make([]KeyPart, len(f.Key))
	for i, part := range f.Key {
		h := hmac.New(sha256.New, w.s.store.mask)
		h.Write([]byte(part.Value))
		shown[i] = KeyPart{part.Column, "hidden:" + hex.EncodeToString(h.Sum(nil)[:8])}
	}
	f.Key = shown
	return f
}
