package monitor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pgparity/pgparity/config"
)

const deployed = "../deploy"

func registryOf(c prometheus.Collector) *prometheus.Registry {
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(c)
	return reg
}

// promtool runs it in the folder of what is deployed; its input is what it reads.
func promtool(t *testing.T, input []byte, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no promtool was found; scripts/test-deps.sh installs it")
		}
		t.Skip("no promtool was found; scripts/test-deps.sh installs it, to check metrics and alerts")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdin = deployed, bytes.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// scrape is what a monitor of the fleet says to Prometheus.
func scrape(t *testing.T) string {
	t.Helper()
	w := ask(NewHandler(fixtures(time.Now()), Commands{}, HandlerOptions{Version: "1.4.0"}), asked{path: "/metrics"})
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestMetricsOfAScrape(t *testing.T) {
	text := scrape(t)
	for _, want := range []string{
		`pgparity_build_info{goversion="go`, `,version="1.4.0"} 1`,
		`pgparity_verdict{pair="billing",verdict="mismatch"} 1`, `pgparity_verdict{pair="billing",verdict="match"} 0`, `pgparity_verdict{pair="identity",verdict="unproven"} 1`,
		`pgparity_findings_open{kind="different",pair="billing"} 2`, `pgparity_findings_open{kind="missing",pair="billing"} 1`, `pgparity_findings_open{kind="extra",pair="billing"} 0`,
		`pgparity_chunks_verified_total{pair="orders"} 402118`, `pgparity_rows_verified_total{pair="orders"} 9.184223001e+09`,
		`pgparity_suspects_total{pair="orders"} 18220`, `pgparity_recheck_rounds_total{pair="orders"} 21004`, `pgparity_errors_total{pair="orders"} 2`,
		`pgparity_changes_followed_total{pair="orders"} 8.8402113e+07`, `pgparity_passes_total{pair="orders"} 22`, `pgparity_quick_checks_total{pair="orders"} 7904`,
		`pgparity_coverage_ratio{pair="orders"} 1`, `pgparity_tables{pair="billing",verdict="mismatch"} 1`, `pgparity_tables_followed{pair="billing"} 9`,
		`pgparity_watermark_exceptions{pair="billing"} 1`, `pgparity_replication_lag_bytes{pair="orders"} 18432`, `pgparity_replication_lag_seconds{pair="orders"} 0.21`,
		`pgparity_slot_retained_bytes{pair="orders"} 4.2991616e+07`, `pgparity_slot_dropped{pair="catalog"} 1`, `pgparity_slot_dropped{pair="orders"} 0`,
		`pgparity_fence_latency_seconds{pair="orders"} 0.0384`, `pgparity_sequence_headroom_ratio{pair="orders"} 0.182`,
		`pgparity_oldest_xmin_age_transactions{pair="orders",side="source"} 1840`, `pgparity_activity{activity="retrying",pair="search"} 1`,
		`pgparity_cutover_running{pair="payments"} 1`, `pgparity_pass_running{pair="identity"} 1`, `go_goroutines`, `process_start_time_seconds`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the scrape lacks %s", want)
		}
	}
	// What is not known is left out: no number would be true.
	for _, none := range []string{`pgparity_watermark_age_seconds{pair="identity"}`, `pgparity_proven_timestamp_seconds{pair="identity"}`, `pgparity_slot_retained_bytes{pair="catalog"}`} {
		if strings.Contains(text, none) {
			t.Errorf("the scrape has %s", none)
		}
	}
	for _, f := range families {
		if name := nameOf(f.desc); !strings.Contains(text, "# HELP "+name+" ") {
			t.Errorf("%s is in no scrape of the fixtures: nothing checks it", name)
		}
	}
	promtool(t, []byte(text), "check", "metrics")
}

// TestMetricsAreBounded: series are as many as the pairs ask for, whatever is in them, and none is of a table or key.
func TestMetricsAreBounded(t *testing.T) {
	now := time.Now()
	s := billing(now)
	for i := range 3000 {
		s.Tables = append(s.Tables, Table{Name: fmt.Sprintf("public.t%d", i), Open: 2})
		s.Findings = append(s.Findings, Finding{ID: int64(i), Object: fmt.Sprintf("public.t%d", i), Kind: fmt.Sprintf("kind %d", i), Key: []KeyPart{{"id", "secret"}}})
	}
	board := NewBoard()
	board.Keep([]string{"billing"})
	board.Put(s)
	mfs, err := registryOf(NewCollector(board, "1")).Gather()
	if err != nil {
		t.Fatal(err)
	}
	n, byKind := 0, map[string]float64{}
	for _, mf := range mfs {
		n += len(mf.Metric)
		for _, m := range mf.Metric {
			for _, l := range m.Label {
				if strings.Contains(l.GetValue(), "public.") || strings.Contains(l.GetValue(), "secret") {
					t.Errorf("%s has the label %s", mf.GetName(), l)
				}
				if mf.GetName() == "pgparity_findings_open" && l.GetName() == "kind" {
					byKind[l.GetValue()] = m.GetGauge().GetValue()
				}
			}
		}
	}
	if n > 100 {
		t.Errorf("%d series of one pair", n)
	}
	if byKind["other"] != 3000 || byKind[unlisted] != 3000 || byKind["different"] != 2 {
		t.Errorf("findings by kind %v", byKind)
	}
}

var metricName = regexp.MustCompile(`\bpgparity_[a-z_]+`)

var descName = regexp.MustCompile(`fqName: "([^"]*)"`)

func nameOf(d *prometheus.Desc) string { return descName.FindStringSubmatch(d.String())[1] }

// metricNames are the names of all metrics.
func metricNames() map[string]bool {
	names := map[string]bool{nameOf(buildInfo): true}
	for _, f := range families {
		names[nameOf(f.desc)] = true
	}
	return names
}

func TestAlerts(t *testing.T) {
	rules := read(t, "alerts.yml")
	names := metricNames()
	for _, name := range metricName.FindAllString(rules, -1) {
		if !names[name] {
			t.Errorf("alerts.yml asks for %s, which there is not", name)
		}
	}
	tests := read(t, "alerts_test.yml")
	alerts := regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1)
	if len(alerts) == 0 {
		t.Fatal("no alert was found")
	}
	for _, a := range alerts {
		if !regexp.MustCompile(`alertname: ` + a[1] + `\n\s+exp_alerts:\n`).MatchString(tests) {
			t.Errorf("no test makes %s fire", a[1])
		}
	}
	promtool(t, nil, "check", "rules", "alerts.yml")
	promtool(t, nil, "test", "rules", "alerts_test.yml")
}

// TestDashboard holds the queries of the dashboard to the metrics that there are, and to the language.
func TestDashboard(t *testing.T) {
	text := read(t, "grafana.json")
	var board struct {
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(text), &board); err != nil {
		t.Fatal(err)
	}
	names, asked := metricNames(), map[string]bool{}
	for _, name := range metricName.FindAllString(text, -1) {
		asked[name] = true
		if !names[name] {
			t.Errorf("the dashboard asks for %s, which there is not", name)
		}
	}
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, p := range board.Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %q lacks a title, a description or a query", p.Title)
		}
		for _, q := range p.Targets {
			expr, err := json.Marshal(strings.NewReplacer("$__rate_interval", "5m", "$pair", ".*").Replace(q.Expr))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&rules, "  - record: query_%d\n    expr: %s\n", rules.Len(), expr)
		}
	}
	if len(asked) < 15 {
		t.Errorf("the dashboard asks for %d metrics only", len(asked))
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, nil, "check", "rules", path)
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deployed, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestDeployedConfiguration: the file that people begin with is one that the program takes.
func TestDeployedConfiguration(t *testing.T) {
	m, pairs, err := config.LoadMonitor(config.MonitorInput{Input: config.Input{ConfigPath: filepath.Join(deployed, "monitor.yaml"), Environ: []string{
		"PGPARITY_TOKEN=0123456789abcdef0123456789abcdef", "PGPARITY_WEBHOOK=https://hooks.example/T0/B0", "SHOP_PASSWORD=x", "STOCK_PASSWORD=y",
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(pairs) != 2 || m.Listen != "127.0.0.1:9432" || m.Token == "" || len(m.Webhooks) != 1 || !pairs[1].Watch.NoFollow {
		t.Errorf("%+v", m)
	}
}

// TestUnit has systemd look at the unit.
func TestUnit(t *testing.T) {
	unit := read(t, "pgparity-monitor.service")
	for _, want := range []string{"pgparity monitor --config ", "ExecReload=/bin/kill -HUP $MAINPID", "KillSignal=SIGTERM", "NoNewPrivileges=yes", "ProtectSystem=strict"} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %s", want)
		}
	}
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze was found: the unit's directives are not checked")
	}
	// The program lies elsewhere here.
	file := filepath.Join(t.TempDir(), "pgparity-monitor.service")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit, "/usr/local/bin/pgparity", "/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "verify", "--recursive-errors=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "pgparity-monitor.service") {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
}
