package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
)

func ptr[T any](v T) *T { return &v }

// base is what all fixtures share: a run of 3.1 s between two servers.
func base() *checker.Result {
	start := time.Date(2026, 11, 20, 3, 4, 5, 0, time.UTC)
	return &checker.Result{
		SchemaVersion: 1,
		Tool:          checker.Tool{Version: "0.1.0", OptionsHash: "5f2c9a", DigestSpec: "pgparity-1"},
		StartedAt:     start,
		FinishedAt:    start.Add(3100 * time.Millisecond),
		AsOfLSN:       "0/1A2B3C8",
		Source:        checker.ServerInfo{ServerVersion: "15.18", SystemIdentifier: "7301234567890123456", Database: "shop"},
		Target:        checker.ServerInfo{ServerVersion: "18.4", SystemIdentifier: "7399876543210987654", Database: "shop_new"},
		Reasons:       []string{}, Notes: []string{},
		Coverage:  checker.Coverage{Skipped: []checker.Skipped{}, Excluded: []checker.Skipped{}},
		Tables:    []checker.TableResult{},
		Sequences: []checker.SequenceResult{},
		Schema:    []checker.SchemaFinding{},
	}
}

func table(name string, rows, chunks int64) checker.TableResult {
	return checker.TableResult{
		Name: name, Verdict: checker.Match,
		Rows:   checker.RowCounts{Source: ptr(rows), Target: ptr(rows)},
		Chunks: checker.ChunkCounts{Planned: chunks, Compared: chunks, Strip: strings.Repeat("=", int(min(chunks, 120)))},
		Digest: "pushdown", Plan: "ranges", Key: []string{"id"},
		Columns:  []checker.ColumnForm{{Name: "id", Form: "int8"}, {Name: "note", Form: "text"}},
		Findings: []checker.Finding{},
	}
}

// add appends a table and counts it.
func add(r *checker.Result, t checker.TableResult) {
	r.Tables = append(r.Tables, t)
	r.Coverage.Tables++
	r.Coverage.ChunksPlanned += t.Chunks.Planned
	r.Coverage.ChunksCompared += t.Chunks.Compared
	if t.Rows.Source != nil {
		r.Coverage.RowsCompared += *t.Rows.Source
	}
}

func sequence(name string, last int64) checker.SequenceResult {
	v := checker.SequenceValue{LastValue: last, IsCalled: true}
	return checker.SequenceResult{Name: name, Verdict: checker.Match, Source: &v, Target: &v}
}

func matchResult() *checker.Result {
	r := base()
	r.Verdict = checker.Match
	r.Pair = "shop"
	add(r, table("public.customers", 48_210, 3))
	add(r, table("public.orders", 1_951_790, 12))
	r.Sequences = []checker.SequenceResult{sequence("public.customers_id_seq", 48_300), sequence("public.orders_id_seq", 2_000_114)}
	r.Coverage.Excluded = []checker.Skipped{{Object: "public.orders_by_day", Reason: "materialised view"}}
	return r
}

func mismatchResult() *checker.Result {
	r := base()
	r.Verdict = checker.Mismatch
	r.Pair = "shop"
	r.Reasons = []string{
		"public.orders: 903 rows differ",
		"public.audit_log: 2 rows differ",
		"public.refunds does not exist on the target",
		"sequence public.orders_id_seq is behind its source: new rows on the target would collide with rows that are already there",
	}
	r.Notes = []string{"native logical replication, 1 subscription; the target had applied all up to the fence at 0/1A2B9F0"}
	add(r, table("public.customers", 48_210, 3))
	add(r, ordersTable())
	add(r, auditTable())
	refunds := table("public.refunds", 0, 0)
	refunds.Verdict, refunds.Rows, refunds.Digest, refunds.Plan = checker.Mismatch, checker.RowCounts{}, "", ""
	refunds.Key, refunds.Columns, refunds.Notes = nil, []checker.ColumnForm{}, []string{"on the source only"}
	add(r, refunds)
	sessions := table("public.sessions", 812_004, 40)
	sessions.Verdict, sessions.Chunks.Compared, sessions.Plan = checker.Unproven, 38, "sweep"
	sessions.Chunks.Strip = strings.Repeat("=", 38) + "??"
	sessions.Error = "target: read public.sessions: canceling statement due to lock timeout (SQLSTATE 55P03)"
	add(r, sessions)
	r.Sequences = []checker.SequenceResult{
		sequence("public.customers_id_seq", 48_300),
		{Name: "public.orders_id_seq", Verdict: checker.Mismatch, Finding: "behind",
			Source: &checker.SequenceValue{LastValue: 2_000_114, IsCalled: true}, Target: &checker.SequenceValue{LastValue: 1, IsCalled: false}},
		{Name: "public.tickets_id_seq", Verdict: checker.Match, Finding: "ahead",
			Source: &checker.SequenceValue{LastValue: 40, IsCalled: true}, Target: &checker.SequenceValue{LastValue: 72, IsCalled: true}},
	}
	r.Schema = []checker.SchemaFinding{
		{Kind: "collation", Object: "public.customers.name", Source: "en_US.utf8", Target: "en-US-x-icu", Severity: "info"},
		{Kind: "column type", Object: "public.orders.total", Source: "numeric(10,2)", Target: "text", Severity: "warn"},
		{Kind: "table missing", Object: "public.refunds", Source: "table", Target: "", Severity: "block"},
	}
	r.Coverage.Skipped = []checker.Skipped{
		{Object: "public.payroll", Reason: "no SELECT privilege on the target; grant it with: pgparity grants"},
		{Object: "public.salaries", Reason: "no SELECT privilege on the target; grant it with: pgparity grants"},
	}
	r.Coverage.Excluded = []checker.Skipped{{Object: "bucardo.bucardo_delta_names", Reason: "belongs to the replication tool"}}
	return r
}

func ordersTable() checker.TableResult {
	t := table("public.orders", 1_951_790, 12)
	t.Verdict = checker.Mismatch
	t.Rows.Target = ptr(int64(1_951_787))
	t.Chunks.Strip = "====x=====x="
	t.FindingsTotal = 903
	t.Columns = append(t.Columns, checker.ColumnForm{Name: "total", Form: "output", Why: "the target's type is text"})
	t.Findings = []checker.Finding{
		{Kind: checker.KindMissing, Key: map[string]string{"id": "42"}, Values: []checker.ColumnValues{
			{Name: "id", Source: ptr("42")}, {Name: "note", Source: nil}, {Name: "total", Source: ptr("18.50")},
		}},
		{Kind: checker.KindDifferent, Key: map[string]string{"id": "7"}, Columns: []string{"note", "total"},
			Values: []checker.ColumnValues{
				{Name: "note", Source: ptr("second half, before noon; ring twice"), Target: nil},
				{Name: "total", Source: ptr("10.00"), Target: ptr("10.01")},
			}},
		{Kind: checker.KindDifferent, Key: map[string]string{"id": "8"}, Columns: []string{"note"},
			Values: []checker.ColumnValues{
				{Name: "note", Source: ptr(strings.Repeat("and again ", 40) + "left at the door"), Target: ptr(strings.Repeat("and again ", 40) + "left at the desk")},
			}},
		{Kind: checker.KindDifferent, Key: map[string]string{"id": "9"}, Columns: []string{"note"},
			Values: []checker.ColumnValues{{Name: "note", Source: ptr("café"), Target: ptr("cafe\u0301")}}},
		{Kind: checker.KindExtra, Key: map[string]string{"id": "2000115"}, Values: []checker.ColumnValues{
			{Name: "id", Target: ptr("2000115")}, {Name: "note", Target: ptr("call, then ring")}, {Name: "total", Target: nil},
		}},
	}
	return t
}

func auditTable() checker.TableResult {
	t := table("public.audit_log", 9_000, 4)
	t.Verdict, t.Digest, t.Plan, t.Key = checker.Mismatch, "stream", "multiset", nil
	t.Chunks.Strip = "=x=="
	t.FindingsTotal = 2
	t.Notes = []string{"no key: compared as a multiset"}
	t.Findings = []checker.Finding{
		{Kind: checker.KindMissing, Key: map[string]string{"row_hash": "8f3ac01b22d94e67"}, Count: &checker.SideCounts{Source: 2, Target: 1}},
		{Kind: checker.KindExtra, Key: map[string]string{"row_hash": "e9d07731b5a6c248"}, Count: &checker.SideCounts{Source: 0, Target: 1}},
	}
	return t
}

func unprovenResult() *checker.Result {
	r := base()
	r.Verdict = checker.Unproven
	r.Reasons = []string{"interrupted after 18 of 52 chunks", "2 objects were skipped"}
	add(r, table("public.customers", 48_210, 3))
	t := table("public.orders", 900_000, 49)
	t.Verdict, t.Chunks.Compared = checker.Unproven, 15
	t.Rows = checker.RowCounts{}
	t.Chunks.Strip = strings.Repeat("=", 15) + strings.Repeat("?", 34)
	t.Error = "interrupted"
	add(r, t)
	r.Coverage.Skipped = []checker.Skipped{
		{Object: "public.payroll", Reason: "row security is on and hides rows from this role; use a role with BYPASSRLS"},
		{Object: "public.archive_of_everything", Reason: "no fence: nothing was found that replicates this table"},
	}
	return r
}

// sampledResult compared a sample and found no difference.
func sampledResult() *checker.Result {
	r := matchResult()
	r.Sampled = &checker.Sampled{Seed: 20261120, RowsPerSide: 70_000, Confidence: 0.999, Share: 0.00036347,
		Sentence: "only a random sample was compared, of each table up to 70000 rows drawn on each side (seed 20261120): had at least 0.037 % of a sampled table's rows differed on either side, this would have been seen with 99.9 %"}
	for i := range r.Tables {
		t := &r.Tables[i]
		t.Plan, t.Rows, t.Chunks = "sample", checker.RowCounts{}, checker.ChunkCounts{Planned: 1, Compared: 1}
	}
	r.Tables[0].Sample = &checker.TableSample{Source: 48_210, Target: 48_210, Whole: true}
	r.Tables[0].Notes = []string{"sample: all rows were compared, which takes no longer than to draw some"}
	r.Tables[1].Sample = &checker.TableSample{Source: 19_400, Target: 19_002, Share: 0.00036347}
	r.Tables[1].Notes = []string{"sample: 19400 rows drawn on the source and 19002 on the target, none differs: if at least 0.037 % of the rows of a side differed, this would have been seen with 99.9 %"}
	r.Coverage.ChunksPlanned, r.Coverage.ChunksCompared, r.Coverage.RowsCompared = 2, 2, 67_610
	return r
}

// manyResult has two hundred tables of which most match, one with an
// unusually long name and large numbers.
func manyResult() *checker.Result {
	r := base()
	r.Verdict = checker.Mismatch
	r.FinishedAt = r.StartedAt.Add(2*time.Hour + 14*time.Minute)
	for i := range 200 {
		t := table(fmt.Sprintf("tenant_%03d.events", i), int64(1000*(i+1)), int64(i%7+1))
		switch {
		case i == 17:
			t.Name = `billing_and_invoicing."Customer Invoices of the years before the merger, archived"`
			t.Rows = checker.RowCounts{Source: ptr(int64(4_123_456_789)), Target: ptr(int64(4_123_456_788))}
			t.Chunks = checker.ChunkCounts{Planned: 41_234, Compared: 41_234, Strip: strings.Repeat("=", 60) + "x" + strings.Repeat("=", 59)}
			t.Verdict, t.FindingsTotal = checker.Mismatch, 1
			t.Key = []string{"tenant", "invoice"}
			t.Findings = []checker.Finding{{Kind: checker.KindMissing, Key: map[string]string{"tenant": "9", "invoice": "2019-000412"}}}
		case i%13 == 5:
			t.Verdict, t.Digest, t.Plan, t.Error = checker.Unproven, "", "", "source: read: permission denied (SQLSTATE 42501)"
			t.Chunks = checker.ChunkCounts{Planned: 2}
			t.Rows = checker.RowCounts{}
		}
		add(r, t)
	}
	for i := range 37 {
		r.Sequences = append(r.Sequences, sequence(fmt.Sprintf("tenant_%03d.events_id_seq", i), int64(i)))
	}
	r.Reasons = []string{"1 table differs", "15 tables were not compared"}
	return r
}

// hostile is what a database may hold to harm whoever reads a report.
const hostile = "a\x1b[2J\x1b]0;owned\x07\r\nMATCH\u009b31m\u202e\x00\xff<script>alert(1)</script>\"'`|*_[x](http://e.vil)@all #1 ]]>&amp;</code></details>"

// hostileResult holds it in every text field.
func hostileResult() *checker.Result {
	r := mismatchResult()
	h := hostile
	r.Pair, r.AsOfLSN, r.Tool.Version = h, h, h
	r.Source, r.Target = checker.ServerInfo{ServerVersion: h, SystemIdentifier: h, Database: h}, checker.ServerInfo{ServerVersion: h, Database: h}
	r.Reasons, r.Notes = []string{h}, []string{h}
	r.Sampled = &checker.Sampled{Sentence: h, RowsPerSide: 1}
	r.Coverage.Skipped = []checker.Skipped{{Object: h, Reason: "skipped: " + h}}
	r.Coverage.Excluded = []checker.Skipped{{Object: h, Reason: h}}
	t := ordersTable()
	t.Name, t.Digest, t.Plan, t.Error, t.Notes = h, h, h, h, []string{h}
	t.Chunks.Strip, t.Key = h, []string{h, "b"}
	t.Columns = []checker.ColumnForm{{Name: h, Form: h, Why: h}}
	t.Unsettled, t.AsOfLSN = []checker.Unsettled{{Key: map[string]string{h: h, "b": ""}, Why: h}}, h
	r.Replication = &checker.Replication{Kind: h, Evidence: []string{h}, BothWays: true, Troubles: []string{h}, Streams: []checker.StreamState{
		{Kind: h, Name: h, Slot: h, Confirmed: h, LagBytes: 1}, {Kind: "logical", Name: h, Reverse: true}, {Kind: "heartbeat", Name: h}}}
	t.Findings = []checker.Finding{
		{Kind: h, Key: map[string]string{h: h, "b": ""}, Columns: []string{h}, Values: []checker.ColumnValues{{Name: h, Source: &h, Target: ptr(h + "x")}}},
		{Kind: checker.KindExtra, Key: map[string]string{h: "1"}, Values: []checker.ColumnValues{{Name: h, Target: &h}}},
	}
	add(r, t)
	r.Sequences = append(r.Sequences,
		checker.SequenceResult{Name: h, Verdict: checker.Mismatch, Finding: h, Detail: h},
		checker.SequenceResult{Name: h, Finding: h})
	r.Schema = append(r.Schema, checker.SchemaFinding{Kind: h, Object: h, Source: h, Target: h, Severity: h})
	return r
}
