package fence_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

const ledgers = `CREATE TABLE a (w int, n int, PRIMARY KEY (w, n)); CREATE TABLE b (w int, n int, PRIMARY KEY (w, n));`

// TestStoppedWorker: the log was sent, but nothing is applied: the fence holds,
// says so, and lets go once the worker goes on.
func TestStoppedWorker(t *testing.T) {
	long(t, "takes seconds")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a, b", "")
	f := p.fence(t)
	healthy(t, f)
	// A lock rather than a signal: the worker answers keepalives, and all was
	// sent to it, but the row waits.
	blocker := connect(t, p.target.cluster.URL(p.target.name))
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE a"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	m := mark(t, f)
	err := waits(t, f, m, time.Second)
	var stalled *fence.Stalled
	if !errors.As(err, &stalled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the worker is blocked, and the fence says: %v", err)
	}
	if stalled.Troubles[0].Kind != fence.Behind {
		t.Errorf("the trouble is %q: %v", stalled.Troubles[0].Kind, err)
	}
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
}

// TestReceivedNotApplied: the worker has received even the commit, and not
// finished it: positions sent and received are past the mark, the row is not
// visible.
func TestReceivedNotApplied(t *testing.T) {
	long(t, "the quick pair has the commoner ways")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	subscribe(t, p.source, p.target, "b", "") // which has nothing to do
	name := subscribe(t, p.source, p.target, "a", "")
	p.target.exec(t, `CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END'`,
		`CREATE CONSTRAINT TRIGGER hold AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold()`,
		`ALTER TABLE a ENABLE ALWAYS TRIGGER hold`, `SELECT pg_advisory_lock(7)`)
	f := p.fence(t)
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	m := mark(t, f)
	until(t, "the commit is received", func() bool {
		return p.target.ask(t, "SELECT received_lsn >= '"+m.LSN.String()+"' FROM pg_stat_subscription WHERE subname = '"+name+"'") == "true"
	})
	if s := stalls(t, f, m, 500*time.Millisecond); !has(s, fence.Behind) {
		t.Errorf("told as %v", s)
	}
	p.target.exec(t, `SELECT pg_advisory_unlock(7)`)
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
}

// TestCancelledWait: a run that is interrupted is no stall.
func TestCancelledWait(t *testing.T) {
	long(t, "the quick pair has the commoner ways")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	blocker := connect(t, p.target.cluster.URL(p.target.name))
	if _, err := blocker.Exec(t.Context(), "BEGIN; LOCK TABLE a"); err != nil {
		t.Fatal(err)
	}
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	m := mark(t, f)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the operator had enough")
	time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
	if err := f.Wait(ctx, m); !errors.Is(err, why) {
		t.Errorf("a cancelled wait of %s ended with %v", name, err)
	}
}

// TestAsynchronous: a commit that is visible before it is flushed lies before
// the mark all the same.
func TestAsynchronous(t *testing.T) {
	long(t, "a cluster of its own")
	slow := pgcluster.SharedWith(t, "slow walwriter", pgcluster.Options{Major: 15, Settings: map[string]string{"wal_writer_delay": "1s"}})
	p := newPair(t, slow, server(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	p.source.exec(t, "SET synchronous_commit = off")
	for n := range 3 {
		p.source.exec(t, fmt.Sprintf("INSERT INTO a VALUES (1, %d)", n))
		pass(t, f)
		if got := p.target.ask(t, fmt.Sprintf("SELECT count(*) FROM a WHERE n = %d", n)); got != "1" {
			t.Fatalf("row %d was visible on the source and is not on the target behind the fence", n)
		}
	}
}

// TestIdleSwitch: on an idle source that switched its segment the position is
// just behind a header that nobody sends.
func TestIdleSwitch(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	subscribe(t, p.source, p.target, "a", "")
	f := p.fence(t)
	for range 3 {
		p.source.exec(t, "CREATE TABLE IF NOT EXISTS filler (n int)", "INSERT INTO filler VALUES (1)", "SELECT pg_switch_wal()")
		if took := pass(t, f); took > 5*time.Second {
			t.Errorf("the fence took %v after a switch of the segment", took)
		}
	}
}

// TestCover: what a subscription does not carry is told, by name and state, and
// so is a state that changed between two looks.
func TestCover(t *testing.T) {
	p := newPair(t, server(t, 15), server(t, 18), ledgers,
		`CREATE TABLE parts (n int PRIMARY KEY) PARTITION BY RANGE (n)`, `CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)`,
		`CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)`)
	name := subscribe(t, p.source, p.target, "a, parts_1", "")
	f := p.fence(t)
	cover := func(tables ...string) fence.Cover {
		t.Helper()
		c, err := f.Cover(t.Context(), tables)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := cover("public.a")
	if len(before.Gaps) != 0 {
		t.Errorf("a is carried, and the gaps are %v", before.Gaps)
	}
	if gaps := cover("public.a", "public.b").Gaps; len(gaps) != 1 || gaps[0].Table != "public.b" || gaps[0].State != "" {
		t.Errorf("b is in no subscription, and the gaps are %v", gaps)
	}
	if gaps := cover("public.parts").Gaps; len(gaps) != 1 || gaps[0].Leaf != "public.parts_2" {
		t.Errorf("one partition is not carried, and the gaps are %v", gaps)
	}
	if gaps := cover("public.nowhere").Gaps; len(gaps) != 1 {
		t.Errorf("a table that does not exist has the gaps %v", gaps)
	}
	if !before.Same(cover("public.a")) {
		t.Error("nothing happened, and the covers are not the same")
	}
	// Taken out and put in again between two looks, the table was being copied.
	p.source.exec(t, "ALTER PUBLICATION "+name+" SET TABLE parts_1")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" REFRESH PUBLICATION")
	p.source.exec(t, "ALTER PUBLICATION "+name+" SET TABLE a, parts_1")
	p.target.exec(t, "ALTER SUBSCRIPTION "+name+" REFRESH PUBLICATION")
	until(t, "it is copied again", func() bool { return unready(t, p.target) == 0 })
	if before.Same(cover("public.a")) {
		t.Error("the table was copied anew, and the covers are the same")
	}
}

// TestRoots: a root that is subscribed to carries its partitions.
func TestRoots(t *testing.T) {
	long(t, "the quick pair has the commoner ways")
	p := newPair(t, server(t, 15), server(t, 18),
		`CREATE TABLE parts (n int PRIMARY KEY) PARTITION BY RANGE (n)`, `CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)`)
	name := fmt.Sprintf("shop_%d", names.Add(1))
	p.source.exec(t, "CREATE PUBLICATION "+name+" FOR TABLE parts WITH (publish_via_partition_root)")
	p.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s", name, p.source.cluster.URL(p.source.name)))
	until(t, "all is copied", func() bool { return unready(t, p.target) == 0 })
	c, err := p.fence(t).Cover(t.Context(), []string{"public.parts", "public.parts_1"})
	if err != nil || len(c.Gaps) != 0 {
		t.Errorf("the root is subscribed to, and the gaps are %v, %v", c.Gaps, err)
	}
}

// TestOrdinaryRole: detection, waiting and looking need no privilege.
func TestOrdinaryRole(t *testing.T) {
	for _, majors := range [][2]int{{15, 18}, {11, 15}, {10, 13}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			if majors[0] != 15 {
				long(t, "further versions")
			}
			p := newPair(t, server(t, majors[0]), server(t, majors[1]), ledgers)
			subscribe(t, p.source, p.target, "a, b", "")
			var dbs []*postgres.DB
			for i, e := range []*end{p.source, p.target} {
				role := fmt.Sprintf("judge_%d", names.Add(1))
				e.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
				t.Cleanup(func() { _ = e.cluster.Exec(context.Background(), "postgres", "DROP ROLE "+role) })
				dbs = append(dbs, openDB(t, []postgres.Side{postgres.Source, postgres.Target}[i], e.cluster.UserURL(role, "secret", e.name)))
			}
			d := detect(t, fence.Options{Source: dbs[0], Target: dbs[1]})
			if len(d.Forward) != 1 {
				t.Fatalf("found %+v, others %q", d.Forward, d.Others)
			}
			contains(t, fmt.Sprint(d.Forward[0].Evidence), "GRANT SELECT (subconninfo)")
			f := made(t)(d.Fence())
			p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
			pass(t, f)
			if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
				t.Errorf("behind the fence the target has %s rows, want 1", got)
			}
			c, err := f.Cover(t.Context(), []string{"public.a"})
			if err != nil || len(c.Gaps) > 0 {
				t.Errorf("gaps %v, %v", c.Gaps, err)
			}
			b := made(t)(d.Barrier([]string{"public.a"}))
			pass(t, b)
		})
	}
}

// TestHiddenTables: where it can't be read which tables are carried, that is
// told with the grant, and there is no proof. The grant then cures it.
func TestHiddenTables(t *testing.T) {
	long(t, "the quick pair has the commoner ways")
	p := newPair(t, server(t, 15), server(t, 18), ledgers)
	name := subscribe(t, p.source, p.target, "a", "")
	role := fmt.Sprintf("judge_%d", names.Add(1))
	p.target.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() { _ = p.target.cluster.Exec(context.Background(), "postgres", "DROP ROLE "+role) })
	blind := openDB(t, postgres.Target, p.target.cluster.UserURL(role, "secret", p.target.name))
	// A subscription of that name in another database of the cluster.
	other := open(t, postgres.Target, p.target.cluster, p.target.cluster.TestDB(t))
	other.exec(t, "CREATE SUBSCRIPTION "+name+" CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE, enabled = false, create_slot = false)")
	for _, c := range []struct {
		revoke, grant string
		blocking      bool
	}{
		{"SELECT ON pg_subscription_rel", "SELECT ON pg_catalog.pg_subscription_rel", false},
		{"SELECT (oid) ON pg_subscription", "SELECT (oid) ON pg_catalog.pg_subscription", true},
	} {
		p.target.exec(t, "REVOKE "+c.revoke+" FROM PUBLIC")
		find := func() fence.Fence {
			return made(t)(detect(t, fence.Options{Source: p.source.db, Target: blind}).Fence())
		}
		f := find()
		if m := mark(t, f); c.blocking {
			if s := stalls(t, f, m, 20*time.Second); errors.Is(s, context.DeadlineExceeded) || !has(s, fence.NoPrivilege) {
				t.Errorf("%s: told as %v", c.revoke, s)
			}
		} else if err := waits(t, f, m, 20*time.Second); err != nil {
			t.Fatal(err)
		}
		x := trouble(t, f, fence.NoPrivilege)
		if x == nil || x.Subject != name || x.Blocking != c.blocking {
			t.Fatalf("%s: health tells %+v", c.revoke, x)
		}
		grant := "GRANT " + c.grant + " TO " + role
		contains(t, x.Sentence, grant)
		if cover, err := f.Cover(t.Context(), []string{"public.a"}); err == nil {
			t.Errorf("%s: nobody knows, and the cover is %+v", c.revoke, cover)
		}
		p.target.exec(t, grant)
		f = find()
		healthy(t, f)
		if cover, err := f.Cover(t.Context(), []string{"public.a"}); err != nil || len(cover.Gaps) != 0 {
			t.Errorf("%s: granted, and the gaps are %v, %v", c.grant, cover.Gaps, err)
		}
		p.target.exec(t, "REVOKE "+c.grant+" FROM "+role, "GRANT "+c.revoke+" TO PUBLIC")
	}
}
