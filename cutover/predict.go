package cutover

import (
	"context"
	"slices"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/preflight"
)

// phases are those of a preflight's rehearsal that a step consists of.
var phases = map[State]string{Freezing: "freeze", Drained: "drain", Sequenced: "sequences", Verified: "gate"}

// windowTrips is about how many statements the window takes, one after the other,
// beside those whose time is estimated for itself.
const windowTrips = 60

// lookAhead runs the preflight, which writes nothing, and works out how long the
// window will take.
func (r *run) lookAhead(ctx context.Context) (*preflight.Result, error) {
	o := r.o.Preflight
	o.Pairing = r.o.Verify.Pairing
	o.Pairing.Filter.ExcludeTables = slices.Clone(o.Pairing.Filter.ExcludeTables)
	for _, d := range r.o.Delayed { // the switch copies them itself
		o.Pairing.Filter.ExcludeTables = append(o.Pairing.Filter.ExcludeTables, d.Table)
	}
	o.Fence = fence.Options{Kind: r.o.Verify.Replication, Heartbeats: r.o.Verify.Heartbeats}
	result, err := preflight.Run(ctx, r.from.db, r.to.db, o)
	if err != nil {
		return nil, err
	}
	r.result.Preflight = result
	if result.Rehearsal == nil {
		return result, nil
	}
	if r.trip, err = r.roundTrip(ctx); err != nil {
		return nil, err
	}
	r.phases = map[string]int64{}
	for _, p := range result.Rehearsal.Phases {
		if p.EstimateMS != nil {
			r.phases[p.Name] = *p.EstimateMS
		}
	}
	r.predict()
	return result, nil
}

// predict adds up how long writes will stop. What is not known beforehand, such as
// how long a name takes to lead elsewhere, is not in it.
func (r *run) predict() {
	total := time.Duration(windowTrips) * r.trip
	for _, name := range phases {
		ms, known := r.phases[name]
		if !known {
			return
		}
		total += time.Duration(ms) * time.Millisecond
	}
	ms := total.Milliseconds()
	r.facts.PredictedMS, r.result.PredictedMS = &ms, &ms
}

// predictGate takes what the gate is expected to take now that it is prepared.
func (r *run) predictGate() {
	if r.gating != nil && r.phases != nil {
		r.phases[phases[Verified]] = r.gating.predicted().Milliseconds()
		r.predict()
	}
}

// roundTrip is how long the slower side takes to answer.
func (r *run) roundTrip(ctx context.Context) (time.Duration, error) {
	var slowest time.Duration
	for _, e := range []*end{r.from, r.to} {
		var took []time.Duration
		for range 5 {
			began := time.Now()
			if _, err := text(ctx, e.control, "round trip", "SELECT 1"); err != nil {
				return 0, err
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		slowest = max(slowest, took[len(took)/2])
	}
	return slowest, nil
}

// expected is how long a step of so many actions is expected to take, nil where
// that is not known.
func (r *run) expected(s State, actions int) *int64 {
	if rank(s) < rank(Freezing) || r.phases == nil {
		return nil
	}
	total := time.Duration(actions) * r.trip
	if name, measured := phases[s]; measured {
		ms, known := r.phases[name]
		if !known {
			return nil
		}
		total += time.Duration(ms) * time.Millisecond
	}
	ms := total.Milliseconds()
	return &ms
}
