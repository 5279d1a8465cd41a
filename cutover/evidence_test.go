package cutover

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/sampler"
)

// saved gives a result as a report that was saved and read again.
func saved(t *testing.T, res *checker.Result) *checker.Result {
	t.Helper()
	b, err := json.Marshal(res)
	if err != nil {
		t.Fatal(err)
	}
	again := new(checker.Result)
	if err := json.Unmarshal(b, again); err != nil {
		t.Fatal(err)
	}
	return again
}

// TestVerifyFullOwn: without a result a run verifies by itself, once while that is
// young enough.
func TestVerifyFullOwn(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	r := w.still(t, func(o *Options) { o.Verify.Checks = []string{"counts"} })
	if err := r.verifyFull(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := r.facts.Evidence
	if e != r.result.Verified || !e.Own || e.Tables != 3 || e.Rows != 2070 || e.Horizon == "" || e.ToHorizon == "" || e.Verdict != checker.Match {
		t.Fatalf("%+v", e)
	}
	if ids := takenIDs(r); ids != "verify-full verified-recently" {
		t.Errorf("%s", ids)
	}
	// Another process goes on.
	b, err := json.Marshal(r.facts)
	if err != nil {
		t.Fatal(err)
	}
	next := w.still(t, nil)
	if err := json.Unmarshal(b, &next.facts); err != nil {
		t.Fatal(err)
	}
	if err := next.verifyFull(t.Context()); err != nil || *next.facts.Evidence != *e {
		t.Errorf("%v %+v", err, next.facts.Evidence)
	}
	if ids := takenIDs(next); ids != "verified-recently" {
		t.Errorf("a verification that is young enough was made again: %s", ids)
	}
	// It is made again where it is too old, or of something else.
	for name, spoil := range map[string]func(*Evidence){
		"old":      func(e *Evidence) { e.FinishedAt = time.Now().Add(-2 * time.Hour) },
		"rollback": func(e *Evidence) { e.From, e.To = e.To, e.From },
		"scope":    func(e *Evidence) { e.Scope = "x" },
		"verdict":  func(e *Evidence) { e.Verdict = checker.Unproven },
	} {
		other := *e
		spoil(&other)
		next.facts.Evidence = &other
		if err := next.verifyFull(t.Context()); err != nil || takenIDs(next) != "verify-full verified-recently" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func takenIDs(r *run) string {
	var ids []string
	for _, a := range r.exec.taken() {
		ids = append(ids, a.ID)
	}
	return strings.Join(ids, " ")
}

// TestVerifyFullFinds: a difference ends the run, and is told without a value.
func TestVerifyFullFinds(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.target.exec(t, `UPDATE a SET v = 'a secret value' WHERE id = 5`)
	r := w.still(t, func(o *Options) { o.Verify.ShowValues = true })
	err := r.verifyFull(t.Context())
	if err == nil || !strings.Contains(err.Error(), "mismatch") || !strings.Contains(err.Error(), "public.a: 1 row differs (public.a: different id=5 (v))") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if r.facts.Evidence != nil || r.result.Verified.Verdict != checker.Mismatch {
		t.Errorf("%+v %+v", r.facts.Evidence, r.result.Verified)
	}
}

// TestVerifyFullLeavesDelayed: nothing carries a table that the switch copies.
func TestVerifyFullLeavesDelayed(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	w.target.exec(t, `TRUNCATE a`)
	r := w.still(t, func(o *Options) { o.Delayed = []Delayed{{Table: "public.a"}} })
	if err := r.verifyFull(t.Context()); err != nil || r.facts.Evidence.Tables != 2 {
		t.Errorf("%v %+v", err, r.facts.Evidence)
	}
}

// TestVerifyFullGiven: a result that somebody saved is believed only where it says
// enough.
func TestVerifyFullGiven(t *testing.T) {
	w := newWorld(t, 13, 17, gateTables...)
	r := w.still(t, nil)
	good, _, err := r.verifyNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.o.Verified = saved(t, good)
	if err := r.verifyFull(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := r.facts.Evidence; e.Own || e.Horizon != "" || e.AsOfLSN != good.AsOfLSN {
		t.Errorf("%+v", e)
	}
	back := w.still(t, func(o *Options) { o.Source, o.Target = o.Target, o.Source })
	back.o.Verified = saved(t, good)
	for name, c := range map[string]struct {
		run   *run
		spoil func(*checker.Result)
		want  string
	}{
		"mismatch": {r, func(res *checker.Result) {
			res.Verdict, res.Reasons = checker.Mismatch, []string{"public.a: 3 rows differ"}
		}, "ended in mismatch and not in a match: public.a: 3 rows differ"},
		"unproven":         {r, func(res *checker.Result) { res.Verdict = checker.Unproven }, "ended in unproven"},
		"old":              {r, func(res *checker.Result) { res.FinishedAt = time.Now().Add(-90 * time.Minute) }, "it ended 1h30m0s ago, and may be 1h0m0s old"},
		"of the future":    {r, func(res *checker.Result) { res.FinishedAt = time.Now().Add(time.Hour) }, "compare the clocks"},
		"without an end":   {r, func(res *checker.Result) { res.FinishedAt = time.Time{} }, "when it ended is not known"},
		"another system":   {r, func(res *checker.Result) { res.Target.SystemIdentifier = "1" }, "it compared with 1/"},
		"another database": {r, func(res *checker.Result) { res.Source.Database = "other" }, "/other (system identifier/database), and what is switched from is"},
		"the other way":    {back, func(*checker.Result) {}, "and what is switched from is"},
		"a sample":         {r, func(res *checker.Result) { res.Sampled = &checker.Sampled{} }, "it compared a sample"},
		"a sampled table":  {r, func(res *checker.Result) { res.Tables[0].Sample, res.Tables[0].Plan = &checker.TableSample{}, "sample" }, "public.a: only a sample was compared"},
		"counts":           {r, func(res *checker.Result) { res.Tables[1].Plan = "" }, "public.k: its content was not compared"},
		"a table less":     {r, func(res *checker.Result) { res.Tables = res.Tables[1:] }, "public.a: it is not in it"},
		"half a table":     {r, func(res *checker.Result) { res.Tables[2].Chunks.Compared = 0 }, "public.s: not all of it was compared"},
		"a table unproven": {r, func(res *checker.Result) { res.Tables[2].Verdict = checker.Unproven }, "public.s: its verdict is unproven"},
	} {
		res := saved(t, good)
		c.spoil(res)
		c.run.o.Verified, c.run.facts.Evidence = res, nil
		err := c.run.verifyFull(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "the run then verifies by itself") || c.run.facts.Evidence != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	// Every way of comparing all content will do.
	multiset := w.still(t, func(o *Options) {
		o.Verify.Plans = map[string]sampler.Strategy{"public.s": sampler.Sweep}
		o.Verify.Digest = hashing.Stream
	})
	if res, _, err := multiset.verifyNow(t.Context()); err != nil || multiset.covers(res) != nil {
		t.Errorf("%v %v", err, multiset.covers(res))
	}
}

// TestVerifyFullDry: a plan lists what a run would do.
func TestVerifyFullDry(t *testing.T) {
	w := newWorld(t, 15, 18, gateTables...)
	r := w.still(t, nil)
	r.exec = &dry{}
	for _, part := range []func() error{func() error { return r.verifyFull(t.Context()) }, func() error { return r.catchUp(t.Context()) },
		func() error { return r.prepareGate(t.Context()) }, func() error { return r.verifyWindow(t.Context()) }} {
		if err := part(); err != nil {
			t.Fatal(err)
		}
	}
	if ids := takenIDs(r); ids != "verify-full verified-recently gate-fits gate-verify" || r.facts.Evidence != nil || r.result.Gate != nil {
		t.Errorf("%s %+v", ids, r.result)
	}
}
