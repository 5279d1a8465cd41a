package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/postgres"
)

// What a monitor has followed need not be read again: the gate looks at the rows that
// changed between its watermark and the fence, however large their tables are. The state is
// the monitor's, and stays as it is: when the switch is given up it goes on from there.

// handOver asks what the monitor knows, and begins to follow from its watermark. Where that is not
// possible all is read that would be read without.
func (r *run) handOver(ctx context.Context) error {
	if r.o.Monitor == nil || r.direction == Rollback || r.strategy == VerifyOnly || r.follower != nil {
		return nil
	}
	return r.do(ctx, Action{ID: "watermark", On: r.from.name, Do: "read the monitor's watermark, and the changes behind it from its slot", Why: "the gate has to look at no other rows of these tables"}, func(ctx context.Context) error {
		var err error
		for deadline := time.Now().Add(handOverPatience); ; {
			if err = r.takeOver(ctx); err == nil || time.Now().After(deadline) || ctx.Err() != nil {
				break
			}
			rest(ctx, time.Second)
		}
		if err != nil && ctx.Err() == nil {
			r.note("the monitor's watermark is of no use: %v", err)
			return nil
		}
		return err
	})
}

// handOverPatience is how long a monitor may take to see that a switch has begun, and to leave its slot: it
// looks every other second.
const handOverPatience = 10 * time.Second

func (r *run) takeOver(ctx context.Context) error {
	state, pass, err := r.o.Monitor(ctx)
	if err != nil {
		return err
	}
	f, _, refused, err := follow.Begin(ctx, r.from.db, r.to.db, r.pair, checker.Stream{Detection: r.detection, Fence: r.fence}, *state,
		follow.Options{Pair: r.o.Pair, URL: r.from.url, Settle: r.o.Verify.Settle, HashKeys: r.o.Verify.HashKeys, MaxDiffs: r.o.Verify.MaxDiffs, Observe: true})
	if err != nil {
		return err
	}
	for _, t := range refused {
		r.note("%s: the monitor does not follow it: %s", t.Table, t.Why)
	}
	r.follower, r.handed = f, pass
	return nil
}

// monitored tells whether the switch can rest on the monitor's last full pass.
func (r *run) monitored() bool {
	if r.handed == nil {
		return false
	}
	err := errors.Join(mismatched(r.handed), r.doubts(r.evidenceOf(r.handed, checker.Horizon{}, false)), r.covers(r.handed))
	if err != nil {
		r.note("the switch cannot rest on the monitor's last full pass: %v", err)
	}
	return err == nil
}

// comeUp brings the watermark up to now, so that the window has little to look at. What
// is found on the way ends the run.
func (r *run) comeUp(ctx context.Context) error {
	if r.follower == nil {
		return nil
	}
	return r.gate(ctx, Action{ID: "watermark-now", On: "here", Do: "compare the rows that changed since the watermark", Why: "so that the window has few to look at, and a difference is found before it"}, func(ctx context.Context) error {
		r.follower.Replicates(checker.Stream{Detection: r.detection, Fence: r.fence})
		to, err := r.from.db.Flushed(ctx)
		if err != nil {
			return err
		}
		s, err := r.follower.Reach(ctx, to)
		if err != nil {
			return r.unfollow(ctx, err)
		}
		return r.differs(s)
	})
}

// unfollow does without the watermark.
func (r *run) unfollow(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	r.note("the monitor's watermark is of no use any more: %v", err)
	r.follower.Close()
	r.follower = nil
	return nil
}

// differs ends the run where followed rows differ.
func (r *run) differs(s follow.Step) error {
	return rowsDiffer("rows that were followed", s.Total, s.Findings)
}

// followed tells whether a table has a watermark, without exceptions.
func (r *run) followed(t *gateTable) bool {
	if r.follower == nil {
		return false
	}
	ts, known := r.follower.State().Tables[t.Name]
	return known && ts.LSN != "" && ts.Dirty == "" && len(ts.Exceptions) == 0
}

// proveFollowed brings the watermark up to the fence, of the pair at rest.
func (r *run) proveFollowed(ctx context.Context, g *gating) error {
	var tables []*gateTable
	for _, t := range g.tables {
		if t.claim == claimFollowed {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	to, err := postgres.ParseLSN(r.facts.FenceLSN)
	if err != nil {
		return err
	}
	r.follower.Replicates(checker.Stream{})
	s, err := r.follower.Reach(ctx, to)
	if err != nil {
		return err
	}
	for _, t := range tables {
		t.findings, t.differing = nil, 0
	}
	for _, f := range s.Findings {
		i := slices.IndexFunc(tables, func(t *gateTable) bool { return t.Name == f.Table })
		if i < 0 {
			return errors.New("the gate: a row differs of a table that it does not compare: " + sentence(f))
		}
		tables[i].findings = append(tables[i].findings, sentence(f))
		tables[i].differing++
	}
	if more := s.Total - int64(len(s.Findings)); more > 0 {
		tables[0].differing += more
		tables[0].findings = append(tables[0].findings, fmt.Sprintf("%d more rows of followed tables differ", more))
	}
	for _, t := range tables {
		t.done = true
		if !r.followed(t) {
			t.nothing("it was followed, and is not any more: it was redefined, truncated or rewritten, or rows did not settle")
			continue
		}
		t.result = GateTable{Name: t.Name, Claim: claimFollowed, Rows: s.Rows[t.Name], Compared: s.Rows[t.Name], Why: fmt.Sprintf(
			"each row whose last change committed before %s was read on the %s when that was applied, and was equal then; %d of them in the window; what was written to the %s directly is in no change",
			s.Through, r.to.name, s.Rows[t.Name], r.to.name)}
	}
	return nil
}
