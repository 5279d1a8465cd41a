package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/follow"
)

// Damage on the target becomes findings with their keys, and what is mended is marked healed; all of it is still
// known after a restart.
func TestDamageBecomesAFindingAndHeals(t *testing.T) {
	long(t)
	w := newWorld(t)
	state := t.TempDir() + "/state.db"
	g := begin(t, state, nil, w.pair("shop"))
	s := g.until(t, "shop", "it matches", matches)
	if s.ProvenAt.IsZero() || s.AsOfLSN == "" || s.Source.ServerVersion == "" || s.Pass == nil || s.Pass.RowsCompared != 2900 || s.Pass.Running {
		t.Errorf("of the match is known: %+v, pass %+v", s, s.Pass)
	}
	w.target.exec(t, "UPDATE orders SET note = 'rogue' WHERE id = 7", "DELETE FROM items WHERE id = 8 AND line = 308", "INSERT INTO orders VALUES (99999, 1, 'rogue')")
	if err := g.TriggerPass(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	s = g.until(t, "shop", "all damage is found", func(s Status) bool { return len(open(s)) == 3 && s.Activity == Resting })
	var got []string
	for _, f := range open(s) {
		got = append(got, fmt.Sprint(f.Object, " ", f.Kind, " ", f.Key, " ", f.Columns))
	}
	for _, want := range []string{"public.orders different [{id 7}] [note]", "public.items missing [{id 8} {line 308}] []", "public.orders extra [{id 99999}] []"} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("not found: %s, but %q", want, got)
		}
	}
	if s.Verdict != checker.Mismatch || len(s.Reasons) != 2 {
		t.Errorf("the verdict is %s: %q", s.Verdict, s.Reasons)
	}
	for _, table := range s.Tables {
		if table.Verdict != checker.Mismatch || countCells(table, checker.Mismatch) == 0 || table.Name == "public.orders" && table.Open != 2 {
			t.Errorf("%s: %s, %d open, cells %v", table.Name, table.Verdict, table.Open, table.Cells)
		}
	}
	w.target.exec(t, "UPDATE orders SET note = 'order 7' WHERE id = 7", "INSERT INTO items VALUES (8, 308, 'sku')", "DELETE FROM orders WHERE id = 99999")
	s = g.until(t, "shop", "all has healed", func(s Status) bool { return matches(s) && len(s.Findings) == 3 && len(open(s)) == 0 })
	for _, f := range s.Findings {
		if !f.HealedAt.After(f.FirstSeen) || f.LastSeen.Before(f.FirstSeen) {
			t.Errorf("finding %d: first seen %s, last %s, healed %s", f.ID, f.FirstSeen, f.LastSeen, f.HealedAt)
		}
	}
	for _, table := range s.Tables {
		if countCells(table, checker.Mismatch) > 0 || countCells(table, checker.Match) == 0 {
			t.Errorf("%s: cells %v", table.Name, table.Cells)
		}
	}
	g.end(t)
	again := begin(t, state, nil, w.pair("shop"))
	now := again.until(t, "shop", "it is watched again", func(s Status) bool { return s.Activity == Resting })
	passes := 0
	for _, r := range now.Runs {
		if r.Kind == "pass" {
			passes++
		}
	}
	if diff := cmp.Diff(s.Findings, now.Findings); diff != "" || !matches(now) || !now.ProvenAt.Equal(s.ProvenAt) || passes != 2 || now.NextPassAt.Before(time.Now().Add(50*time.Minute)) {
		t.Errorf("after a restart: %s %q, proven %s, %d passes, next pass %s: %s", now.Verdict, now.Reasons, now.ProvenAt, passes, now.NextPassAt, diff)
	}
}

func countCells(t Table, v checker.Verdict) (n int) {
	for _, c := range t.Cells {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// What differs and is no row: a sequence that is behind, a column that lacks. The first heals with the next quick
// check, the second with the next pass.
func TestOtherDifferences(t *testing.T) {
	long(t)
	w := newWorld(t)
	w.source.exec(t, "ALTER TABLE items ADD COLUMN fresh int")
	w.target.exec(t, "INSERT INTO items VALUES (5000, 1, 'x')", "DELETE FROM items WHERE id = 5000")
	p := w.pair("shop")
	g := begin(t, "", nil, p)
	s := g.until(t, "shop", "the column is missed", func(s Status) bool { return s.Verdict == checker.Mismatch && s.Activity == Resting })
	if f := open(s); len(f) != 1 || f[0].Object != "public.items.fresh" || f[0].Kind != "missing_column" || len(f[0].Key) > 0 {
		t.Errorf("found %+v", f)
	}
	if err := g.Recheck(t.Context(), "shop", open(s)[0].ID); !errors.Is(err, ErrNotNow) {
		t.Errorf("a recheck of what is no row: %v", err)
	}
	w.target.exec(t, "ALTER TABLE items ADD COLUMN fresh int")
	if err := g.TriggerPass(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	g.until(t, "shop", "it matches", matches)
}

// A pair that cannot be reached keeps none of the others from being watched, says why, and is watched when it
// can be.
func TestABrokenPairBesideAGoodOne(t *testing.T) {
	long(t)
	w := newWorld(t)
	broken := w.pair("broken")
	reachable := make(chan struct{})
	open := broken.Open
	broken.Open = func(ctx context.Context) (*Sides, error) {
		select {
		case <-reachable:
			return open(ctx)
		default:
			return openSides(ctx, "postgres://nobody:s3cret@127.0.0.1:1/gone", w.target.url)
		}
	}
	g := begin(t, "", nil, broken, w.pair("good"))
	g.until(t, "good", "it matches", matches)
	s := g.until(t, "broken", "it is tried again", func(s Status) bool { return s.Activity == Retrying && len(s.Reasons) > 1 })
	if s.Verdict != checker.Unproven || !strings.Contains(s.LastError, "source: ") || s.Totals.Errors == 0 || strings.Contains(fmt.Sprint(s), "s3cret") {
		t.Errorf("%s %q, last error %q", s.Verdict, s.Reasons, s.LastError)
	}
	close(reachable)
	g.until(t, "broken", "it matches", matches)
	if strings.Contains(g.lines.String(), "s3cret") {
		t.Error("a password was logged")
	}
}

// A reload adds and removes pairs and leaves the others alone; a configuration with mistakes changes nothing.
func TestReload(t *testing.T) {
	long(t)
	w := newWorld(t)
	g := begin(t, "", nil, w.pair("a"), w.pair("b"))
	g.until(t, "a", "it matches", matches)
	before, _ := g.watch("a")
	set := func(broken error, pairs ...Pair) {
		g.mu.Lock()
		g.settings.Pairs, g.broken = pairs, broken
		g.mu.Unlock()
		g.reload <- struct{}{}
	}
	set(errors.New("c.yaml:1:1: a mistake"), w.pair("c"))
	until(t, "the mistake is told", func() bool { return strings.Contains(g.lines.String(), "a mistake") })
	if _, known := g.Board().Pair("b"); !known {
		t.Error("a configuration with mistakes was taken over")
	}
	changed := w.pair("b")
	changed.Same = "another"
	was, _ := g.watch("b")
	set(nil, changed, w.pair("a"), w.pair("c"))
	g.until(t, "c", "it matches", matches)
	set(nil, w.pair("a"), w.pair("c"))
	until(t, "b is gone", func() bool { _, known := g.Board().Pair("b"); return !known })
	if after, _ := g.watch("a"); after != before {
		t.Error("a pair that did not change was begun anew")
	}
	if _, left := g.watch("b"); left || was == nil {
		t.Error("a pair that is gone is watched")
	}
	if err := g.TriggerPass(t.Context(), "b"); !errors.Is(err, ErrNotKnown) {
		t.Errorf("a pass of a pair that is gone: %v", err)
	}
}

// A pass under way is cut short within the time to drain, and goes on where it was when the monitor is
// started again; so it is with a pause.
func TestDrainAndPause(t *testing.T) {
	long(t)
	w := newWorld(t)
	const rows = 200_000
	w.source.exec(t, fmt.Sprintf("INSERT INTO orders SELECT g, g, 'order ' || g FROM generate_series(2001, %d) g", rows), "ANALYZE")
	until(t, "all has arrived", func() bool { return w.target.ask(t, "SELECT count(*) FROM orders") == fmt.Sprint(rows) })
	state := t.TempDir() + "/state.db"
	p := w.pair("shop")
	open := p.Open
	p.Open = func(ctx context.Context) (*Sides, error) {
		s, err := open(ctx)
		if err == nil {
			s.Check.ChunkRows, s.Check.Checks = 1000, []string{"ranges"}
		}
		return s, err
	}
	// The smaller table is read last, and closed to readers before a pass begins: so it does not end.
	held := func(g *guard) {
		g.until(t, "shop", "the larger table is compared", func(s Status) bool {
			return s.Activity == Passing && s.Pass != nil && s.Pass.Running && s.Pass.RowsCompared >= rows
		})
	}
	release := newLock(t, w.target, "items")
	g := begin(t, state, nil, p)
	held(g)
	if err := g.TriggerPass(t.Context(), "shop"); !errors.Is(err, ErrNotNow) {
		t.Errorf("a pass while one is under way: %v", err)
	}
	began := time.Now()
	g.end(t)
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("it took %s to end", took)
	}
	release()
	again := begin(t, state, nil, p)
	s := again.until(t, "shop", "it matches", matches)
	if s.Totals.Rows > rows/2 || s.Pass.RowsCompared != rows+900 || s.Totals.Rows == 0 {
		t.Errorf("%d rows were compared again, of %d", s.Totals.Rows, s.Pass.RowsCompared)
	}
	release = newLock(t, w.target, "items")
	if err := again.TriggerPass(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	held(again)
	if err := again.Pause(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	s = again.until(t, "shop", "it is paused", func(s Status) bool { return s.Activity == Paused && !s.Pass.Running })
	if err := again.TriggerPass(t.Context(), "shop"); !errors.Is(err, ErrNotNow) {
		t.Errorf("a pass of a paused pair: %v", err)
	}
	release()
	if err := again.Resume(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	passes := s.Totals.Passes
	s = again.until(t, "shop", "the pass has ended", func(s Status) bool { return s.Totals.Passes == passes+1 && matches(s) })
	if compared := s.Totals.Rows; compared > 2*rows {
		t.Errorf("%d rows were compared: the pass began anew", compared)
	}
}

// newLock keeps a table from being read until it is called.
func newLock(t *testing.T, p *place, table string) (release func()) {
	t.Helper()
	p.exec(t, "BEGIN", "LOCK TABLE "+table+" IN ACCESS EXCLUSIVE MODE")
	return func() { p.exec(t, "COMMIT") }
}

// Two monitors never have one state file.
func TestASecondMonitorIsRefused(t *testing.T) {
	long(t)
	w := newWorld(t)
	state := t.TempDir() + "/state.db"
	g := begin(t, state, nil, w.pair("shop"))
	g.until(t, "shop", "it is watched", func(s Status) bool { return s.Activity != Starting && s.Name != "" })
	err := New(Options{State: state, Load: func() (Settings, error) { return Settings{}, nil }}).Run(t.Context())
	if !errors.Is(err, errStateHeld) {
		t.Errorf("a second monitor: %v", err)
	}
}

// Keys that are to be hidden are so on the board, and are rechecked all the same.
func TestHiddenKeys(t *testing.T) {
	long(t)
	w := newWorld(t)
	p := w.pair("shop")
	p.HashKeys = true
	w.target.exec(t, "DELETE FROM orders WHERE id = 1234")
	g := begin(t, "", nil, p)
	s := g.until(t, "shop", "it is found", func(s Status) bool { return len(open(s)) == 1 })
	if key := open(s)[0].Key; key[0].Column != "id" || !strings.HasPrefix(key[0].Value, "hidden:") {
		t.Errorf("the key is %v", key)
	}
	w.target.exec(t, "INSERT INTO orders SELECT 1234, 1234 * 1.5, 'order 1234'")
	g.until(t, "shop", "it has healed", matches)
	if strings.Contains(g.lines.String(), "1234") {
		t.Error("the key was logged")
	}
}

// Page, metrics and commands are served while pairs are watched; a command needs the token. An address that is taken is told before anything
// begins.
func TestServed(t *testing.T) {
	long(t)
	w := newWorld(t)
	at := make(chan string, 1)
	o := Options{State: t.TempDir() + "/state.db", Version: "test", pace: hurry, HTTP: HTTPOptions{Listen: "127.0.0.1:0", Token: "0123456789abcdef", listening: at},
		Load: func() (Settings, error) {
			return Settings{Passes: 1, Keep: time.Hour, Pairs: []Pair{w.pair("shop")}}, nil
		}}
	s := New(o)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	address := <-at
	g := &guard{Service: s}
	g.until(t, "shop", "it matches", func(s Status) bool { return matches(s) && s.Activity == Resting })
	call := func(method, path, token string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	for _, c := range []struct {
		method, path, token string
		code                int
		body                string
	}{
		{"GET", "/readyz", "", 200, ""}, {"GET", "/", "", 200, "shop"}, {"GET", "/metrics", "", 200, `pgparity_verdict{`},
		{"GET", "/api/v1/pairs/shop", "", 200, `"verdict":"match"`},
		{"POST", "/api/v1/pairs/shop/pass", "", 401, ""}, {"POST", "/api/v1/pairs/shop/pass", "0123456789abcdef", 202, ""},
		{"POST", "/api/v1/pairs/shop/findings/7/recheck", "0123456789abcdef", 404, ""}, {"POST", "/api/v1/pairs/crm/pass", "0123456789abcdef", 404, ""},
	} {
		if code, body := call(c.method, c.path, c.token); code != c.code || !strings.Contains(body, c.body) {
			t.Errorf("%s %s: %d %.300s", c.method, c.path, code, body)
		}
	}
	g.until(t, "shop", "the pass has ended", func(s Status) bool { return s.Totals.Passes == 2 })
	taken := o
	taken.State, taken.HTTP.Listen = t.TempDir()+"/other.db", address
	if err := New(taken).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "name another address") {
		t.Errorf("an address that is taken: %v", err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Checkpoints that do not fit the pair any more keep no pass from beginning anew.
func TestCheckpointsOfSomethingElse(t *testing.T) {
	long(t)
	w := newWorld(t)
	state := t.TempDir() + "/state.db"
	st, err := openStore(t.Context(), state)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-time.Hour).UTC()
	err = st.keepJSON(t.Context(), "shop", "facts", facts{Began: began.Add(-time.Hour), Pass: &passFacts{Began: began}})
	st.close()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(state+".shop.pass", []byte("no checkpoints\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := begin(t, state, nil, w.pair("shop"))
	s := g.until(t, "shop", "it matches", matches)
	if !s.Pass.StartedAt.After(began) || !strings.Contains(g.lines.String(), "the pass begins anew") {
		t.Errorf("the pass began %s", s.Pass.StartedAt)
	}
	if _, err := os.Stat(state + ".shop.pass"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its checkpoints are left: %v", err)
	}
}

// The cutover of a pair is shown from its journal, if the configuration names one.
func TestACutoverIsShown(t *testing.T) {
	long(t)
	w := newWorld(t)
	p := w.pair("shop")
	p.Journal = filepath.Join(t.TempDir(), "cutover.jsonl")
	g := begin(t, "", nil, p)
	g.until(t, "shop", "it matches", matches)
	line := `{"n":1,"at":"2026-03-04T12:00:00Z","run":"r1","direction":"forward","kind":"begins","state":"PREFLIGHT"}` + "\n"
	if err := os.WriteFile(p.Journal, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	s := g.until(t, "shop", "the cutover is seen", func(s Status) bool { return s.Cutover != nil })
	if c := s.Cutover; c.Run != "r1" || c.State != "INIT" || c.Outcome != "" || len(c.Steps) != 1 || c.Steps[0].State != "PREFLIGHT" {
		t.Errorf("%+v", c)
	}
}

// A pair that is switched is left alone: its slot is the switch's, which rests on the last pass, and
// compares what was followed. Led back it is watched again.
func TestAPairIsSwitched(t *testing.T) {
	long(t)
	w := newWorld(t)
	w.source.exec(t, "INSERT INTO items SELECT g, 0, repeat('x', 100) FROM generate_series(100000, 160000) g")
	until(t, "all is there", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM items") == w.source.ask(t, "SELECT count(*) FROM items")
	})
	p := w.pair("shop")
	p.Follow, p.Retention = true, 1<<30
	p.Journal = filepath.Join(t.TempDir(), "cutover.jsonl")
	state := filepath.Join(t.TempDir(), "state.db")
	if _, err := ReadHandover(t.Context(), state, "shop"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	g := begin(t, state, nil, p)
	g.until(t, "shop", "it is followed", func(s Status) bool { return matches(s) && s.Watermark != nil && s.Activity == Following })
	o := cutover.Options{Pair: "shop", Source: w.source.url, Target: w.target.url, Journal: p.Journal, MaxAge: time.Hour, Budgets: cutover.DefaultBudgets(), Attempts: 1,
		Verify: checker.Options{Checks: []string{"sequences", "counts", "last", "ranges"}, Last: 100, Settle: 5 * time.Second, Budget: 2 * time.Second, MaxDiffs: 10},
		Monitor: func(ctx context.Context) (*follow.State, *checker.Result, error) {
			h, err := ReadHandover(ctx, state, "shop")
			if err != nil {
				return nil, nil, err
			}
			return &h.State, h.Pass, nil
		}}
	r, err := cutover.Run(t.Context(), o)
	if err != nil || r.Outcome != cutover.Done {
		t.Fatalf("%v %+v", err, r)
	}
	i := slices.IndexFunc(r.Gate.Tables, func(g cutover.GateTable) bool { return g.Name == "public.items" })
	if i < 0 || r.Gate.Tables[i].Claim != "followed" || r.Verified == nil || r.Verified.Own {
		t.Errorf("%+v %+v %v", r.Gate, r.Verified, r.Notes)
	}
	s := g.until(t, "shop", "it is left alone", func(s Status) bool { return s.Activity == Aside && s.Cutover.Outcome != "" })
	if s.Verdict != checker.Unproven || !strings.Contains(strings.Join(s.Reasons, " "), "the application was led to the target") {
		t.Errorf("%s %q", s.Verdict, s.Reasons)
	}
	if r, err = cutover.RollBack(t.Context(), o); err != nil || r.Outcome != cutover.Done {
		t.Fatalf("%v %+v", err, r)
	}
	g.until(t, "shop", "it is watched again", func(s Status) bool { return matches(s) && s.Activity == Following })
	g.end(t)
	if err := Cleanup(t.Context(), g.o, nil, func(string, ...any) {}); err != nil {
		t.Error(err)
	}
}
