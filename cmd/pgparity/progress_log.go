package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// The keys of log lines.
const (
	keyPair       = "pair"
	keyTable      = "table"
	keyVerdict    = "verdict"
	keyFindings   = "findings"
	keyReason     = "reason"
	keyTables     = "tables"
	keyTablesDone = "tables_done"
	keyPlanned    = "chunks_planned"
	keyCompared   = "chunks_compared"
	keyRows       = "rows"
	keyRate       = "rows_per_s"
	keyLeft       = "eta_s"
	keyHeld       = "held_back"
)

// queue hands work from the run to a writer that may be slow. What does not
// fit is dropped and counted: a reader that stalls must not stall the run,
// nor fill the memory.
type queue struct {
	mu      sync.Mutex
	items   []func()
	dropped int64
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

const queueLimit = 10_000

func newQueue(tick time.Duration, onTick func(), onDrop func(n int64)) *queue {
	q := &queue{wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go q.run(tick, onTick, onDrop)
	return q
}

// put never blocks. What must not be lost goes in even when the queue is full.
func (q *queue) put(must bool, fn func()) {
	q.mu.Lock()
	if len(q.items) >= queueLimit && !must {
		q.dropped++
	} else {
		q.items = append(q.items, fn)
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) run(every time.Duration, onTick func(), onDrop func(int64)) {
	defer close(q.done)
	var tick <-chan time.Time
	if onTick != nil {
		t := time.NewTicker(every)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-q.wake:
			q.drain(onDrop)
		case <-tick:
			onTick()
		case <-q.stop:
			q.drain(onDrop)
			return
		}
	}
}

func (q *queue) drain(onDrop func(int64)) {
	q.mu.Lock()
	items, dropped := q.items, q.dropped
	q.items, q.dropped = nil, 0
	q.mu.Unlock()
	for _, fn := range items {
		fn()
	}
	if dropped > 0 {
		onDrop(dropped)
	}
}

func (q *queue) close() {
	close(q.stop)
	waitFor(q.done, closePatience)
}

// logView writes log lines: every few seconds where the run stands, a line
// for each table that ends not as a match, and a last one with the verdict.
type logView struct {
	log  *slog.Logger
	q    *queue
	said map[[2]string]bool // why chunks of a table were not compared
}

func newLogView(out io.Writer, format string, verbose bool, every time.Duration, p *progress) *logView {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	if verbose {
		o.Level = slog.LevelDebug
	}
	var h slog.Handler = slog.NewTextHandler(out, o)
	if format == "json" {
		h = slog.NewJSONHandler(out, o)
	}
	v := &logView{log: slog.New(h), said: map[[2]string]bool{}}
	if p.pair != "" {
		v.log = v.log.With(keyPair, p.pair)
	}
	v.q = newQueue(every, func() { v.log.Info("comparing", v.standing(p.at(0))...) },
		func(n int64) { v.log.Warn("log lines dropped", "lines", n) })
	return v
}

func (v *logView) standing(s standing) []any {
	args := []any{keyTablesDone, s.tablesDone, keyTables, s.tables, keyCompared, s.compared, keyPlanned, s.planned, keyRows, s.rows, keyRate, s.rate}
	if s.left >= 0 {
		args = append(args, keyLeft, int64(s.left.Seconds()))
	}
	if s.held != "" {
		args = append(args, keyHeld, s.held)
	}
	return args
}

func (v *logView) event(e checker.Event, p *progress) {
	switch e.Kind {
	case checker.RunPlanned:
		s := p.at(0)
		v.q.put(true, func() { v.log.Info("planned", keyTables, s.tables, keyPlanned, s.planned) })
	case checker.TablePlanned:
		v.q.put(false, func() { v.log.Debug("table planned", keyTable, e.Table, keyPlanned, e.Planned) })
	case checker.UnitStarted, checker.PieceDone: // too many to log
	case checker.UnitDone:
		if why := [2]string{e.Table, e.Message}; e.Message != "" && !v.said[why] {
			v.said[why] = true // its other chunks mostly fail for the same reason
			v.q.put(false, func() { v.log.Warn("chunk not compared", keyTable, e.Table, keyReason, e.Message) })
		}
	case checker.TableDone:
		level := slog.LevelDebug
		if e.Verdict != checker.Match {
			level = slog.LevelWarn
		}
		v.q.put(false, func() {
			v.log.Log(context.Background(), level, "table done", keyTable, e.Table, keyVerdict, e.Verdict.String(), keyCompared, e.Compared, keyPlanned, e.Planned, keyFindings, e.Findings)
		})
	case checker.Held:
		v.q.put(true, func() { v.log.Warn("held back", keyReason, e.Message) })
	case checker.Released:
		v.q.put(true, func() { v.log.Info("released", keyReason, e.Message) })
	case checker.Warned:
		v.q.put(true, func() { v.log.Warn("warning", keyReason, e.Message) })
	case checker.RunDone:
		s := p.at(0)
		s.left, s.held = -1, ""
		v.q.put(true, func() { v.log.Info("done", append([]any{keyVerdict, e.Verdict.String()}, v.standing(s)...)...) })
	}
}

func (v *logView) close() { v.q.close() }

// eventView writes every event as one JSON object on a line.
type eventView struct {
	enc *json.Encoder
	q   *queue
}

var eventNames = map[checker.EventKind]string{
	checker.RunPlanned: "run_planned", checker.TablePlanned: "table_planned", checker.UnitStarted: "chunk_started",
	checker.UnitDone: "chunk_done", checker.TableDone: "table_done", checker.RunDone: "run_done",
	checker.PieceDone: "piece_done", checker.Held: "held", checker.Released: "released", checker.Warned: "warned",
}

// eventLine is the JSON form of an event: fields are added, never renamed.
type eventLine struct {
	Time          time.Time `json:"time"`
	Event         string    `json:"event"`
	Pair          string    `json:"pair,omitempty"`
	Table         string    `json:"table,omitempty"`
	Planned       int64     `json:"planned,omitempty"`
	Compared      int64     `json:"compared,omitempty"`
	EstimatedRows int64     `json:"estimated_rows,omitempty"`
	Rows          int64     `json:"rows,omitempty"`
	Findings      int64     `json:"findings,omitempty"`
	Verdict       string    `json:"verdict,omitempty"`
	Message       string    `json:"message,omitempty"`
	Restored      bool      `json:"restored,omitempty"` // by an earlier run; its rows were not read again
	Dropped       int64     `json:"dropped,omitempty"`  // events that the reader was too slow for
}

func newEventView(out io.Writer) *eventView {
	v := &eventView{enc: json.NewEncoder(out)}
	v.q = newQueue(0, nil, func(n int64) {
		_ = v.enc.Encode(eventLine{Time: time.Now().UTC(), Event: "dropped", Dropped: n})
	})
	return v
}

func (v *eventView) event(e checker.Event, p *progress) {
	name, known := eventNames[e.Kind]
	if !known {
		return
	}
	line := eventLine{Time: time.Now().UTC(), Event: name, Pair: p.pair, Table: e.Table, Planned: e.Planned, Compared: e.Compared,
		EstimatedRows: e.EstimatedRows, Rows: e.Rows, Findings: e.Findings, Message: e.Message, Restored: e.Restored}
	if e.Kind == checker.TableDone || e.Kind == checker.RunDone {
		line.Verdict = e.Verdict.String()
	}
	// A stderr that is gone does not end the run; its report still counts.
	must := e.Kind == checker.RunDone || e.Kind == checker.Held || e.Kind == checker.Released
	v.q.put(must, func() { _ = v.enc.Encode(line) })
}

func (v *eventView) close() { v.q.close() }
