package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
)

// clock is a time that a test moves.
type clock struct {
	sync.Mutex
	t time.Time
}

func (c *clock) now() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.Lock()
	defer c.Unlock()
	c.t = c.t.Add(d)
}

// Rows and rate are counted; the time left weighs what is left by size, and
// is not told before there is anything to tell it by.
func TestProgressCounts(t *testing.T) {
	c := &clock{t: time.Unix(1000, 0)}
	p := newProgress("", c.now)
	p.take(checker.Event{Kind: checker.TablePlanned, Table: "big", Planned: 9, EstimatedRows: 9000})
	p.take(checker.Event{Kind: checker.TablePlanned, Table: "small", Planned: 1, EstimatedRows: 1000})
	p.take(checker.Event{Kind: checker.TablePlanned, Table: "nothing", Planned: 0})
	c.pass(time.Hour) // planning does not count as comparing
	p.take(checker.Event{Kind: checker.RunPlanned, Planned: 10})
	if s := p.at(4); s.left >= 0 || s.rate != 0 || s.tables != 2 {
		t.Errorf("before any work: left %v, rate %d, %d tables", s.left, s.rate, s.tables)
	}
	p.take(checker.Event{Kind: checker.UnitStarted, Table: "big"})
	if s := p.at(4); len(s.working) != 1 || s.working[0].name != "big" {
		t.Errorf("in work: %v", s.working)
	}
	c.pass(10 * time.Second)
	p.take(checker.Event{Kind: checker.UnitDone, Table: "big", Compared: 1, Rows: 2000})
	s := p.at(4)
	if s.rows != 2000 || s.rate != 200 || s.compared != 1 || s.done != 1 || len(s.working) != 1 {
		t.Errorf("after one chunk: %+v", s)
	}
	// One tenth of the weight took 10 s: nine tenths take 90 s.
	if s.left != 90*time.Second {
		t.Errorf("left %v, want 90s", s.left)
	}
	c.pass(2 * time.Second)
	if s := p.at(4); len(s.working) != 0 {
		t.Errorf("in work though nothing was taken up: %v", s.working)
	}
	// A unit that failed is done, and not compared.
	p.take(checker.Event{Kind: checker.UnitDone, Table: "small", Message: "broken"})
	p.take(checker.Event{Kind: checker.TableDone, Table: "small"})
	if s := p.at(4); s.compared != 1 || s.done != 2 || s.tablesDone != 1 {
		t.Errorf("after a failure: %+v", s)
	}
}

// stalled is a stderr that nobody reads.
type stalled struct{ release chan struct{} }

func (s stalled) Write(b []byte) (int, error) {
	<-s.release
	return len(b), nil
}

// TestProgressOfOneLongChunk: a swept table is one chunk, whose pieces move the
// bar and the rows; the chunk's own count replaces them.
func TestProgressOfOneLongChunk(t *testing.T) {
	now := time.Unix(0, 0)
	p := newProgress("", func() time.Time { return now })
	p.take(checker.Event{Kind: checker.TablePlanned, Table: "big", Planned: 1, EstimatedRows: 1000})
	p.take(checker.Event{Kind: checker.RunPlanned, Planned: 1})
	p.take(checker.Event{Kind: checker.UnitStarted, Table: "big"})
	for range 3 {
		p.take(checker.Event{Kind: checker.PieceDone, Table: "big", Rows: 100})
	}
	now = now.Add(30 * time.Second)
	s := p.at(4)
	if s.rows != 300 || s.done != 0 || s.share != 0.3 || s.left != 70*time.Second || len(s.working) != 1 {
		t.Errorf("in the middle: %+v", s)
	}
	for range 9 { // more than was estimated
		p.take(checker.Event{Kind: checker.PieceDone, Table: "big", Rows: 100})
	}
	if s := p.at(4); s.share >= 1 || s.rows != 1200 {
		t.Errorf("before the end: %+v", s)
	}
	p.take(checker.Event{Kind: checker.UnitDone, Table: "big", Planned: 1, Compared: 1, Rows: 1200})
	if s := p.at(4); s.share != 1 || s.rows != 1200 || s.done != 1 {
		t.Errorf("at the end: %+v", s)
	}
}

// A reader that stalls must not stall the run, and what is shown ends without
// leaving a goroutine.
func TestWatcherDoesNotBlock(t *testing.T) {
	for _, f := range []verifyFlags{{progress: "json", logFormat: "text"}, {progress: "auto", logFormat: "json"}} {
		before := goleak.IgnoreCurrent()
		out := stalled{make(chan struct{})}
		a := &app{stderr: out, terminal: func(io.Writer) (int, bool) { return 0, false }}
		w, err := a.newWatcher(&f)
		if err != nil {
			t.Fatal(err)
		}
		stop := w.start("")
		emitted := make(chan struct{})
		go func() {
			defer close(emitted)
			w.event(checker.Event{Kind: checker.RunPlanned})
			for i := range 2 * queueLimit {
				w.event(checker.Event{Kind: checker.UnitDone, Table: fmt.Sprint(i), Message: "broken"})
			}
		}()
		select {
		case <-emitted:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: events wait for the reader", f.progress)
		}
		close(out.release)
		stop()
		goleak.VerifyNone(t, before)
	}
}

// buffer is safe to write to from a goroutine. It embeds nothing: a promoted
// ReadFrom would write without the lock.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// waitForText waits until something was written.
func waitForText(t *testing.T, out *buffer, text string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(out.String(), text) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("no %q was written: %q", text, out.String())
		}
	}
}

// On a terminal there are bars while the run works and nothing once it ended.
// Names are escaped, and no line is wider than the terminal.
func TestBars(t *testing.T) {
	before := goleak.IgnoreCurrent()
	out := &buffer{}
	a := &app{stderr: out, terminal: func(io.Writer) (int, bool) { return 70, true }}
	w, err := a.newWatcher(&verifyFlags{progress: "auto", logFormat: "text"})
	if err != nil {
		t.Fatal(err)
	}
	stop := w.start("shop")
	hostile := "public.\"evil\x1b[2J\u202e and a very long name indeed that goes on and on\""
	w.event(checker.Event{Kind: checker.TablePlanned, Table: hostile, Planned: 10, EstimatedRows: 1e9})
	w.event(checker.Event{Kind: checker.RunPlanned, Planned: 10})
	w.event(checker.Event{Kind: checker.UnitStarted, Table: hostile})
	w.event(checker.Event{Kind: checker.UnitDone, Table: hostile, Compared: 1, Rows: 1e9, Findings: 3})
	w.event(checker.Event{Kind: checker.UnitStarted, Table: hostile})
	waitForText(t, out, "3 differ")
	stop()
	goleak.VerifyNone(t, before)

	text := out.String()
	if strings.Contains(text, "\x1b[2J") || strings.Contains(text, "\u202e") {
		t.Errorf("a table's name reached the terminal as it is: %q", text)
	}
	s := newScreen()
	s.write(t, text)
	if s.widest > 70 {
		t.Errorf("a line of %d columns on a terminal of 70", s.widest)
	}
	if !strings.Contains(s.seen, "shop") || !strings.Contains(s.seen, "1/10") {
		t.Errorf("the run's bar was not seen: %s", s.seen)
	}
	if left := strings.TrimSpace(strings.Join(s.lines, "\n")); left != "" {
		t.Errorf("left on the terminal: %q", left)
	}
}

// heldRun sends what a run that is held back sends.
func heldRun(w *watcher) {
	w.event(checker.Event{Kind: checker.TablePlanned, Table: "a", Planned: 2})
	w.event(checker.Event{Kind: checker.RunPlanned, Planned: 2})
	w.event(checker.Event{Kind: checker.Warned, Message: "source: it cannot see"})
	w.event(checker.Event{Kind: checker.Held, Message: "the source\x1b[2J has 57 active sessions (limit 40) and much more to say of it"})
}

// A run that is held back says why, on each kind of view, until it goes on.
func TestHeldBack(t *testing.T) {
	out := &buffer{}
	a := &app{stderr: out, terminal: func(io.Writer) (int, bool) { return 60, true }}
	w, _ := a.newWatcher(&verifyFlags{progress: "auto", logFormat: "text"})
	stop := w.start("shop")
	heldRun(w)
	waitForText(t, out, "held back: the source")
	w.event(checker.Event{Kind: checker.Held, Message: "short\x1b[2J"}) // one that is not cut
	waitForText(t, out, "held back: short")
	w.event(checker.Event{Kind: checker.Released})
	stop()
	s := newScreen()
	if text := out.String(); strings.Contains(text, "\x1b[2J") {
		t.Errorf("the reason reached the terminal as it is: %q", text)
	}
	s.write(t, out.String())
	if left := strings.TrimSpace(strings.Join(s.lines, "\n")); left != "" || s.widest > 60 {
		t.Errorf("left on the terminal: %q; %d columns", left, s.widest)
	}

	for _, f := range []verifyFlags{{progress: "auto", logFormat: "json"}, {progress: "json"}} {
		if f.logFormat == "" {
			f.logFormat = "text"
		}
		out := &buffer{}
		a := &app{stderr: out, terminal: func(io.Writer) (int, bool) { return 0, false }}
		w, err := a.newWatcher(&f)
		if err != nil {
			t.Fatal(err)
		}
		w.refresh = time.Millisecond
		stop := w.start("shop")
		heldRun(w)
		want := []string{`"event":"warned"`, `"event":"held"`, `"message":"the source`, `"event":"released"`}
		if f.progress == "auto" {
			waitForText(t, out, `"held_back":"the source`)
			want = []string{`"msg":"warning"`, `"reason":"source: it cannot see"`, `"msg":"held back"`, `"msg":"released"`, `"reason":"held back for 3s"`}
		}
		w.event(checker.Event{Kind: checker.Released, Message: "held back for 3s"})
		w.event(checker.Event{Kind: checker.RunDone})
		stop()
		for _, text := range want {
			if !strings.Contains(out.String(), text) {
				t.Errorf("no %s in %s", text, out.String())
			}
		}
	}
}

// screen is as much of a terminal as the bars need: lines, cursor up, and
// erase below.
type screen struct {
	lines  []string
	row    int
	widest int
	seen   string
}

func newScreen() *screen { return &screen{lines: []string{""}} }

func (s *screen) write(t *testing.T, text string) {
	t.Helper()
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			end := strings.IndexAny(rest, "AJ")
			if end < 0 {
				t.Fatalf("a sequence that the bars do not need: %q", text)
			}
			if rest[end] == 'J' {
				s.lines = append(s.lines[:s.row], "")
			} else {
				var n int
				if _, err := fmt.Sscan(rest[:end], &n); err != nil {
					t.Fatal(err)
				}
				s.row -= n
			}
			text = rest[end+1:]
			continue
		}
		c := text[:1]
		if end := strings.IndexAny(text, "\n\x1b"); end != 0 {
			if end < 0 {
				end = len(text)
			}
			c = text[:end]
		}
		text = text[len(c):]
		if c == "\n" {
			s.row++
			if s.row == len(s.lines) {
				s.lines = append(s.lines, "")
			}
			continue
		}
		s.lines[s.row] += c
		s.seen += c + "\n"
		s.widest = max(s.widest, len([]rune(s.lines[s.row])))
	}
}

// Log lines have constant keys; a table that ends not as a match has one.
func TestLogLines(t *testing.T) {
	out := &buffer{}
	a := &app{stderr: out, terminal: func(io.Writer) (int, bool) { return 0, false }}
	w, err := a.newWatcher(&verifyFlags{progress: "auto", logFormat: "json"})
	if err != nil {
		t.Fatal(err)
	}
	w.refresh = time.Millisecond
	stop := w.start("shop")
	w.event(checker.Event{Kind: checker.TablePlanned, Table: "a", Planned: 1})
	w.event(checker.Event{Kind: checker.TablePlanned, Table: "b", Planned: 1})
	w.event(checker.Event{Kind: checker.RunPlanned, Planned: 2})
	waitForText(t, out, `"comparing"`)
	w.event(checker.Event{Kind: checker.UnitDone, Table: "a", Compared: 1, Rows: 5})
	w.event(checker.Event{Kind: checker.TableDone, Table: "a", Planned: 1, Compared: 1, Verdict: checker.Match})
	w.event(checker.Event{Kind: checker.UnitDone, Table: "b", Message: "no privilege"})
	w.event(checker.Event{Kind: checker.TableDone, Table: "b", Planned: 1, Verdict: checker.Unproven})
	w.event(checker.Event{Kind: checker.RunDone, Verdict: checker.Unproven})
	stop()
	var tables, reasons []string
	var last map[string]any
	for line := range strings.Lines(out.String()) {
		last = map[string]any{}
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if last["pair"] != "shop" {
			t.Errorf("no pair in %s", line)
		}
		if last["msg"] == "table done" {
			tables = append(tables, fmt.Sprint(last["table"], " ", last["verdict"]))
		}
		if last["reason"] != nil {
			reasons = append(reasons, fmt.Sprint(last["reason"]))
		}
	}
	if fmt.Sprint(tables) != "[b unproven]" || fmt.Sprint(reasons) != "[no privilege]" {
		t.Errorf("tables %v, reasons %v", tables, reasons)
	}
	if last["msg"] != "done" || last["verdict"] != "unproven" || last["rows"] != 5.0 || last["chunks_compared"] != 1.0 {
		t.Errorf("the last line is %v", last)
	}
}

// Colour is for terminals, and not where NO_COLOR is set or TERM is dumb.
func TestColour(t *testing.T) {
	on := func(io.Writer) (int, bool) { return 100, true }
	off := func(io.Writer) (int, bool) { return 0, false }
	for _, c := range []struct {
		terminal func(io.Writer) (int, bool)
		environ  []string
		want     bool
	}{
		{on, nil, true}, {on, []string{"NO_COLOR="}, true}, {on, []string{"NO_COLOR=1"}, false}, {on, []string{"TERM=dumb"}, false}, {off, nil, false},
	} {
		a := &app{terminal: c.terminal, environ: c.environ}
		if got := a.rendering(false).Color; got != c.want {
			t.Errorf("%v: colour %v", c.environ, got)
		}
	}
}

// The worst exit code of several pairs counts, in whatever order they come.
func TestWorse(t *testing.T) {
	for _, c := range []struct {
		codes []int
		want  int
	}{{[]int{0, 0}, 0}, {[]int{0, 3}, 3}, {[]int{3, 2, 0}, 2}, {[]int{2, 1, 3}, 1}, {[]int{1, 0}, 1}} {
		a := &app{}
		for _, code := range c.codes {
			a.worse(code)
		}
		if a.code != c.want {
			t.Errorf("%v: %d, want %d", c.codes, a.code, c.want)
		}
	}
	if exitOf(checker.Verdict(99)) != exitUnproven {
		t.Error("an unknown verdict is not unproven")
	}
}
