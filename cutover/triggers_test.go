package cutover

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const withTriggers = `CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SCHEMA "S c"; CREATE TABLE "S c"."T" (id int); CREATE TABLE plain (id int);
CREATE TRIGGER "on" BEFORE INSERT ON "S c"."T" FOR EACH ROW EXECUTE PROCEDURE noop();
CREATE TRIGGER rep BEFORE INSERT ON plain FOR EACH ROW EXECUTE PROCEDURE noop();
CREATE TRIGGER always BEFORE INSERT ON plain FOR EACH ROW EXECUTE PROCEDURE noop();
CREATE TRIGGER off BEFORE INSERT ON plain FOR EACH ROW EXECUTE PROCEDURE noop();
CREATE TRIGGER alike BEFORE INSERT ON plain FOR EACH ROW EXECUTE PROCEDURE noop();
ALTER TABLE plain ENABLE REPLICA TRIGGER rep; ALTER TABLE plain ENABLE ALWAYS TRIGGER always; ALTER TABLE plain DISABLE TRIGGER off`

// states are how triggers are enabled.
func (p *place) states(t *testing.T) string {
	t.Helper()
	return p.ask(t, `SELECT string_agg(tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text, ', ' ORDER BY tgrelid::regclass::text, tgname) FROM pg_trigger WHERE NOT tgisinternal`)
}

// TestTriggers are enabled as they are on the source when nothing is applied any
// more, and disabled again by whoever gives up, in another process too.
func TestTriggers(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]int{{15, 18}, {10, 11}, {11, 13}} {
		t.Run(fmt.Sprint(pair), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pair[0], pair[1], withTriggers)
			if pair[0] > 10 {
				for _, p := range []*place{w.source, w.target} {
					p.exec(t, `CREATE TABLE tree (id int) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF tree FOR VALUES IN (1); CREATE TABLE other_leaf PARTITION OF tree FOR VALUES IN (2); CREATE TRIGGER rows AFTER INSERT ON tree FOR EACH ROW EXECUTE PROCEDURE noop()`)
				}
				w.target.exec(t, `ALTER TABLE tree DISABLE TRIGGER rows; ALTER TABLE leaf DISABLE TRIGGER rows; ALTER TABLE other_leaf DISABLE TRIGGER rows`)
				if pair[1] >= 13 {
					w.source.exec(t, `ALTER TABLE other_leaf DISABLE TRIGGER rows`)
				}
			}
			w.target.exec(t, `ALTER TABLE "S c"."T" DISABLE TRIGGER "on"; ALTER TABLE plain DISABLE TRIGGER rep; ALTER TABLE plain DISABLE TRIGGER always; ALTER TABLE plain ENABLE TRIGGER off; CREATE TRIGGER extra BEFORE INSERT ON plain FOR EACH ROW EXECUTE PROCEDURE noop()`)
			before, want := w.target.states(t), w.source.states(t)
			r := w.open(t, w.options(t))
			for range 2 { // each attempt plans
				if err := r.planTriggers(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			slices.Sort(r.facts.Enabled)
			if list := slices.Compact(slices.Clone(r.facts.Enabled)); len(list) != len(r.facts.Disabled) || len(list) != len(r.facts.Enabled) {
				t.Errorf("planned twice: %v", r.facts.Enabled)
			}
			if got := w.target.states(t); got != before {
				t.Fatalf("a plan changed something: %s", got)
			}
			for range 2 { // a second time, as after a kill
				if err := r.enableTriggers(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.target.exec(t, `DROP TRIGGER extra ON plain`)
			if pair != [2]int{11, 13} { // the older server's partitions have theirs as internal ones
				if diff := cmp.Diff(want, w.target.states(t)); diff != "" {
					t.Errorf("enabled (-want +got):\n%s", diff)
				}
			}
			// Another process has the journal's facts, and sees nothing left to plan.
			other := w.open(t, w.options(t))
			other.facts = r.facts
			if err := other.planTriggers(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(r.facts, other.facts); diff != "" {
				t.Errorf("planned again (-want +got):\n%s", diff)
			}
			w.target.exec(t, `CREATE TRIGGER extra BEFORE INSERT ON plain FOR EACH ROW EXECUTE PROCEDURE noop()`)
			other.actions()
			for range 2 {
				if err := other.disableTriggers(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if ids := other.actions(); !slices.Equal(ids, []string{"triggers-disable"}) {
				t.Errorf("taken back: %v", ids)
			}
			if diff := cmp.Diff(before, w.target.states(t)); diff != "" {
				t.Errorf("taken back (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTriggersAlike: nothing is done in the window where nothing differs.
func TestTriggersAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, withTriggers)
	o := w.options(t)
	o.Verify.Pairing.Filter.ExcludeTables = []string{"plain"}
	w.target.exec(t, `ALTER TABLE plain DISABLE TRIGGER rep`)
	r := w.open(t, o)
	for _, part := range []func() error{func() error { return r.planTriggers(t.Context()) }, func() error { return r.enableTriggers(t.Context()) }, func() error { return r.disableTriggers(t.Context()) }} {
		if err := part(); err != nil {
			t.Fatal(err)
		}
	}
	if ids := r.actions(); len(ids) > 0 {
		t.Errorf("%v", ids)
	}
}

// TestEventTriggers are set by their owner, and left alone with a note by
// somebody else.
func TestEventTriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 15, 18, `CREATE FUNCTION seen() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER "D dl" ON ddl_command_start EXECUTE PROCEDURE seen()`)
	w.target.exec(t, `ALTER EVENT TRIGGER "D dl" DISABLE`)
	w.source.exec(t, `ALTER EVENT TRIGGER "D dl" ENABLE ALWAYS`)
	o := w.options(t)
	role := w.role(t, "nobody")
	o.Source, o.Target = w.source.forRole(role), w.target.forRole(role)
	r := w.open(t, o)
	if err := r.planTriggers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.facts.Enabled) > 0 || !strings.Contains(strings.Join(r.result.Notes, "\n"), `"D dl" (owner postgres)`) {
		t.Errorf("%v %v", r.facts.Enabled, r.result.Notes)
	}
	r = w.open(t, w.options(t))
	if err := r.planTriggers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.enableTriggers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.target.ask(t, `SELECT evtenabled FROM pg_event_trigger`); got != "A" {
		t.Errorf("enabled: %s", got)
	}
	if err := r.disableTriggers(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.target.ask(t, `SELECT evtenabled FROM pg_event_trigger`); got != "D" {
		t.Errorf("taken back: %s", got)
	}
}
