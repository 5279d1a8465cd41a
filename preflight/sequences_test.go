package preflight

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	lives = append(lives,
		life{
			id: "sequence-missing",
			both: []string{`CREATE TABLE fine (id serial PRIMARY KEY); CREATE TABLE plain (id int PRIMARY KEY); CREATE TABLE ident (id int PRIMARY KEY); CREATE TABLE renamed (id serial)`,
				`CREATE SCHEMA "Other"; CREATE SEQUENCE "Other".plain_id`},
			source: []string{`CREATE SEQUENCE "Weird ""name""" AS integer INCREMENT -2 MINVALUE -100 MAXVALUE 5 START 3 CYCLE`, `CREATE SEQUENCE plain_id OWNED BY plain.id`,
				`ALTER TABLE ident ALTER id ADD GENERATED ALWAYS AS IDENTITY`, `CREATE TABLE there_is_no_such_table (id serial)`},
			target: []string{`ALTER SEQUENCE renamed_id_seq RENAME TO "Another one"`},
			want:   []string{`target public."Weird ""name"""`, "target public.plain_id", "target public.ident_id_seq", "target public.renamed_id_seq"},
			says:   "inserts that take a value from it fail", mends: true,
		},
		life{
			id: "sequence-behind",
			both: []string{`CREATE SEQUENCE up; CREATE SEQUENCE "Down ""there""" INCREMENT -1; CREATE SEQUENCE fresh; CREATE SEQUENCE same; CREATE SEQUENCE ahead; CREATE SEQUENCE down_ahead INCREMENT -1`,
				`SELECT setval('same', 9)`},
			source: []string{`SELECT setval('up', 10), setval('"Down ""there"""', -10), setval('fresh', 1)`},
			target: []string{`SELECT setval('same', 10, false), setval('ahead', 10), setval('down_ahead', -10)`},
			want:   []string{"target public.up", `target public."Down ""there"""`, "target public.fresh"}, says: "collides", mends: true,
		},
		life{
			id:     "sequence-ahead",
			both:   []string{`CREATE SEQUENCE up; CREATE SEQUENCE down INCREMENT -2; CREATE SEQUENCE behind; CREATE SEQUENCE same; SELECT setval('same', 9)`},
			source: []string{`SELECT setval('behind', 10), setval('same', 10, false)`},
			target: []string{`SELECT setval('up', 2000), setval('down', -11)`},
			want:   []string{"target public.up", "target public.down"}, mends: true,
		},
		life{
			id: "sequence-collides",
			both: []string{`CREATE TABLE plain (id serial PRIMARY KEY); INSERT INTO plain SELECT FROM generate_series(1, 5)`,
				`CREATE TABLE "Weird ""name""" ("the id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)`,
				`CREATE TABLE part (id serial PRIMARY KEY, v int) PARTITION BY RANGE (id)`, `CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (100)`,
				`CREATE SEQUENCE loose; CREATE TABLE by_default (id numeric PRIMARY KEY DEFAULT nextval('loose'))`,
				`CREATE TABLE down (id int PRIMARY KEY); CREATE SEQUENCE down_id INCREMENT -1 OWNED BY down.id`,
				// Without an index, of text, and with a gap up to the next row: none collides, or may be asked.
				`CREATE TABLE no_index (id serial); CREATE TABLE words (id text PRIMARY KEY); CREATE SEQUENCE words_id OWNED BY words.id; CREATE TABLE gap (id serial PRIMARY KEY)`},
			majors: [2]int{13, 18},
			target: []string{`INSERT INTO plain VALUES (6)`, `INSERT INTO "Weird ""name""" OVERRIDING SYSTEM VALUE VALUES (1)`, `INSERT INTO part VALUES (1)`, `INSERT INTO by_default VALUES (1)`, `INSERT INTO down VALUES (-1)`,
				`INSERT INTO no_index VALUES (1)`, `INSERT INTO words VALUES ('1')`, `INSERT INTO gap VALUES (50)`},
			want: []string{"target public.plain_id_seq", `target public."Weird ""name""_the id_seq"`, "target public.part_id_seq", "target public.loose", "target public.down_id"},
			says: "the next insert collides", mends: true,
		},
		life{
			id: "sequence-feeds-by-default",
			both: []string{`CREATE SEQUENCE loose; CREATE TABLE a (id bigint PRIMARY KEY DEFAULT nextval('loose')); CREATE TABLE b (id int PRIMARY KEY DEFAULT nextval('loose'), n int)`,
				`CREATE TABLE owned (id serial PRIMARY KEY); CREATE SEQUENCE at_once; CREATE TABLE at_once_ (id bigint PRIMARY KEY DEFAULT nextval('at_once'))`,
				`CREATE SEQUENCE wide INCREMENT 10; CREATE TABLE wide_ (id bigint PRIMARY KEY DEFAULT nextval('wide')); INSERT INTO wide_ VALUES (DEFAULT), (DEFAULT)`},
			target: []string{`INSERT INTO b VALUES (100)`, `INSERT INTO owned VALUES (50)`, `INSERT INTO at_once_ VALUES (1)`},
			want:   []string{"target public.loose"}, says: "public.b.id has 100", mends: true,
		},
		life{
			id:     "sequence-unowned",
			both:   []string{`CREATE TABLE owned (id serial PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY)`},
			source: []string{`CREATE SEQUENCE "Lone ""one"""; CREATE SEQUENCE feeding; CREATE TABLE fed (id bigint DEFAULT nextval('feeding'))`},
			want:   []string{"source"}, says: `public."Lone ""one""", public.feeding (the default of public.fed.id): tools`,
		},
		life{
			id: "sequence-definition",
			both: []string{`CREATE SEQUENCE fine; CREATE SEQUENCE typed; CREATE SEQUENCE stepped; CREATE SEQUENCE turned; CREATE SEQUENCE short; CREATE SEQUENCE cached; CREATE SEQUENCE started; CREATE SEQUENCE cycling`,
				`CREATE TABLE ident (id bigint GENERATED ALWAYS AS IDENTITY)`, `SELECT setval('short', 100)`},
			target: []string{`ALTER SEQUENCE typed AS integer; ALTER SEQUENCE stepped INCREMENT 2; ALTER SEQUENCE turned INCREMENT -1 MINVALUE -50 MAXVALUE -1 START -1 RESTART`,
				`ALTER SEQUENCE short MAXVALUE 100; ALTER SEQUENCE cached CACHE 50; ALTER SEQUENCE started START 7; ALTER SEQUENCE cycling CYCLE; ALTER SEQUENCE ident_id_seq INCREMENT 5`},
			want: []string{"target public.typed", "target public.stepped", "target public.turned", "target public.short", "target public.cached", "target public.started", "target public.cycling", "target public.ident_id_seq"},
			says: "source", mends: true,
		},
		life{
			id: "sequence-exhausted",
			both: []string{`CREATE SEQUENCE small AS smallint; CREATE SEQUENCE down AS smallint INCREMENT -1; CREATE SEQUENCE turns AS smallint CYCLE; CREATE SEQUENCE wide; CREATE SEQUENCE half AS smallint`,
				`CREATE TABLE narrow (id int PRIMARY KEY); CREATE SEQUENCE "Narrow ""id""" OWNED BY narrow.id; CREATE SEQUENCE round MAXVALUE 2147483640 CYCLE; CREATE TABLE rounds (id int DEFAULT nextval('round'))`},
			source: []string{`SELECT setval('small', 30000), setval('down', -32768), setval('turns', 32767), setval('wide', 3000000000), setval('half', 16000)`,
				`SELECT setval('"Narrow ""id"""', 2147480000), setval('round', 2147483640)`},
			want: []string{"source public.small", "target public.small", "source public.down", "target public.down", `source public."Narrow ""id"""`, `target public."Narrow ""id"""`}, mends: true,
		},
		life{
			id: "sequences-interleave", replicated: true,
			both:   []string{`CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE same; CREATE SEQUENCE odd_even INCREMENT 2; CREATE SEQUENCE apart MAXVALUE 1000; CREATE SEQUENCE six INCREMENT 6; CREATE SEQUENCE four INCREMENT 6`},
			target: []string{`ALTER SEQUENCE odd_even RESTART 2`, `ALTER SEQUENCE apart MINVALUE 1001 MAXVALUE 2000 START 1001 RESTART`, `ALTER SEQUENCE six INCREMENT 4 RESTART 3`, `ALTER SEQUENCE four INCREMENT 4 RESTART 4`},
			during: bothWays,
			want:   []string{"public.same", "public.six"}, says: "rows collide",
		},
	)
	livesElsewhere["sequence-unreadable"] = "TestSequencesUnreadable"
}

// bothWays lets the target's changes flow back.
func bothWays(t *testing.T, w *world) {
	w.target.exec(t, "CREATE PUBLICATION back FOR ALL TABLES")
	w.source.exec(t, "CREATE SUBSCRIPTION back_"+w.source.ask(t, "SELECT pg_backend_pid()")+" CONNECTION '"+w.target.url+"' PUBLICATION back WITH (copy_data = false)")
}

// severities are what is found by object.
func severities(found []Hazard) map[string]schema.Severity {
	m := map[string]schema.Severity{}
	for _, h := range found {
		m[h.Object] = h.Severity
	}
	return m
}

func wantSeverity(t *testing.T, found []Hazard, object string, want schema.Severity) {
	t.Helper()
	if got := severities(found)[object]; got != want {
		t.Errorf("%s: got %q, want %q in %+v", object, got, want, found)
	}
}

// TestSequencesWhileRowsAreReplicated: what a cutover sets blocks nothing, and is
// told once.
func TestSequencesWhileRowsAreReplicated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18),
		`CREATE TABLE behind (id serial PRIMARY KEY); CREATE TABLE level (id serial PRIMARY KEY); CREATE TABLE alike (id serial PRIMARY KEY)`)
	w.replicate(t, "")
	w.source.exec(t, "INSERT INTO behind DEFAULT VALUES", "INSERT INTO alike VALUES (1)")
	until(t, "the rows are there", func() bool { return w.target.ask(t, "SELECT count(*) FROM behind, alike") == "1" })
	w.target.exec(t, "INSERT INTO level VALUES (1)")
	wantSeverity(t, w.look(t, "sequence-behind", defaults()), "public.behind_id_seq", schema.Info)
	collides := w.look(t, "sequence-collides", defaults())
	wantSeverity(t, collides, "public.level_id_seq", schema.Block) // the source has no such row, and a cutover leaves the sequence where it is
	wantSeverity(t, collides, "public.alike_id_seq", schema.Info)
	wantSeverity(t, collides, "public.behind_id_seq", "") // that it is behind says it
	if h := collides[slices.IndexFunc(collides, func(h Hazard) bool { return h.Object == "public.alike_id_seq" })]; !strings.Contains(h.Sentence, "as it does on the source") {
		t.Errorf("does not say that the source is no better: %s", h.Sentence)
	}
}

// TestSequenceSeverities: of a pair that nothing replicates.
func TestSequenceSeverities(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 10), pgcluster.Shared(t, 13),
		`CREATE SEQUENCE near; CREATE SEQUENCE far; CREATE SEQUENCE at_margin INCREMENT 10; CREATE SEQUENCE behind`,
		`CREATE TABLE seeded (id serial PRIMARY KEY); INSERT INTO seeded VALUES (1), (2); CREATE TABLE filled (id serial PRIMARY KEY)`,
		`CREATE SEQUENCE turned; CREATE SEQUENCE short; SELECT setval('short', 100); CREATE SEQUENCE started; CREATE SEQUENCE typed; CREATE SEQUENCE outside; SELECT setval('outside', 100)`,
		`CREATE SEQUENCE scarce AS smallint; CREATE SEQUENCE spent AS smallint; CREATE SEQUENCE over AS smallint; SELECT setval('scarce', 30000), setval('spent', 32700), setval('over', 32767)`,
		`CREATE TABLE narrow (id smallint DEFAULT nextval('at_margin'))`)
	w.source.exec(t, "SELECT setval('behind', 5)")
	w.target.exec(t, "SELECT setval('near', 10), setval('far', 1001), setval('at_margin', 9991)", "INSERT INTO filled VALUES (1)",
		"ALTER SEQUENCE turned INCREMENT -1 MINVALUE -9 MAXVALUE -1 START -1 RESTART", "ALTER SEQUENCE short MAXVALUE 100", "ALTER SEQUENCE started START 3", "ALTER SEQUENCE typed AS integer",
		"ALTER SEQUENCE outside MAXVALUE 99 RESTART")
	for id, want := range map[string]map[string]schema.Severity{
		"sequence-behind":     {"public.behind": schema.Block, "public.outside": schema.Block},
		"sequence-ahead":      {"public.near": schema.Info, "public.far": schema.Warn, "public.at_margin": schema.Info},
		"sequence-collides":   {"public.seeded_id_seq": schema.Info, "public.filled_id_seq": schema.Block},
		"sequence-definition": {"public.turned": schema.Block, "public.short": schema.Block, "public.outside": schema.Block, "public.started": schema.Info, "public.typed": schema.Warn},
		"sequence-exhausted":  {"public.scarce": schema.Warn, "public.spent": schema.Block, "public.over": schema.Block, "public.short": schema.Block, "public.outside": schema.Block},
	} {
		found := w.look(t, id, defaults())
		for object, severity := range want {
			wantSeverity(t, found, object, severity)
		}
		if got := severities(found); len(got) != len(want) {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
}

// TestSequencesUnreadable: what the role may not read is told with its grant, and
// the others are judged all the same.
func TestSequencesUnreadable(t *testing.T) {
	slow(t)
	t.Parallel()
	const role = "sequence_reader"
	source, target := pgcluster.Shared(t, 13), pgcluster.Shared(t, 15)
	for _, c := range []*pgcluster.Cluster{source, target} {
		if err := c.Exec(t.Context(), "postgres", `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '`+role+`') THEN CREATE ROLE `+role+` LOGIN PASSWORD 'pw'; END IF; END $$`); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t, source, target, `CREATE SEQUENCE open_; CREATE SEQUENCE closed; CREATE TABLE hidden (id serial PRIMARY KEY); CREATE TABLE by_rows (id serial PRIMARY KEY); ALTER TABLE by_rows ENABLE ROW LEVEL SECURITY`,
		`GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO `+role+`; GRANT SELECT ON by_rows TO `+role)
	w.source.exec(t, "REVOKE SELECT ON SEQUENCE closed FROM "+role, "SELECT setval('open_', 5)")
	for _, e := range []*end{w.source, w.target} {
		e.db = openDB(t, e.db.Side(), as(t, e, role, "pw"))
	}
	f, err := gather(t.Context(), w.source.db, w.target.db, defaults())
	if err != nil {
		t.Fatal(err)
	}
	list := Detectors()
	_, unknown, _ := list[slices.IndexFunc(list, func(d Detector) bool { return d.ID == "sequence-unreadable" })].look(t.Context(), f)
	if len(unknown) != 1 {
		t.Fatalf("got %+v, want one reason", unknown)
	}
	for _, part := range []string{"source: ", `GRANT SELECT ON SEQUENCE public.closed TO "sequence_reader"`, `target: `, `GRANT SELECT ON public.hidden TO "sequence_reader"`, "public.by_rows", "BYPASSRLS"} {
		if !strings.Contains(unknown[0].Reason, part) {
			t.Errorf("%q does not name %q", unknown[0].Reason, part)
		}
	}
	wantSeverity(t, w.look(t, "sequence-behind", defaults()), "public.open_", schema.Block)
	for _, id := range []string{"sequence-collides", "sequence-feeds-by-default", "sequence-exhausted", "sequence-definition", "sequence-unowned", "sequence-missing"} {
		w.look(t, id, defaults()) // fails where it can't look
	}
	w.source.exec(t, "GRANT SELECT ON SEQUENCE closed TO "+role)
	w.target.exec(t, "GRANT SELECT ON hidden TO "+role, "ALTER TABLE by_rows DISABLE ROW LEVEL SECURITY")
	if found := w.look(t, "sequence-unreadable", defaults()); len(found) > 0 {
		t.Errorf("found %+v", found)
	}
}

// TestMeet: which pairs of sequences hand out one value twice.
func TestMeet(t *testing.T) {
	seq := func(increment, least, most int64, cycle bool) *postgres.Sequence {
		return &postgres.Sequence{Increment: increment, Min: least, Max: most, Cycle: cycle}
	}
	at := func(n int64) postgres.SequenceState { return postgres.SequenceState{LastValue: n, IsCalled: true} }
	for _, c := range []struct {
		name           string
		source, target *postgres.Sequence
		a, b           int64
		want           bool
	}{
		{"both by one", seq(1, 1, 1000, false), seq(1, 1, 1000, false), 5, 500, true},
		{"odd and even", seq(2, 1, 1000, false), seq(2, 1, 1000, false), 5, 500, false},
		{"odd and odd", seq(2, 1, 1000, false), seq(2, 1, 1000, false), 5, 501, true},
		{"by 4 and by 6, one parity", seq(4, 1, 1000, false), seq(6, 1, 1000, false), 2, 100, true},
		{"by 4 and by 6, two parities", seq(4, 1, 1000, false), seq(6, 1, 1000, false), 2, 101, false},
		{"ranges apart", seq(1, 1, 1000, false), seq(1, 1001, 2000, false), 5, 1500, false},
		{"one has passed the other's end", seq(1, 1, 1000, false), seq(1, 1, 100000, false), 5, 1500, false},
		{"and comes round again", seq(1, 1, 1000, false), seq(1, 1, 100000, true), 5, 1500, true},
		{"a common value beyond both ends", seq(97, 1, 5000, false), seq(89, 1, 5000, false), 1, 2, false},
		{"a common value at the end", seq(97, 1, 1000000, false), seq(89, 1, 1000000, false), 1, 2, true},
		{"odd and even until one comes round", seq(2, 1, 1000, false), seq(2, 1, 1000, true), 5, 500, true},
		{"odd and even down until one comes round", seq(-2, -1000, -1, true), seq(-2, -1000, -1, false), -8, -401, true},
		{"the source has none left", seq(1, 1, 1000, false), seq(1, 1, 100000, false), 1000, 500, false},
		{"the target has none left, downwards", seq(-1, -1000, -1, false), seq(-1, -1000, -1, false), -400, -1000, false},
		{"towards each other", seq(1, -1000, 1000, false), seq(-1, -1000, 1000, false), 5, 900, true},
		{"away from each other", seq(1, -1000, 1000, false), seq(-1, -1000, 1000, false), 900, 5, false},
		{"towards each other, odd and even", seq(2, -1000, 1000, false), seq(-2, -1000, 1000, false), 5, 900, false},
		{"all there are", seq(1, math.MinInt64, math.MaxInt64, false), seq(-1, math.MinInt64, math.MaxInt64, false), math.MinInt64, math.MaxInt64, true},
		{"enormous steps", seq(math.MaxInt64, math.MinInt64, math.MaxInt64, true), seq(math.MinInt64, math.MinInt64, math.MaxInt64, false), 0, math.MaxInt64, true}, // -1, as the source comes round
		{"down", seq(-1, -1000, -1, false), seq(-1, -1000, -1, false), -7, -400, true},
		{"down, odd and even", seq(-2, -1000, -1, false), seq(-2, -1000, -1, false), -7, -400, false},
	} {
		s := standing{&pairing.Sequence{Source: c.source, Target: c.target}, at(c.a), at(c.b)}
		if got := meet(s); got != c.want {
			t.Errorf("%s: got %t, want %t", c.name, got, c.want)
		}
	}
}

// TestMeetAgainstCounting: of small sequences all values are counted out.
func TestMeetAgainstCounting(t *testing.T) {
	values := func(s *postgres.Sequence, at int64) map[int64]bool {
		given := map[int64]bool{}
		for state := (postgres.SequenceState{LastValue: at, IsCalled: true}); ; {
			next, ok := pairing.NextValue(state, s)
			if !ok || given[next] {
				return given
			}
			given[next], state.LastValue = true, next
		}
	}
	r := rand.New(rand.NewPCG(5, 5))
	seq := func() (*postgres.Sequence, int64) {
		s := &postgres.Sequence{Increment: r.Int64N(9) + 1, Min: r.Int64N(40) - 20, Cycle: r.IntN(4) == 0}
		if s.Max = s.Min + 1 + r.Int64N(40); r.IntN(3) == 0 {
			s.Increment = -s.Increment
		}
		return s, s.Min + r.Int64N(s.Max-s.Min+1)
	}
	for range 20_000 {
		source, a := seq()
		target, b := seq()
		given, want := values(target, b), false
		for v := range values(source, a) {
			want = want || given[v]
		}
		s := standing{&pairing.Sequence{Source: source, Target: target}, postgres.SequenceState{LastValue: a, IsCalled: true}, postgres.SequenceState{LastValue: b, IsCalled: true}}
		if got := meet(s); got != want {
			t.Fatalf("%+v at %d and %+v at %d: got %t, want %t", source, a, target, b, got, want)
		}
	}
}
