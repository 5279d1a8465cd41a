package preflight

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// pglogicalEnd is a database that is a node of pglogical. It stays until its
// cluster ends, as pglogical's workers do.
func pglogicalEnd(t *testing.T, side postgres.Side, name string, sql ...string) *end {
	t.Helper()
	const bin, control = "/usr/lib/postgresql/15/bin", "/usr/share/postgresql/15/extension/pglogical.control"
	b, err := pgcluster.Ensure(t.Context(), 15)
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	if _, err := os.Stat(control); err != nil || b.BinDir != bin {
		t.Skipf("skipped: pglogical is packaged for the server in %s, and is not there, or the server at hand is another (%s)", bin, b.BinDir)
	}
	c := pgcluster.SharedWith(t, "pglogical "+name, pgcluster.Options{Major: 15, Settings: map[string]string{
		"shared_preload_libraries": "pglogical", "max_worker_processes": "32"}})
	database := fmt.Sprintf("carriage_%d", worlds.Add(1))
	if err := c.CreateDatabase(t.Context(), database, "TEMPLATE template0 STRATEGY file_copy"); err != nil {
		t.Fatal(err)
	}
	e := newEnd(t, side, c, c.URL(database))
	if list := e.ask(t, "current_setting('output_plugin_libraries', true)"); list != "" && !strings.Contains(list, "pglogical_output") {
		e.exec(t, "ALTER SYSTEM SET output_plugin_libraries = "+list+", pglogical_output", "SELECT pg_reload_conf()")
	}
	e.exec(t, append([]string{"CREATE EXTENSION pglogical"}, sql...)...)
	e.ask(t, fmt.Sprintf("SELECT pglogical.create_node('%s', 'host=%s port=%d dbname=%s user=postgres')", name, c.Host(), c.Port(), database))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Exec(ctx, database, "SELECT pglogical.drop_subscription(sub_name) FROM pglogical.subscription"); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestPglogicalCoverage: what replication sets leave out, in whole or in part,
// a heartbeat as the fence or not.
func TestPglogicalCoverage(t *testing.T) {
	slow(t)
	t.Parallel()
	const tables = `CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE "Weird ""name" (id int PRIMARY KEY); CREATE TABLE inserts (id int PRIMARY KEY); CREATE TABLE columns_ (id int PRIMARY KEY, v int);
CREATE UNLOGGED TABLE forgets (id int PRIMARY KEY)`
	source, target := pglogicalEnd(t, postgres.Source, "near", tables), pglogicalEnd(t, postgres.Target, "far", tables)
	source.ask(t, "SELECT pglogical.replication_set_add_table('default', 'good')")
	source.ask(t, "SELECT pglogical.replication_set_add_table('default', 'columns_', false, '{id}')")
	source.ask(t, "SELECT pglogical.replication_set_add_table('default_insert_only', 'inserts')")
	name := fmt.Sprintf("carriage_%d", worlds.Add(1))
	target.ask(t, fmt.Sprintf("SELECT pglogical.create_subscription('%s', 'host=%s port=%d dbname=%s user=postgres')", name, source.cluster.Host(), source.cluster.Port(), source.ask(t, "current_database()")))
	until(t, "all is copied", func() bool {
		return target.ask(t, "SELECT count(*) FILTER (WHERE sync_status = 'r') > 0 AND bool_and(sync_status = 'r') FROM pglogical.local_sync_status") == "true" &&
			target.ask(t, "SELECT status FROM pglogical.show_subscription_status('"+name+"')") == "replicating"
	})
	beating := defaults()
	beating.Fence.Heartbeats = []fence.Heartbeat{{Beat: postgres.Beat{Table: "public.good", Column: "id"}}}
	for _, o := range []Options{defaults(), beating} {
		r := survey(t, source.db, target.db, o)
		var told []string
		for _, h := range r.Hazards {
			told = append(told, fmt.Sprintf("%s %s %s", h.Severity, h.ID, h.Object))
		}
		slices.Sort(told)
		want := []string{"block publication-filtered public.columns_", "block publication-operations public.inserts", `block table-unpublished public."Weird ""name"`, "warn table-unlogged public.forgets"}
		if diff := cmp.Diff(want, told); diff != "" || len(r.Unknown) > 0 {
			t.Errorf("(-want +got), unknown %+v:\n%s", r.Unknown, diff)
		}
		if r.Coverage.Tables != 5 || r.Coverage.Carried != 1 || len(r.Coverage.NotCarried) != 4 {
			t.Errorf("counted %+v", r.Coverage)
		}
	}
	for _, h := range (&world{source, target}).look(t, "table-unpublished", defaults()) {
		source.ask(t, h.Fix)
	}
	until(t, "the added table is carried", func() bool {
		return len((&world{source, target}).look(t, "table-not-ready", defaults())) == 0
	})
	if found := (&world{source, target}).look(t, "table-unpublished", defaults()); len(found) > 0 {
		t.Errorf("still there after its own fix: %+v", found)
	}
}
