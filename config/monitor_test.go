package config

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const goodToken = "0123456789abcdef"

func TestMonitor(t *testing.T) {
	m, pairs, err := LoadMonitor(MonitorInput{State: "other.db", Input: Input{Environ: []string{"HOOK_SECRET=s3", "TOKEN=" + goodToken}, Config: []byte(`
version: 1
monitor:
  listen: 0.0.0.0:9999
  state: state.db
  token: ${TOKEN}
  tls_cert: cert.pem
  tls_key: key.pem
  hosts: [drift.example]
  pprof: true
  passes: 3
  keep: 24h
  webhooks:
    - {name: chat, url: 'https://hooks.example/${HOOK_SECRET}', format: slack, on: [mismatch, healed]}
    - {name: pager, url: 'http://pager.example/', headers: {authorization: 'Bearer ${HOOK_SECRET}'}, timeout: 3s, retries: 0}
defaults:
  monitor: {cycle: 2h, follow: off}
  cutover: {journal: 'state/{pair}.jsonl', hooks: [{name: a, when: live, http: {url: 'https://x.example/${NOT_SET}'}}]}
pairs:
  - {name: a, source: host=a, target: host=b, monitor: {follow: on, retention: 1GB, quick: 30s, recheck: 5s, watermark_age: 0s}}
  - {name: b, source: host=c, target: host=d}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	want := Monitor{Listen: "0.0.0.0:9999", State: "other.db", Token: goodToken, TLSCert: "cert.pem", TLSKey: "key.pem", Hosts: []string{"drift.example"}, Pprof: true, Passes: 3,
		Keep: 24 * time.Hour, Webhooks: []Webhook{
			{Name: "chat", URL: "https://hooks.example/s3", Slack: true, On: []string{"mismatch", "healed"}, Timeout: 10 * time.Second, Retries: 8},
			{Name: "pager", URL: "http://pager.example/", Headers: map[string]string{"Authorization": "Bearer s3"}, Timeout: 3 * time.Second},
		}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	for i, want := range []Watch{
		{Cycle: 2 * time.Hour, Quick: 30 * time.Second, Recheck: 5 * time.Second, Retention: 1 << 30},
		{Cycle: 2 * time.Hour, Quick: time.Minute, Recheck: time.Minute, NoFollow: true, Retention: 10 << 30, WatermarkAge: 5 * time.Minute},
	} {
		if diff := cmp.Diff(want, pairs[i].Watch); diff != "" {
			t.Errorf("%s: %s", pairs[i].Name, diff)
		}
	}
	if pairs[1].Cutover.Journal != "state/b.jsonl" || len(pairs[1].Cutover.Hooks) > 0 {
		t.Errorf("of a switch the monitor has %+v", pairs[1].Cutover)
	}
}

// A file without the mapping has a monitor for this machine alone, and a pair that names no journal has none.
func TestMonitorDefaults(t *testing.T) {
	m, pairs, err := LoadMonitor(MonitorInput{Input: Input{Config: []byte("version: 1\npairs: [{name: a, source: host=a, target: host=b}]")}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DefaultMonitor(), m); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(DefaultWatch(), pairs[0].Watch); diff != "" || pairs[0].Cutover.Journal != "" {
		t.Errorf("journal %q; %s", pairs[0].Cutover.Journal, diff)
	}
}

// Every mistake is told at once, and none shows a value.
func TestMonitorMistakes(t *testing.T) {
	_, _, err := LoadMonitor(MonitorInput{Input: Input{ConfigPath: "c.yaml", Config: []byte(`version: 1
monitor:
  cycle: 1h
  listen: nowhere
  token: s3cret
  token_file: gone
  tls_cert: cert.pem
  passes: 0
  keep: 1m
  hosts: [a, a]
  pprof: 3
  webhooks:
    - {name: chat, url: 's3cret-canary', format: mail, on: [mismatched]}
    - {name: chat, url: 'https://${S3CRET_NOT_SET}/', retries: 100}
    - {url: 'https://h/'}
defaults: {monitor: {cycle: 1s, retention: 1MB, follow: maybe, listen: x}}
pairs: [{name: a, source: host=a, target: host=b}]
`), ReadFile: func(string) ([]byte, error) { return nil, os.ErrNotExist }}})
	if err == nil {
		t.Fatal("no mistake was found")
	}
	for _, want := range []string{
		"c.yaml:3:3: monitor.cycle: is a pair's", "c.yaml:4:3: monitor.listen: must be an address and a port",
		"c.yaml:5:3: monitor.token: must have at least 16 characters", "monitor: has both token and token_file",
		"monitor: needs both tls_cert and tls_key", "monitor.passes: must be at least 1, not 0", "monitor.keep: must be at least 1h0m0s", "monitor.hosts[1]: is listed twice",
		"monitor.pprof: must be true or false", "monitor.webhooks[0].url: must be a URL", `monitor.webhooks[0].format: must be one of json, slack, not "mail"`,
		`monitor.webhooks[0].on[0]: must be one of mismatch, healed, unproven, proven, watermark, caught_up, not "mismatched"; did you mean "mismatch"?`,
		"monitor.webhooks[1].name: is the name of another one already", "monitor.webhooks[1].retries: must be at most 20", "S3CRET_NOT_SET, which is not set", "monitor.webhooks[2]: name is missing",
		"defaults.monitor.cycle: must be at least 1m0s", "defaults.monitor.retention: must be at least 64MB", "defaults.monitor.follow: must be on or off",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not told: %s", want)
		}
	}
	if strings.Contains(err.Error(), "s3cret") {
		t.Error("a value is shown")
	}
	if t.Failed() {
		t.Log(err)
	}
}

// Who may be reached by others needs a token, wherever the address was given.
func TestMonitorListen(t *testing.T) {
	for _, c := range []struct{ listen, section, want string }{
		{"127.0.0.1:0", "", ""}, {"localhost:1", "", ""}, {"[::1]:1", "", ""},
		{":9432", "", "--listen: lets others than this machine in: set token"},
		{"10.0.0.1:9432", "monitor: {plaintext: true, token: " + goodToken + "}\n", ""},
		{"10.0.0.1:9432", "monitor: {token: " + goodToken + "}\n", "in the clear"},
		{"10.0.0.1:9432", "monitor: {plaintext: true}\n", "set token or token_file"},
		{"10.0.0.1", "", "must be an address and a port"}, {"a:99999", "", "must be an address and a port"},
	} {
		_, _, err := LoadMonitor(MonitorInput{Listen: c.listen, Input: Input{Config: []byte("version: 1\n" + c.section + "pairs: [{name: a, source: host=a, target: host=b}]")}})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s %s: %v", c.listen, c.section, err)
		}
	}
}

// Other commands read a file with a monitor in it, and need nothing of what it names.
func TestMonitorElsewhere(t *testing.T) {
	pairs, err := Load(Input{Config: []byte("version: 1\nmonitor: {token: '${NOT_SET}', listen: '0.0.0.0:1'}\npairs: [{name: a, source: host=a, target: host=b, monitor: {cycle: 2h}}]")})
	if err != nil || pairs[0].Watch != DefaultWatch() {
		t.Errorf("%v: %v", pairs, err)
	}
}

// The token's file is read like a password's.
func TestMonitorTokenFile(t *testing.T) {
	for content, want := range map[string]string{goodToken + "\n": "", "short\n": "must have at least 16", goodToken + " x": "without blanks"} {
		m, _, err := LoadMonitor(MonitorInput{Input: Input{Config: []byte("version: 1\nmonitor: {token_file: t}\npairs: [{name: a, source: host=a, target: host=b}]"),
			ReadFile: func(string) ([]byte, error) { return []byte(content), nil }}})
		if want == "" && (err != nil || m.Token != goodToken) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v", content, err)
		}
	}
}

// The example in the documentation is a valid file.
func TestMonitorExample(t *testing.T) {
	content, err := os.ReadFile("../docs/monitor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(content), "```yaml\n")
	example, _, _ = strings.Cut(example, "```\n")
	m, pairs, err := LoadMonitor(MonitorInput{Input: Input{Config: []byte(example), Environ: []string{"CHAT_SECRET=s"}, ReadFile: func(string) ([]byte, error) { return []byte(goodToken), nil }}})
	if err != nil || len(pairs) != 2 || !pairs[1].Watch.NoFollow || len(m.Webhooks) != 1 {
		t.Errorf("%+v %d: %v", m, len(pairs), err)
	}
}
