package preflight

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// found are the ids of a result's hazards, of one severity or all.
func found(r *Result, s schema.Severity) (ids []string) {
	for _, h := range r.Hazards {
		if (s == "" || h.Severity == s) && !slices.Contains(ids, h.ID) {
			ids = append(ids, h.ID)
		}
	}
	return ids
}

// alone is a cluster in which no other test makes roles.
func alone(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.SharedWith(t, "alone "+strconv.Itoa(major), pgcluster.Options{Major: major})
}

// What is acknowledged is a note, what blocks stays, and what is not there is
// told.
func TestVerdict(t *testing.T) { // not parallel: roles that others make are the whole cluster's
	w := newWorld(t, alone(t, 15), alone(t, 18), `CREATE TABLE keyed (id int PRIMARY KEY, v text); CREATE TABLE plain (n int); ANALYZE`)
	o := defaults()
	if r := w.run(t, o); r.Verdict != Ready || len(r.Reasons) > 0 || !slices.Equal(found(r, schema.Warn), []string{"nothing-replicates", "replica-identity-missing"}) {
		t.Errorf("a pair at rest: %s %q, warnings %q", r.Verdict, r.Reasons, found(r, schema.Warn))
	}
	o.Strict = true
	if r := w.run(t, o); r.Verdict != Blocked || !slices.Equal(r.Reasons, []string{"blocked: nothing-replicates (1)", "blocked: replica-identity-missing (1)"}) {
		t.Errorf("strict: %s %q", r.Verdict, r.Reasons)
	}
	o.Acks = []Ack{{ID: "nothing-replicates"}, {ID: "replica-identity-missing", Object: "public.pl*"}, {ID: "table-unlogged"}}
	r := w.run(t, o)
	if _, open := r.Count(schema.Warn); r.Verdict != Ready || open != 0 {
		t.Errorf("acknowledged: %s %q", r.Verdict, r.Reasons)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "table-unlogged is acknowledged, and was not found") }) {
		t.Errorf("says nothing of an acknowledgement without a hazard: %q", r.Notes)
	}

	w.target.exec(t, `ALTER TABLE keyed DROP COLUMN v`)
	o.Acks = append(o.Acks, Ack{ID: "schema-column"})
	if r := w.run(t, o); r.Verdict != Blocked || !slices.Equal(found(r, schema.Block), []string{"schema-column"}) ||
		!slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "but it blocks") }) {
		t.Errorf("what blocks was acknowledged away: %s %q %q %q", r.Verdict, r.Reasons, r.Notes, found(r, schema.Block))
	}
}

// A filter leaves out the hazards of tables that it does not choose.
func TestFilter(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE a (n int); CREATE TABLE b (n int)`)
	w.target.exec(t, `DROP TABLE b`)
	o := defaults()
	o.Pairing.Filter.Tables = []string{"public.a"}
	r := w.run(t, o)
	for _, h := range r.Hazards {
		if strings.HasPrefix(h.Object, "public.b") {
			t.Errorf("found though not chosen: %+v", h)
		}
	}
	if r.Coverage.Tables != 1 {
		t.Errorf("%d tables", r.Coverage.Tables)
	}
	o.Pairing.Filter.Tables = []string{"nothing.*"}
	if r := w.run(t, o); r.Verdict == Ready {
		t.Errorf("nothing was looked at, and that is %s", r.Verdict)
	}
}

// While somebody alters a table its definition cannot be printed: that is told,
// and all else is looked at.
func TestLockedDefinitions(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE orders (id int PRIMARY KEY, total int DEFAULT 1 CHECK (total > 0)); CREATE INDEX ON orders (total)`)
	at(t, w.source.url, "BEGIN; ALTER TABLE orders ADD more int")
	r := w.run(t, defaults())
	if r.Verdict == Ready || !slices.Contains(found(r, schema.Block), "ddl-running") {
		t.Errorf("%s %q", r.Verdict, r.Reasons)
	}
	unread := slices.DeleteFunc(slices.Clone(r.Unknown), func(u Unknown) bool { return !strings.HasPrefix(u.ID, "schema-") })
	if len(unread) > 1 {
		t.Errorf("said more than once: %+v", unread)
	}
	if len(unread) == 0 && len(found(r, "")) == 0 {
		t.Error("nothing says that the definitions were not compared")
	}
}

// A run that was stopped is unproven, whatever it had found to be in order.
func TestStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE keyed (id int PRIMARY KEY)`)
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	f, err := gather(ctx, w.source.db, w.target.db, defaults())
	if err != nil {
		t.Fatal(err)
	}
	cancel(why)
	r := &Result{}
	r.lookAll(ctx, f)
	r.conclude(ctx, f)
	if r.Verdict != Unproven || len(r.Unknown) > 0 || !slices.Equal(r.Reasons, []string{"unproven: the run was stopped: enough"}) {
		t.Errorf("%s %q %+v", r.Verdict, r.Reasons, r.Unknown)
	}
}

// The zero value of a verdict is no pass, and a database is no pair with itself.
func TestNoPassByAccident(t *testing.T) {
	t.Parallel()
	if (&Result{}).Verdict == Ready {
		t.Error("the zero value is ready")
	}
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE keyed (id int PRIMARY KEY)`)
	var mistake *OperatorError
	if _, err := Run(t.Context(), w.source.db, openDB(t, postgres.Target, w.source.url), defaults()); !errors.As(err, &mistake) {
		t.Errorf("the same database twice: %v", err)
	}
}

// A preflight writes nothing: a heartbeat that verify may strike is left alone.
func TestStrikesNothing(t *testing.T) {
	slow(t)
	w := newWorld(t, alone(t, 15), alone(t, 18), `CREATE TABLE beat (id int PRIMARY KEY, n int); INSERT INTO beat VALUES (1, 0)`)
	w.replicate(t, " WITH (copy_data = false)")
	o := defaults()
	o.Measure = 200 * time.Millisecond
	o.Fence.Heartbeats = []fence.Heartbeat{{Strike: true, Beat: postgres.Beat{Table: "public.beat", Column: "n", KeyColumn: "id", Key: "1"}}}
	w.run(t, o)
	if n := w.source.ask(t, "SELECT n FROM beat"); n != "0" {
		t.Errorf("the marker stands at %s", n)
	}
	if !o.Fence.Heartbeats[0].Strike {
		t.Error("the caller's options were changed")
	}
}
