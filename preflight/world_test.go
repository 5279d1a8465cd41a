package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

func TestMain(m *testing.M) { pgcluster.Main(m) }

// slow marks a test that -short has no time for: it takes seconds, or clusters of
// its own.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("skipped: takes seconds, or clusters of its own; run without -short")
	}
}

// life is a hazard's life on real servers: a pair without it, where its detector
// is silent; what brings it about; what is then found; and, where mends is set,
// that the statement it names makes it go away.
type life struct {
	id     string
	majors [2]int // of source and target; 0 is 15 and 18
	// replicated: what both makes is published FOR ALL TABLES, and subscribed
	// to, before the hazard comes.
	replicated bool
	both       []string // SQL on both sides
	source     []string // SQL that brings the hazard about
	target     []string
	during     func(t *testing.T, w *world) // likewise, for what SQL alone can't; what it opens it closes with t.Cleanup
	options    func(*Options)
	want       []string // "side object" of each hazard that is found
	says       string   // part of one's sentence
	mends      bool
}

// lives holds every detector's; each file adds its own.
var lives []life

// livesElsewhere are tested in a test of their own.
var livesElsewhere = map[string]string{}

// world is a pair of databases for one life.
type world struct {
	source, target *end
}

// end is one side of a world.
type end struct {
	cluster *pgcluster.Cluster
	url     string
	db      *postgres.DB
	conn    *pgx.Conn // a superuser's session
}

func (w *world) on(side postgres.Side) *end {
	if side == postgres.Target {
		return w.target
	}
	return w.source
}

func newWorld(t *testing.T, source, target *pgcluster.Cluster, sql ...string) *world {
	t.Helper()
	return &world{source: newEnd(t, postgres.Source, source, source.TestDB(t, sql...)), target: newEnd(t, postgres.Target, target, target.TestDB(t, sql...))}
}

func newEnd(t *testing.T, side postgres.Side, c *pgcluster.Cluster, url string) *end {
	t.Helper()
	return &end{cluster: c, url: url, db: openDB(t, side, url), conn: connect(t, url)}
}

func openDB(t *testing.T, side postgres.Side, url string) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: url, MaxConns: 4, Run: "test", StatementTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (e *end) exec(t *testing.T, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if err := e.run(t.Context(), s); err != nil {
			t.Fatalf("%s: %s: %v", e.db.Side(), s, err)
		}
	}
}

// subscribing is held while a subscription is made. That is a transaction of the
// target which waits, on the source, for those that write: two of them in
// opposite directions between the same clusters would wait for each other.
var subscribing sync.Mutex

func (e *end) run(ctx context.Context, sql string) error {
	if strings.Contains(sql, "CREATE SUBSCRIPTION") {
		subscribing.Lock()
		defer subscribing.Unlock()
	}
	_, err := e.conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}

// ask runs a query that gives one value, as text; "" for NULL.
func (e *end) ask(t *testing.T, sql string) string {
	t.Helper()
	var v *string
	if err := e.conn.QueryRow(t.Context(), "SELECT ("+sql+")::text").Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if v == nil {
		return ""
	}
	return *v
}

var worlds atomic.Int64

// replicate publishes all tables and subscribes to them, and waits until they
// are copied. It gives the name of publication, slot and subscription.
func (w *world) replicate(t *testing.T, with string) string {
	t.Helper()
	name := fmt.Sprintf("flight_%d", worlds.Add(1))
	w.source.exec(t, "CREATE PUBLICATION "+name+" FOR ALL TABLES")
	w.subscribe(t, name, with)
	return name
}

func (w *world) subscribe(t *testing.T, name, with string) {
	t.Helper()
	w.target.exec(t, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %s%s", name, w.source.url, name, with))
	until(t, "all is copied", func() bool {
		return w.target.ask(t, "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'") == "0"
	})
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited 30 s in vain until %s", what)
		}
	}
}

// defaults are the options of a test's run.
func defaults() Options {
	return Options{Margin: 1000, LongTransaction: 5 * time.Second, Budget: 2 * time.Second}
}

// look runs one detector.
func (w *world) look(t *testing.T, id string, o Options) []Hazard {
	t.Helper()
	i := slices.IndexFunc(Detectors(), func(d Detector) bool { return d.ID == id })
	if i < 0 {
		t.Fatalf("there is no detector %s", id)
	}
	read := inspect
	if strings.HasPrefix(id, "schema-") { // no other detector looks at definitions
		read = gather
	}
	f, err := read(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	hazards, unknown, checked := Detectors()[i].look(t.Context(), f)
	for _, u := range unknown {
		t.Fatalf("%s could not look: %s", u.ID, u.Reason)
	}
	if checked.Skipped != "" {
		t.Logf("skipped: %s", checked.Skipped)
	}
	d := Detectors()[i]
	for _, h := range hazards {
		if worst := d.Worst(); rank(h.Severity) < rank(worst) {
			t.Errorf("%s is %s at worst, as the list has it, and here %s: %s", id, worst, h.Severity, h.Sentence)
		}
	}
	return hazards
}

func names(hazards []Hazard) []string {
	list := []string{}
	for _, h := range hazards {
		list = append(list, strings.TrimSpace(strings.TrimSpace(string(h.Side)+" "+h.Object)))
	}
	slices.Sort(list)
	return list
}

// TestLives runs every hazard's life.
func TestLives(t *testing.T) {
	for _, l := range lives {
		t.Run(l.id, func(t *testing.T) {
			t.Parallel()
			l.run(t)
		})
	}
}

func (l life) run(t *testing.T) {
	majors := l.majors
	if l.replicated || majors != ([2]int{}) {
		slow(t)
	}
	if majors == ([2]int{}) {
		majors = [2]int{15, 18}
	}
	w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), l.both...)
	if l.replicated {
		w.replicate(t, "")
	}
	o := defaults()
	if l.options != nil {
		l.options(&o)
	}
	if found := w.look(t, l.id, o); len(found) > 0 {
		t.Errorf("found without being there: %+v", found)
	}
	w.source.exec(t, l.source...)
	w.target.exec(t, l.target...)
	if l.during != nil {
		l.during(t, w)
	}
	found := w.look(t, l.id, o)
	slices.Sort(l.want)
	if diff := cmp.Diff(l.want, names(found)); diff != "" {
		t.Fatalf("(-want +found):\n%s", diff)
	}
	for _, h := range found {
		if h.Sentence == "" || h.Severity == "" {
			t.Errorf("says nothing: %+v", h)
		}
	}
	if !slices.ContainsFunc(found, func(h Hazard) bool { return strings.Contains(h.Sentence, l.says) }) {
		t.Errorf("does not say %q: %+v", l.says, found)
	}
	if !l.mends {
		return
	}
	for _, h := range found {
		if h.Fix == "" {
			t.Errorf("names no statement that mends it: %+v", h)
		}
		w.on(h.Side).exec(t, h.Fix)
	}
	if found := w.look(t, l.id, o); len(found) > 0 {
		t.Errorf("still there after its own fix: %+v", found)
	}
}

// TestEveryDetectorHasALife: none is added without a test.
func TestEveryDetectorHasALife(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range Detectors() {
		if seen[d.ID] {
			t.Errorf("two detectors are called %s", d.ID)
		}
		seen[d.ID] = true
		if d.ID == "" || d.About == "" || rank(d.Severity) < 0 || (d.SQL == "") == (d.Find == nil) {
			t.Errorf("incomplete: %+v", d)
		}
		if !slices.ContainsFunc(lives, func(l life) bool { return l.id == d.ID }) && livesElsewhere[d.ID] == "" {
			t.Errorf("%s has no life: add one to lives", d.ID)
		}
	}
}
