package preflight

import (
	"fmt"
	"testing"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	lives = append(lives,
		life{
			id:      "publication-operations",
			both:    []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE bad (id int PRIMARY KEY); CREATE TABLE twice (id int PRIMARY KEY); CREATE TABLE left_out (id int PRIMARY KEY)`},
			options: func(o *Options) { o.Pairing.Filter.ExcludeTables = []string{"left_out"} },
			source:  []string{`CREATE PUBLICATION ops_3 FOR TABLE left_out WITH (publish = 'insert')`, `CREATE PUBLICATION "Ops 2" FOR TABLE bad, twice WITH (publish = 'insert, truncate')`, `CREATE PUBLICATION unused FOR TABLE good WITH (publish = 'insert')`},
			during: func(t *testing.T, w *world) {
				w.source.exec(t, `CREATE PUBLICATION ops_1 FOR TABLE good, twice`)
				w.target.exec(t, fmt.Sprintf(`CREATE SUBSCRIPTION ops_1 CONNECTION '%s' PUBLICATION ops_1, "Ops 2", ops_3`, w.source.url))
			},
			want: []string{`source publication "Ops 2"`}, says: "no update, no delete", mends: true,
		},
		life{
			id: "publication-operations", majors: [2]int{10, 18},
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			during: publishes("ops_2", "TABLE good", ""),
			want:   []string{"source"}, says: "TRUNCATE",
		},
		life{
			id:     "publication-filtered",
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY, v int); CREATE TABLE "Weird ""name" (id int PRIMARY KEY, "V" int, w int GENERATED ALWAYS AS (id + 1) STORED); CREATE TABLE bad (id int PRIMARY KEY)`, parted},
			during: publishes("filtered_1", `TABLE good (id, v), "Weird ""name" (id), bad WHERE (id > 5), parted WHERE (id > 1) WITH (publish_via_partition_root)`, ""),
			want:   []string{`source public."Weird ""name"`, "source public.bad", "source public.parted"}, says: `publication "filtered_1"`, mends: true,
		},
		life{
			id:   "publisher-role",
			both: []string{`CREATE SCHEMA shop; CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE bad (id int PRIMARY KEY); CREATE TABLE shop.bad (id int PRIMARY KEY); CREATE TABLE hides (id int PRIMARY KEY)`},
			source: []string{`DO $$ BEGIN CREATE ROLE "Pub 1" LOGIN PASSWORD 'hush' REPLICATION; EXCEPTION WHEN duplicate_object THEN END $$`, `ALTER ROLE "Pub 1" REPLICATION NOBYPASSRLS`,
				`GRANT SELECT ON good, shop.bad, hides TO "Pub 1"; ALTER TABLE hides ENABLE ROW LEVEL SECURITY; CREATE POLICY few ON hides USING (id = 1)`, `INSERT INTO bad VALUES (1); INSERT INTO shop.bad VALUES (1)`},
			target: []string{`INSERT INTO hides VALUES (1)`},
			during: func(t *testing.T, w *world) {
				w.source.exec(t, "CREATE PUBLICATION role_1 FOR TABLE good, bad, shop.bad, hides", "INSERT INTO hides VALUES (1), (2)") // the copy meets a duplicate
				w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION role_1 CONNECTION '%s' PUBLICATION role_1", w.source.cluster.UserURL("Pub 1", "hush", w.source.ask(t, "current_database()"))))
				until(t, "the role is connected", func() bool {
					return w.source.ask(t, "SELECT count(*) FROM pg_stat_replication WHERE usename = 'Pub 1' AND application_name = 'role_1'") == "1"
				})
			},
			want: []string{`source role "Pub 1"`}, mends: true,
			says: "it lacks USAGE on schema shop: tables there can't be copied; it lacks SELECT on public.bad: the copy fails again and again, while the subscription looks alive; row security hides rows of public.hides",
		},
		life{
			id:     "subscription-options",
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			during: publishes("options_1", "TABLE good", " WITH (binary, disable_on_error, run_as_owner)"),
			want:   []string{"target subscription options_1", "target subscription options_1", "target subscription options_1"}, says: "binary", mends: true,
		},
		life{
			id: "source-subscribes", replicated: true,
			both:   []string{`CREATE TABLE good (id int PRIMARY KEY)`},
			source: []string{`CREATE SUBSCRIPTION "Other" CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = other_slot)`, `ALTER SUBSCRIPTION "Other" ENABLE`},
			during: func(t *testing.T, w *world) { // the way back is known, a disabled one writes nothing
				w.target.exec(t, "CREATE TABLE back (id int PRIMARY KEY)", "CREATE PUBLICATION back_1 FOR TABLE back")
				w.source.exec(t, "CREATE TABLE back (id int PRIMARY KEY)", fmt.Sprintf("CREATE SUBSCRIPTION back_1 CONNECTION '%s' PUBLICATION back_1", w.target.url),
					`CREATE SUBSCRIPTION idle CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = idle_slot)`)
			},
			want: []string{`source subscription "Other"`}, says: "writes into the source", mends: true,
		},
		life{
			id: "loop-back", majors: [2]int{18, 18},
			both: []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE bad (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				w.feed(t, "loop_1", w.source, w.target, "good, bad")
				w.feed(t, "loop_2", w.target, w.source, "bad")
				w.target.exec(t, "ALTER SUBSCRIPTION loop_1 SET (origin = none)")
			},
			want: []string{"source subscription loop_2"}, says: "of any origin: changes of public.bad that began on the source", mends: true,
		},
		life{ // before 16 nothing can leave out what it got itself
			id: "loop-back", majors: [2]int{15, 15},
			both: []string{`CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE bad (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				w.feed(t, "loop_3", w.source, w.target, "good, bad")
				w.feed(t, "loop_4", w.target, w.source, "bad")
				w.source.exec(t, "ALTER SUBSCRIPTION loop_4 DISABLE")
			},
			want: []string{"source subscription loop_4", "target subscription loop_3"}, says: "once both directions are enabled: origins can't be filtered before version 16",
		},
		life{ // the publisher is too old to leave out what the subscriber does not want
			id:   "loop-back",
			both: []string{`CREATE TABLE bad (id int PRIMARY KEY)`},
			during: func(t *testing.T, w *world) {
				w.feed(t, "loop_7", w.source, w.target, "bad")
				w.feed(t, "loop_8", w.target, w.source, "bad")
				w.target.exec(t, "ALTER SUBSCRIPTION loop_7 SET (origin = none)")
			},
			want: []string{"source subscription loop_8", "target subscription loop_7"}, says: "origins can't be filtered before version 16",
		},
		life{
			id: "heartbeat-in-all-tables", replicated: true,
			both: []string{`CREATE TABLE good (id int PRIMARY KEY)`, `CREATE TABLE beats (id int PRIMARY KEY, n int); CREATE SCHEMA pgparity; CREATE TABLE pgparity.beat (n int)`},
			options: func(o *Options) {
				for _, table := range []string{"public.beats", "pgparity.beat"} {
					o.Fence.Heartbeats = append(o.Fence.Heartbeats, fence.Heartbeat{Beat: postgres.Beat{Table: table, Column: "n"}})
				}
			},
			target: []string{`DROP TABLE pgparity.beat`},
			want:   []string{"target pgparity.beat"}, says: "the first beat stops the subscription",
		},
	)
}

// TestDirectionsApart: two directions with tables of their own send nothing back.
func TestDirectionsApart(t *testing.T) {
	slow(t)
	t.Parallel()
	c := pgcluster.Shared(t, 15)
	w := newWorld(t, c, c, `CREATE TABLE forth (id int PRIMARY KEY); CREATE TABLE back (id int PRIMARY KEY)`)
	w.feed(t, "apart_1", w.source, w.target, "forth")
	w.feed(t, "apart_2", w.target, w.source, "back, forth")
	found := w.look(t, "loop-back", defaults())
	if len(found) != 2 || found[0].Severity != schema.Block {
		t.Errorf("found %+v", found)
	}
	w.target.exec(t, "ALTER PUBLICATION apart_2 DROP TABLE forth")
	if found := w.look(t, "loop-back", defaults()); len(found) > 0 {
		t.Errorf("found without being there: %+v", found)
	}
}

// feed lets one end subscribe to tables of the other. In one cluster the slot
// is made apart, for the subscription would wait for its own transaction.
func (w *world) feed(t *testing.T, name string, from, to *end, tables string) {
	t.Helper()
	from.exec(t, fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s", name, tables), fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", name))
	to.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %[1]s WITH (copy_data = false, create_slot = false)", name, from.url))
}
