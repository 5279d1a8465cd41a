package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func cutoverFile(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile("testdata/cutover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestCutover(t *testing.T) {
	got, err := Load(Input{ConfigPath: "cutover.yaml", Config: cutoverFile(t), Cutover: true,
		Environ: []string{"APP_PASSWORD=a'p", "REVERSE_PASSWORD=r", "POOLER_PASSWORD=p", "DNS_TOKEN=${DNS_TOKEN}"}})
	if err != nil {
		t.Fatal(err)
	}
	page := Hook{Name: "page", When: "freeze", Exec: []string{"/usr/local/bin/page", "${NOT_OURS}", "3", "0x10", "true", ""}, Timeout: 10 * time.Second}
	shop := DefaultCutover()
	shop.Journal, shop.Maintenance, shop.Strategy = "state/shop.jsonl", "template1", "native"
	shop.Application = `host='pooler' dbname='shop' password='a\'p'`
	shop.Verified, shop.MaxAge = "reports/shop.json", 12*time.Hour
	shop.Attempts, shop.Backoff = 100, 0
	shop.KeepPrepared, shop.Stragglers, shop.SequenceMargin = true, "abort", 32
	shop.Refresh = []string{"public.mv_*"}
	shop.Budgets.Window, shop.Budgets.Drain, shop.Budgets.Open = 20*time.Second, time.Millisecond, time.Minute
	shop.Gate = Gate{Overflow: "accept", Tables: []string{"public.orders", "money.*"}}
	shop.Reverse = Reverse{Connection: "host=10.0.0.7 dbname=shop password=r"}
	shop.Poolers = []Pooler{
		{Name: "a", Admin: "postgres://pgbouncer@a:6432/pgbouncer", Databases: []string{"shop", "shop_ro"}, File: "/etc/pgbouncer/databases.ini",
			Target: "host=b port=5433  dbname='sh''op' password=p"},
		{Name: "b", Admin: "host='b' port='6432' dbname='pgbouncer' password='${x}'", Databases: []string{"shop"}},
	}
	shop.Hooks = []Hook{
		{Name: "dns", When: "redirect", Exec: []string{"/usr/local/bin/dns", "b"}, Timeout: 30 * time.Second, Retries: 20},
		{Name: "dns", When: "back", Method: "PUT", URL: "https://dns.example/zones?token=${DNS_TOKEN}", Secrets: []string{"${DNS_TOKEN}"}, Timeout: 10 * time.Second,
			Headers: map[string]string{"Authorization": "Bearer ${DNS_TOKEN}", "X-Zone": "7"}, Body: `{"name": "shop", "literal": "${x}"}`},
		{Name: "chat", When: "live", Method: "POST", URL: "http://chat.example:8080/hook", Timeout: 10 * time.Second},
	}
	shop.Delayed = []Delayed{{Table: "public.audit", Column: "id"}, {Table: "Public.Log", After: true}}
	stock := DefaultCutover()
	stock.Journal = "stock.jsonl"
	stock.Budgets.Window, stock.Budgets.Drain = 20*time.Second, 500*time.Millisecond
	crm := DefaultCutover()
	crm.Journal, crm.Stragglers, crm.Budgets = "state/crm.jsonl", "abort", stock.Budgets
	crm.Reverse, crm.Hooks = Reverse{Off: true}, []Hook{page}
	for i, want := range []Cutover{shop, stock, crm} {
		if diff := cmp.Diff(want, got[i].Cutover); diff != "" {
			t.Errorf("%s: %s", got[i].Name, diff)
		}
	}
}

// Where pairs are not switched, what stands under cutover does not count: the
// secrets that it names need not be there, and one flag for two pairs is none.
func TestCutoverIsIgnored(t *testing.T) {
	got, err := Load(Input{ConfigPath: "cutover.yaml", Config: cutoverFile(t), ReadFile: noFiles, Environ: []string{"PGPARITY_APPLICATION=host=x"},
		Flags: map[string][]string{"journal": {"pgparity-cutover.jsonl"}, "application": {"host=y"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got {
		if diff := cmp.Diff(DefaultCutover(), p.Cutover); diff != "" {
			t.Errorf("%s: %s", p.Name, diff)
		}
		plain := Default()
		if p.OptionsHash() != plain.OptionsHash() {
			t.Errorf("%s: cutover changes what is compared", p.Name)
		}
	}
}

// Three options need no file.
func TestCutoverWithoutAFile(t *testing.T) {
	got, err := Load(Input{Flags: flags(map[string][]string{"journal": {"j"}, "maintenance": {"m"}}), Environ: []string{"PGPARITY_APPLICATION=host=x", "PGPARITY_JOURNAL=k"}, Cutover: true})
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultCutover()
	want.Journal, want.Maintenance, want.Application = "j", "m", "host=x"
	if diff := cmp.Diff(want, got[0].Cutover); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesInCutovers(t *testing.T) {
	two := "version: 1\n%spairs:\n- {name: a, source: host=a, target: host=b}\n- {name: b, source: host=c, target: host=d}\n"
	file := func(defaults string) []byte { return []byte(strings.Replace(two, "%s", defaults, 1)) }
	for name, c := range map[string]struct {
		in   Input
		want []string
	}{
		"one journal for two pairs": {Input{ConfigPath: "c.yaml", Config: file("defaults: {cutover: {journal: j}}\n")}, []string{
			"c.yaml:2:22: defaults.cutover.journal: names a file that a report or another pair writes to; put {pair} into the file name",
		}},
		"the journal of a pair is another's by default": {Input{Config: []byte(strings.Replace(string(file("")), "target: host=b", "target: host=b, cutover: {journal: ./pgparity-cutover-b.jsonl}", 1))}, []string{
			"--journal: names a file that a report or another pair writes to; put {pair} into the file name",
		}},
		"journal over checkpoints": {Input{Flags: flags(map[string][]string{"resume": {"pgparity-cutover.jsonl"}})}, []string{
			"--journal: names a file that a report or another pair writes to; put {pair} into the file name",
		}},
		"journal over what was verified": {Input{ConfigPath: "c.yaml", PairNames: []string{"a"}, Config: file("defaults: {cutover: {verified: x/../j}}\n"), Flags: map[string][]string{"journal": {"j"}}}, []string{
			"c.yaml:2:22: defaults.cutover.verified: names the journal; it is a report that verify wrote, with --report json=FILE",
		}},
		"{pair} without a name": {Input{Flags: flags(map[string][]string{"journal": {"{pair}"}})}, []string{
			"--journal: has {pair} in the file name, and the pair has no name; names come from a configuration file",
		}},
		"one application for two pairs": {Input{Config: file(""), Flags: map[string][]string{"application": {"host=x"}}, Environ: []string{"PGPARITY_APPLICATION=host=x"}}, []string{
			"--application: would be used for all 2 pairs; choose one with --pair NAME, or leave it to the configuration file",
			"PGPARITY_APPLICATION: would be used for all 2 pairs; choose one with --pair NAME, or unset it",
		}},
		"told once": {Input{ConfigPath: "c.yaml", Config: file("defaults: {cutover: {hooks: [{name: h, when: live, http: {url: '${URL}'}}]}}\n")}, []string{
			"c.yaml:2:59: defaults.cutover.hooks[0].http.url: uses the environment variable URL, which is not set or is empty",
		}},
		"what a variable holds": {Input{ConfigPath: "c.yaml", Environ: []string{"X=" + canary + "\r\n"}, Config: []byte(`version: 1
pairs:
- name: a
  source: host=a
  target: host=b
  cutover:
    application: ${X}
    reverse: {connection: "${X}"}
    poolers: [{name: p, admin: "${X}", databases: [a], file: f, target: "${X}"}]
    hooks: [{name: h, when: live, http: {url: "${X}", headers: {a: "${X}"}, body: "${X}"}}]
`)}, []string{
			"c.yaml:7:5: pairs[0].cutover.application: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
			"c.yaml:8:15: pairs[0].cutover.reverse.connection: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
			"c.yaml:9:25: pairs[0].cutover.poolers[0].admin: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
			"c.yaml:9:65: pairs[0].cutover.poolers[0].target: must be one line",
			"c.yaml:10:42: pairs[0].cutover.hooks[0].http.url: must be a URL such as https://example.org/switch",
			"c.yaml:10:65: pairs[0].cutover.hooks[0].http.headers[0]: must be one line",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Cutover = true
			_, err := Load(c.in)
			if err == nil {
				t.Fatal("no mistake was found")
			}
			if diff := cmp.Diff(strings.Join(c.want, "\n"), err.Error()); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the secret is in the error")
			}
		})
	}
}

// Wherever a value, a key or a list stands under cutover, a secret may stand
// there by mistake: no message repeats it.
func TestCutoversDoNotRepeatSecrets(t *testing.T) {
	const pair = "version: 1\npairs:\n- name: a\n  source: host=a\n  target: host=b\n  cutover: "
	values := []string{canary, "'" + canary + " " + canary + "'", "[" + canary + "]", "{" + canary + ": " + canary + "}", "&" + canary + " x", "!" + canary + " x",
		"'${" + canary + "}'", "\"x\\n" + canary + "\"", "[[" + canary + "]]", "[{" + canary + ": x}]", "'=" + canary + "'", "'//" + canary + "'", "'http://[" + canary + "'"}
	var places []string
	for _, key := range Options().names(cutoverPrefix, false).known {
		places = append(places, "{"+key+": X}")
		for _, inner := range Options().names(cutoverPrefix+key+".", false).known {
			places = append(places, "{"+key+": {"+inner+": X}}")
		}
	}
	for list, keys := range map[string][]string{"poolers": poolerKeys, "hooks": hookKeys, "delayed": delayedKeys} {
		for _, key := range keys {
			places = append(places, "{"+list+": [{"+key+": X}]}")
		}
	}
	for _, key := range httpKeys {
		places = append(places, "{hooks: [{http: {"+key+": X}}]}")
	}
	places = append(places, "{reverse: {connection: X}}", "{hooks: [{http: {headers: {a: X}}}]}", "{hooks: [{http: {headers: {X: b}}}]}", "{hooks: [{exec: [X, X]}]}", "X")
	mistakes := 0
	for _, place := range places {
		for _, v := range values {
			_, err := Load(Input{ConfigPath: "c.yaml", Config: []byte(pair + strings.ReplaceAll(place, "X", v)), ReadFile: noFiles, Cutover: true})
			if err != nil {
				mistakes++
				if strings.Contains(err.Error(), "s3cr3t") {
					t.Errorf("%s with %s: %v", place, v, err)
				}
			}
		}
	}
	if mistakes < len(places)*len(values)/2 {
		t.Errorf("only %d of %d files have a mistake: this looks at nothing", mistakes, len(places)*len(values))
	}
}

// What a pair gets from a file is its own.
func TestCutoversShareNothing(t *testing.T) {
	yaml := `version: 1
defaults:
  cutover:
    refresh: [a.b]
    gate: {tables: [a.b]}
    delayed: [{table: a.b}]
    hooks: [{name: x, when: live, exec: [x]}, {name: y, when: live, http: {url: "https://h", headers: {A: b}}}]
pairs:
- {name: a, source: host=a, target: host=b}
- {name: b, source: host=a, target: host=b}
`
	pairs, err := Load(Input{Config: []byte(yaml), Cutover: true})
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Load(Input{Config: []byte(yaml), Cutover: true})
	c := pairs[0].Cutover
	c.Refresh[0], c.Gate.Tables[0], c.Delayed[0].Table = "x", "x", "x"
	c.Hooks[0].Exec[0], c.Hooks[1].Name = "changed", "changed"
	c.Hooks[1].Headers["A"] = "changed"
	if diff := cmp.Diff(again[1], pairs[1]); diff != "" {
		t.Error(diff)
	}
}

func TestReverse(t *testing.T) {
	for typed, want := range map[string]Reverse{
		"off": {Off: true}, "OFF": {Off: true}, "false": {Off: true}, "'off'": {Off: true}, "on": {}, "true": {},
		"{connection: 'host=h'}": {Connection: "host=h"}, "{connection: {host: h, port: 1}}": {Connection: "host='h' port='1'"},
	} {
		pairs, err := Load(Input{Config: []byte("version: 1\npairs: [{name: a, source: host=a, target: host=b, cutover: {reverse: " + typed + "}}]"), Cutover: true})
		if err != nil {
			t.Errorf("%s: %v", typed, err)
		} else if got := pairs[0].Cutover.Reverse; got != want {
			t.Errorf("%s: got %+v", typed, got)
		}
	}
}

// Every budget goes to the field of its name.
func TestBudgets(t *testing.T) {
	fields := reflect.VisibleFields(reflect.TypeFor[Budgets]())
	if n := len(Options().names("cutover.budgets.", false).known); n != len(fields) {
		t.Errorf("%d keys for %d budgets", n, len(fields))
	}
	for _, f := range fields {
		yaml := "version: 1\npairs: [{name: a, source: host=a, target: host=b, cutover: {budgets: {" + strings.ToLower(f.Name) + ": 77s}}}]"
		pairs, err := Load(Input{Config: []byte(yaml), Cutover: true})
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		want := DefaultCutover().Budgets
		reflect.ValueOf(&want).Elem().FieldByIndex(f.Index).SetInt(int64(77 * time.Second))
		if got := pairs[0].Cutover.Budgets; got != want {
			t.Errorf("%s: got %+v", f.Name, got)
		}
	}
}

func TestEntriesOfPoolers(t *testing.T) {
	for _, s := range []string{"host=h", "dbname=d", " port=5432 ", "host=a,b user='u v'", "host=h\tpassword='it''s = x'", "host=h password=a'b", "host=h connect_query='SELECT 1'"} {
		if message := checkEntry(s); message != "" {
			t.Errorf("%q: %s", s, message)
		}
	}
	for _, s := range []string{"", "h", "host", "host=", "host= port=1", "=h", "host='h", "host='h'x=y", "Host=h", "host=h port=0", "host = h", "postgres://h/d", "user=u"} {
		if checkEntry(s) == "" {
			t.Errorf("%q is taken", s)
		}
	}
}
