package preflight

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/testdata/zoo"
)

// zooWorld is a zoo of one major version and what its dump makes in a cluster of
// another.
func zooWorld(t *testing.T, source, target int) *world {
	t.Helper()
	s, u := zoo.Pair(t, source, target)
	w := &world{source: newEnd(t, postgres.Source, zoo.Cluster(t, source), s), target: newEnd(t, postgres.Target, zoo.Cluster(t, target), u)}
	w.source.exec(t, "ANALYZE") // else autovacuum does it, sooner or later
	w.target.exec(t, "ANALYZE")
	return w
}

func (w *world) run(t *testing.T, o Options) *Result {
	t.Helper()
	r, err := Run(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// follow has all tables published and subscribed to, the rows being there
// already; those that are published need an identity. Both ends may be in one
// cluster: then the slot has to be there before the subscription. It gives the
// name of publication, slot and subscription.
func (w *world) follow(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("zoo_%d", worlds.Add(1))
	w.source.exec(t, `DO $$
DECLARE r regclass;
BEGIN
  FOR r IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND (c.relreplident = 'n'
      OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate))
  LOOP EXECUTE 'ALTER TABLE ' || r || ' REPLICA IDENTITY FULL'; END LOOP;
END $$`, "CREATE PUBLICATION "+name+" FOR ALL TABLES")
	w.source.ask(t, "SELECT 1 FROM pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	w.target.exec(t, "CREATE SUBSCRIPTION "+name+" CONNECTION '"+w.source.url+"' PUBLICATION "+name+" WITH (create_slot = false, copy_data = false)")
	until(t, "the subscription is served", func() bool {
		return w.source.ask(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "true"
	})
	return name
}

// lines are a result's hazards, one a line, as golden lists have them.
func lines(r *Result) []string {
	list := []string{}
	for _, h := range r.Hazards {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", h.Severity, h.ID, h.Side, h.Object)))
	}
	slices.Sort(list)
	return list
}

// golden compares a result with a file of its hazards, which -update rewrites.
// stream is a name in it that each run has another of, "" for none.
func golden(t *testing.T, name, stream string, r *Result) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	got := strings.Join(lines(r), "\n") + "\n"
	if stream != "" {
		got = strings.ReplaceAll(got, stream, "STREAM")
	}
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("hazards of %s (-want +got):\n%s", name, diff)
	}
}

// looked: nothing was left unknown, and what was found says something.
func looked(t *testing.T, r *Result) {
	t.Helper()
	for _, u := range r.Unknown {
		// The package of 10 has files of a later version among its own, which
		// pg_available_extensions stumbles over.
		if strings.Contains(u.Reason, `unrecognized parameter "trusted" in file`) && strings.HasPrefix(r.Target.ServerVersion+r.Source.ServerVersion, "10.") {
			t.Logf("%s on 10: %s", u.ID, u.Reason)
			continue
		}
		t.Errorf("not looked at: %s %s: %s", u.ID, u.Side, u.Reason)
	}
	for _, h := range r.Hazards {
		if h.Sentence == "" || rank(h.Severity) < 0 {
			t.Errorf("says nothing: %+v", h)
		}
	}
}

// What a dump brings to a newer version has just the hazards that are known: at
// rest, and replicated natively.
func TestZooHazards(t *testing.T) {
	slow(t)
	for _, replicated := range []bool{false, true} {
		name := "zoo_still"
		if replicated {
			name = "zoo_replicated"
		}
		t.Run(name, func(t *testing.T) {
			w, stream := zooWorld(t, 15, 18), ""
			if replicated {
				stream = w.follow(t)
			}
			o := defaults()
			o.Deep = true
			r := w.run(t, o)
			looked(t, r)
			golden(t, name, stream, r)
			for _, n := range r.Notes {
				t.Logf("note: %s", n)
			}
		})
	}
}

// Every detector runs on every major version, on a source and on a target, and
// each of them has looked on one at least.
func TestZooOnEveryMajor(t *testing.T) {
	slow(t)
	skipped := map[string]string{}
	looks := map[string]bool{}
	for major := pgcluster.OldestMajor; major <= pgcluster.NewestMajor; major++ {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			c := zoo.Cluster(t, major)
			w := &world{source: newEnd(t, postgres.Source, c, zoo.New(t, major)), target: newEnd(t, postgres.Target, c, zoo.New(t, major))}
			w.follow(t)
			o := defaults()
			o.Deep = true
			r := w.run(t, o)
			looked(t, r)
			for _, h := range r.Hazards {
				if strings.HasPrefix(h.ID, "schema-") && h.ID != "schema-replica-identity" && h.ID != "schema-publication" { // follow makes these
					t.Errorf("the same statements made both: %+v", h)
				}
			}
			for _, c := range r.Checked {
				if c.Skipped == "" {
					looks[c.ID] = true
				} else {
					skipped[c.ID] = c.Skipped
				}
			}
		})
	}
	for _, d := range Detectors() {
		if !looks[d.ID] && livesWithout[d.ID] == "" {
			t.Errorf("%s looked on no major version: %s", d.ID, skipped[d.ID])
		}
	}
}

// livesWithout are what two databases of one cluster, natively replicated, cannot
// have a detector look at.
var livesWithout = map[string]string{
	"sequences-interleave": "changes go one way",
	"lag-growing":          "nothing is watched",
	"cascade-origin":       "there is no database in the middle",
}

// wreck brings hazards about of which some can be seen with privileges only: open
// and prepared transactions of others, a slot that nobody reads, what is behind,
// lacks or is broken on the target.
func (w *world) wreck(t *testing.T) {
	t.Helper()
	name := fmt.Sprintf("wreck_%d", worlds.Add(1))
	w.source.ask(t, "SELECT 1 FROM pg_create_logical_replication_slot('"+name+"', 'pgoutput')") // it waits for open transactions
	for _, e := range []*end{w.source, w.target} {
		other := &end{db: e.db, conn: connect(t, e.url)}
		other.exec(t, "BEGIN; INSERT INTO zoo.nobody_home VALUES (1)")
		e.exec(t, "BEGIN; INSERT INTO zoo.nobody_home VALUES (2); PREPARE TRANSACTION '"+name+"'")
		t.Cleanup(func() {
			_, _ = e.conn.Exec(context.Background(), "ROLLBACK PREPARED '"+name+"'", pgx.QueryExecModeSimpleProtocol)
		})
	}
	w.source.exec(t, "CREATE TABLE zoo.forgotten (id integer PRIMARY KEY)", "CREATE INDEX forgotten_too ON zoo.plain (touched)")
	w.target.exec(t, "SELECT setval('zoo.unowned', 3)", "SELECT setval('zoo.numbered_always_seq', 103)", "SELECT lo_unlink(400005)",
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zoo.by_brin'::regclass", "ALTER TABLE zoo.hen DISABLE TRIGGER ALL",
		"REVOKE SELECT ON zoo.v_star FROM zoo_reader", "ALTER TABLE zoo.tree OWNER TO zoo_writer", "DROP VIEW zoo.v_checked")
}

// A role that is no superuser is told what it may not see: each hazard that a
// superuser finds it finds as well, or its detector says that it could not look,
// and ends in what to grant.
func TestZooWithoutSuperuser(t *testing.T) {
	slow(t)
	for _, majors := range [][2]int{{10, 13}, {15, 18}} {
		replicated := majors[0] == 15
		t.Run(fmt.Sprintf("%d to %d, replicated %v", majors[0], majors[1], replicated), func(t *testing.T) {
			w := zooWorld(t, majors[0], majors[1])
			if replicated {
				w.follow(t)
			}
			w.wreck(t)
			o := defaults()
			o.LongTransaction = time.Millisecond
			all := w.run(t, o)
			looked(t, all)
			t.Logf("a superuser finds:\n%s", strings.Join(lines(all), "\n"))
			for name, grants := range limits {
				t.Run(name, func(t *testing.T) {
					noSilence(t, all, w.as(t, fmt.Sprintf("zoo_%s_%d", name, worlds.Add(1)), grants).run(t, o))
				})
			}
		})
	}
}

// limits are what roles without superuser are granted.
var limits = map[string]string{
	"nothing": "",
	"monitor": `GRANT pg_monitor TO %[1]s;
DO $$
DECLARE s name;
BEGIN
  FOR s IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' LOOP
    EXECUTE format('GRANT USAGE ON SCHEMA %%1$I TO %[1]s; GRANT SELECT ON ALL TABLES IN SCHEMA %%1$I TO %[1]s; GRANT SELECT ON ALL SEQUENCES IN SCHEMA %%1$I TO %[1]s', s);
  END LOOP;
END $$`,
}

// as is the same world, seen by a role with a password that may log in, and what
// it is granted.
func (w *world) as(t *testing.T, role, grants string) *world {
	t.Helper()
	var ends [2]*end
	for i, e := range []*end{w.source, w.target} {
		e.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'limited'")
		if grants != "" {
			e.exec(t, fmt.Sprintf(grants, role))
		}
		url := e.cluster.UserURL(role, "limited", e.db.Server().Database)
		ends[i] = &end{cluster: e.cluster, url: url, db: openDB(t, e.db.Side(), url), conn: e.conn}
		t.Cleanup(func() {
			_, _ = e.conn.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role, pgx.QueryExecModeSimpleProtocol)
		})
	}
	return &world{source: ends[0], target: ends[1]}
}

// speaksFor names detectors whose silence another one's Unknown explains.
func speaksFor(id string) string {
	if strings.HasPrefix(id, "sequence-") {
		return "sequence-unreadable"
	}
	return id
}

// noSilence: what a superuser finds, a role finds, or says that it cannot.
func noSilence(t *testing.T, all, r *Result) {
	t.Helper()
	found, unknown := map[string]bool{}, map[string]bool{}
	for _, l := range lines(r) {
		found[l] = true
	}
	for _, u := range r.Unknown {
		unknown[u.ID] = true
		t.Logf("unknown: %s %s: %s", u.ID, u.Side, u.Reason)
		if !strings.Contains(u.Reason, "GRANT") {
			t.Errorf("does not name the privilege: %s: %s", u.ID, u.Reason)
		}
	}
	for _, n := range r.Notes {
		t.Logf("note: %s", n)
	}
	for _, h := range all.Hazards {
		l := lines(&Result{Hazards: []Hazard{h}})[0]
		if !found[l] && !unknown[h.ID] && !unknown[speaksFor(h.ID)] {
			t.Errorf("passed over in silence: %s", l)
		}
	}
	if len(r.Unknown) > 0 && r.Verdict == Ready {
		t.Error("ready, although something could not be looked at")
	}
}
