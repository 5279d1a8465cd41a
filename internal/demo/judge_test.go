package demo

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/checker"
)

// perfect is the report that verify should give on the damaged target.
func perfect() *checker.Result {
	r := &checker.Result{Verdict: checker.Mismatch, Coverage: checker.Coverage{Tables: shopTables, RowsCompared: shopRows, ChunksPlanned: 9, ChunksCompared: 9},
		Sequences: []checker.SequenceResult{{Name: forgotten, Verdict: checker.Match, Finding: "behind"}}}
	for _, x := range damages {
		i := slices.IndexFunc(r.Tables, func(t checker.TableResult) bool { return t.Name == x.table })
		if i < 0 {
			r.Tables = append(r.Tables, checker.TableResult{Name: x.table, Verdict: checker.Mismatch})
			i = len(r.Tables) - 1
		}
		r.Tables[i].Findings = append(r.Tables[i].Findings, x.findings...)
		r.Tables[i].FindingsTotal += int64(len(x.findings))
		if x.collides != "" {
			r.Sequences = append(r.Sequences, checker.SequenceResult{Name: x.collides, Verdict: checker.Mismatch, Finding: "collides"})
		}
	}
	return r
}

func TestJudge(t *testing.T) {
	if err := judgeDamaged(perfect(), damages); err != nil {
		t.Fatalf("the perfect report is refused: %v", err)
	}
	for name, c := range map[string]struct {
		spoil func(*checker.Result)
		want  string
	}{
		"lost finding": {func(r *checker.Result) {
			r.Tables[0].Findings = r.Tables[0].Findings[1:]
			r.Tables[0].FindingsTotal--
		}, "not found: public.customers different id=4900 (phone)"},
		"false alarm": {func(r *checker.Result) {
			r.Tables[1].Findings = append(r.Tables[1].Findings, extra(key{"id": "5"}))
			r.Tables[1].FindingsTotal++
		}, "found, and not done: public.orders extra id=5"},
		"finding twice": {func(r *checker.Result) {
			r.Tables[1].Findings = append(r.Tables[1].Findings, r.Tables[1].Findings[0])
			r.Tables[1].FindingsTotal++
		}, "found, and not done: public.orders missing id=12345"},
		"wrong column": {func(r *checker.Result) { r.Tables[0].Findings[0].Columns = []string{"born"} }, "(born)"},
		"wrong kind":   {func(r *checker.Result) { r.Tables[1].Findings[0].Kind = checker.KindExtra }, "public.orders extra id=12345"},
		"wrong copies": {func(r *checker.Result) {
			for i := range r.Tables {
				for j := range r.Tables[i].Findings {
					if r.Tables[i].Findings[j].Count != nil {
						r.Tables[i].Findings[j].Count = &checker.SideCounts{Source: 3, Target: 1}
					}
				}
			}
		}, "public.stock_log different 3:1"},
		"counted, not listed": {func(r *checker.Result) { r.Tables[0].FindingsTotal++ }, "public.customers: 1 more"},
		"table error":         {func(r *checker.Result) { r.Tables[0].Error = "it broke" }, "it broke"},
		"no sequence":         {func(r *checker.Result) { r.Sequences = nil }, "not found: sequence public.orders_id_seq collides"},
		"verdict":             {func(r *checker.Result) { r.Verdict = checker.Unproven }, "the verdict is unproven, not mismatch"},
		"rows not read":       {func(r *checker.Result) { r.Coverage.RowsCompared-- }, "405941 rows"},
		"chunks not compared": {func(r *checker.Result) { r.Coverage.ChunksCompared-- }, "8 of 9 chunks"},
		"table not there":     {func(r *checker.Result) { r.Coverage.Tables-- }, "10 tables"},
		"skipped":             {func(r *checker.Result) { r.Coverage.Skipped = []checker.Skipped{{}} }, "1 skipped"},
		"schema":              {func(r *checker.Result) { r.Schema = []checker.SchemaFinding{{Kind: "k", Object: "o"}} }, "schemas differ (k o)"},
	} {
		t.Run(name, func(t *testing.T) {
			r := perfect()
			c.spoil(r)
			err := judgeDamaged(r, damages)
			var broken *BrokenError
			if !errors.As(err, &broken) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, not a BrokenError with %q", err, c.want)
			}
		})
	}
}

func TestJudgeCleanRefusesFindings(t *testing.T) {
	r := perfect()
	r.Verdict = checker.Match
	if err := judgeClean(r); err == nil || !strings.Contains(err.Error(), "found, and not done") {
		t.Errorf("findings before the damage are taken: %v", err)
	}
}
