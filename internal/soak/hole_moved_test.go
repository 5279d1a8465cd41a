package soak_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/sampler"
)

// A heap of twenty pages with seven rows in each, in the order of id.
var heapTable = []string{"CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, repeat(chr(97 + i % 26), 1000) FROM generate_series(1, 140) i"}

// heapPair has such a heap on both sides, but for rows that were deleted on one
// of them, and the room for them: what is written next, and fits, goes there.
func heapPair(t *testing.T, source, target string) *pair {
	t.Helper()
	p := newPair(t, 15, 18, heapTable...)
	for e, deleted := range map[*end]string{p.source: source, p.target: target} {
		if got := e.ask(t, "SELECT count(DISTINCT (ctid::text::point)[0]) || ' ' || max(ctid::text) FILTER (WHERE id = 140) FROM t"); got != "20 (19,7)" {
			t.Fatalf("pages and last row are %s", got)
		}
		if deleted != "" {
			e.exec(t, "DELETE FROM t WHERE id IN ("+deleted+")")
		}
	}
	p.applied(t)
	p.source.exec(t, "VACUUM ANALYZE t")
	p.target.exec(t, "VACUUM ANALYZE t")
	return p
}

// page tells in which page of the heap a row is.
func (e *end) page(t *testing.T, id string) string {
	t.Helper()
	page, _, _ := strings.Cut(strings.TrimPrefix(e.ask(t, "SELECT ctid FROM t WHERE id = "+id), "("), ",")
	return page
}

// TestHoleMovedBehindTheSweep: a row that the target has lost is updated while
// the source is swept, and its new version goes to a page that was read already:
// the sweep reads it on neither side, and digests and counts are equal. Only the
// closing pass over what was written since the run began sees it.
func TestHoleMovedBehindTheSweep(t *testing.T) {
	p := heapPair(t, "1, 2", "")
	p.target.exec(t, "DELETE FROM t WHERE id = 140")
	update := func() {
		if at := p.source.page(t, "140"); at != "19" {
			t.Errorf("the row begins in page %s: nothing is tested", at)
		}
		p.source.exec(t, "UPDATE t SET v = upper(v) WHERE id = 140")
		if at := p.source.page(t, "140"); at != "0" {
			t.Errorf("the row went to page %s, and not behind the sweep: nothing is tested", at)
		}
	}
	found(t, p.verify(t, ranges(5*time.Second), planned(sampler.Sweep, 1), meanwhile(checker.PieceDone, update)), "missing 140")
}

// TestHoleMovedBetweenRanges: a key goes to a range that was compared already,
// and the row's long value, damaged on the target long ago, is not sent along
// since it did not change. Neither range shows the row: it was a match. The
// closing pass reads it by its new key.
func TestHoleMovedBetweenRanges(t *testing.T) {
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL",
		"INSERT INTO t SELECT i, repeat(chr(97 + i % 26), 9000) FROM generate_series(1, 200) i")
	p.source.exec(t, "ANALYZE t")
	p.target.exec(t, "UPDATE t SET v = 'x' || substr(v, 2) WHERE id = 190")
	move := func() { p.source.exec(t, "UPDATE t SET id = -1 WHERE id = 190") }
	res := p.verify(t, ranges(5*time.Second), planned(sampler.Ranges, 20), meanwhile(checker.UnitDone, move))
	p.applied(t)
	if got := p.target.ask(t, "SELECT left(v, 2) FROM t WHERE id = -1"); got != "xi" {
		t.Errorf("the target has %q under the new key: nothing is tested", got)
	}
	if n := holeTable(t, res, "public.t").Chunks.Planned; n < 5 {
		t.Errorf("planned in %d chunks: nothing is tested", n)
	}
	found(t, res, "different -1 v")
}

// TestHoleRewriteOnTheSource: VACUUM FULL moves rows to other pages without
// writing them, between two statements of a sweep: a row that the target has lost
// goes to a page that was read already, was read on neither side, and is not
// young either, so that the closing pass doesn't see it. The sweep begins again.
func TestHoleRewriteOnTheSource(t *testing.T) {
	p := heapPair(t, "3", "")
	p.target.exec(t, "DELETE FROM t WHERE id = 8")
	rewrite := func() {
		if at := p.source.page(t, "8"); at != "1" {
			t.Errorf("the row begins in page %s: nothing is tested", at)
		}
		p.source.exec(t, "VACUUM FULL t")
		if at := p.source.page(t, "8"); at != "0" {
			t.Errorf("the row went to page %s, and not behind the sweep: nothing is tested", at)
		}
	}
	found(t, p.verify(t, ranges(5*time.Second), planned(sampler.Sweep, 1), meanwhile(checker.PieceDone, rewrite)), "missing 8")
}

// TestHoleRewriteOnTheTarget is the same by CLUSTER, with a row that only the
// target has. The queue for a lock brings it between the first statement there
// and the second.
func TestHoleRewriteOnTheTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: the rewrite on the source is tested; run without -short")
	}
	p := heapPair(t, "3", "")
	p.source.exec(t, "ALTER PUBLICATION "+p.subscription+" SET (publish = 'insert, update')", "DELETE FROM t WHERE id = 8",
		"ALTER PUBLICATION "+p.subscription+" SET (publish = 'insert, update, delete, truncate')")
	p.applied(t)
	p.target.exec(t, "VACUUM t")
	if at := p.target.page(t, "8"); at != "1" {
		t.Fatalf("the row begins in page %q: nothing is tested", at)
	}
	holder := connect(t, p.target.url)
	var dance sync.WaitGroup
	begun := false
	t.Cleanup(dance.Wait)
	const waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass AND mode = "
	tell := func(o *checker.Options) {
		o.OnEvent = func(e checker.Event) {
			switch {
			case e.Kind == checker.RunPlanned:
				if _, err := holder.Exec(t.Context(), "BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE"); err != nil {
					t.Error(err)
				}
			case e.Kind == checker.UnitStarted && !begun:
				begun = true
				dance.Go(func() {
					until(t, "the first statement waits", func() bool { return p.target.ask(t, waiting+"'AccessShareLock'") == "1" })
					s := p.target.background(t, "CLUSTER t USING t_pkey")
					until(t, "CLUSTER waits behind it", func() bool { return p.target.ask(t, waiting+"'AccessExclusiveLock'") == "1" })
					if _, err := holder.Exec(t.Context(), "COMMIT"); err != nil {
						t.Error(err)
					}
					<-s.done
					if at := p.target.page(t, "8"); at != "0" {
						t.Errorf("the row went to page %s, and not behind the sweep: nothing is tested", at)
					}
				})
			}
		}
	}
	found(t, p.verify(t, ranges(5*time.Second), planned(sampler.Sweep, 1), tell), "extra 8")
}

// TestHoleTruncateInMidSweep: TRUNCATE gives the heap a new file between two
// statements of a sweep, and what is filled in anew is young. Nothing of what
// was read before counts.
func TestHoleTruncateInMidSweep(t *testing.T) {
	p := heapPair(t, "", "")
	refill := func() {
		p.source.exec(t, "TRUNCATE t", "INSERT INTO t SELECT i, 'again' FROM generate_series(1001, 1100) i")
		p.applied(t)
		p.target.exec(t, "DELETE FROM t WHERE id = 1050", "UPDATE t SET v = 'damaged' WHERE id = 1051")
	}
	res := p.verify(t, ranges(5*time.Second), planned(sampler.Sweep, 1), meanwhile(checker.PieceDone, refill))
	found(t, res, "different 1051 v", "missing 1050")
	if tab := holeTable(t, res, "public.t"); tab.Error != "" || *tab.Rows.Source != 100 || *tab.Rows.Target != 99 {
		t.Errorf("it was not read anew\n%s", told(res))
	}
}

// TestHoleAlwaysTrigger: a trigger on the target that fires for replicated
// changes, too, spoils a row in a range that was compared already. The change
// comes through replication, and the row is equal when the range is read: only
// the closing pass sees it.
func TestHoleAlwaysTrigger(t *testing.T) {
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'old' FROM generate_series(1, 200) i")
	p.source.exec(t, "ANALYZE t")
	p.target.exec(t, "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v || '!'; RETURN NEW; END $$",
		"CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON t FOR EACH ROW EXECUTE FUNCTION spoil()", "ALTER TABLE t ENABLE ALWAYS TRIGGER spoil")
	update := func() {
		p.source.exec(t, "UPDATE t SET v = 'new' WHERE id = 1")
		p.applied(t)
	}
	found(t, p.verify(t, ranges(5*time.Second), planned(sampler.Ranges, 20), meanwhile(checker.UnitDone, update)), "different 1 v")
}

// TestHoleFoundTwice: a row that was found to be missing is updated on the
// source afterwards, so that the closing pass meets it once more. It is one row,
// and was counted as two.
func TestHoleFoundTwice(t *testing.T) {
	p := newPair(t, 15, 18, "CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t SELECT i, 'old' FROM generate_series(1, 200) i")
	p.source.exec(t, "ANALYZE t")
	p.target.exec(t, "DELETE FROM t WHERE id = 1")
	findings := int64(-1) // when the row is updated
	change := meanwhile(checker.UnitDone, func() { p.source.exec(t, "UPDATE t SET v = 'new' WHERE id = 1") })
	res := p.verify(t, ranges(5*time.Second), planned(sampler.Ranges, 20), change, func(o *checker.Options) {
		tell := o.OnEvent
		o.OnEvent = func(e checker.Event) {
			if e.Kind == checker.UnitDone && findings < 0 {
				findings = e.Findings
			}
			tell(e)
		}
	})
	if findings != 1 {
		t.Errorf("%d findings when the row was updated: nothing is tested", findings)
	}
	found(t, res, "missing 1")
}
