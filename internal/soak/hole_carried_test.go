package soak_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// carried demands that a table is unproven for a reason with these words, and
// that nothing of it is accused.
func carried(t *testing.T, res *checker.Result, name string, words ...string) {
	t.Helper()
	tab := holeTable(t, res, name)
	if tab.Verdict != checker.Unproven || tab.FindingsTotal != 0 {
		t.Errorf("%s: %s with %d findings, want unproven with none\n%s", name, tab.Verdict, tab.FindingsTotal, told(res))
	}
	reasons := strings.Join(res.Reasons, "\n")
	for _, w := range append(words, name+": ") {
		if !strings.Contains(tab.Error, w) && !strings.Contains(reasons, w) {
			t.Errorf("%s: %q is in neither %q nor the reasons %q", name, w, tab.Error, res.Reasons)
		}
	}
}

// TestHoleNotCarried: what replication does not carry, or not yet, or only in
// part, differs for a reason: the worker lets the slot move on all the same, so
// that the fence is passed and each lacking row looked like a loss. Such tables
// are unproven, by name, and the others are judged.
func TestHoleNotCarried(t *testing.T) {
	sql := []string{
		"CREATE TABLE whole (id int PRIMARY KEY, v text)", "INSERT INTO whole SELECT i, 'v' FROM generate_series(1, 100) i",
		"CREATE TABLE copying (id int PRIMARY KEY, v text)", "INSERT INTO copying SELECT i, 'v' FROM generate_series(1, 100) i",
		"CREATE TABLE unpublished (id int PRIMARY KEY, v text)", "INSERT INTO unpublished SELECT i, 'v' FROM generate_series(1, 100) i",
		"CREATE TABLE filtered (id int PRIMARY KEY, v text)", "INSERT INTO filtered SELECT i, 'v' FROM generate_series(1, 100) i",
	}
	p := newPair(t, 15, 18, sql...)
	name := p.subscription
	p.source.exec(t, "CREATE PUBLICATION "+name+"_whole FOR TABLE whole", "CREATE PUBLICATION "+name+"_part FOR TABLE whole, copying, filtered WHERE (id > 10)")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" SET PUBLICATION "+name+"_whole", "TRUNCATE copying, unpublished, filtered",
		"INSERT INTO copying VALUES (7, 'in the way')", "ALTER SUBSCRIPTION "+name+" SET PUBLICATION "+name+"_part")
	until(t, "two tables are copied", func() bool {
		return p.target.ask(t, "SELECT count(*) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE subname = '"+name+"' AND srsubstate = 'r'") == "2"
	})
	began := time.Now()
	res := p.verify(t, ranges(2*time.Second))
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if whole := holeTable(t, res, "public.whole"); whole.Verdict != checker.Match {
		t.Errorf("whole: %s %s", whole.Verdict, whole.Error)
	}
	carried(t, res, "public.copying", "the replication does not carry it yet", name)
	carried(t, res, "public.unpublished", "the replication does not carry it: ", "in no subscription", "exclude it")
	carried(t, res, "public.filtered", "that may be meant", "publishes only some rows")
	if n := holeTable(t, res, "public.filtered").UnsettledTotal; n != 10 || res.Verdict != checker.Unproven {
		t.Errorf("%d rows of the filtered table are open, want those 10 that are held back; %s", n, res.Verdict)
	}

	// A table that is taken out of its publication stays with the subscription.
	p.source.exec(t, "ALTER PUBLICATION "+name+"_part DROP TABLE whole", "UPDATE whole SET v = 'new' WHERE id = 5")
	carried(t, p.verify(t, ranges(2*time.Second)), "public.whole", "that may be meant", "no publication of subscription", "REFRESH PUBLICATION")
}

// TestHoleDisabled: a subscription that is switched off. There is nothing to
// wait for, and nothing of what it lacks is a loss.
func TestHoleDisabled(t *testing.T) {
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 100) i")
	p.target.exec(t, "ALTER SUBSCRIPTION "+p.subscription+" DISABLE")
	p.source.exec(t, "UPDATE t SET v = 'new' WHERE id < 10", "DELETE FROM t WHERE id = 20", "INSERT INTO t VALUES (1001, 'new')")
	began := time.Now()
	res := p.verify(t, func(o *checker.Options) { o.Checks, o.Settle = []string{"counts", "last", "ranges"}, 3*time.Second })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s, longer than there is to settle", took)
	}
	carried(t, res, "public.t", "is disabled", `ALTER SUBSCRIPTION "`+p.subscription+`" ENABLE`)
	if res.Verdict != checker.Unproven {
		t.Errorf("the verdict is %s", res.Verdict)
	}
	p.target.exec(t, "ALTER SUBSCRIPTION "+p.subscription+" ENABLE")
	wantMatch(t, p.verify(t))
}
