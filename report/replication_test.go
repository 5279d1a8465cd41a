package report

import (
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/pgparity/pgparity/checker"
)

// shopStream is what replicates the fixtures' pair.
func shopStream(lag int64) checker.StreamState {
	return checker.StreamState{Kind: "logical", Name: "shop", Slot: "shop", Confirmed: "0/1A2E4F0", LagBytes: lag, Worker: 4711}
}

// movingResult is a match of a pair that a subscription replicates.
func movingResult() *checker.Result {
	r := matchResult()
	r.Replication = &checker.Replication{Kind: "logical", Streams: []checker.StreamState{shopStream(12_288)}, Evidence: []string{
		`subscription "shop" on the target takes slot "shop", which exists in database "shop" of the source; 1 of its 1 publications (all_tables) are there`,
	}}
	r.Tables[0].AsOfLSN, r.Tables[1].AsOfLSN = "0/1A2B3C8", "0/1A2D010"
	return r
}

// stalledResult is of a pair whose fence was not passed: nothing is proven of
// the tables in which rows differed.
func stalledResult() *checker.Result {
	r := movingResult()
	r.Verdict = checker.Unproven
	r.Reasons = []string{"public.orders: 5 rows did not settle: the target has not applied what the source had at 0/1A2D010"}
	down := `subscription "shop" has no worker at the moment: look into the target's log; ALTER SUBSCRIPTION shop ENABLE`
	p := r.Replication
	p.BothWays, p.Troubles = true, []string{down, `slot "back" is not active: nobody reads it`}
	p.Streams[0].LagBytes, p.Streams[0].Worker = 3<<30, 0
	p.Streams = append(p.Streams, checker.StreamState{Kind: "logical", Name: "back", Slot: "back", Reverse: true, Confirmed: "0/99"},
		checker.StreamState{Kind: "logical", Name: "unread", Slot: "unread"})
	t := &r.Tables[1]
	t.Verdict, t.Error = checker.Unproven, "the fence was not passed: target: 0/1A2D010 was not reached: "+down
	t.UnsettledTotal = 5 // none is listed: --max-diffs 0
	r.Sequences[0].Verdict, r.Sequences[0].Detail = checker.Unproven, "the fence was not passed"
	return r
}

// unsettledResult is of a pair with rows that changed at each reading.
func unsettledResult() *checker.Result {
	r := movingResult()
	r.Verdict = checker.Unproven
	r.Reasons = []string{"public.orders: 19 rows did not settle in 30s; give more time with --settle"}
	r.Replication = &checker.Replication{Kind: "logical + heartbeat", Evidence: []string{"marker public.heartbeat.beat was named"},
		Streams: []checker.StreamState{shopStream(0), {Kind: "heartbeat", Name: "public.heartbeat"}}}
	t := &r.Tables[1]
	t.Verdict, t.UnsettledTotal, t.Key = checker.Unproven, 19, []string{"tenant", "number"}
	for _, n := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "a, b"} {
		t.Unsettled = append(t.Unsettled, checker.Unsettled{Key: map[string]string{"number": n, "tenant": "9"}, Why: "it changed on the source at each reading"})
	}
	t.Unsettled = append(t.Unsettled, checker.Unsettled{Key: map[string]string{"number": "77", "tenant": "8"}, Why: "a transaction of process 812 holds it since before it was read"})
	return r
}

// TestAPairAtRestReadsAsBefore: what replicates nothing is not told, but on
// request and where something is wrong with it.
func TestAPairAtRestReadsAsBefore(t *testing.T) {
	r := matchResult()
	r.Replication = &checker.Replication{Kind: "still", Evidence: []string{"no subscription, no standby and no marker was found"}}
	for _, f := range Formats() {
		if f == JSON {
			continue
		}
		if got, want := render(t, r, f, Options{}), render(t, matchResult(), f, Options{}); got != want {
			t.Errorf("%s reads otherwise:\n%s", f, got)
		}
	}
	if out := render(t, r, Text, Options{Verbose: true}); !strings.Contains(out, "  Replication  still") || !strings.Contains(out, "- no subscription") {
		t.Errorf("it can't be asked for:\n%s", out)
	}
	r.Replication.Troubles = []string{"a subscription comes from elsewhere"}
	for _, f := range []Format{Text, Markdown, HTML, JUnit} {
		if out := render(t, r, f, Options{}); !strings.Contains(out, r.Replication.Troubles[0]) {
			t.Errorf("%s hides the trouble", f)
		}
	}
}

// TestOnlyAWholeMatchSpeaksOfAll: what a report does not prove it must not say.
func TestOnlyAWholeMatchSpeaksOfAll(t *testing.T) {
	const all = "all that was visible in these tables on the source"
	sampled := movingResult()
	sampled.Sampled = sampledResult().Sampled
	counted, extra := movingResult(), movingResult()
	counted.Tables[1].Plan, counted.Tables[1].Digest = "", ""
	add(extra, checker.TableResult{Name: "public.extra", Verdict: checker.Match, Notes: []string{"on the target only"}})
	none := movingResult()
	none.Tables, none.Coverage = nil, checker.Coverage{}
	if !whole(extra) || whole(none) {
		t.Error("a table that is on the target only, or no table, is taken for content")
	}
	for _, f := range []Format{Text, Markdown, HTML, JUnit} {
		if out := render(t, movingResult(), f, Options{Width: 1000}); !strings.Contains(out, "as of 0/1A2B3C8: "+all) {
			t.Errorf("%s does not say what a match stands for:\n%s", f, out)
		}
		for name, r := range map[string]*checker.Result{"stalled": stalledResult(), "unsettled": unsettledResult(), "sampled": sampled, "counted": counted} {
			if out := render(t, r, f, Options{Width: 1000}); strings.Contains(out, all) || !strings.Contains(out, "as of 0/1A2B3C8") {
				t.Errorf("%s as %s:\n%s", name, f, out)
			}
		}
	}
}

// TestUnsettledIsNoMatch holds a table's own rows against its claim.
func TestUnsettledIsNoMatch(t *testing.T) {
	r := unsettledResult()
	r.Verdict, r.Tables[1].Verdict, r.Reasons = checker.Match, checker.Match, nil
	for f, want := range map[Format]string{
		Text: "UNPROVEN  ", JSON: "\n  \"verdict\": \"unproven\"", HTML: `<h1 id="verdict">unproven</h1>`, Markdown: "pgparity: **unproven**",
		JUnit:      `<error message="not everything planned was compared: this is no match" type="unproven">`,
		Prometheus: `pgparity_verdict{pair="shop",verdict="unproven"} 1`,
	} {
		if out := render(t, r, f, Options{Width: 1000}); !strings.Contains(out, want) {
			t.Errorf("%s shows a match:\n%s", f, out)
		}
	}
	r = movingResult()
	r.Tables[0].Unsettled = []checker.Unsettled{{Why: "it moved"}} // listed, and not counted
	if out := render(t, r, Text, Options{Width: 1000}); !strings.HasPrefix(out, "UNPROVEN") || !strings.Contains(out, "1 unsettled row") {
		t.Errorf("got\n%s", out)
	}
}

func TestStreams(t *testing.T) {
	for want, s := range map[string]checker.StreamState{
		`subscription "shop" (slot "shop"), 12.0 KiB behind`:          shopStream(12_288),
		`back to the source: subscription "b" (slot "b"), not behind`: {Kind: "logical", Name: "b", Slot: "b", Reverse: true, Confirmed: "0/1"},
		`subscription "b"`:             {Kind: "pglogical", Name: "b"},
		`standby, 3.0 GiB behind`:      {Kind: "physical", Name: "standby", Confirmed: "0/1", LagBytes: 3 << 30},
		`marker public."Beat"`:         {Kind: "heartbeat", Name: `public."Beat"`},
		`"sync", not behind`:           {Kind: "new", Name: "sync", Confirmed: "0/1"},
		`group "shop"`:                 {Kind: "bucardo", Name: "shop"},
		"all groups":                   {Kind: "bucardo"},
		`subscription "b", not behind`: {Kind: "logical", Name: "b", Confirmed: "0/1", LagBytes: -5},
	} {
		if got := streamText(&s); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	r := movingResult()
	for range listedStreams + 3 {
		r.Replication.Streams = append(r.Replication.Streams, shopStream(0))
	}
	if out := render(t, r, Text, Options{}); strings.Count(out, `subscription "shop"`) != listedStreams || !strings.Contains(out, "… and 4 more") {
		t.Errorf("the list has no end:\n%s", out)
	}
	if out := render(t, r, Text, Options{Verbose: true}); strings.Count(out, `subscription "shop"`) != listedStreams+5 { // and once in the evidence
		t.Errorf("not all are listed:\n%s", out)
	}
}

// TestReplicationMetrics: of two streams of one name the one further behind
// counts, and one whose position is unknown has no lag.
func TestReplicationMetrics(t *testing.T) {
	r := unsettledResult()
	r.Replication.Streams = append(r.Replication.Streams, shopStream(7), shopStream(3))
	back := shopStream(1)
	back.Reverse = true
	r.Replication.Streams = append(r.Replication.Streams, back)
	out := render(t, r, Prometheus, Options{})
	for _, want := range []string{
		`pgparity_replication_lag_bytes{direction="forward",pair="shop",stream="shop"} 7`,
		`pgparity_replication_lag_bytes{direction="reverse",pair="shop",stream="shop"} 1`,
		`pgparity_replication_troubles{pair="shop"} 0`,
		`pgparity_unsettled_rows{pair="shop"} 19`,
		`pgparity_table_unsettled_rows{pair="shop",table="public.orders"} 19`,
		`pgparity_table_unsettled_rows{pair="shop",table="public.customers"} 0`,
	} {
		if !strings.Contains(out, "\n"+want+"\n") {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(families["pgparity_replication_lag_bytes"].GetMetric()); n != 2 {
		t.Errorf("%d streams have a lag", n)
	}
	// Rows of a pair at rest may not settle either.
	r.Replication = nil
	if out := render(t, r, Prometheus, Options{}); strings.Contains(out, "replication") || !strings.Contains(out, `pgparity_unsettled_rows{pair="shop"} 19`) {
		t.Errorf("a pair at rest:\n%s", out)
	}
}
