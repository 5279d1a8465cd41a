package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// rehearse works the figures of a world out; it also gives the notes.
func (w *world) rehearse(t *testing.T, o Options) (*Rehearsal, []string) {
	t.Helper()
	f, err := gather(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &Result{}
	return f.rehearse(t.Context(), r), r.Notes
}

func (h *Rehearsal) phase(name string) *Phase {
	for i := range h.Phases {
		if h.Phases[i].Name == name {
			return &h.Phases[i]
		}
	}
	return nil
}

func (h *Rehearsal) phaseNames() (list []string) {
	for _, p := range h.Phases {
		name := p.Name
		if p.Writes {
			name += " (writes)"
		}
		list = append(list, name)
	}
	return list
}

const rehearsed = `CREATE TABLE big (id serial PRIMARY KEY, w text, pad text); INSERT INTO big (w, pad) SELECT 'w' || i, repeat(md5(i::text), 4) FROM generate_series(1, 60000) i;
CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 100);
CREATE TABLE wide (id int PRIMARY KEY, toasted text); ALTER TABLE wide ALTER toasted SET STORAGE EXTERNAL; INSERT INTO wide VALUES (1, repeat('x', 500000));
CREATE MATERIALIZED VIEW seen AS SELECT * FROM small; CREATE SEQUENCE free; ANALYZE`

func TestRehearsal(t *testing.T) {
	slow(t)
	for _, majors := range [][2]int{{15, 18}, {10, 13}} {
		t.Run(fmt.Sprint(majors), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, pgcluster.Shared(t, majors[0]), pgcluster.Shared(t, majors[1]), rehearsed)
			w.target.exec(t, `ALTER TABLE big ADD CONSTRAINT positive CHECK (id > 0) NOT VALID`, `DELETE FROM big WHERE id % 20 = 0`)
			until(t, "the dead rows are counted", func() bool {
				return w.target.ask(t, `SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'big'`) >= "3000"
			})
			open := connect(t, w.source.url)
			if _, err := open.Exec(t.Context(), "BEGIN; SELECT pg_sleep(0.1)"); err != nil {
				t.Fatal(err)
			}
			o := defaults()
			o.Measure = 500 * time.Millisecond
			h, notes := w.rehearse(t, o)
			if len(notes) > 0 {
				t.Errorf("notes: %q", notes)
			}
			h.check(t)
			want := []string{"verify (writes)", "analyze (writes)", "validate (writes)", "freeze", "drain", "sequences", "gate", "redirect", "refresh (writes)"}
			if diff := cmp.Diff(want, h.phaseNames()); diff != "" {
				t.Errorf("phases (-want +got):\n%s", diff)
			}
			// Twice the time for each byte is what the rate says.
			verify := float64(h.Bytes) / h.Rate.BytesPerSecond * 1000
			if got := float64(*h.phase("verify").EstimateMS); got < verify*0.5-2 || got > verify*2+2 {
				t.Errorf("a verify of %d bytes at %+v takes %v ms?", h.Bytes, h.Rate, got)
			}
			sum := int64(0)
			for _, p := range h.Phases {
				if !p.Writes && p.EstimateMS != nil {
					sum += *p.EstimateMS
				}
			}
			if h.WriteOutageMS == nil || *h.WriteOutageMS != sum || sum < 100 || !cmp.Equal(h.WriteOutageWithout, []string{"redirect"}) {
				t.Errorf("outage %v without %v, want %d", h.WriteOutageMS, h.WriteOutageWithout, sum)
			}
			o.Measure = 0
			if h, notes = w.rehearse(t, o); h.Rate != nil || h.phase("verify").EstimateMS != nil || h.phase("gate").EstimateMS != nil || h.WriteOutageMS != nil ||
				!strings.Contains(strings.Join(notes, " "), "--measure") {
				t.Errorf("not measured, and yet: %+v: %q", h, notes)
			}
		})
	}
}

// check looks at what TestRehearsal made.
func (h *Rehearsal) check(t *testing.T) {
	t.Helper()
	if h.Tables != 3 || h.Rows < 60_000 || len(h.Largest) != 3 || h.Largest[0].Name != "public.big" || h.Largest[0].Share < 0.5 || h.Largest[0].Share > 1 {
		t.Errorf("sizes: %+v", h)
	}
	if wide := h.Largest[1]; wide.Name != "public.wide" || wide.Bytes < 500_000 {
		t.Errorf("what is stored out of line does not count: %+v", wide)
	}
	if r := h.Rate; r == nil || r.Table != "public.big" || r.Bytes < 1<<20 || r.BytesPerSecond < 1<<20 || r.BytesPerSecond > 1<<34 || r.CountBytesPerSecond == nil {
		t.Errorf("rate: %+v", h.Rate)
	}
	if len(h.Oldest) != 1 || h.Oldest[0].Side != postgres.Source || h.Oldest[0].AgeMS < 100 || h.Oldest[0].AgeMS > 60_000 || h.Oldest[0].User != "postgres" || h.Oldest[0].State != "idle in transaction" {
		t.Errorf("oldest transactions: %+v", h.Oldest)
	}
	if len(h.DeadTuples) != 1 || h.DeadTuples[0].Side != postgres.Target || h.DeadTuples[0].Table != "public.big" || h.DeadTuples[0].Dead < 3000 {
		t.Errorf("dead tuples: %+v", h.DeadTuples)
	}
	if p := h.phase("freeze"); *p.EstimateMS != h.Oldest[0].AgeMS {
		t.Errorf("freeze: %+v", p)
	}
	for _, p := range h.Phases {
		if p.How == "" || (p.EstimateMS == nil) != (p.Name == "redirect") {
			t.Errorf("phase %+v", p)
		}
	}
}

// A role without privileges gets the figures that need none, and is told what
// the others need.
func TestRehearsalWithoutPrivileges(t *testing.T) {
	slow(t)
	t.Parallel()
	role := fmt.Sprintf("nobody_%d", worlds.Add(1))
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), rehearsed)
	for _, e := range []*end{w.source, w.target} {
		e.asRole(t, role)
	}
	o := defaults()
	o.Measure = 100 * time.Millisecond
	h, notes := w.rehearse(t, o)
	all := strings.Join(notes, "\n")
	if h.Rate != nil || h.Tables != 3 || !strings.Contains(all, "pgparity grants") || strings.Count(all, "GRANT pg_monitor TO \""+role+"\"") != 2 || strings.Contains(all, "secret") {
		t.Errorf("%+v: %s", h, all)
	}
	if p := h.phase("freeze"); p.EstimateMS != nil || h.WriteOutageMS != nil {
		t.Errorf("transactions that cannot be seen count as none: %+v", p)
	}
}

// A pair whose largest table is partitioned, and one with nothing in it.
func TestRehearsalOfPartitions(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 13), pgcluster.Shared(t, 18), `CREATE TABLE parted (id int, w text) PARTITION BY HASH (id)`,
		`CREATE TABLE p0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE p1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1)`)
	o := defaults()
	o.Measure = 200 * time.Millisecond
	h, notes := w.rehearse(t, o)
	if h.Rate != nil || len(notes) != 1 || !strings.Contains(notes[0], "no table with rows") || h.Bytes != 0 {
		t.Errorf("empty: %+v: %q", h, notes)
	}
	for _, e := range []*end{w.source, w.target} {
		e.exec(t, `INSERT INTO parted SELECT i, repeat('w', 90) FROM generate_series(1, 40000) i`)
	}
	h, notes = w.rehearse(t, o)
	if h.Rate == nil || h.Rate.Table != "public.parted" || h.Rate.Bytes < 1<<18 || len(notes) > 0 || h.Tables != 1 {
		t.Errorf("%+v, %+v: %q", h, h.Rate, notes)
	}
	if p := h.phase("drain"); p.EstimateMS == nil || *p.EstimateMS != 0 {
		t.Errorf("nothing replicates: %+v", p)
	}
}

func TestPredict(t *testing.T) {
	ms := func(n int64) *int64 { return &n }
	for _, c := range []struct {
		phases []Phase
		want   *int64
	}{
		{[]Phase{{Name: "verify", EstimateMS: ms(900), Writes: true}, {Name: "freeze", EstimateMS: ms(3)}, {Name: "gate", EstimateMS: ms(4)}, {Name: "redirect"}}, ms(7)},
		{[]Phase{{Name: "verify", Writes: true}, {Name: "freeze", EstimateMS: ms(3)}}, ms(3)},
		{[]Phase{{Name: "freeze", EstimateMS: ms(3)}, {Name: "drain"}, {Name: "gate", EstimateMS: ms(4)}}, nil},
	} {
		h := &Rehearsal{Phases: c.phases}
		if h.predict(); !cmp.Equal(h.WriteOutageMS, c.want) {
			t.Errorf("%+v: %v", c.phases, h.WriteOutageMS)
		}
	}
}

// TestRehearsalOfReplication: a whole run over a pair that is replicated, deep
// checks and all.
func TestRehearsalOfReplication(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE a (id int PRIMARY KEY, w text UNIQUE); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a)`)
	w.source.exec(t, `INSERT INTO a SELECT i, 'w' || i FROM generate_series(1, 5000) i; INSERT INTO b SELECT i, i FROM generate_series(1, 5000) i`)
	w.replicate(t, "")
	o := defaults()
	o.Deep, o.Measure = true, 200*time.Millisecond
	r, err := Run(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	h := r.Rehearsal
	if h == nil || h.Lag == nil || h.Rate == nil || h.Tables != 2 {
		t.Fatalf("%+v: %q", h, r.Notes)
	}
	// Next to nothing lies ahead: it takes as long as a mark or, where other
	// tests write to the same servers, what the watched rate says.
	if p := h.phase("drain"); p.EstimateMS == nil || *p.EstimateMS < 1 ||
		!strings.Contains(p.How, "a mark was confirmed after") && !strings.Contains(p.How, "at the rate that was confirmed") {
		t.Errorf("drain %+v of %+v", p, h.Lag)
	}
	mine := []string{"fk-orphans", "index-disagrees", "collation-version", "locale-differs", "extension-outdated", "extension-unavailable"}
	for _, u := range r.Unknown {
		if slices.Contains(mine, u.ID) {
			t.Errorf("not looked at: %+v", u)
		}
	}
	for _, found := range r.Hazards {
		if slices.Contains(mine, found.ID) && found.Severity != schema.Info {
			t.Errorf("a false alarm: %+v", found)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if h, notes := w.rehearse(t, o); h == nil || len(notes) > 0 {
		t.Errorf("%+v: %q", h, notes)
	}
	f, err := gather(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	if h := f.rehearse(cancelled, &Result{}); h != nil {
		t.Errorf("of a run that was stopped: %+v", h)
	}
}

// TestRateOfCounting: what a table stores out of line makes no count quicker, for
// it is not read.
func TestRateOfCounting(t *testing.T) {
	slow(t)
	t.Parallel()
	w := newWorld(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), `CREATE TABLE wide (id int PRIMARY KEY, toasted text); ALTER TABLE wide ALTER toasted SET STORAGE EXTERNAL;
		INSERT INTO wide SELECT i, repeat('x', 20000) FROM generate_series(1, 1000) i; ANALYZE wide`)
	o := defaults()
	o.Measure = 500 * time.Millisecond
	f, err := gather(t.Context(), w.source.db, w.target.db, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.measureSpeed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	table := f.pair.Tables[0].Source
	if p := s.sides[postgres.Source]; p.bytes < 20<<20 || p.counted == 0 || p.counted > table.Bytes || table.Bytes > 1<<20 {
		t.Errorf("hashed %d and counted %d bytes of a heap of %d", p.bytes, p.counted, table.Bytes)
	}
}

// TestLasting: neither a rate of next to nothing nor an enormous table ends in
// less than nothing.
func TestLasting(t *testing.T) {
	s := &speed{sides: map[postgres.Side]*pace{postgres.Source: {bytes: 1, took: time.Hour}}}
	if d := s.read(postgres.Source, 1<<60); d < 24*time.Hour {
		t.Errorf("got %v", d)
	}
}

// TestSize: as the reports write it.
func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 48 << 20: "48.0 MiB", 300 << 30: "300 GiB", 1 << 62: "4096 PiB"} {
		if got := size(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
