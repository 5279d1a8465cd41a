package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/probe"
)

func ms(values ...float64) (list []time.Duration) {
	for _, v := range values {
		list = append(list, time.Duration(v*float64(time.Millisecond)))
	}
	return list
}

// probed are reports of one round that went well but for one direction, of
// rounds that ended early, and of a side that was lost.
func probed() map[string]probeReport {
	operation := func(from, to postgres.Side, kind probe.Kind, outcome probe.Outcome, why string, latencies ...float64) *probe.Operation {
		return &probe.Operation{From: from, To: to, Kind: kind, Outcome: outcome, Why: why, Latencies: ms(latencies...)}
	}
	const s, t = postgres.Source, postgres.Target
	report := func(pair string, rounds int, r probe.Result) probeReport {
		r.Table, r.KeyColumn, r.ValueColumn, r.Rounds, r.Timeout = "public.pgparity_probe", "id", "note", rounds, 30*time.Second
		return probeReport{pair: pair, source: postgres.Server{Version: "15.18", Database: "shop"}, target: postgres.Server{Version: "18.4", Database: "shop\x1b[2J"}, Result: &r}
	}
	return map[string]probeReport{
		"oneway": report("", 1, probe.Result{Operations: []*probe.Operation{
			operation(s, t, probe.Insert, probe.Seen, "", 12.3456), operation(s, t, probe.Update, probe.Seen, "", 8.1), operation(s, t, probe.Delete, probe.Seen, "", 1204.7),
			operation(t, s, probe.Insert, probe.NotSeen, "not seen within 30s"),
			operation(t, s, probe.Update, probe.Unproven, "not tried: INSERT was not seen"), operation(t, s, probe.Delete, probe.Unproven, "not tried: INSERT was not seen"),
		}, Notes: []string{"the source had not shown the row with key 42 when it was removed on the target: should its INSERT still arrive, so will its DELETE"}}),
		"rounds": report("shop", 4, probe.Result{Operations: []*probe.Operation{
			operation(s, t, probe.Insert, probe.Seen, "", 9, 3, 6, 4), operation(s, t, probe.Update, probe.Failed, "source: update: permission denied for table x\ny (SQLSTATE 42501)", 2, 3), operation(s, t, probe.Delete, probe.Unproven, "not tried"),
		}}),
		"match": report("", 3, probe.Result{Operations: []*probe.Operation{
			operation(t, s, probe.Insert, probe.Seen, "", 9, 3, 6), operation(t, s, probe.Update, probe.Seen, "", 2, 3, 2), operation(t, s, probe.Delete, probe.Seen, "", 1, 1, 1),
		}}),
		"left": report("", 1, probe.Result{Operations: []*probe.Operation{
			operation(s, t, probe.Insert, probe.Seen, "", 5), operation(s, t, probe.Update, probe.Unproven, "target: cannot reach 127.0.0.1:5432: connection refused; check that the server runs and listens there"),
			operation(s, t, probe.Delete, probe.Unproven, "not tried: a side was lost"),
		}, Left: []probe.Leftover{{Side: t, Table: "public.pgparity_probe", Key: "42", Why: "target: cannot reach it", SQL: "DELETE FROM public.pgparity_probe WHERE id = '42';"}}}),
	}
}

// TestProbeReport holds both forms against golden files; UPDATE_SCRIPTS=1 writes
// them anew.
func TestProbeReport(t *testing.T) {
	for name, p := range probed() {
		for format, write := range map[string]func(*bytes.Buffer) error{
			"text": func(b *bytes.Buffer) error { return p.writeText(b) },
			"json": func(b *bytes.Buffer) error { return p.writeJSON(b) },
		} {
			var got bytes.Buffer
			if err := write(&got); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("..", "..", "testdata", "probe", name+"."+format+".golden")
			if os.Getenv("UPDATE_SCRIPTS") != "" {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

func TestSpread(t *testing.T) {
	if s := spreadOf(nil); s != nil {
		t.Errorf("of nothing: %v", s)
	}
	if s := spreadOf(ms(9, 1, 4)); *s != (spread{1, 4, 9}) {
		t.Errorf("of three: %v", s)
	}
	if s := spreadOf(ms(9, 1, 4, 3)); *s != (spread{1, 3.5, 9}) {
		t.Errorf("of four: %v", s)
	}
}
