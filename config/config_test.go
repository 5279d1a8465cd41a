package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the golden files and the table in docs/configuration.md")

const canary = "s3cr3t-canary"

var sides = map[string][]string{"source": {"host=a"}, "target": {"host=b"}}

// flags adds the two sides to what a test gives.
func flags(given map[string][]string) map[string][]string {
	all := map[string][]string{}
	for _, m := range []map[string][]string{sides, given} {
		for k, v := range m {
			all[k] = v
		}
	}
	return all
}

func noFiles(string) ([]byte, error) { return nil, os.ErrNotExist }

func TestLoadFile(t *testing.T) {
	content, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Load(Input{ConfigPath: "full.yaml", Config: content, Environ: []string{"SHOP_PASSWORD=p'w"}})
	if err != nil {
		t.Fatal(err)
	}
	shop := Default()
	shop.Name = "shop"
	shop.Source = "postgres://reader:p'w@old.example/shop"
	shop.Target = `host='new.example' port='5433' dbname='shop' user='reader' password='p\'w' sslmode='verify-full'`
	shop.SourcePrimary = `host='primary.example' dbname='shop' password='p\'w'`
	shop.TargetPrimary = "postgres://reader@new-primary.example/shop"
	shop.Heartbeats = []Heartbeat{{Schema: "public", Table: "beats", Column: "n"}} // of no use to a pair at rest, and no mistake under defaults
	shop.Tables = []string{"public.*", "sales.order?"}
	shop.ExcludeTables = []string{"*_tmp"}
	shop.ExcludeSchemas = []string{"audit"}
	shop.Checks = []string{"sequences", "ranges"}
	shop.Last, shop.LastBy = 16, "updated_at"
	shop.SampleRows, shop.Seed = 5000, -9223372036854775807
	shop.Concurrency = 4
	shop.Replication = "still"
	shop.Settle, shop.StatementTimeout = time.Minute, 90*time.Second
	shop.Strict = true
	shop.PerTable = map[string]Table{
		"public.orders": {Key: []string{"tenant", "no"}, LastBy: "updated_at", Plan: "sweep"},
		"public.lines":  {Key: []string{"order_no", "line_no"}},
	}
	shop.Reports = []Report{{"json", "reports/shop.json"}, {"junit", "reports/shop.xml"}}
	stock := Default()
	stock.Name = "stock"
	stock.Source = `password='it\'s \\ "q"' service='old-stock'`
	stock.Target = "host=new.example dbname=stock"
	stock.ExcludeSchemas = []string{"audit"}
	stock.Checks = []string{"sequences", "ranges"}
	stock.Concurrency = 4
	stock.Replication = "heartbeat"
	stock.Heartbeats = []Heartbeat{
		{Schema: "audit", Table: "Beat.s", Column: `last "beat"`, KeyColumn: "id", Key: "007"},
		{Schema: "public", Table: "beats", Column: "n", Strike: true},
	}
	stock.Settle = time.Minute
	stock.MaxDiffs = 0
	stock.PerTable = map[string]Table{
		"public.orders": {LastBy: "created_at"},
		"public.lines":  {Key: []string{"order_no", "line_no"}},
	}
	shop.Resume, stock.Resume = "state/shop.journal", "state/stock.journal"
	stock.Reports = []Report{{"json", "reports/stock.json"}, {"junit", "reports/stock.xml"}}
	if diff := cmp.Diff([]Pair{shop, stock}, got); diff != "" {
		t.Error(diff)
	}
}

// Each layer sets what the one above it does not.
func TestPrecedence(t *testing.T) {
	yaml := `version: 1
defaults: {last: 1, concurrency: 1, max_diffs: 1, chunk_rows: 1, reports: [json=a]}
pairs: [{name: p, source: host=a, target: host=b, concurrency: 2, max_diffs: 2, chunk_rows: 2}]`
	got, err := Load(Input{
		Config:  []byte(yaml),
		Environ: []string{"PGPARITY_MAX_DIFFS=3", "PGPARITY_CHUNK_ROWS=3", "PGPARITY_STRICT=1", "PGPARITY_LAST=", "PGPARITY_TABLE=a, b.c"},
		Flags:   map[string][]string{"chunk-rows": {"4"}, "strict": {"false"}, "source": {"host=flag"}, "report": {"html=b,c"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Name, want.Source, want.Target = "p", "host=flag", "host=b"
	want.Last, want.Concurrency, want.MaxDiffs, want.ChunkRows = 1, 2, 3, 4
	want.Tables = []string{"a", "b.c"}
	want.Reports = []Report{{"html", "b,c"}}
	if diff := cmp.Diff([]Pair{want}, got); diff != "" {
		t.Error(diff)
	}
}

func TestMistakesInFiles(t *testing.T) {
	files, _ := filepath.Glob("testdata/mistakes/*.yaml")
	if len(files) < 10 {
		t.Fatalf("found %d files", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Load(Input{ConfigPath: filepath.Base(file), Config: content, ReadFile: noFiles, Cutover: true})
			var list Mistakes
			if !errors.As(err, &list) {
				t.Fatalf("got %v, want mistakes", err)
			}
			if strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "hunterpass") {
				t.Errorf("the secret is in the error:\n%s", err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(err.Error()+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, _ := os.ReadFile(golden)
			if diff := cmp.Diff(string(want), err.Error()+"\n"); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMistakes(t *testing.T) {
	two := "version: 1\npairs:\n- {name: a, source: host=a, target: host=b}\n- {name: b, source: host=c, target: host=d}\n"
	for name, c := range map[string]struct {
		in   Input
		want []string
	}{
		"nothing given": {Input{}, []string{
			"--source: is missing; give --source URL or set PGPARITY_SOURCE, or list pairs in a file and give --config FILE",
			"--target: is missing; give --target URL or set PGPARITY_TARGET, or list pairs in a file and give --config FILE",
		}},
		"flags before environment": {Input{
			Flags:   flags(map[string][]string{"last": {"0"}, "sample-rows": {"10000001"}, "seed": {"9223372036854775808"}, "concurrency": {"x"}, "settle": {"30"}, "source": {" "}, "table": {"a,,b"}, "digest": {"puhsdown"}}),
			Environ: []string{"PGPARITY_STRICT=maybe", "PGPARITY_LSAT=5", "PGPARITY_LOG_FORMAT=json", "PGPARITY_TEST=1", "LSAT=1", "CHECK=1"},
		}, []string{
			"--source: is empty",
			"--table: holds an empty glob",
			"--last: must be at least 1, not 0",
			"--sample-rows: must be at most 10000000, not 10000001",
			"--seed: must be a whole number of 64 bits",
			`--concurrency: must be a whole number, not "x"`,
			`--settle: must be a duration with a unit, such as 30s, 5m or 1h30m, not "30"`,
			`--digest: must be one of auto, pushdown, stream, not "puhsdown"; did you mean "pushdown"?`,
			`PGPARITY_STRICT: must be true or false, not "maybe"`,
			"PGPARITY_LSAT: unknown variable; did you mean PGPARITY_LAST?",
		}},
		"a heartbeat without a marker": {Input{Flags: flags(map[string][]string{"replication": {"heartbeat"}})}, []string{
			"--replication: heartbeat needs a marker, and the pair has none; give --heartbeat schema.table.column, or list it under heartbeats in the configuration file",
		}},
		"markers and another replication": {Input{Config: []byte(two), Flags: map[string][]string{"replication": {"logical"}}, Environ: []string{"PGPARITY_HEARTBEAT=a.b.c"}}, []string{
			"PGPARITY_HEARTBEAT: is of no use to pair a, whose replication is logical; take one of the two out",
			"PGPARITY_HEARTBEAT: is of no use to pair b, whose replication is logical; take one of the two out",
		}},
		"markers": {Input{Flags: flags(map[string][]string{"replication": {"heartbeat"}, "heartbeat": {"a.b.c=k:1", canary, " ", "a.b.c=k:1"}, "source-primary": {canary}})}, []string{
			"--source-primary: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
			"--heartbeat: " + mustBeMarker,
			"--heartbeat: is empty",
			"--heartbeat: names a marker twice",
		}},
		"a slip in a replication": {Input{Flags: flags(map[string][]string{"replication": {"bucadro"}})}, []string{
			`--replication: must be one of auto, logical, physical, heartbeat, pglogical, bucardo, still, not "bucadro"; did you mean "bucardo"?`,
		}},
		"a value that looks like a secret": {Input{
			Flags:   flags(map[string][]string{"source": {canary}, "target": {"ftp://u:" + canary + "@h"}, "last": {canary}, "replication": {canary}, "report": {canary + "=x"}}),
			Environ: []string{"PGPARITY_SOURCE=" + canary},
		}, []string{
			"--source: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
			"--target: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
			"--last: must be a whole number",
			"--replication: must be one of auto, logical, physical, heartbeat, pglogical, bucardo, still",
			"--report: format must be one of text, json, html, markdown, junit, prometheus",
			"PGPARITY_SOURCE: must be a URL such as postgres://user@host/dbname or keyword/value text such as host=… dbname=…",
		}},
		"one side for two pairs": {Input{Config: []byte(two), Flags: map[string][]string{"source": {"host=x"}, "source-primary": {"host=x"}}, Environ: []string{"PGPARITY_TARGET=host=y"}}, []string{
			"--source: would be used for all 2 pairs; choose one with --pair NAME, or leave it to the configuration file",
			"--source-primary: would be used for all 2 pairs; choose one with --pair NAME, or leave it to the configuration file",
			"PGPARITY_TARGET: would be used for all 2 pairs; choose one with --pair NAME, or unset it",
		}},
		"unknown pair": {Input{Config: []byte(two), PairNames: []string{"c", "a"}}, []string{
			`--pair: no pair "c"; the configuration file has a, b`,
		}},
		"pair without a file": {Input{Flags: sides, PairNames: []string{"a"}}, []string{
			"--pair: chooses from a configuration file; give --config FILE too",
		}},
		"no such file": {Input{ConfigPath: "no/such.yaml"}, []string{
			"no/such.yaml: the configuration file cannot be read: no such file or directory",
		}},
		"one report file for two pairs": {Input{Config: []byte(two), Flags: map[string][]string{"report": {"json=x.json"}}}, []string{
			"--report: writes to a file that another pair's report writes to; put {pair} into the file name",
		}},
		"{pair} without a name": {Input{Flags: flags(map[string][]string{"report": {"json={pair}.json"}})}, []string{
			"--report: has {pair} in a file name, and the pair has no name; names come from a configuration file",
		}},
		"one file of checkpoints for two pairs": {Input{Config: []byte(two), Flags: map[string][]string{"resume": {"x"}}}, []string{
			"--resume: names a file that a report or another pair writes to; put {pair} into the file name",
		}},
		"checkpoints over a report": {Input{Flags: flags(map[string][]string{"report": {"json=./x"}, "resume": {"x"}})}, []string{
			"--resume: names a file that a report or another pair writes to; put {pair} into the file name",
		}},
		"{pair} in a file of checkpoints without a name": {Input{Flags: flags(map[string][]string{"resume": {"{pair}"}})}, []string{
			"--resume: has {pair} in the file name, and the pair has no name; names come from a configuration file",
		}},
		"variables and password files": {Input{ConfigPath: "c.yaml", ReadFile: noFiles, Config: []byte(`version: 1
pairs:
- name: a
  source: postgres://${USER_A}:${PW_A}@h/db
  target: {host: h, password_file: /run/s3cr3t-canary}
- name: b
  source: {host: h, password_env: PW_B}
  target: {host: "${HOST_B}", port: "${PORT_B}"}
`), Environ: []string{"HOST_B=", "PORT_B=x", "USER_A=u"}}, []string{
			"c.yaml:4:3: pairs[0].source: uses the environment variable PW_A, which is not set or is empty",
			"c.yaml:5:21: pairs[0].target.password_file: the file cannot be read: file does not exist",
			"c.yaml:7:21: pairs[1].source.password_env: names an environment variable that is not set or is empty",
			"c.yaml:8:12: pairs[1].target.host: uses the environment variable HOST_B, which is not set or is empty",
			"c.yaml:8:31: pairs[1].target.port: must be a number from 1 to 65535",
		}},
		"mistakes of all layers": {Input{ConfigPath: "c.yaml", Config: []byte("version: 1\npairs: [{name: a, last: x}]\n"),
			Flags: map[string][]string{"last": {"y"}}, Environ: []string{"PGPARITY_LAST=z"}}, []string{
			`--last: must be a whole number, not "y"`,
			`PGPARITY_LAST: must be a whole number, not "z"`,
			"c.yaml:2:9: pairs[0].source: is missing; give a postgres:// URL or a mapping such as {host: …, dbname: …}",
			"c.yaml:2:9: pairs[0].target: is missing; give a postgres:// URL or a mapping such as {host: …, dbname: …}",
			"c.yaml:2:19: pairs[0].last: must be a whole number",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pairs, err := Load(c.in)
			if err == nil || pairs != nil {
				t.Fatalf("got %v and pairs %v", err, pairs)
			}
			if diff := cmp.Diff(strings.Join(c.want, "\n"), err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the pairs that are not run lack in this environment is no mistake.
func TestOnlyChosenPairsAreRendered(t *testing.T) {
	yaml := "version: 1\npairs:\n- {name: a, source: 'postgres://${NOT_SET}@h/d', target: {password_file: gone}}\n- {name: b, source: host=c, target: host=d}\n"
	for name, in := range map[string]Input{
		"other pair": {PairNames: []string{"b"}},
		"overridden": {PairNames: []string{"a"}, Flags: sides},
	} {
		in.Config, in.ReadFile = []byte(yaml), noFiles
		if pairs, err := Load(in); err != nil || len(pairs) != 1 || pairs[0].Name != in.PairNames[0] {
			t.Errorf("%s: got %v, %v", name, pairs, err)
		}
	}
}

// The driver reads back from the rendered text what the parts held.
func TestConnectionParts(t *testing.T) {
	secret := `a'b\c "d" =${x}é `
	yaml := "version: 1\npairs: [{name: a, source: {host: 'h h', port: 5433, dbname: 007, user: \"u'\", password_file: pw, sslmode: disable}, target: 'host=h password=$${x} user=${U}'}]"
	pairs, err := Load(Input{Config: []byte(yaml), Environ: []string{"U=${U}"}, ReadFile: func(string) ([]byte, error) {
		return []byte(secret + "\r\n"), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	source, err := pgconn.ParseConfig(pairs[0].Source)
	if err != nil {
		t.Fatal(err)
	}
	if source.Host != "h h" || source.Port != 5433 || source.Database != "007" || source.User != "u'" || source.Password != secret {
		t.Errorf("source: got %q %d %q %q %q", source.Host, source.Port, source.Database, source.User, source.Password)
	}
	if want := "host=h password=${x} user=${U}"; pairs[0].Target != want {
		t.Errorf("target: got %q, want %q", pairs[0].Target, want)
	}
}

func TestFlags(t *testing.T) {
	set := pflag.NewFlagSet("verify", pflag.ContinueOnError)
	Options().Register(set)
	if err := set.Parse([]string{"--source", "host=a", "--target=host=b", "--last", "x", "--last=7", "--table", "a", "--table=b,c", "--strict", "--hash-keys=false", "--report", "json=a,b"}); err != nil {
		t.Fatal(err)
	}
	pairs, err := Load(Input{Flags: Options().FromFlags(set)})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Source, want.Target, want.Last, want.Strict = "host=a", "host=b", 7, true
	want.Tables = []string{"a", "b", "c"}
	want.Reports = []Report{{"json", "a,b"}}
	if diff := cmp.Diff([]Pair{want}, pairs); diff != "" {
		t.Error(diff)
	}
	for _, line := range []string{
		`--last N `, `(default 1000)`, `--strict  `, `--statement-timeout DURATION`, `(default 10m)`, `--table GLOB`, `(default sequences,counts,last,ranges)`,
	} {
		if !strings.Contains(set.FlagUsages(), line) {
			t.Errorf("the help lacks %q:\n%s", line, set.FlagUsages())
		}
	}
}

// Two pairs of a file must not share slices or maps: a caller may append.
func TestPairsShareNothing(t *testing.T) {
	pairs, err := Load(Input{Config: []byte("version: 1\ndefaults: {tables: [a], checks: [last], heartbeats: [{table: a.b, column: c}], per_table: {a.b: {key: [x]}}}\npairs:\n- {name: a, source: host=a, target: host=b}\n- {name: b, source: host=a, target: host=b}\n")})
	if err != nil {
		t.Fatal(err)
	}
	pairs[0].Tables[0], pairs[0].Checks[0] = "changed", "changed"
	pairs[0].PerTable["a.b"].Key[0], pairs[0].Heartbeats[0].Table = "changed", "changed"
	if p := pairs[1]; p.Tables[0] != "a" || p.Heartbeats[0].Table != "b" || p.Checks[0] != "last" || p.PerTable["a.b"].Key[0] != "x" {
		t.Errorf("pair b changed with pair a: %v", p)
	}
}

// Every field is either in the hash or named here as left out.
func TestOptionsHash(t *testing.T) {
	out := map[string]bool{"Name": true, "Source": true, "Target": true, "SourcePrimary": true, "TargetPrimary": true, "Via": true, "Reports": true,
		"Concurrency": true, "Settle": true, "Timeout": true, "StatementTimeout": true, "Budget": true,
		"MaxActive": true, "MaxLag": true, "MaxXminAge": true, "PauseFile": true, "Resume": true,
		"Acknowledge": true, "Deep": true, "Measure": true, "SequenceMargin": true, "LongTransaction": true, "Cutover": true, "Watch": true}
	plain := Default().OptionsHash()
	if len(plain) != 16 || plain != Default().OptionsHash() {
		t.Errorf("got %q", plain)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Pair]()) {
		p := Default()
		switch v := reflect.ValueOf(&p).Elem().FieldByIndex(f.Index); v.Interface().(type) {
		case string:
			v.SetString(canary)
		case []string:
			v.Set(reflect.ValueOf([]string{canary}))
		case int, int64, time.Duration:
			v.SetInt(v.Int() + 1)
		case bool:
			v.SetBool(true)
		case map[string]Table:
			v.Set(reflect.ValueOf(map[string]Table{"a.b": {LastBy: "c"}}))
		case []Heartbeat:
			v.Set(reflect.ValueOf([]Heartbeat{{Schema: "a", Table: "b", Column: "c"}}))
		case Cutover:
			v.Set(reflect.ValueOf(Cutover{Strategy: "tool", Application: canary}))
		case Watch:
			v.Set(reflect.ValueOf(Watch{Cycle: time.Hour}))
		case []Report:
			v.Set(reflect.ValueOf([]Report{{"json", "x"}}))
		default:
			t.Fatalf("%s: a type this test does not know", f.Name)
		}
		if changed := p.OptionsHash() != plain; changed == out[f.Name] {
			t.Errorf("%s: changes the hash: %v", f.Name, changed)
		}
	}
	a, b := Default(), Default()
	a.Tables, b.Tables = []string{"x", "y"}, []string{"y", "x"}
	if a.OptionsHash() != b.OptionsHash() {
		t.Error("the order of globs changes the hash")
	}
}

// Sizes are written and read as PostgreSQL does it, in powers of 1024.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		typed string
		want  int64
		shown string
	}{
		{"0", 0, "0"}, {"0MB", 0, "0"}, {"1B", 1, "1B"}, {"64MB", 64 << 20, "64MB"}, {"64 mb", 64 << 20, "64MB"}, {"1024kB", 1 << 20, "1MB"},
		{"1GB", 1 << 30, "1GB"}, {"1500MB", 1500 << 20, "1500MB"}, {"2TB", 2 << 40, "2TB"}, {"8388607TB", 8388607 << 40, "8388607TB"},
	} {
		for _, in := range []Input{
			{Flags: flags(map[string][]string{"max-lag": {c.typed}})},
			{Config: []byte("version: 1\npairs: [{name: a, source: host=a, target: host=b, max_lag: " + c.typed + "}]")},
		} {
			pairs, err := Load(in)
			if err != nil {
				t.Errorf("%s: %v", c.typed, err)
			} else if got := pairs[0].MaxLag; got != c.want || showSize(got) != c.shown {
				t.Errorf("%s: got %d, shown as %s", c.typed, got, showSize(got))
			}
		}
	}
	for _, typed := range []string{"64", "-1MB", "+1MB", "1.5GB", "MB", "B", "64MiB", "1PB", "8388608TB", "9223372036854775808B", "64 M B"} {
		_, err := Load(Input{Flags: flags(map[string][]string{"max-lag": {typed}})})
		if err == nil || !strings.Contains(err.Error(), "--max-lag: must be a whole number with a unit") {
			t.Errorf("%s: %v", typed, err)
		}
	}
	yaml := "version: 1\npairs: [{name: a, source: host=a, target: host=b, max_lag: 64, max_active: 4kB, pause_file: 5, max_xmin_age: -1}]"
	_, err := Load(Input{ConfigPath: "c.yaml", Config: []byte(yaml)})
	for _, want := range []string{"max_lag: must be a whole number with a unit", "max_active: must be a whole number", "pause_file: must be text", "max_xmin_age: must be at least 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// A plan that is not set leaves the hash of older versions as it is: what was
// asked for is the same.
func TestAPlanIsInTheHashOnlyWhereItIsSet(t *testing.T) {
	hash := func(table Table) string {
		p := Default()
		p.PerTable = map[string]Table{"a.b": table}
		return p.OptionsHash()
	}
	without := hash(Table{LastBy: "c"})
	if with := hash(Table{LastBy: "c", Plan: "sweep"}); with == without {
		t.Error("a plan does not change the hash")
	}
	p := Default()
	p.PerTable = map[string]Table{"a.b": {LastBy: "c"}}
	if got := perTable().show(p); got != `{"a.b":{"Key":null,"LastBy":"c"}}` {
		t.Errorf("without a plan it hashes %s", got)
	}
}

// The defaults pass the checks that typed values have to pass.
func TestDefaultsAreValid(t *testing.T) {
	for _, o := range Options() {
		if d := o.Default(); d != "" && o.parse != nil {
			if _, bad := o.parse(o.split([]string{d}, false)); bad != nil {
				t.Errorf("%s: %s %v", o.Key, d, bad)
			}
		}
	}
}
