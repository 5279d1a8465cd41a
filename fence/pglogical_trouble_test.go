package fence_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// TestPglogicalTroubles: a worker that stands still, a subscription that is
// switched off, a slot that is gone, a subscription that is another one, each
// named, the one by the deadline, the others at once.
func TestPglogicalTroubles(t *testing.T) {
	p := pglogicalPair(t, ledgers)
	name := follows(t, p.source, p.target, "", "'a'", "'b'")
	reads(t, p.source)
	f := p.fence(t)
	slot := p.source.ask(t, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")

	// It waits for a lock, then it is stopped: no catalog shows either.
	p.target.exec(t, "BEGIN; LOCK TABLE a")
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	m := mark(t, f)
	if s := stalls(t, f, m, 300*time.Millisecond); !errors.Is(s, context.DeadlineExceeded) || s.Troubles[0].Kind != fence.Behind || s.Troubles[0].Subject != name {
		t.Errorf("a worker that waits for a lock was told as %v", s)
	}
	pid := applier(t, p.target)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	p.target.exec(t, "ROLLBACK")
	if s := stalls(t, f, m, 300*time.Millisecond); !errors.Is(s, context.DeadlineExceeded) || s.Troubles[0].Kind != fence.Behind {
		t.Errorf("a stopped worker was told as %v", s)
	}
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := waits(t, f, m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}

	p.target.ask(t, "SELECT pglogical.alter_subscription_disable('"+name+"', true)")
	until(t, "the slot is let go", func() bool {
		return p.source.ask(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+slot+"'") == "false"
	})
	s := stalls(t, f, mark(t, f), 20*time.Second)
	if errors.Is(s, context.DeadlineExceeded) || s.Troubles[0].Kind != fence.Disabled {
		t.Errorf("a disabled subscription was told as %v", s)
	}
	contains(t, s.Error(), "pglogical.alter_subscription_enable('"+name+"')")
	if x := trouble(t, f, fence.Disabled); x == nil || !x.Blocking || x.Subject != name {
		t.Errorf("health tells %+v", x)
	}
	if d := p.detect(t); len(d.Forward) != 1 {
		t.Errorf("found disabled it is one of the pair's all the same: %+v", d)
	}

	p.source.exec(t, "SELECT pg_drop_replication_slot('"+slot+"')")
	p.target.ask(t, "SELECT pglogical.alter_subscription_enable('"+name+"', true)")
	if s := stalls(t, f, mark(t, f), 20*time.Second); s.Troubles[0].Kind != fence.SlotMissing || !s.Troubles[0].Blocking {
		t.Errorf("a dropped slot was told as %v", s)
	}
	if x := trouble(t, p.fence(t), fence.SlotMissing); x == nil || x.Subject != slot {
		t.Errorf("found without its slot, health tells %+v", x)
	}

	p.target.ask(t, "SELECT pglogical.drop_subscription('"+name+"')")
	p.target.ask(t, fmt.Sprintf("SELECT pglogical.create_subscription('%s', '%s', synchronize_data := false)", name, dsn(p.source)))
	replicating(t, p.target, name)
	reads(t, p.source)
	if s := stalls(t, f, m, 20*time.Second); s.Troubles[0].Kind != fence.Dropped {
		t.Errorf("a subscription that was made anew was told as %v", s)
	}
	if c, err := f.Cover(t.Context(), []string{"public.a"}); err != nil || len(c.Gaps) != 1 {
		t.Errorf("what was found is gone, and the gaps are %v, %v", c.Gaps, err)
	}
	// Its tables have no states: they are carried once a mark was passed.
	f = p.fence(t)
	pass(t, f)
	if c, err := f.Cover(t.Context(), []string{"public.a", "public.b"}); err != nil || len(c.Gaps) != 0 {
		t.Errorf("subscribed to without a copy, and the gaps are %v, %v", c.Gaps, err)
	}
	healthy(t, f)

	// Another subscription's slot.
	p.target.exec(t, "UPDATE pglogical.subscription SET sub_slot_name = 'other'")
	if s := stalls(t, f, mark(t, f), 20*time.Second); s.Troubles[0].Kind != fence.Dropped {
		t.Errorf("another slot was told as %v", s)
	}
	p.target.exec(t, "UPDATE pglogical.subscription SET sub_slot_name = '"+slot+"'")
}

// TestPglogicalPartial: absences that are meant are told beforehand; a set that
// holds no table withholds nothing.
func TestPglogicalPartial(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: what native publications hold back is tested; run without -short")
	}
	p := pglogicalPair(t, ledgers, "CREATE TABLE c (n int PRIMARY KEY)")
	p.source.ask(t, "SELECT pglogical.replication_set_add_table('default_insert_only', 'c')")
	follows(t, p.source, p.target, ", apply_delay := '1ms'", "'a', row_filter := 'n > 10'", "'b', columns := '{w,n}'")
	h, err := p.fence(t).Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, count := "", map[fence.TroubleKind]int{}
	for _, x := range h.Troubles {
		count[x.Kind]++
		text += x.Sentence + "\n"
	}
	contains(t, text, "update, delete of public.c", "some rows of public.a", "some columns of public.b", "00:00:00.001 late on purpose")
	if count[fence.Partial] != 3 {
		t.Errorf("partial %d times, want 3: %s", count[fence.Partial], text)
	}
}

// TestPglogicalElsewhere: subscriptions and slots of others are none of the
// pair's, also where all names agree and only the worker tells.
func TestPglogicalElsewhere(t *testing.T) {
	long(t, "further nodes")
	p := pglogicalPair(t, ledgers)
	third := node(t, postgres.Source, p.source.cluster, "near", ledgers)
	theirs := follows(t, third, p.target, "", "'a'")
	d := p.detect(t)
	if len(d.Forward) != 0 || len(d.Others) != 1 {
		t.Fatalf("found %+v", d)
	}
	contains(t, d.Others[0], theirs, "elsewhere", third.name)
	if _, err := d.Fence(); !errors.Is(err, fence.ErrUnknown) {
		t.Errorf("a third server feeds the target, and the error is %v", err)
	}
	p.target.ask(t, "SELECT pglogical.drop_subscription('"+theirs+"')")

	// A slot that another target reads.
	other := node(t, postgres.Target, p.target.cluster, "far", ledgers)
	follows(t, p.source, other, "", "'a'")
	reads(t, p.source)
	slot := p.source.ask(t, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
	d = p.detect(t)
	if _, err := d.Fence(); len(d.Forward) != 0 || len(d.Others) != 1 || !errors.Is(err, fence.ErrUnknown) {
		t.Errorf("another target reads slot %s: found %+v, %v", slot, d, err)
	}
	contains(t, d.Others[0], slot, "pglogical_output")

	// The target says that this slot is its own, as a copied cluster would.
	name := follows(t, p.source, p.target, "", []string{}...)
	reads(t, p.source)
	f := p.fence(t)
	mine := p.target.ask(t, "SELECT sub_slot_name FROM pglogical.subscription")
	p.target.exec(t, "UPDATE pglogical.subscription SET sub_slot_name = '"+slot+"'")
	d = p.detect(t)
	if len(d.Forward) != 0 {
		t.Errorf("the slot of another worker was taken for the pair's: %+v", d.Forward)
	}
	contains(t, fmt.Sprint(d.Others), name, "read for a worker of pid")
	p.target.exec(t, "UPDATE pglogical.subscription SET sub_slot_name = '"+mine+"'")
	pass(t, f)
}

// TestPglogicalGrants: without privileges on pglogical's catalogs nothing is
// proved, and the grant that cures it is named, of either side.
func TestPglogicalGrants(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: a role's grants for native subscriptions are tested; run without -short")
	}
	p := pglogicalPair(t, ledgers)
	follows(t, p.source, p.target, "", "'a'")
	reads(t, p.source)
	role := fmt.Sprintf("judge_%d", names.Add(1))
	dbs := map[*end]*postgres.DB{}
	for _, e := range []*end{p.source, p.target} {
		e.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
		t.Cleanup(func() {
			_ = e.cluster.Exec(context.Background(), e.name, "DROP OWNED BY "+role, "DROP ROLE "+role)
		})
		dbs[e] = openDB(t, e.db.Side(), e.cluster.UserURL(role, "secret", e.name))
	}
	look := func() fence.Fence {
		return made(t)(detect(t, fence.Options{Source: dbs[p.source], Target: dbs[p.target]}).Fence())
	}
	f := look()
	s := stalls(t, f, mark(t, f), 20*time.Second)
	if errors.Is(s, context.DeadlineExceeded) || s.Troubles[0].Kind != fence.NoPrivilege || s.Troubles[0].Side != postgres.Target {
		t.Errorf("told as %v", s)
	}
	if c, err := f.Cover(t.Context(), []string{"public.a"}); err == nil {
		t.Errorf("nobody knows, and the cover is %+v", c)
	}
	x := trouble(t, f, fence.NoPrivilege)
	grant := postgres.PglogicalGrant(role)
	if x == nil || !x.Blocking {
		t.Fatalf("health tells %+v", x)
	}
	contains(t, x.Sentence, grant)
	p.target.exec(t, grant)

	// The worker of which the role sees but the name, and the provider's sets
	// are not shown.
	f = look()
	p.source.exec(t, "INSERT INTO a VALUES (1, 1)")
	pass(t, f)
	if got := p.target.ask(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
	if c, err := f.Cover(t.Context(), []string{"public.a"}); err == nil {
		t.Errorf("nobody knows the sets, and the cover is %+v", c)
	}
	x = trouble(t, f, fence.NoPrivilege)
	if x == nil || x.Blocking || x.Side != postgres.Source {
		t.Fatalf("health tells %+v", x)
	}
	contains(t, x.Sentence, grant)
	p.source.exec(t, grant)

	d := detect(t, fence.Options{Source: dbs[p.source], Target: dbs[p.target]})
	contains(t, fmt.Sprint(d.Forward[0].Evidence), "GRANT SELECT ON pglogical.node_interface", "is not shown")
	f = made(t)(d.Fence())
	healthy(t, f)
	if c, err := f.Cover(t.Context(), []string{"public.a"}); err != nil || len(c.Gaps) != 0 {
		t.Errorf("granted, and the gaps are %v, %v", c.Gaps, err)
	}
}
