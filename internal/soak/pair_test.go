package soak_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// server is the cluster of a major version that the tests share. A worker that
// failed is started again soon, rather than after 5 s.
func server(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.SharedWith(t, fmt.Sprintf("major %d", major), pgcluster.Options{Major: major, Settings: map[string]string{
		"wal_retrieve_retry_interval": "300ms", "max_prepared_transactions": "20", "max_connections": "60",
	}})
}

// names keeps slots of tests that share a cluster apart.
var names atomic.Int64

// end is one server of a pair under test.
type end struct {
	cluster *pgcluster.Cluster
	url     string
	name    string // of the database
	conn    *pgx.Conn
}

func newEnd(t *testing.T, c *pgcluster.Cluster, sql ...string) *end {
	t.Helper()
	e := &end{cluster: c, url: c.TestDB(t, sql...)}
	e.conn = connect(t, e.url)
	e.name = e.ask(t, "current_database()")
	return e
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (e *end) exec(t *testing.T, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := e.conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatalf("%s: %s: %v", e.name, s, err)
		}
	}
}

// ask runs a query that gives one value, as text; "" for NULL and no row.
func (e *end) ask(t *testing.T, sql string) string {
	t.Helper()
	var v *string
	if err := e.conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(60 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 60 s in vain until %s", what)
		}
	}
}

// pair is a source and a target between which changes are replicated.
type pair struct {
	source, target *end
	subscription   string // the slot's name as well
}

// newPair makes a source and a target of the same definitions and lets the one
// subscribe to the other, rows being copied.
func newPair(t *testing.T, source, target int, sql ...string) *pair {
	t.Helper()
	return newPairWith(t, source, target, "", "", sql...)
}

// newPairWith is newPair with options of the publication and the subscription.
// The walsender is given little memory, so that what can be streamed is.
func newPairWith(t *testing.T, source, target int, publication, subscription string, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // runs last
	p := &pair{source: newEnd(t, server(t, source), sql...), target: newEnd(t, server(t, target), definitions(sql)...)}
	if source >= 13 {
		p.source.exec(t, "ALTER DATABASE "+p.source.name+" SET logical_decoding_work_mem = '64kB'")
	}
	p.subscribeWith(t, with(publication), with(subscription))
	return p
}

// with is the clause of options, given as SQL.
func with(options string) string {
	if options == "" {
		return ""
	}
	return " WITH (" + options + ")"
}

// definitions leaves out what fills tables.
func definitions(sql []string) []string {
	var list []string
	for _, s := range sql {
		if !strings.HasPrefix(s, "INSERT") {
			list = append(list, s)
		}
	}
	return list
}

func (p *pair) subscribe(t *testing.T) {
	t.Helper()
	p.subscribeWith(t, "", "")
}

// subscribeWith takes the clauses of options.
func (p *pair) subscribeWith(t *testing.T, publication, subscription string) {
	t.Helper()
	p.subscription = fmt.Sprintf("soak_%d", names.Add(1))
	p.source.exec(t, "CREATE PUBLICATION "+p.subscription+" FOR ALL TABLES"+publication)
	p.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s%[3]s", p.subscription, p.source.cluster.URL(p.source.name), subscription))
	t.Cleanup(p.unsubscribe)
	until(t, "all is copied", func() bool {
		return p.target.ask(t, "SELECT count(*) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE subname = '"+p.subscription+"' AND srsubstate <> 'r'") == "0"
	})
}

// unsubscribe leaves no worker behind, whatever became of the source.
func (p *pair) unsubscribe() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.target.url)
	if err != nil {
		return // it was killed
	}
	defer conn.Close(ctx)
	for _, s := range []string{"ALTER SUBSCRIPTION " + p.subscription + " DISABLE", "ALTER SUBSCRIPTION " + p.subscription + " SET (slot_name = NONE)", "DROP SUBSCRIPTION " + p.subscription} {
		_, _ = conn.Exec(ctx, s)
	}
}

// open reaches a database as pgparity does.
func open(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: url, MaxConns: 6, Run: "soak", StatementTimeout: 60 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// verify judges the pair as it is now.
func (p *pair) verify(t *testing.T, change ...func(*checker.Options)) *checker.Result {
	t.Helper()
	source, target := open(t, postgres.Source, p.source.url), open(t, postgres.Target, p.target.url)
	defer source.Close()
	defer target.Close()
	o := checker.Options{Checks: []string{"last", "ranges"}, Last: 100, Concurrency: 3, Settle: 20 * time.Second, Budget: 2 * time.Second, MaxDiffs: 1000}
	for _, c := range change {
		c(&o)
	}
	res, err := checker.Run(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// told prints what a result says, for a test that fails.
func told(res *checker.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s as of %s, after %s\n", res.Verdict, res.AsOfLSN, res.FinishedAt.Sub(res.StartedAt))
	for _, r := range res.Reasons {
		fmt.Fprintf(&b, "  %s\n", r)
	}
	for _, n := range res.Notes {
		fmt.Fprintf(&b, "  note: %s\n", n)
	}
	for _, tab := range res.Tables {
		fmt.Fprintf(&b, "  %s: %s, %d findings %v, %d unsettled %v %s\n", tab.Name, tab.Verdict, tab.FindingsTotal, tab.Findings, tab.UnsettledTotal, tab.Unsettled, tab.Error)
	}
	if res.Replication != nil {
		fmt.Fprintf(&b, "  %+v\n", *res.Replication)
	}
	return b.String()
}
