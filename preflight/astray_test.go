package preflight

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	lives = append(lives,
		life{ // another one writes into the target, of which one table is the pair's
			id: "target-subscribes", replicated: true,
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE "Weird ""name" (id int PRIMARY KEY)`},
			target: []string{`CREATE TABLE own (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				other := newEnd(t, postgres.Source, pgcluster.Shared(t, 13), pgcluster.Shared(t, 13).TestDB(t,
					`CREATE TABLE "Weird ""name" (id int PRIMARY KEY); CREATE TABLE own (id int PRIMARY KEY); CREATE PUBLICATION other_1 FOR TABLE "Weird ""name"; CREATE PUBLICATION other_2 FOR TABLE own`))
				for _, name := range []string{"other_1", "other_2"} {
					w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s WITH (copy_data = false)", name, other.url))
				}
			},
			want: []string{"target subscription other_1"}, says: `brings rows into public."Weird ""name" from elsewhere`, mends: true,
		},
		life{ // what fed the target ended: the pair is not one at rest
			id:   "target-subscribes",
			both: []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				name := w.replicate(t, "")
				w.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE", "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)",
					"ALTER SUBSCRIPTION "+name+" RENAME TO ended_1")
				until(t, "its slot is free", func() bool {
					return w.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = '"+name+"'") == "0"
				})
				w.source.ask(t, "SELECT pg_drop_replication_slot('"+name+"')")
			},
			want: []string{"target subscription ended_1"}, says: "nothing else feeds the target",
		},
		life{
			id: "subscription-options", replicated: true, majors: [2]int{13, 18},
			both: []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				w.target.exec(t, "ALTER SUBSCRIPTION "+subscriptionOf(t, w)+" SKIP (lsn = 'FF/1')")
				w.target.exec(t, "ALTER SUBSCRIPTION "+subscriptionOf(t, w)+" RENAME TO skips_1")
			},
			want: []string{"target subscription skips_1"}, says: "leaves out the next transaction if that ends at FF/1", mends: true,
		},
		life{ // updates are filtered, though another publication sends whole inserts
			id:   "publication-filtered",
			both: []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE bad (id int PRIMARY KEY); CREATE TABLE elsewhere (id int PRIMARY KEY); CREATE TABLE always (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				w.source.exec(t, `CREATE PUBLICATION part_1 FOR TABLE good, bad WITH (publish = 'insert')`, `CREATE PUBLICATION part_2 FOR TABLE good, bad WHERE (id > 5)`,
					`CREATE PUBLICATION part_3 FOR TABLE elsewhere WHERE (id > 5), always WHERE (true)`)
				w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION part_1 CONNECTION '%s' PUBLICATION part_1, part_2", w.source.url),
					fmt.Sprintf("CREATE SUBSCRIPTION part_3 CONNECTION '%s' PUBLICATION part_3", w.source.url))
				w.source.exec(t, `ALTER PUBLICATION part_1 ADD TABLE elsewhere`, `ALTER PUBLICATION part_1 SET (publish = 'insert, truncate')`) // which its subscription does not know
			},
			want: []string{"source public.bad", "source public.elsewhere"}, says: `publication "part_2" sends only the rows where (id > 5)`, mends: true,
		},
		life{ // it went from one publication to another, and no subscription knows
			id:   "table-unsubscribed",
			both: []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE bad (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				w.source.exec(t, `CREATE PUBLICATION moved_1 FOR TABLE bad`, `CREATE PUBLICATION moved_2 FOR TABLE good`)
				w.subscribe(t, "moved_1", "")
				w.subscribe(t, "moved_2", "")
				w.source.exec(t, `ALTER PUBLICATION moved_1 DROP TABLE bad`, `ALTER PUBLICATION moved_2 ADD TABLE bad`)
			},
			want: []string{"target public.bad"}, says: "no subscription has it, though it is published", mends: true,
		},
	)
	livesElsewhere["cascade-origin"] = "TestCascadeOrigin"
}

func subscriptionOf(t *testing.T, w *world) string {
	t.Helper()
	return w.target.ask(t, "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())")
}

// TestEndedOnPurpose: where the operator says that the pair is at rest, what a
// subscription left behind is to know only.
func TestEndedOnPurpose(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE good (id int PRIMARY KEY)`)
	name := w.replicate(t, "")
	w.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE", "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)")
	until(t, "its slot is free", func() bool {
		return w.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name = '"+name+"'") == "0"
	})
	w.source.ask(t, "SELECT pg_drop_replication_slot('"+name+"')")
	o := defaults()
	if found := w.look(t, "target-subscribes", o); len(found) != 1 || found[0].Severity != schema.Block {
		t.Errorf("a replication that ended: %+v", found)
	}
	o.Fence.Kind = fence.KindStill
	if found := w.look(t, "target-subscribes", o); len(found) != 1 || found[0].Severity != schema.Info {
		t.Errorf("at rest: %+v", found)
	}
}

// TestCascadeOrigin: the last hop of a cascade hands on what came from the source.
func TestCascadeOrigin(t *testing.T) {
	slow(t)
	t.Parallel()
	table := `CREATE TABLE good (id int PRIMARY KEY)`
	middle := pgcluster.Shared(t, 15)
	via := newEnd(t, postgres.Middle, middle, middle.TestDB(t, table))
	w := newWorld(t, pgcluster.Shared(t, 13), pgcluster.Shared(t, 18), table)
	first := &world{w.source, via}
	first.replicate(t, "")
	last := (&world{via, w.target}).replicate(t, "")
	o := defaults()
	o.Fence.Via = via.db
	if found := w.look(t, "cascade-origin", o); len(found) > 0 {
		t.Errorf("found without being there: %+v", found)
	}
	w.target.exec(t, "ALTER SUBSCRIPTION "+last+" SET (origin = none)")
	found := w.look(t, "cascade-origin", o)
	if len(found) != 1 || found[0].Object != "subscription "+last || !strings.Contains(found[0].Sentence, "none of the source's changes arrives") {
		t.Fatalf("found %+v", found)
	}
	w.target.exec(t, found[0].Fix)
	if found := w.look(t, "cascade-origin", o); len(found) > 0 {
		t.Errorf("still there after its own fix: %+v", found)
	}
}

// TestWayBackPrepared: a way back that is disabled is no second writer.
func TestWayBackPrepared(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE same`)
	w.replicate(t, "")
	bothWays(t, w)
	look := func() schema.Severity {
		found := w.look(t, "sequences-interleave", defaults())
		if len(found) != 1 {
			t.Fatalf("found %+v", found)
		}
		return found[0].Severity
	}
	if s := look(); s != schema.Block {
		t.Errorf("both write: %s", s)
	}
	w.source.exec(t, "ALTER SUBSCRIPTION back_"+w.source.ask(t, "SELECT pg_backend_pid()")+" DISABLE")
	if s := look(); s != schema.Warn {
		t.Errorf("prepared for a rollback: %s", s)
	}
}

// TestOthersPublications: where pglogical carries the tables, what publications
// filter for others leaves nothing out.
func TestOthersPublications(t *testing.T) {
	t.Parallel()
	f := &facts{detection: &fence.Detection{Forward: []fence.Found{{Kind: fence.KindPglogical}}}}
	c := carriage{tables: []*passage{{name: "public.t", leaves: []*leaf{{name: "public.t", sendings: []sending{{filter: "(id > 5)", operations: [4]bool{true, true, true, true}}}}}}}}
	c.disregard(f)
	if p := c.tables[0]; len(p.partials()) > 0 || len(p.operations()) > 0 {
		t.Errorf("held back: %+v", p.partials())
	}
}

// TestAckNeedsAnObject: an empty variable does not acknowledge everything.
func TestAckNeedsAnObject(t *testing.T) {
	t.Parallel()
	if a, err := ParseAck("table-unlogged:"); err == nil {
		t.Errorf("acknowledged %s", a)
	}
	if a, err := ParseAck("table-unlogged:public.a"); err != nil || a.Object != "public.a" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestBesideAHeartbeat: a beat that arrives does not hide that a subscription is
// switched off, and its slot is no stranger's.
func TestBesideAHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE beat (id int PRIMARY KEY, n int); CREATE TABLE other (id int PRIMARY KEY)`)
	w.source.exec(t, "INSERT INTO beat VALUES (1, 1)", "CREATE PUBLICATION beside_1 FOR TABLE beat", "CREATE PUBLICATION beside_2 FOR TABLE other")
	w.subscribe(t, "beside_1", "")
	w.subscribe(t, "beside_2", "")
	o := defaults()
	o.Fence.Heartbeats = []fence.Heartbeat{{Beat: postgres.Beat{Table: "public.beat", Column: "n"}}}
	for _, id := range []string{"stream-disabled", "slot-other"} {
		if found := w.look(t, id, o); len(found) > 0 {
			t.Errorf("%s: found without being there: %+v", id, found)
		}
	}
	w.target.exec(t, "ALTER SUBSCRIPTION beside_2 DISABLE")
	if found := w.look(t, "stream-disabled", o); len(found) != 1 || found[0].Severity != schema.Block || found[0].Object != "subscription beside_2" {
		t.Errorf("switched off beside a heartbeat: %+v", found)
	}
}

// TestKeysOfMany: reading the keys takes no longer the more constraints other
// tables have, also where the server has no statistics of its catalogs yet.
func TestKeysOfMany(t *testing.T) {
	slow(t)
	t.Parallel()
	const tables = 300
	w := newWorld(t, pgcluster.Shared(t, 13), pgcluster.Shared(t, 18))
	w.source.exec(t, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE format('CREATE TABLE t%%s (id int PRIMARY KEY, a int UNIQUE, b int UNIQUE)', i); END LOOP; END $$`, tables))
	f := w.facts(t, defaults())
	rows, err := w.source.conn.Query(t.Context(), "EXPLAIN (ANALYZE, COSTS off, TIMING off) "+f.features[postgres.Source].Fill(f.expand(keyedSQL)))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range plan {
		var thrown int
		if _, count, ok := strings.Cut(line, "Rows Removed by Join Filter: "); ok {
			if _, err := fmt.Sscan(count, &thrown); err != nil || thrown > 20*tables {
				t.Errorf("joins all with all: %v in\n%s", err, strings.Join(plan, "\n"))
			}
		}
	}
}
