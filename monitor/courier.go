package monitor

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// courier brings what was noted down to the webhooks: of several pairs at a time in one message,
// so that an outage of all of them is no storm.
type courier struct {
	s      *Service
	client *http.Client
	wake   chan struct{}

	mu    sync.Mutex
	to    []Webhook
	after map[string]time.Time // when a webhook that failed is tried again
}

// How much is sent at once, and how long it is worth it.
const (
	maxBatch    = 50
	worthSaying = 24 * time.Hour
)

func newCourier(s *Service) *courier {
	// A redirect could lead a secret elsewhere.
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &courier{s: s, client: client, wake: make(chan struct{}, 1), after: map[string]time.Time{}}
}

func (c *courier) use(to []Webhook) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = slices.Clone(to)
}

func (c *courier) hooks() []Webhook {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.to)
}

func (c *courier) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run delivers until ctx is done.
func (c *courier) run(ctx context.Context) {
	defer c.client.CloseIdleConnections()
	t := time.NewTicker(c.s.pace.deliver)
	defer t.Stop()
	for {
		var all sync.WaitGroup
		for _, h := range c.hooks() {
			all.Go(func() {
				if err := c.deliver(ctx, h); err != nil && ctx.Err() == nil {
					c.s.log.Warn("webhook not reached", keyWebhook, h.Name, keyError, err)
				}
			})
		}
		all.Wait()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-c.wake:
			rest(ctx, c.s.pace.deliver/4) // several pairs mostly fail together
		}
	}
}

// due is something to be delivered.
type due struct {
	id    int64
	body  string
	tries int
}

// deliver sends what is left for a webhook.
func (c *courier) deliver(ctx context.Context, h Webhook) error {
	now := time.Now()
	c.mu.Lock()
	wait := c.after[h.Name]
	c.mu.Unlock()
	if now.Before(wait) {
		return nil
	}
	var list []due
	err := c.s.store.each(ctx, "read what is to be told", "SELECT id, body, tries FROM notices WHERE webhook = ? AND ended_at IS NULL ORDER BY id LIMIT ?", []any{h.Name, maxBatch}, func(row *sql.Rows) error {
		var d due
		err := row.Scan(&d.id, &d.body, &d.tries)
		list = append(list, d)
		return err
	})
	if err != nil || len(list) == 0 {
		return err
	}
	sent := c.send(ctx, h, list)
	if ctx.Err() != nil {
		return sent
	}
	tries := 0
	err = c.s.store.write(ctx, "keep what was told", func(tx *sql.Tx) error {
		for _, d := range list {
			var ended any
			if tries = max(tries, d.tries+1); sent == nil || d.tries >= h.Retries {
				ended = micros(now)
			}
			if _, err := tx.ExecContext(ctx, "UPDATE notices SET tries = tries + 1, ended_at = ? WHERE id = ?", ended, d.id); err != nil {
				return err
			}
		}
		return nil
	})
	c.mu.Lock()
	delete(c.after, h.Name)
	if sent != nil {
		c.after[h.Name] = now.Add(min(c.s.pace.deliver<<min(tries, 10), time.Hour))
	}
	c.mu.Unlock()
	if sent == nil {
		c.nudgeIf(len(list) == maxBatch)
	}
	return errors.Join(sent, err)
}

func (c *courier) nudgeIf(more bool) {
	if more {
		c.nudge()
	}
}

// send makes one request. Its error holds neither the URL nor a header.
func (c *courier) send(ctx context.Context, h Webhook, list []due) error {
	var messages []message
	for _, d := range list {
		var m message
		if err := json.Unmarshal([]byte(d.body), &m); err != nil {
			return fmt.Errorf("read what is to be told: %w", err)
		}
		if time.Since(m.At) < worthSaying {
			messages = append(messages, m)
		}
	}
	if len(messages) == 0 {
		return nil
	}
	body, err := json.Marshal(envelope{Version: 1, Tool: "pgparity", Notices: messages})
	if h.Slack {
		body, err = json.Marshal(map[string]string{"text": slackText(messages)})
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("its URL cannot be used")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "pgparity")
	for name, value := range h.Headers {
		req.Header.Set(name, value)
	}
	res, err := c.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("it answered %d", res.StatusCode)
	}
	return nil
}

// envelope is the body of a generic webhook.
type envelope struct {
	Version int       `json:"version"`
	Tool    string    `json:"tool"`
	Notices []message `json:"notices"`
}

// slackText puts messages into what Slack shows.
func slackText(list []message) string {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	var b strings.Builder
	for _, m := range list {
		fmt.Fprintf(&b, "*%s*: %s\n", escape.Replace(m.Pair), m.sentence())
		for _, r := range m.Reasons {
			fmt.Fprintf(&b, "• %s\n", escape.Replace(r))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (m message) sentence() string {
	switch m.Notice {
	case NoticeMismatch:
		if m.Findings == 1 {
			return "mismatch, 1 difference is open"
		}
		return fmt.Sprintf("mismatch, %d differences are open", m.Findings)
	case NoticeHealed:
		return "healed, no difference is open any more"
	case NoticeUnproven:
		return "unproven"
	case NoticeProven:
		return "a match again"
	case NoticeWatermark:
		if m.WatermarkAge != nil {
			return fmt.Sprintf("the watermark is %s old", time.Duration(*m.WatermarkAge*float64(time.Second)).Round(time.Second))
		}
		return "the watermark is too old"
	case NoticeCaughtUp:
		return "the watermark has caught up"
	}
	return string(m.Notice)
}
