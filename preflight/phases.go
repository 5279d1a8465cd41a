package preflight

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// basis is what estimates rest on, beside the rate.
type basis struct {
	statement   time.Duration // of a short statement on the target, its way there included; 0 where it failed
	analyzed    int64         // pages that an ANALYZE of a table reads at most
	unvalidated int           // constraints of the target that are not valid
	toValidate  int64         // bytes of their tables
	matviews    int           // of the source
	toRefresh   int64         // bytes of theirs
}

// plan fills Phases and the predicted outage. Of a physical standby nothing has
// to be analysed, validated, refreshed or set: it is the same cluster.
func (h *Rehearsal) plan(ctx context.Context, f *facts, s *speed) error {
	b, err := f.basis(ctx)
	physical := f.carries(fence.KindPhysical)
	h.Phases = append(h.Phases, verifyPhase(f, s))
	if !physical {
		h.Phases = append(h.Phases, analyzePhase(f, s, b))
		if b.unvalidated > 0 {
			h.Phases = append(h.Phases, validatePhase(s, b))
		}
	}
	h.Phases = append(h.Phases, h.freezePhase(f), h.drainPhase(f, f.passage(ctx)))
	if n := f.toSet(); n > 0 && !physical {
		h.Phases = append(h.Phases, sequencesPhase(n, b))
	}
	h.Phases = append(h.Phases, gatePhase(f, s, b), Phase{Name: "redirect", How: "not measurable from here: rehearse how long the pooler or the name takes to lead to the target"})
	if b.matviews > 0 && !physical {
		h.Phases = append(h.Phases, refreshPhase(s, b))
	}
	h.predict()
	return err
}

// predict adds up the phases in which nobody writes.
func (h *Rehearsal) predict() {
	outage := int64(0)
	for _, p := range h.Phases {
		switch {
		case p.Writes:
		case p.Name == "redirect":
			h.WriteOutageWithout = append(h.WriteOutageWithout, p.Name)
		case p.EstimateMS == nil:
			h.WriteOutageMS = nil
			return
		default:
			outage += *p.EstimateMS
		}
	}
	h.WriteOutageMS = &outage
}

func millis(d time.Duration) *int64 {
	n := max(d.Round(time.Millisecond).Milliseconds(), 1)
	return &n
}

// noRate says why what rests on the rate is not known.
const noRate = "not known: the rate of hashing was not measured"

func total(tables []*pairing.Table, side postgres.Side) (bytes int64) {
	for _, t := range tables {
		bytes += bytesOf(t.On(side))
	}
	return bytes
}

func verifyPhase(f *facts, s *speed) Phase {
	p := Phase{Name: "verify", Writes: true, How: noRate}
	if s == nil {
		return p
	}
	tables := f.compared()
	d := max(s.read(postgres.Source, total(tables, postgres.Source)), s.read(postgres.Target, total(tables, postgres.Target)))
	p.EstimateMS = millis(d)
	p.How = fmt.Sprintf("%s of the source at the rate that %s was hashed at, on one connection a side", size(total(tables, postgres.Source)), s.table.Name)
	return p
}

func analyzePhase(f *facts, s *speed, b basis) Phase {
	p := Phase{Name: "analyze", Writes: true, How: noRate}
	if s == nil || b.analyzed == 0 {
		return p
	}
	bytes := int64(0)
	for _, t := range f.compared() {
		bytes += min(t.Target.Bytes, int64(t.Target.Leaves)*b.analyzed*f.target.Server().BlockSize)
	}
	took, did := s.read(postgres.Target, bytes), "hashed"
	if counted, ok := s.count(postgres.Target, bytes); ok { // it computes next to nothing of most rows
		took, did = counted, "counted"
	}
	p.EstimateMS = millis(took)
	p.How = fmt.Sprintf("ANALYZE of the target reads %d pages of a table at most, %s in all, at the rate that rows were %s at", b.analyzed, size(bytes), did)
	return p
}

// validatePhase lies before the freeze: VALIDATE CONSTRAINT lets others write.
func validatePhase(s *speed, b basis) Phase {
	p := Phase{Name: "validate", Writes: true, How: noRate}
	if s != nil {
		p.EstimateMS = millis(s.read(postgres.Target, b.toValidate))
		p.How = fmt.Sprintf("not validated on the target: %s; VALIDATE CONSTRAINT reads their tables, %s, at the measured rate, and lets others write", plural(b.unvalidated, "constraint"), size(b.toValidate))
	}
	return p
}

func (h *Rehearsal) freezePhase(f *facts) Phase {
	i := slices.IndexFunc(h.Oldest, func(o OldestTransaction) bool { return o.Side == postgres.Source })
	switch {
	case !f.seen[postgres.Source]:
		return Phase{Name: "freeze", How: "not known: the source's transactions could not all be seen"}
	case i < 0:
		zero := int64(0)
		return Phase{Name: "freeze", EstimateMS: &zero, How: "no transaction was open on the source, so there was none to wait for"}
	}
	o := h.Oldest[i]
	age := o.AgeMS
	return Phase{Name: "freeze", EstimateMS: &age, How: fmt.Sprintf("what is under way may end: the oldest transaction of the source (pid %d, %s) is open for so long already, and as long again is expected", o.PID, o.State)}
}

// passage is how long a mark took from the source until its application on the
// target was confirmed, 0 where it was not measured, or did not pass: a lag of
// nothing takes that long to be known.
func (f *facts) passage(ctx context.Context) time.Duration {
	if f.fence == nil || f.o.Measure <= 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, max(f.o.Measure, time.Second))
	defer cancel()
	began := time.Now()
	mark, err := f.fence.Mark(ctx)
	if err != nil || f.fence.Wait(ctx, mark) != nil {
		return 0
	}
	return time.Since(began)
}

func (h *Rehearsal) drainPhase(f *facts, passage time.Duration) Phase {
	p := Phase{Name: "drain", How: "not known: the lag was not measured"}
	switch {
	case len(f.detection.Forward) == 0 && len(f.o.Fence.Heartbeats) == 0 && f.unclear == nil:
		zero := int64(0)
		p.EstimateMS, p.How = &zero, "nothing replicates the pair, so there is nothing to drain"
	case h.Lag != nil && h.Lag.Bytes == 0:
		p.EstimateMS, p.How = h.Lag.DrainMS, "the target lacked nothing of the log when it was watched"
	case h.Lag != nil && h.Lag.DrainMS != nil:
		p.EstimateMS, p.How = h.Lag.DrainMS, fmt.Sprintf("%s of log lay ahead of the target, at the rate that was confirmed while it was watched", size(h.Lag.Bytes))
	case h.Lag != nil && h.Lag.WindowMS == 0:
		p.How = fmt.Sprintf("not known: %s of log lay ahead of the target, and it was not watched how fast that is drained (--measure)", size(h.Lag.Bytes))
	case h.Lag != nil:
		p.How = fmt.Sprintf("not known: %s of log lay ahead of the target, and nothing was confirmed while it was watched", size(h.Lag.Bytes))
	}
	if least := millis(passage); len(f.detection.Forward) > 0 && passage > 0 && h.Lag != nil && h.Lag.Bytes < onItsWay && (p.EstimateMS == nil || *p.EstimateMS < *least) {
		p.EstimateMS, p.How = least, fmt.Sprintf("%s of log lay ahead of the target when it was watched; a mark was confirmed after %v", size(h.Lag.Bytes), passage.Round(time.Millisecond))
	}
	return p
}

// toSet counts the sequences that the target takes over from the source.
func (f *facts) toSet() (n int) {
	for _, q := range f.pair.Sequences {
		if q.Source != nil && q.Target != nil {
			n++
		}
	}
	return n
}

func sequencesPhase(n int, b basis) Phase {
	p := Phase{Name: "sequences", How: "not known: no statement was timed"}
	if b.statement > 0 {
		p.EstimateMS = millis(time.Duration(n) * b.statement)
		p.How = fmt.Sprintf("%s, one statement each, at the %v that a short one takes on the target", plural(n, "sequence"), b.statement.Round(10*time.Microsecond))
	}
	return p
}

// gatePhase is what is verified while nobody writes: all rows are counted, the
// last ones of each table and all sequences compared.
func gatePhase(f *facts, s *speed, b basis) Phase {
	p := Phase{Name: "gate", How: "not known: the rate of counting was not measured"}
	if s == nil || b.statement == 0 {
		return p
	}
	tables := f.compared()
	source, ok := s.count(postgres.Source, heaps(tables, postgres.Source))
	target, ok2 := s.count(postgres.Target, heaps(tables, postgres.Target))
	if !ok || !ok2 {
		return p
	}
	statements := 2*len(tables) + 1
	p.EstimateMS = millis(max(source, target) + time.Duration(statements)*b.statement)
	p.How = fmt.Sprintf("rows are counted at the measured rate (%s of the source), the last rows and the sequences compared by %d short statements; on one connection a side", size(heaps(tables, postgres.Source)), statements)
	return p
}

func heaps(tables []*pairing.Table, side postgres.Side) (bytes int64) {
	for _, t := range tables {
		bytes += t.On(side).Bytes
	}
	return bytes
}

// refreshPhase comes after the switch: a view that was filled before shows what
// it was filled with.
func refreshPhase(s *speed, b basis) Phase {
	p := Phase{Name: "refresh", Writes: true, How: noRate}
	if s != nil {
		p.EstimateMS = millis(s.read(postgres.Target, b.toRefresh))
		p.How = fmt.Sprintf("%s, which nothing replicates, hold %s on the source, at the measured rate; what their queries read comes on top", plural(b.matviews, "materialised view"), size(b.toRefresh))
	}
	return p
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// unvalidatedSQL counts the constraints that are not valid, and adds up their
// tables, each once for each.
const unvalidatedSQL = `SELECT count(*), coalesce(pg_catalog.sum(s.bytes), 0)::pg_catalog.int8
FROM pg_catalog.pg_constraint k
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
  WITH RECURSIVE tree(oid) AS (
    SELECT c.oid UNION ALL SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.oid WHERE c.relkind = 'p'
  )
  SELECT pg_catalog.sum(pg_catalog.pg_table_size(tree.oid)) AS bytes FROM tree
) s
WHERE NOT k.convalidated AND {{pg_constraint.conenforced ? k.conenforced : true}} AND {{pg_constraint.conparentid ? k.conparentid = 0 : true}} AND {{own n.nspname}}`

const matviewsSQL = `SELECT count(*), coalesce(pg_catalog.sum(pg_catalog.pg_table_size(c.oid)), 0)::pg_catalog.int8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND {{own n.nspname}}`

// analyzedSQL is how many rows, and so pages at most, ANALYZE takes of a table
// (std_typanalyze in commands/analyze.c).
const analyzedSQL = `SELECT 300 * pg_catalog.current_setting('default_statistics_target')::pg_catalog.int8`

func (f *facts) basis(ctx context.Context) (b basis, err error) {
	ask := func(side postgres.Side, sql string, columns ...*int64) error {
		st := postgres.Statement{SQL: f.features[side].Fill(f.expand(sql))}
		_, err := queryRows(ctx, f.on(side), "preflight rehearsal", st, func(r postgres.Row) bool {
			for i, c := range columns {
				*c = r.Int(i)
			}
			return true
		}, f.limit())
		return err
	}
	var constraints, views int64
	for _, err := range []error{
		ask(postgres.Target, unvalidatedSQL, &constraints, &b.toValidate), ask(postgres.Source, matviewsSQL, &views, &b.toRefresh), ask(postgres.Target, analyzedSQL, &b.analyzed),
	} {
		if err != nil {
			return b, err
		}
	}
	b.unvalidated, b.matviews = int(constraints), int(views)
	b.statement, err = f.timeStatement(ctx)
	return b, err
}

// timings is how many statements are timed.
const timings = 5

// timeStatement is how long a short statement takes on the target: the median.
func (f *facts) timeStatement(ctx context.Context) (time.Duration, error) {
	var took []time.Duration
	err := f.target.Read(ctx, "preflight rehearsal", func(ctx context.Context, s *postgres.Session) error {
		for range timings {
			began := time.Now()
			if err := s.Each(ctx, postgres.Statement{SQL: "SELECT 1"}, func(postgres.Row) error { return nil }); err != nil {
				return err
			}
			took = append(took, time.Since(began))
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	slices.Sort(took)
	return max(took[timings/2], time.Microsecond), nil
}
