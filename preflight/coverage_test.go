package preflight

import (
	"fmt"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// publishes makes a publication on the source, subscribes to it and waits until
// all is copied. The name has to be the test's own: it names a slot, too.
func publishes(name, what, with string) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		t.Helper()
		w.source.exec(t, "CREATE PUBLICATION "+name+" FOR "+what)
		w.subscribe(t, name, with)
	}
}

const parted = `CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)`

func init() {
	lives = append(lives,
		life{
			id: "nothing-replicates", replicated: true,
			both: []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				name := w.target.ask(t, "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())")
				w.target.exec(t, "DROP SUBSCRIPTION "+name)
			},
			want: []string{""}, says: "never arrives",
		},
		life{
			id: "replica-identity-missing", replicated: true,
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE full_ (id int); ALTER TABLE full_ REPLICA IDENTITY FULL`},
			source: []string{`CREATE TABLE bad (id int)`, `CREATE TABLE part (id int) PARTITION BY LIST (id)`, `CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)`},
			want:   []string{"source public.bad", "source public.part_1"}, says: "UPDATE and DELETE", mends: true,
		},
		life{ // published via the root: the partition's identity is what counts
			id:     "replica-identity-missing",
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, `CREATE TABLE part (id int) PARTITION BY LIST (id)`, `CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1)`, `ALTER TABLE part_1 REPLICA IDENTITY FULL`},
			source: []string{`CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2)`, `CREATE TABLE idle (id int)`, `CREATE PUBLICATION via_root FOR TABLE part, good WITH (publish_via_partition_root)`},
			want:   []string{"source public.part_2"}, says: "fail on the source, for", mends: true,
		},
		life{ // nothing is published yet
			id: "replica-identity-missing", majors: [2]int{10, 15},
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, `CREATE TABLE indexed (id int NOT NULL); CREATE UNIQUE INDEX by_id ON indexed (id); ALTER TABLE indexed REPLICA IDENTITY USING INDEX by_id`},
			source: []string{`CREATE TABLE "Weird ""name" (id int)`, `CREATE TABLE late (id int PRIMARY KEY DEFERRABLE)`, `CREATE TABLE shy (id int PRIMARY KEY); ALTER TABLE shy REPLICA IDENTITY NOTHING`},
			want:   []string{`source public."Weird ""name"`, "source public.late", "source public.shy"}, says: "as soon as it is published", mends: true,
		},
		life{
			id: "replica-identity-full", replicated: true, majors: [2]int{18, 15},
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, `CREATE TABLE bad (v int); CREATE TABLE keyed (id int PRIMARY KEY)`, parted},
			source: []string{`ALTER TABLE bad REPLICA IDENTITY FULL; ALTER TABLE keyed REPLICA IDENTITY FULL; ALTER TABLE parted_2 REPLICA IDENTITY FULL`},
			target: []string{`ALTER TABLE parted DROP CONSTRAINT parted_pkey`},
			want:   []string{"source public.bad", "source public.keyed", "source public.parted"},
		},
		life{
			id: "key-differs", replicated: true,
			both: []string{`CREATE TABLE good (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE keyless (id int)`, `CREATE TABLE narrow (id int PRIMARY KEY, region int NOT NULL)`,
				`CREATE TABLE gone (id int PRIMARY KEY); CREATE TABLE "Weird ""name" ("Id" int PRIMARY KEY); CREATE TABLE late (id int PRIMARY KEY); CREATE TABLE mere (id int PRIMARY KEY)`, parted,
				`CREATE TABLE whole (id int PRIMARY KEY); ALTER TABLE whole REPLICA IDENTITY FULL`},
			target: []string{`ALTER TABLE good DROP CONSTRAINT good_pkey, ADD PRIMARY KEY (b, a)`, // rows are found by it all the same
				`ALTER TABLE gone DROP CONSTRAINT gone_pkey; ALTER TABLE "Weird ""name" DROP CONSTRAINT "Weird ""name_pkey"`,
				`ALTER TABLE late DROP CONSTRAINT late_pkey, ADD PRIMARY KEY (id) DEFERRABLE`,
				`ALTER TABLE mere DROP CONSTRAINT mere_pkey; CREATE UNIQUE INDEX mere_id ON mere (id)`, // id stays NOT NULL
				`ALTER TABLE narrow DROP CONSTRAINT narrow_pkey, ADD PRIMARY KEY (id, region); CREATE UNIQUE INDEX narrow_id ON narrow (id)`,
				`ALTER TABLE parted DROP CONSTRAINT parted_pkey; ALTER TABLE whole DROP CONSTRAINT whole_pkey`},
			want: []string{"target public.gone", `target public."Weird ""name"`, "target public.late", "target public.mere", "target public.narrow", "target public.parted"},
			says: "stops the subscription", mends: true,
		},
		life{ // nothing replicates yet
			id: "key-differs", majors: [2]int{10, 13},
			both:   []string{`CREATE TABLE good (id int NOT NULL); CREATE UNIQUE INDEX ON good (id)`, `CREATE TABLE bad (id int PRIMARY KEY)`, `CREATE TABLE mere (id int PRIMARY KEY)`},
			target: []string{`ALTER TABLE bad DROP CONSTRAINT bad_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED; ALTER TABLE mere DROP CONSTRAINT mere_pkey; CREATE UNIQUE INDEX ON mere (id)`},
			want:   []string{"target public.bad"}, says: "is deferrable", mends: true,
		},
		life{
			id: "table-unpublished",
			both: []string{`CREATE SCHEMA shop; CREATE TABLE shop.good (id int PRIMARY KEY)`, parted, `CREATE TABLE listed (id int PRIMARY KEY)`,
				`CREATE TABLE bad (id int PRIMARY KEY); CREATE TABLE child () INHERITS (bad)`, `CREATE TABLE "Weird ""name" (id int PRIMARY KEY)`,
				`CREATE TABLE bare (id int) PARTITION BY LIST (id)`, `CREATE TABLE half (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE half_1 PARTITION OF half FOR VALUES IN (1); CREATE TABLE half_2 PARTITION OF half FOR VALUES IN (2)`},
			source: []string{`CREATE TABLE shop.bare (id int) PARTITION BY LIST (id)`, `CREATE UNLOGGED TABLE forgets (id int)`, `CREATE PUBLICATION another FOR TABLE bad`},
			during: publishes("unpublished_1", "TABLE parted, listed, half_1, TABLES IN SCHEMA shop", ""),
			want:   []string{"source public.bad", "source public.bare", "source public.child", `source public."Weird ""name"`, "source public.half"}, says: "never arrives", mends: true,
		},
		life{ // before 13 the partitions are listed
			id: "table-unpublished", majors: [2]int{10, 18},
			both: []string{`CREATE TABLE parted (id int) PARTITION BY LIST (id)`, `CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1); CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2)`,
				`CREATE TABLE other (id int) PARTITION BY LIST (id)`, `CREATE TABLE other_1 PARTITION OF other FOR VALUES IN (1); CREATE TABLE other_2 PARTITION OF other FOR VALUES IN (2)`},
			during: publishes("unpublished_2", "TABLE parted_1, parted_2", ""),
			want:   []string{"source public.other"}, says: "nothing sends it", mends: true,
		},
		life{
			id: "table-unsubscribed", replicated: true,
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, parted},
			source: []string{`CREATE TABLE late (id int PRIMARY KEY); CREATE TABLE parted_3 PARTITION OF parted FOR VALUES IN (3)`},
			target: []string{`CREATE TABLE late (id int PRIMARY KEY); CREATE TABLE parted_3 PARTITION OF parted FOR VALUES IN (3)`},
			want:   []string{"target public.late", "target public.parted"}, says: "no subscription has", mends: true,
		},
		life{
			id: "table-unsubscribed", replicated: true, majors: [2]int{13, 18},
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			source: []string{`CREATE TABLE alone (id int PRIMARY KEY)`},
			want:   []string{"target public.alone"}, says: "the target does not have it",
		},
		life{ // sent under the root's name from now on, which the subscription does not know
			id:     "table-unsubscribed",
			both:   []string{parted, `CREATE TABLE good (id int PRIMARY KEY)`},
			during: renamedSending,
			want:   []string{"target public.parted"}, says: "no subscription has it", mends: true,
		},
		life{
			id:     "table-not-ready",
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, `CREATE TABLE "Weird ""name" (id int PRIMARY KEY); INSERT INTO "Weird ""name" VALUES (1)`},
			source: []string{`CREATE PUBLICATION unready_1 FOR TABLE good, "Weird ""name"`},
			during: func(t *testing.T, w *world) { // the copy meets a duplicate, again and again
				w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION unready_1 CONNECTION '%s' PUBLICATION unready_1", w.source.url))
				until(t, "one table is copied, and the other failed", func() bool {
					return w.target.ask(t, `SELECT (to_jsonb(s) ->> 'sync_error_count')::int > 0 AND (SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r') = 1
						FROM pg_stat_subscription_stats s WHERE subname = 'unready_1'`) == "true"
				})
			},
			want: []string{`target public."Weird ""name"`}, says: "errors while copying",
		},
		life{
			id:     "table-unlogged",
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, parted, `CREATE TEMPORARY TABLE passing (id int)`},
			source: []string{`CREATE UNLOGGED TABLE "Weird ""name" (id int); CREATE UNLOGGED TABLE parted_3 PARTITION OF parted FOR VALUES IN (3)`},
			want:   []string{"source public.parted", `source public."Weird ""name"`}, says: "is unlogged", mends: true,
		},
		life{
			id:     "table-foreign",
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`, parted, `CREATE FOREIGN DATA WRAPPER away; CREATE SERVER far FOREIGN DATA WRAPPER away`},
			source: []string{`CREATE TABLE split (id int) PARTITION BY LIST (id); CREATE FOREIGN TABLE split_1 PARTITION OF split FOR VALUES IN (3) SERVER far; CREATE FOREIGN TABLE "Weird ""name" (id int) SERVER far`},
			want:   []string{"source public.split", `source public."Weird ""name"`}, says: "on another server",
		},
		life{
			id: "table-with-oids", majors: [2]int{10, 18},
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			source: []string{`CREATE TABLE bad (id int) WITH OIDS`},
			want:   []string{"source public.bad"}, says: "hidden oid", mends: true,
		},
		life{
			id: "partition-layout", replicated: true,
			both:   []string{parted, `CREATE TABLE whole (id int PRIMARY KEY)`},
			source: []string{`CREATE TABLE parted_3 PARTITION OF parted FOR VALUES IN (3)`},
			target: []string{`CREATE TABLE parted_rest PARTITION OF parted DEFAULT`, `DROP TABLE whole; CREATE TABLE whole (id int PRIMARY KEY) PARTITION BY LIST (id)`, `CREATE TABLE whole_all PARTITION OF whole DEFAULT`},
			want:   []string{"source public.parted"}, says: "only the source has public.parted_3, only the target has public.parted_rest; changes are sent under",
		},
		life{
			id:     "partition-layout",
			both:   []string{`CREATE TABLE parted (id int) PARTITION BY LIST (id)`},
			source: []string{`CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)`},
			target: []string{`CREATE TABLE parted_rest PARTITION OF parted DEFAULT`},
			during: publishes("layout_1", "TABLE parted WITH (publish_via_partition_root)", ""),
			want:   []string{"source public.parted"}, says: "under its own name",
		},
	)
}

// renamedSending publishes partitions, subscribes, and then publishes their root.
func renamedSending(t *testing.T, w *world) {
	publishes("renamed_1", "TABLE parted, good", "")(t, w)
	if found := w.look(t, "table-unsubscribed", defaults()); len(found) > 0 {
		t.Errorf("found without being there: %+v", found)
	}
	w.source.exec(t, "ALTER PUBLICATION renamed_1 SET (publish_via_partition_root)")
}

// TestIdentityFull: a key, or from 16 on any index, finds the rows.
func TestIdentityFull(t *testing.T) {
	t.Parallel()
	for target, slow := range map[int][]string{15: {"bad", "indexed"}, 18: {"bad"}} {
		t.Run(fmt.Sprint(target), func(t *testing.T) {
			l := life{majors: [2]int{13, target}, both: []string{`CREATE TABLE bad (v int); CREATE TABLE indexed (v int); CREATE INDEX ON indexed (v); CREATE TABLE keyed (id int PRIMARY KEY)`,
				`ALTER TABLE bad REPLICA IDENTITY FULL; ALTER TABLE indexed REPLICA IDENTITY FULL; ALTER TABLE keyed REPLICA IDENTITY FULL`}}
			w := newWorld(t, pgcluster.Shared(t, l.majors[0]), pgcluster.Shared(t, l.majors[1]), l.both...)
			w.replicate(t, " WITH (copy_data = false)")
			var warned []string
			for _, h := range w.look(t, "replica-identity-full", defaults()) {
				if h.Severity == "warn" {
					warned = append(warned, h.Object[len("public."):])
				}
			}
			if fmt.Sprint(warned) != fmt.Sprint(slow) {
				t.Errorf("warns of %v, want %v", warned, slow)
			}
		})
	}
}
