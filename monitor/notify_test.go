package monitor

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/checker"
)

// mailbox is a webhook's other end.
type mailbox struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	fail   int // so many requests more
	tried  int
}

func newMailbox(t *testing.T) *mailbox {
	m := &mailbox{}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.tried++; m.fail > 0 || r.Header.Get("Authorization") != "Bearer s3cret" {
			m.fail--
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		m.bodies = append(m.bodies, string(body))
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) hook(name string, slack bool, on ...Notice) Webhook {
	return Webhook{Name: name, URL: m.URL + "/?key=s3cret", Slack: slack, Headers: map[string]string{"Authorization": "Bearer s3cret"}, On: on, Timeout: 5 * time.Second, Retries: 5}
}

// notices are all that came, as JSON of our own.
func (m *mailbox) notices(t *testing.T) (list []string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.bodies {
		var e envelope
		if err := json.Unmarshal([]byte(b), &e); err != nil {
			t.Fatal(err)
		}
		for _, n := range e.Notices {
			list = append(list, fmt.Sprintf("%s %s %d", n.Pair, n.Notice, n.Findings))
		}
	}
	return list
}

// Who wants to know is told of a mismatch and of its healing, each once, a restart in between or not; one that does not
// answer at first is tried again. No key, and no secret, leaves the process.
func TestWebhooksAreToldOnce(t *testing.T) {
	long(t)
	w := newWorld(t)
	state := t.TempDir() + "/state.db"
	all, some := newMailbox(t), newMailbox(t)
	all.fail = 2
	hooks := []Webhook{all.hook("all", false), some.hook("some", true, NoticeHealed)}
	w.target.exec(t, "DELETE FROM orders WHERE id IN (1234, 1235)")
	g := begin(t, state, hooks, w.pair("shop"))
	until(t, "the mismatch is told", func() bool { return len(all.notices(t)) == 1 })
	all.mu.Lock()
	if all.tried != 3 {
		t.Errorf("%d tries", all.tried)
	}
	all.mu.Unlock()
	g.end(t)
	again := begin(t, state, hooks, w.pair("shop"))
	again.until(t, "shop", "it is watched again", func(s Status) bool { return s.Activity == Resting && !s.LastSuccess.IsZero() })
	w.target.exec(t, "INSERT INTO orders SELECT g, g * 1.5, 'order ' || g FROM generate_series(1234, 1235) g")
	again.until(t, "shop", "it has healed", matches)
	until(t, "the healing is told", func() bool {
		some.mu.Lock()
		defer some.mu.Unlock()
		return len(all.notices(t)) == 2 && len(some.bodies) == 1
	})
	again.end(t)
	got := all.notices(t)
	if got[0] != "shop mismatch 1" && got[0] != "shop mismatch 2" || got[1] != "shop healed 0" {
		t.Errorf("told: %q", got)
	}
	if want := `{"text":"*shop*: healed, no difference is open any more"}`; some.bodies[0] != want {
		t.Errorf("Slack was told %s", some.bodies[0])
	}
	for _, text := range append(slices.Clone(all.bodies), g.lines.String(), again.lines.String()) {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "1234") {
			t.Errorf("a secret or a key got out: %s", text)
		}
	}
}

// What is told follows the state, each change once; what passes by itself is not told.
func TestWhatIsTold(t *testing.T) {
	w := &watcher{s: &Service{pace: pace{settle: time.Minute, quiet: 10 * time.Second}}, o: Pair{WatermarkAge: 5 * time.Minute}}
	w.facts.PassedAt = time.Unix(1, 0)
	now := time.Unix(1_000_000, 0)
	var state told
	age := func(d time.Duration) *Watermark { return &Watermark{AgeSeconds: d.Seconds()} }
	var got []string
	for i, step := range []struct {
		after     time.Duration
		verdict   checker.Verdict
		watermark *Watermark
		activity  Activity
		want      string
	}{
		{0, checker.Unproven, nil, Starting, "[]"},
		{0, checker.Match, nil, Resting, "[]"}, // as it should be
		{time.Second, checker.Unproven, nil, Retrying, "[]"},
		{50 * time.Second, checker.Match, nil, Resting, "[]"}, // it passed by itself
		{time.Second, checker.Mismatch, nil, Resting, "[mismatch]"},
		{time.Second, checker.Match, nil, Resting, "[]"}, // to and fro
		{time.Second, checker.Mismatch, nil, Resting, "[]"},
		{time.Minute, checker.Mismatch, nil, Resting, "[]"}, // once
		{time.Minute, checker.Match, nil, Resting, "[healed]"},
		{time.Minute, checker.Unproven, nil, Retrying, "[]"},
		{time.Minute, checker.Unproven, nil, Retrying, "[unproven]"},
		{time.Hour, checker.Unproven, nil, Retrying, "[]"},
		{time.Minute, checker.Match, nil, Resting, "[proven]"},
		{time.Minute, checker.Match, age(6 * time.Minute), Following, "[watermark]"},
		{time.Minute, checker.Match, age(7 * time.Minute), Following, "[]"},
		{time.Minute, checker.Match, nil, Retrying, "[]"}, // not known
		{time.Minute, checker.Match, age(time.Second), Following, "[caught_up]"},
		{time.Minute, checker.Mismatch, age(time.Second), Following, "[mismatch]"},
		{time.Minute, checker.Unproven, age(time.Second), Following, "[healed]"},
	} {
		now = now.Add(step.after)
		var notices []Notice
		state, notices = w.next(state, Status{Verdict: step.verdict, Watermark: step.watermark, Activity: step.activity}, now)
		if fmt.Sprint(notices) != step.want {
			t.Errorf("step %d: told %v, want %s", i, notices, step.want)
		}
		got = append(got, fmt.Sprint(notices))
	}
	if len(got) == 0 {
		t.Error("nothing was asked")
	}
	// What came up while the first pass was under way is no news; that it ended unproven is.
	w.facts.PassedAt = time.Time{}
	if s, n := w.next(told{}, Status{Activity: Passing}, now); len(n) > 0 || s.Verdict != "" {
		t.Errorf("of a first pass under way is told %v", n)
	}
}

// What Slack shows cannot be made a mention or a link by the name of an object.
func TestSlackText(t *testing.T) {
	got := slackText([]message{{Pair: "shop", Notice: NoticeMismatch, Findings: 2, Reasons: []string{"<!channel>.t & u: 2 rows differ"}}, {Pair: "crm", Notice: NoticeWatermark, WatermarkAge: new(601.4)}})
	if diff := cmp.Diff("*shop*: mismatch, 2 differences are open\n• &lt;!channel&gt;.t &amp; u: 2 rows differ\n*crm*: the watermark is 10m1s old", got); diff != "" {
		t.Error(diff)
	}
}
