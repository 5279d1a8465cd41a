package checker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// Sampled is what a run that compares a sample, and not all content, may claim.
type Sampled struct {
	Seed        int64   `json:"seed"`          // draws the same rows again
	RowsPerSide int     `json:"rows_per_side"` // of each table; drawn were as many or fewer
	Confidence  float64 `json:"confidence"`
	// Share is the share of differing rows that would have been seen, with the
	// confidence, in the table of which the fewest rows were drawn; 0 where all
	// rows were compared, 1 where nothing was.
	Share    float64 `json:"share"`
	Sentence string  `json:"sentence"` // all that in words
}

// TableSample is what was drawn of a table.
type TableSample struct {
	Source int64 `json:"source"` // draws that gave a row, the same row counted as often as it was drawn
	Target int64 `json:"target"`
	// Whole: all its rows were compared instead, which takes no longer.
	Whole bool `json:"whole,omitempty"`
	// Share is as in Sampled, of this table; 0 with Whole.
	Share float64 `json:"share,omitempty"`
}

// seeded has a seed, drawn at random where none was given.
func (o Options) seeded() Options {
	if o.Seed == 0 && o.has("sample") {
		o.Seed = 1 + rand.Int64N(1<<53-1) // readers of JSON may hold it as a float
	}
	return o
}

// wholeSample is the plan of a table of which no sample is drawn.
const wholeSample = "all rows, which takes no longer than to draw some"

// samplePlan is how a table is sampled; why is not "" where it cannot be.
func (o Options) samplePlan(source, target *postgres.DB, t *pairing.Table, keyed bool) (plan, why string) {
	switch {
	case !t.Source.Tids || !t.Target.Tids:
		return "", "its rows cannot be drawn by their place, since it is not stored as heaps alone on both sides"
	case sampler.WholeIsCheaper(t, o.SampleRows, source.Server().BlockSize, target.Server().BlockSize):
		return wholeSample, ""
	case !keyed:
		return "", "rows that are drawn cannot be looked up on the other side without a key: " + t.KeyReason
	}
	return fmt.Sprintf("up to %d rows drawn at random on each side", o.SampleRows), ""
}

// sampleText is samplePlan for people, "" where no sample is asked for.
func (o Options) sampleText(source, target *postgres.DB, t *pairing.Table, keyed bool) string {
	if !o.has("sample") {
		return ""
	}
	plan, why := o.samplePlan(source, target, t, keyed)
	if why != "" {
		return "none: " + why
	}
	return plan
}

// planSample plans the sample of a table. One that cannot be drawn is a failure,
// unless the whole content is compared anyway.
func (r *run) planSample(tr *tableRun) {
	plan, why := r.o.samplePlan(r.source, r.target, tr.table, tr.digest.Keyed())
	if why != "" && r.o.has("ranges") {
		tr.note("sample: not drawn, " + why)
		return
	}
	if !r.o.has("ranges") {
		tr.describe()
		tr.result.Plan = "sample"
	}
	tr.add(sampler.Unit{Check: sampler.CheckSample, SampleRows: r.o.SampleRows, Seed: r.o.Seed})
	if plan == wholeSample && r.moving != nil && !r.o.has("ranges") {
		tr.add(sampler.Unit{Check: sampler.CheckClosing}) // its content is read like any other's
	}
}

// drawing draws rows of one side.
type drawing struct {
	*sampler.Drawer
	db    *postgres.DB
	batch int // places a statement reads
}

// The sizes of a sample: places chosen at once, places that one statement reads
// at first (each is a page at random) and at least, however slow the disk.
const (
	roundTries = 10_000
	tidBatch   = 4000
	leastBatch = 50
)

// doSample compares a random sample of a table: rows drawn on the source, which
// the target must have, and rows drawn on the target, which the source must
// have. A table that is compared whole in less time is.
func (r *run) doSample(ctx context.Context, tr *tableRun, u sampler.Unit) (Outcome, error) {
	switch plan, why := r.o.samplePlan(r.source, r.target, tr.table, tr.digest.Keyed()); {
	case why != "":
		return Outcome{}, errors.New("sample: " + why + ": --checks ranges compares it")
	case plan == wholeSample:
		out, err := r.doContent(ctx, tr, u)
		out.Sample = &TableSample{Source: out.Source, Target: out.Target, Whole: true}
		return out, err
	}
	var draws [2]*drawing
	for i, db := range []*postgres.DB{r.source, r.target} {
		draws[i] = &drawing{db: db, batch: tidBatch}
		err := r.readAgain(ctx, db, u.ID(), func(ctx context.Context, s *postgres.Session) (err error) {
			draws[i].Drawer, err = sampler.NewDrawer(ctx, s, tr.table, db.Side(), db.Server().BlockSize, u.Seed)
			return err
		}, r.readWhatever)
		if err != nil {
			return Outcome{}, err
		}
	}
	out := Outcome{Unit: u, Sample: &TableSample{}}
	least := int64(u.SampleRows)
	for i, n := range []*int64{&out.Sample.Source, &out.Sample.Target} {
		rows, err := r.sampleSide(ctx, tr, draws[i], u.SampleRows, n, &out)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.Source = rows
		} else {
			out.Target = rows
		}
		if draws[i].Places() == 0 {
			continue // it has no rows, and nothing to draw
		}
		if *n == 0 {
			return out, fmt.Errorf("sample: %s: no row was found in %d places: its pages are nearly empty: --checks ranges compares it", draws[i].db.Side(), sampler.Tries(u.SampleRows))
		}
		least = min(least, *n)
	}
	out.Sample.Share, out.Compared = sampler.Share(least), true
	return out, nil
}

// sampleSide draws rows of one side until it has as many as wanted, or has tried
// as many places as it may, and compares each on both sides. drawn counts the
// draws, distinct are the rows.
func (r *run) sampleSide(ctx context.Context, tr *tableRun, d *drawing, want int, drawn *int64, out *Outcome) (distinct int64, err error) {
	seen := map[sampler.Place]bool{}
	tries, tried := sampler.Tries(want), int64(0)
	for *drawn < int64(want) && tried < tries && d.Places() > 0 {
		// As many as will do by what was found so far, and some more.
		missing := int64(want) - *drawn
		next := 2*missing + 100
		if tried > 0 {
			next = missing*tried/max(*drawn, 1)*11/10 + 100
		}
		places := d.Choose(int(min(next, tries-tried, roundTries)))
		tried += int64(len(places))
		keys, err := r.readPlaces(ctx, tr, d, places)
		if err != nil {
			return distinct, err
		}
		var fresh []sampler.Place
		for _, p := range places {
			if _, ok := keys[p]; !ok || *drawn == int64(want) {
				continue
			}
			*drawn++
			if !seen[p] {
				seen[p], fresh = true, append(fresh, p)
			}
		}
		distinct += int64(len(fresh))
		if err := r.compareDrawn(ctx, tr, d, fresh, keys, out); err != nil {
			return distinct, err
		}
	}
	return distinct, nil
}

// readPlaces reads the keys of the rows at some places, in statements that keep
// to the budget.
func (r *run) readPlaces(ctx context.Context, tr *tableRun, d *drawing, places []sampler.Place) (map[sampler.Place][]string, error) {
	all := map[sampler.Place][]string{}
	for len(places) > 0 {
		n, read := min(d.batch, len(places)), r.read
		if n <= leastBatch {
			read = r.readWhatever
		}
		var keys map[sampler.Place][]string
		err := r.readAgain(ctx, d.db, "sample "+tr.table.Name, func(ctx context.Context, s *postgres.Session) (err error) {
			keys, err = d.Read(ctx, s, places[:n])
			return err
		}, read, sampler.TidScan...)
		if postgres.TimedOut(err) && ctx.Err() == nil && n > leastBatch {
			d.batch = max(n/4, leastBatch)
			continue
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, keys)
		places = places[n:]
	}
	return all, nil
}

// errUnfound does not name the key, whose values may be personal data.
var errUnfound = errors.New("a row that is there is not found by its key: the key's index may be corrupt; check with amcheck and REINDEX")

// compareDrawn looks at drawn rows on both sides by key. Those that are not the
// same at once are suspects like any other.
//
// A row that its own side does not find by its key would pass for one that was
// deleted since, and where the other side lacks it, for equal. So its place is
// read again: is it still there, nothing can be said of the table.
func (r *run) compareDrawn(ctx context.Context, tr *tableRun, d *drawing, places []sampler.Place, keys map[sampler.Place][]string, out *Outcome) error {
	for batch := range slices.Chunk(places, r.sizes.look) {
		wanted := make([][]string, len(batch))
		for i, p := range batch {
			wanted[i] = keys[p]
		}
		states, err := r.lookBoth(ctx, tr, wanted)
		if err != nil {
			return err
		}
		var gone []sampler.Place
		var suspects [][]string
		for i, p := range batch {
			if !states[index(d.db.Side())][i].Present {
				gone = append(gone, p)
			}
			if !states[0][i].Same(states[1][i]) {
				suspects = append(suspects, wanted[i])
			}
		}
		still, err := r.readPlaces(ctx, tr, d, gone)
		if err != nil {
			return err
		}
		for p, key := range still {
			if joinKey(key) == joinKey(keys[p]) {
				return fmt.Errorf("%s: %w", d.db.Side(), errUnfound)
			}
		}
		if err := r.settle(ctx, tr, suspects, out); err != nil {
			return err
		}
	}
	return nil
}

// lookBoth looks at rows by key on both sides at the same time.
func (r *run) lookBoth(ctx context.Context, tr *tableRun, keys [][]string) (states [2][]hashing.State, err error) {
	err = r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) (err error) {
		states[index(db.Side())], err = r.look(ctx, tr, db, keys)
		return err
	})
	return states, err
}

// foldSample takes what was drawn of a table into the result, and says what it
// proves.
func (r *run) foldSample(tr *tableRun, o Outcome) {
	s := o.Sample
	if s == nil || !o.Compared || o.Err != "" {
		return
	}
	tr.result.Sample = s
	if !r.o.has("ranges") {
		r.result.Coverage.RowsCompared += o.Source
	}
	drawn := fmt.Sprintf("sample: %d rows drawn on each side", s.Source)
	if s.Source != s.Target {
		drawn = fmt.Sprintf("sample: %d rows drawn on the source and %d on the target", s.Source, s.Target)
	}
	switch {
	case s.Whole:
		tr.note("sample: all rows were compared, which takes no longer than to draw some")
	case o.Confirmed > 0 || o.Unsettled > 0:
		tr.note(drawn + ", not all of which are equal: rows that were not drawn may differ as well")
	default:
		tr.note(fmt.Sprintf("%s, none differs: if at least %s %% of the rows of a side differed, this would have been seen with %s %%", drawn, sampler.Percent(s.Share), confidence()))
	}
}

func confidence() string { return fmt.Sprintf("%.4g", 100*sampler.Confidence) }

// finishSample says in the result that only a sample was compared.
func (r *run) finishSample() {
	switch {
	case !r.o.has("sample"):
		return
	case r.o.has("ranges"): // all content was: nothing rests on the sample
		r.note(fmt.Sprintf("sample: the seed was %d", r.o.Seed))
		return
	}
	s := &Sampled{Seed: r.o.Seed, RowsPerSide: r.o.SampleRows, Confidence: sampler.Confidence}
	compared, drawn := 0, 0
	for _, t := range r.result.Tables {
		if t.Sample == nil {
			continue
		}
		compared++
		if !t.Sample.Whole {
			drawn++
		}
		s.Share = max(s.Share, t.Sample.Share)
	}
	switch {
	case compared == 0:
		s.Share = 1
		s.Sentence = fmt.Sprintf("a random sample was asked for (seed %d), and of no table one was compared", s.Seed)
	case drawn == 0:
		s.Sentence = fmt.Sprintf("a random sample was asked for (seed %d), and all rows of each table sampled were compared, which takes no longer", s.Seed)
	default:
		s.Sentence = fmt.Sprintf("only a random sample was compared, of each table up to %d rows drawn on each side (seed %d): had at least %s %% of a sampled table's rows differed on either side, this would have been seen with %s %%",
			s.RowsPerSide, s.Seed, sampler.Percent(s.Share), confidence())
	}
	r.result.Sampled = s
}
