package cutover

import (
	"strings"
	"testing"
)

// succeed runs a command, and wants it done.
func succeed(t *testing.T, r *Result, err error) *Result {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != Done {
		t.Fatalf("%s at %s: %s\nnotes: %s", r.Outcome, r.State, strings.Join(r.Reasons, "\n"), strings.Join(r.Notes, "\n"))
	}
	return r
}

// TestSwitchBackAndForth: forward, back with what was written meanwhile, and
// forward again, until nothing of it is left but the closed source.
func TestSwitchBackAndForth(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE TABLE a (id int PRIMARY KEY, w text)`, `CREATE TABLE b (id serial PRIMARY KEY, a int)`)
	w.replicate(t)
	w.source.exec(t, `INSERT INTO a SELECT i, 'w' || i FROM generate_series(1, 1000) i`, `INSERT INTO b (a) SELECT i FROM generate_series(1, 100) i`)
	o := w.options(t)
	for _, step := range []struct {
		name string
		run  func() (*Result, error)
		now  *place // where the application writes then
		rows string
	}{
		{"run", func() (*Result, error) { return Run(t.Context(), o) }, w.target, "1000"},
		{"rollback", func() (*Result, error) { return RollBack(t.Context(), o) }, w.source, "2000"},
		{"run again", func() (*Result, error) { return Run(t.Context(), o) }, w.target, "3000"},
		{"finalize", func() (*Result, error) { return Finalize(t.Context(), o) }, w.target, "4000"},
	} {
		r, err := step.run()
		t.Log(step.name)
		succeed(t, r, err)
		if n := step.now.ask(t, "SELECT count(*) FROM a"); n != step.rows {
			t.Errorf("%s: %s rows, want %s", step.name, n, step.rows)
		}
		step.now.exec(t, `INSERT INTO a SELECT i, 'new' FROM generate_series((SELECT max(id) + 1 FROM a), (SELECT max(id) + 1000 FROM a)) i`)
	}
	for _, p := range []*place{w.source, w.target} {
		left := p.ask(t, `SELECT concat((SELECT count(*) FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
(SELECT count(*) FROM pg_replication_slots WHERE database = current_database()), (SELECT count(*) FROM pg_publication WHERE pubname LIKE 'pgparity%'), to_regnamespace('pgparity'))`)
		if left != "000" {
			t.Errorf("left behind (subscriptions, slots, publications, schema): %s", left)
		}
	}
}
