package monitor

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// Notice is what somebody is told about a pair.
type Notice string

// The notices.
const (
	NoticeMismatch  Notice = "mismatch"  // a difference is open
	NoticeHealed    Notice = "healed"    // none is any more
	NoticeUnproven  Notice = "unproven"  // nothing differs, and it is not proved that nothing does
	NoticeProven    Notice = "proven"    // it is again
	NoticeWatermark Notice = "watermark" // what was verified is too long ago
	NoticeCaughtUp  Notice = "caught_up" // it is not any more
)

// Notices are all of them.
func Notices() []Notice {
	return []Notice{NoticeMismatch, NoticeHealed, NoticeUnproven, NoticeProven, NoticeWatermark, NoticeCaughtUp}
}

// message is one notice, as it is sent: what is open then, but no key and no value of a row.
type message struct {
	Pair     string          `json:"pair"`
	Notice   Notice          `json:"notice"`
	At       time.Time       `json:"at"`
	Verdict  checker.Verdict `json:"verdict"`
	Reasons  []string        `json:"reasons"`
	Findings int64           `json:"open_findings"`
	// WatermarkAge is in seconds, nil where nothing is followed.
	WatermarkAge *float64 `json:"watermark_age_seconds,omitempty"`
}

// maxReasons is how many reasons a message has.
const maxReasons = 10

// tell notes down what is to be told: what has changed since it was told last, and that once. Both are kept in
// one transaction, so that a restart neither repeats nor loses it. A verdict that goes to and fro is told of once
// in pace.quiet, as it is then; one that is unproven only if it stays so for pace.settle.
func (w *watcher) tell(ctx context.Context, s Status, now time.Time) error {
	w.mu.Lock()
	before := w.facts.Told
	after, notices := w.next(before, s, now)
	if len(notices) == 0 && after == before {
		w.mu.Unlock()
		return nil
	}
	w.facts.Told = after
	w.mu.Unlock()
	if after == before {
		return nil
	}
	bodies := make([]message, len(notices))
	for i, n := range notices {
		bodies[i] = message{Pair: s.Name, Notice: n, At: now.UTC(), Verdict: s.Verdict, Reasons: firstReasons(s.Reasons)}
		for _, f := range s.Findings {
			if f.Open() {
				bodies[i].Findings++
			}
		}
		if s.Watermark != nil {
			age := s.Watermark.AgeSeconds
			bodies[i].WatermarkAge = &age
		}
		w.log.Info("told", keyKind, string(n), keyVerdict, s.Verdict.String())
	}
	return w.keepTold(ctx, bodies)
}

func firstReasons(reasons []string) []string {
	list := append([]string{}, reasons[:min(len(reasons), maxReasons)]...)
	if more := len(reasons) - len(list); more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return list
}

// next decides what is to be told now. To be called with mu held.
func (w *watcher) next(t told, s Status, now time.Time) (told, []Notice) {
	if s.Verdict != checker.Unproven {
		w.unprovenAt = time.Time{}
	} else if w.unprovenAt.IsZero() {
		w.unprovenAt = now
	}
	if s.Activity == Starting || s.Activity == NotRunning || now.Sub(t.At) < w.s.pace.quiet {
		return t, nil
	}
	var notices []Notice
	verdict := s.Verdict.String()
	if verdict != t.Verdict {
		n := Notice("")
		switch s.Verdict {
		case checker.Mismatch:
			n = NoticeMismatch
		case checker.Match:
			if n = NoticeHealed; t.Verdict == checker.Unproven.String() {
				n = NoticeProven
			}
			if t.Verdict == "" { // as it should be
				n = ""
			}
		case checker.Unproven:
			switch {
			case t.Verdict == checker.Mismatch.String():
				n = NoticeHealed // what keeps it from being a match is in its reasons
			case w.facts.PassedAt.IsZero() && w.failed == "" && t.Verdict == "":
				verdict = t.Verdict // the first pass is under way
			case now.Sub(w.unprovenAt) < w.s.pace.settle:
				verdict = t.Verdict // it may pass
			default:
				n = NoticeUnproven
			}
		}
		t.Verdict = verdict
		if n != "" {
			notices = append(notices, n)
		}
	}
	stale := w.o.WatermarkAge > 0 && s.Watermark != nil && s.Watermark.AgeSeconds > w.o.WatermarkAge.Seconds()
	if s.Watermark == nil { // nothing is known: a pass begins it
		stale = t.Stale
	}
	if stale != t.Stale {
		t.Stale = stale
		notices = append(notices, map[bool]Notice{true: NoticeWatermark, false: NoticeCaughtUp}[stale])
	}
	if len(notices) > 0 {
		t.At = now.UTC()
	}
	return t, notices
}

// keepTold keeps the facts, and a notice for each webhook that wants it.
func (w *watcher) keepTold(ctx context.Context, list []message) error {
	hooks := w.s.courier.hooks()
	w.keeping.Lock()
	defer w.keeping.Unlock()
	w.mu.Lock()
	text, err := json.Marshal(w.facts)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	err = w.s.store.write(ctx, "keep what is to be told", func(tx *sql.Tx) error {
		for _, m := range list {
			body, err := json.Marshal(m)
			if err != nil {
				return err
			}
			for _, h := range hooks {
				if len(h.On) > 0 && !slices.Contains(h.On, m.Notice) {
					continue
				}
				if _, err := tx.ExecContext(ctx, "INSERT INTO notices (webhook, at, body) VALUES (?, ?, ?)", h.Name, micros(m.At), string(body)); err != nil {
					return err
				}
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO pairs (name, facts) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET facts = excluded.facts", w.o.Name, string(text))
		return err
	})
	if err == nil {
		w.s.courier.nudge()
	}
	return err
}
