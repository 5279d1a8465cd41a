package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

var (
	preflightVerdicts = []preflight.Verdict{preflight.Ready, preflight.Blocked, preflight.Unproven}
	severities        = []schema.Severity{schema.Block, schema.Warn, schema.Info}
)

// settlePreflight returns the copy of r that is rendered: no nil list, times
// in UTC, numbers that JSON has, and no "ready" that the content does not
// carry. Lists that need no change stay shared with r.
func settlePreflight(r *preflight.Result) *preflight.Result {
	c := *r
	c.SchemaVersion = preflight.SchemaVersion
	c.StartedAt, c.FinishedAt = c.StartedAt.UTC(), c.FinishedAt.UTC()
	c.Reasons, c.Notes = listed(c.Reasons), listed(c.Notes)
	c.Coverage.NotCarried = listed(c.Coverage.NotCarried)
	c.Unknown, c.Checked = listed(c.Unknown), listed(c.Checked)
	c.Hazards = slices.Clone(listed(c.Hazards))
	for i := range c.Hazards {
		settleHazard(&c.Hazards[i])
	}
	if p := c.Replication; p != nil {
		known := *p
		known.Evidence = listed(known.Evidence)
		c.Replication = &known
	}
	if c.Rehearsal != nil {
		c.Rehearsal = settleRehearsal(*c.Rehearsal)
	}
	if !slices.Contains(preflightVerdicts, c.Verdict) {
		c.Verdict = preflight.Unproven
	}
	if against := notReady(r); c.Verdict == preflight.Ready && len(against) > 0 {
		c.Verdict = preflight.Unproven
		if blocks, _ := c.Count(schema.Block); blocks > 0 {
			c.Verdict = preflight.Blocked
		}
		c.Reasons = slices.Concat(c.Reasons, []string{
			"the result claims to be ready and contradicts itself: " + strings.Join(against, "; "),
		})
	}
	return &c
}

// settleHazard makes one of a severity that nobody knows a block, for it must
// not look harmless; and a block cannot be acknowledged away.
func settleHazard(h *preflight.Hazard) {
	if !slices.Contains(severities, h.Severity) {
		h.Severity = schema.Block
	}
	if h.Severity == schema.Block {
		h.Acknowledged = false
	}
}

func settleRehearsal(rh preflight.Rehearsal) *preflight.Rehearsal {
	rh.Largest = slices.Clone(listed(rh.Largest))
	for i := range rh.Largest {
		rh.Largest[i].Share = finite(rh.Largest[i].Share)
	}
	rh.Oldest, rh.DeadTuples, rh.Phases = listed(rh.Oldest), listed(rh.DeadTuples), listed(rh.Phases)
	rh.WriteOutageWithout = listed(rh.WriteOutageWithout)
	if rh.Rate != nil {
		rate := *rh.Rate
		rate.BytesPerSecond = finite(rate.BytesPerSecond)
		rh.Rate = &rate
	}
	if rh.Lag != nil {
		lag := *rh.Lag
		lag.Inflow, lag.Drained = finite(lag.Inflow), finite(lag.Drained)
		rh.Lag = &lag
	}
	return &rh
}

// finite makes what JSON cannot hold zero: a report must not be lost to a
// division by nothing.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// notReady says what in r speaks against r being ready, whatever r.Verdict is.
// What a detector found is held against the hazards that are listed, so that a
// file from which hazards were cut is no better than it was.
func notReady(r *preflight.Result) []string {
	var against []string
	add := func(format string, args ...any) { against = append(against, fmt.Sprintf(format, args...)) }

	listed := map[string]int{}
	for _, h := range r.Hazards {
		if listed[h.ID]++; h.Severity != schema.Warn && h.Severity != schema.Info {
			add("%s blocks", strings.TrimSpace(h.ID+" "+h.Object))
		}
	}
	for _, u := range r.Unknown {
		if !u.Acknowledged {
			add("%s was not looked for", u.ID)
		}
	}
	if len(r.Checked) == 0 {
		add("nothing was looked for")
	}
	for _, c := range r.Checked {
		if n := listed[c.ID]; n != c.Found {
			add("%s found %s, %d listed", c.ID, plural(int64(c.Found), "hazard", "hazards"), n)
		}
		delete(listed, c.ID)
	}
	for _, h := range r.Hazards {
		if listed[h.ID] > 0 {
			add("%s was found by no detector", h.ID)
			delete(listed, h.ID)
		}
	}
	if r.Replication == nil || r.Replication.Kind == "" {
		add("what replicates the pair is not known")
	}
	if r.Coverage.Carried > r.Coverage.Tables {
		add("%d of %s are said to be carried", r.Coverage.Carried, plural(int64(r.Coverage.Tables), "table", "tables"))
	}
	if len(r.Reasons) > 0 {
		add("it gives a reason against: %s", r.Reasons[0])
	}
	// The list can be as long as the objects are many; the first few tell it.
	if n := len(against); n > 5 {
		against = append(against[:5], fmt.Sprintf("and %d more", n-5))
	}
	return against
}
