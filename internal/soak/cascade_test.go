package soak_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// TestCascade: the target follows a database in the middle, which follows the
// source. Both hops are waited for under load; what was lost in the middle is
// found on the target, and a hop that stands still is named.
func TestCascade(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers: runs without -short")
	}
	near := newPair(t, 15, 18, bank(1)...)
	far := &pair{source: near.target, target: newEnd(t, server(t, 13), definitions(bank(1))...)}
	far.subscribe(t)
	via := open(t, postgres.Middle, near.target.url)
	defer via.Close()
	whole := &pair{source: near.source, target: far.target}
	through := func(settle time.Duration) func(*checker.Options) {
		return func(o *checker.Options) { o.Via, o.Settle = via, settle }
	}

	stop := trade(t, near, 1, 150)
	defer stop()
	res := whole.verify(t, through(20*time.Second))
	if res.Verdict != checker.Match || len(res.Replication.Streams) != 2 {
		t.Errorf("want a match over two streams\n%s", told(res))
	}
	near.target.exec(t, "DELETE FROM accounts WHERE aid = 4711")
	res = whole.verify(t, through(20*time.Second), func(o *checker.Options) { o.Checks = []string{"ranges"} })
	stop()
	if fmt.Sprint(res.Verdict, findings(res)) != "mismatch [missing 4711]" {
		t.Errorf("want the row that the middle lost\n%s", told(res))
	}

	far.target.exec(t, "ALTER SUBSCRIPTION "+far.subscription+" DISABLE")
	res = whole.verify(t, through(time.Second))
	if res.Verdict != checker.Unproven || !strings.Contains(strings.Join(res.Reasons, "\n"), far.subscription) {
		t.Errorf("want the hop that stands still named\n%s", told(res))
	}
	if _, err := checker.Run(t.Context(), open1(t, postgres.Source, near.source), open1(t, postgres.Target, far.target), checker.Options{Checks: []string{"ranges"}, Concurrency: 1}); err == nil || !strings.Contains(err.Error(), "comes from elsewhere") {
		t.Errorf("without the middle: %v", err)
	}
}

// open1 is open, closed when the test ends.
func open1(t *testing.T, side postgres.Side, e *end) *postgres.DB {
	db := open(t, side, e.url)
	t.Cleanup(db.Close)
	return db
}

// findings are a result's, by kind and the accounts' key.
func findings(res *checker.Result) []string {
	var list []string
	for _, tab := range res.Tables {
		for _, f := range tab.Findings {
			list = append(list, f.Kind+" "+f.Key["aid"])
		}
	}
	return list
}
