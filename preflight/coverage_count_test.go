package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// survey runs the detectors of this file's concern, and counts.
func survey(t *testing.T, source, target *postgres.DB, o Options) *Result {
	t.Helper()
	f, err := gather(t.Context(), source, target, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{}
	for _, d := range slices.Concat(coverageDetectors, subscriptionDetectors) {
		hazards, unknown, _ := d.look(t.Context(), f)
		r.Hazards, r.Unknown = append(r.Hazards, hazards...), append(r.Unknown, unknown...)
	}
	r.cover(f)
	return r
}

const covered = `CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE "Weird ""name" ("Id" int PRIMARY KEY);
CREATE TABLE split (id int) PARTITION BY LIST (id); CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1); CREATE TABLE split_2 PARTITION OF split FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE split_2_2 PARTITION OF split_2 FOR VALUES IN (2); ALTER TABLE split_1 REPLICA IDENTITY FULL; ALTER TABLE split_2_2 REPLICA IDENTITY FULL; CREATE INDEX ON split_1 (id); CREATE INDEX ON split_2_2 (id)`

// TestHealthyPairs: an ordinary pair is carried whole, and nothing is in its way,
// from any version, for a role that may do nothing but connect.
func TestHealthyPairs(t *testing.T) {
	slow(t)
	for source, target := range map[int]int{10: 18, 13: 18, 15: 18, 18: 15} {
		t.Run(fmt.Sprintf("%d to %d", source, target), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgcluster.Shared(t, source), pgcluster.Shared(t, target), covered)
			w.source.exec(t, "CREATE UNLOGGED TABLE unlogged (id int)")
			w.replicate(t, " WITH (copy_data = false)")
			for _, as := range []string{"superuser", "nobody"} {
				r := survey(t, w.source.as(t, as), w.target.as(t, as), defaults())
				for _, u := range r.Unknown {
					t.Errorf("%s could not look: %+v", as, u)
				}
				for _, h := range r.Hazards {
					truncates := source == 10 && h.ID == "publication-operations"
					if h.Severity != schema.Info && h.ID != "table-unlogged" && !truncates && (h.ID != "replica-identity-full" || target >= 16) {
						t.Errorf("%s: %+v", as, h)
					}
				}
				want := Coverage{Tables: 4, Carried: 3, NotCarried: []Omitted{{"public.unlogged", "it is unlogged"}}}
				if diff := cmp.Diff(want, r.Coverage); diff != "" {
					t.Errorf("%s: (-want +got):\n%s", as, diff)
				}
			}
		})
	}
}

// as opens an end as a role of no privileges, or as it is.
func (e *end) as(t *testing.T, role string) *postgres.DB {
	t.Helper()
	if role == "superuser" {
		return e.db
	}
	e.exec(t, "DO $$ BEGIN CREATE ROLE "+role+" LOGIN PASSWORD 'hush'; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$")
	return openDB(t, e.db.Side(), e.cluster.UserURL(role, "hush", e.ask(t, "current_database()")))
}

// inTheWay is everything that keeps a table from being carried whole.
const inTheWay = `CREATE TABLE whole (id int PRIMARY KEY); CREATE TABLE unlisted (id int PRIMARY KEY); CREATE TABLE late (id int PRIMARY KEY); CREATE TABLE copied (id int PRIMARY KEY); INSERT INTO copied VALUES (1);
CREATE TABLE rows_ (id int PRIMARY KEY); CREATE TABLE columns_ (id int PRIMARY KEY, v int); CREATE TABLE inserts (id int PRIMARY KEY); CREATE UNLOGGED TABLE forgets (id int PRIMARY KEY);
CREATE TABLE half (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE half_1 PARTITION OF half FOR VALUES IN (1); CREATE TABLE half_2 PARTITION OF half FOR VALUES IN (2);
CREATE FOREIGN DATA WRAPPER away; CREATE SERVER far FOREIGN DATA WRAPPER away; CREATE FOREIGN TABLE elsewhere (id int) SERVER far;
CREATE TABLE mixed (id int) PARTITION BY LIST (id); CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1); CREATE UNLOGGED TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2);
CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one`

// TestNothingFallsOut: each table of the source is either carried whole, or is
// told of by a hazard that somebody has to deal with.
func TestNothingFallsOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), inTheWay)
	w.source.exec(t, "CREATE TABLE alone (id int PRIMARY KEY)", "SELECT lo_from_bytea(0, 'x')",
		"CREATE PUBLICATION falls_1 FOR TABLE whole, copied, rows_ WHERE (id > 1), columns_ (id), half_1, mixed_1", "CREATE PUBLICATION falls_2 FOR TABLE inserts WITH (publish = 'insert')")
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION falls_1 CONNECTION '%s' PUBLICATION falls_1, falls_2", w.source.url))
	w.source.exec(t, "ALTER PUBLICATION falls_1 ADD TABLE late, alone")
	until(t, "all but one are copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate = 'r'") == "6"
	})
	r := survey(t, w.source.db, w.target.db, defaults())
	var listed []string
	for _, n := range r.Coverage.NotCarried {
		listed = append(listed, n.Object+": "+n.Reason)
		dealt := slices.ContainsFunc(r.Hazards, func(h Hazard) bool {
			return h.Severity != schema.Info && (h.Object == n.Object || h.ID == "publication-operations" && strings.Contains(h.Sentence, n.Object))
		})
		if others := n.Object == "public.seen" || n.Object == "large objects"; !dealt && !others {
			t.Errorf("no hazard tells of %s: %s", n.Object, n.Reason)
		}
	}
	slices.Sort(listed)
	want := []string{
		"large objects: logical replication does not carry them", "public.alone: it is in no subscription", "public.columns_: publication \"falls_1\" leaves out v", "public.copied: it is being copied", "public.elsewhere: foreign table",
		"public.forgets: it is unlogged", "public.half: its partition public.half_2 is sent by nothing",
		"public.inserts: no update, no delete, no truncate is sent", "public.late: it is in no subscription", "public.mixed: its partition public.mixed_2 is unlogged",
		"public.rows_: publication \"falls_1\" sends only the rows where (id > 1)", "public.seen: materialised view", "public.unlisted: it is sent by nothing",
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Coverage.Tables != 11 || r.Coverage.Carried != 1 {
		t.Errorf("counted %+v", r.Coverage)
	}
}

// TestAtRest: nothing is carried, and what could not be is told.
func TestAtRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 13), pgcluster.Shared(t, 18), "CREATE TABLE plain (id int PRIMARY KEY)", "CREATE TABLE excluded (id int)", "CREATE UNLOGGED TABLE forgets (id int)")
	o := defaults()
	o.Pairing.Filter.ExcludeTables = []string{"excluded"}
	r := survey(t, w.source.db, w.target.db, o)
	want := Coverage{Tables: 2, NotCarried: []Omitted{{"public.forgets", "it is unlogged"}, {"public.excluded", "excluded on request"}}}
	if diff := cmp.Diff(want, r.Coverage); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNotLooked: what a run did not get to look at is not carried.
func TestNotLooked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), "CREATE TABLE plain (id int PRIMARY KEY)")
	w.replicate(t, " WITH (copy_data = false)")
	f, err := gather(t.Context(), w.source.db, w.target.db, defaults())
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{}
	r.cover(f)
	if diff := cmp.Diff(Coverage{Tables: 1, NotCarried: []Omitted{{"public.plain", "whether it is carried is not known"}}}, r.Coverage); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestStatesHidden: a role that may not see which tables are followed is told
// the grant, and nothing passes for carried.
func TestStatesHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), "CREATE TABLE plain (id int PRIMARY KEY)")
	w.replicate(t, " WITH (copy_data = false)")
	w.target.exec(t, "REVOKE SELECT ON pg_catalog.pg_subscription_rel FROM PUBLIC")
	r := survey(t, w.source.as(t, "nobody"), w.target.as(t, "nobody"), defaults())
	i := slices.IndexFunc(r.Unknown, func(u Unknown) bool { return u.ID == "table-unsubscribed" })
	if i < 0 || !strings.Contains(r.Unknown[i].Reason, "GRANT SELECT ON pg_catalog.pg_subscription_rel TO nobody") ||
		r.Coverage.Carried != 0 || r.Coverage.NotCarried[0].Reason != "whether it is carried is not known" {
		t.Errorf("%+v %+v", r.Unknown, r.Coverage)
	}
}

// TestStandbyCoverage: a standby has everything but what is unlogged.
func TestStandbyCoverage(t *testing.T) {
	slow(t)
	t.Parallel()
	primary := pgcluster.SharedWith(t, "preflight coverage primary", pgcluster.Options{Major: 15})
	standby, err := primary.Standby(t.Context(), nil)
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	t.Cleanup(func() { _ = standby.Stop(context.WithoutCancel(t.Context())) })
	url := primary.TestDB(t, "CREATE TABLE plain (id int); CREATE UNLOGGED TABLE forgets (id int); CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one", "SELECT lo_from_bytea(0, 'x')")
	source := newEnd(t, postgres.Source, primary, url)
	there := standby.URL(source.ask(t, "current_database()"))
	lsn := source.ask(t, "pg_current_wal_insert_lsn()")
	replayed := connect(t, standby.URL("postgres"))
	until(t, "the standby has it", func() (yes bool) {
		return replayed.QueryRow(t.Context(), "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", lsn).Scan(&yes) == nil && yes
	})
	r := survey(t, source.db, openDB(t, postgres.Target, there), defaults())
	if diff := cmp.Diff(Coverage{Tables: 2, Carried: 1, NotCarried: []Omitted{{"public.forgets", "it is unlogged"}}}, r.Coverage); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(r.Unknown) > 0 || len(r.Hazards) != 1 || !strings.Contains(r.Hazards[0].Sentence, "empty on the standby") {
		t.Errorf("found %+v %+v", r.Hazards, r.Unknown)
	}
}

// TestAddition: how a table is added depends on what carries the others.
func TestAddition(t *testing.T) {
	for kinds, want := range map[string]string{
		"bucardo":           `bucardo add table 'public."Weird"'`,
		"pglogical":         `SELECT pglogical.replication_set_add_table('default', 'public."Weird"', true)`,
		"bucardo pglogical": "",
	} {
		f := &facts{detection: &fence.Detection{}}
		for _, k := range strings.Fields(kinds) {
			f.detection.Forward = append(f.detection.Forward, fence.Found{Kind: fence.Kind(k)})
		}
		if how, fix := f.addition(`public."Weird"`); fix != want || how == "" {
			t.Errorf("%s: %q, want %q", kinds, fix, want)
		}
	}
}

// TestOmissions: what a tool's fence and catalogs say becomes a reason.
func TestOmissions(t *testing.T) {
	gap := func(state string) []postgres.TableState {
		return []postgres.TableState{{Table: "t", Leaf: "t", Subscription: "bucardo", State: state}}
	}
	for want, p := range map[string]*passage{
		"":                      {},
		"it is sent by nothing": {gaps: gap("")},
		"it has no trigger bucardo_delta, so that Bucardo notices no change": {gaps: gap("no trigger")},
		"no truncate is sent": {held: withholding{operations: []string{"truncate"}}},
		"it is foreign":       {leaves: []*leaf{{name: "t", foreign: true}}, gaps: gap("")},
	} {
		p.name = "t"
		if len(p.leaves) == 0 {
			p.leaves = []*leaf{{name: "t"}}
		}
		if got := strings.Join(p.omissions(byFence), "; "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
