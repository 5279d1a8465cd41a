package soak_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// ledger is what has to be found.
type ledger struct {
	names   map[string]map[int]string // the key, as a report has it, by table and n
	skipped map[string]bool           // positions of transactions, used by the damager alone
	keyless map[string]bool

	mu      sync.Mutex
	entries []*entry
}

// entry is one finding to be made. It may be made from `began` on; no table that
// it stands in may match, when the run began later.
type entry struct {
	table, kind, what string
	keys              []string // that it had so far; the last is the one it has
	began             time.Time
	stands            time.Time // zero: not yet
	healed            bool
}

// newLedger reads the keys of all rows that may be damaged.
func newLedger(t *testing.T, p *pair, tables []*stock) *ledger {
	t.Helper()
	l := &ledger{names: map[string]map[int]string{}, skipped: map[string]bool{}, keyless: map[string]bool{}}
	for _, s := range tables {
		names := map[int]string{}
		l.names[s.name], l.keyless["public."+s.name] = names, s.keys == ""
		if s.keys == "" {
			continue
		}
		rows, err := p.source.conn.Query(t.Context(), fmt.Sprintf("SELECT n, concat_ws('|', %s) FROM generate_series(9, %d, 10) n", s.key, s.rows))
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var n int
			var name string
			if err := rows.Scan(&n, &name); err != nil {
				t.Fatal(err)
			}
			names[n] = name
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
	}
	return l
}

// add enters a damage before it is done.
func (l *ledger) add(s *stock, n int, kind, what string) *entry {
	e := &entry{table: "public." + s.name, kind: kind, what: fmt.Sprintf("%s, n %d", what, n), keys: []string{l.names[s.name][n]}, began: time.Now()}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	return e
}

// different enters a row that has other values: without a key it is two rows.
func (l *ledger) different(s *stock, n int, what string) []*entry {
	if s.keys == "" {
		return []*entry{l.add(s, n, checker.KindMissing, what), l.add(s, n, checker.KindExtra, what)}
	}
	return []*entry{l.add(s, n, checker.KindDifferent, what)}
}

// stand says that damages can be seen from now on.
func (l *ledger) stand(entries ...*entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		e.stands = time.Now()
	}
}

// heal says that a damage is gone; runs that began earlier may have seen it.
func (l *ledger) heal(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.healed = true
}

// moves says that the row is about to get another key; it stands again when it
// has it. By its key it is another row then, and no run that began before has to
// have met that.
func (l *ledger) moves(e *entry, s *stock, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.keys, e.stands = append(e.keys, l.names[s.name][n]), time.Time{}
}

// keyOf names a finding as entries are named.
func keyOf(tab checker.TableResult, f checker.Finding) string {
	if len(tab.Key) == 0 {
		return ""
	}
	var parts []string
	for _, k := range tab.Key {
		parts = append(parts, f.Key[k])
	}
	return strings.Join(parts, "|")
}

// judge compares a result with the ledger: wrong is what it says that is not so,
// missed is what it had to say and did not. When exact, the damages stand still
// and each has to be there; otherwise a table in which some row did not settle, or which
// failed, may lack some.
func (l *ledger) judge(res *checker.Result, exact bool) (wrong, missed []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, tab := range res.Tables {
		due := slices.DeleteFunc(slices.Clone(l.entries), func(e *entry) bool { return e.table != tab.Name })
		seen := map[*entry]bool{}
		for _, f := range tab.Findings {
			key := keyOf(tab, f)
			i := slices.IndexFunc(due, func(e *entry) bool {
				again := seen[e] && (exact || len(e.keys) == 1) // one that travels may be met twice
				return !again && e.kind == f.Kind && e.began.Before(res.FinishedAt) && slices.Contains(e.keys, key) && (!exact || !e.healed && e.keys[len(e.keys)-1] == key)
			})
			if i < 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %s %v %v %v", tab.Name, f.Kind, f.Key, f.Columns, f.Count))
				continue
			}
			seen[due[i]] = true
		}
		if tab.FindingsTotal != int64(len(tab.Findings)) {
			wrong = append(wrong, fmt.Sprintf("%s: %d findings, %d listed", tab.Name, tab.FindingsTotal, len(tab.Findings)))
		}
		content := tab.Plan != "" && tab.Plan != "sample"
		if content && (exact || tab.Verdict == checker.Match || tab.UnsettledTotal == 0 && tab.Error == "") {
			for _, e := range due {
				if !seen[e] && !e.healed && !e.stands.IsZero() && e.stands.Before(res.StartedAt) {
					missed = append(missed, fmt.Sprintf("%s: %s %s (%s), since %s; the table is a %s", e.table, e.kind, e.keys, e.what, e.stands.Format("15:04:05.000"), tab.Verdict))
				}
			}
		}
	}
	return wrong, missed
}

// told counts the damages by name.
func (l *ledger) told() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for _, e := range l.entries {
		counts[strings.SplitN(e.what, ", n ", 2)[0]]++
	}
	return fmt.Sprintf("%d damages %v", len(l.entries), counts)
}

// wreck lets a damager work beside the test until the returned function is
// called, which waits until it is done.
func wreck(t *testing.T, d *damager, tables []*stock, pause time.Duration) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := d.run(ctx, tables, pause); err != nil {
			t.Errorf("damage: %v", err)
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		done.Wait()
	})
}
