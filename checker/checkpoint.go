package checker

import (
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// Checkpoints: what a run writes down (journal), and how a later one goes on
// from it.
//
//   - The plan of all tables comes first and is fixed: a run that goes on uses
//     the units and the seeds that are there, not new ones.
//   - Then each unit that was compared, and each piece of a long one. A unit
//     that failed, was left unsettled or was in work is done again, whole but
//     for its pieces.
//   - What the file says holds of the databases, definitions, forms and options
//     that it names. Where any of them is another now, it is refused.

// openCheckpoints opens the journal, and refuses one of another comparison.
func (r *run) openCheckpoints() (*journal, error) {
	j, err := openJournal(r.o.Resume)
	if err != nil || j == nil || j.past == nil {
		return j, err
	}
	if why := j.past.header.differs(r); why != "" {
		j.close()
		return nil, j.refusal(fmt.Errorf("%s%s", why, startAnew))
	}
	return j, nil
}

// fixPlan writes the plan of a run that begins, or checks that of an earlier run
// and takes over its units. To be called when all tables are planned.
func (r *run) fixPlan(agree *hashing.Agreement) error {
	switch {
	case r.journal == nil:
		return nil
	case r.journal.past == nil:
		r.journal.write(r.planEntries(agree)...)
		r.warnOfJournal(r.emit)
		return nil
	}
	for _, tr := range r.tables {
		if tr.digest == nil {
			continue
		}
		if r.moving != nil && r.journal.past.tables[tr.table.Name].Cover != r.moving.covers[tr.table.Name].Version(tr.table.Target.Quoted) {
			return r.journal.refusal(fmt.Errorf("the replication of %s was changed since the first start%s", tr.table.Name, startAnew))
		}
		tr.units = nil
		for _, u := range r.journal.past.tables[tr.table.Name].Units {
			tr.add(u.unit())
		}
	}
	r.journal.write(entry{Resumed: &resumedLine{At: time.Now().UTC(), Tool: r.o.Version}})
	r.warnOfJournal(r.emit)
	return nil
}

func (r *run) planEntries(agree *hashing.Agreement) []entry {
	entries := []entry{{Header: &headerLine{
		Format: journalFormat, Tool: r.o.Version, OptionsHash: r.o.OptionsHash, Pair: r.o.Pair,
		Source: partyOf(r.source, r.began[0]), Target: partyOf(r.target, r.began[1]),
		DigestSpec: hashing.Spec, Seeds: agree.Seeds(), SampleSeed: r.o.Seed,
		StartedAt: r.result.StartedAt, AsOfLSN: r.result.AsOfLSN,
	}}}
	if r.moving != nil {
		entries[0].Header.Horizon, entries[0].Header.Back = r.moving.horizon, r.moving.back
	}
	for _, t := range r.pair.Tables {
		line := tableLineOf(t)
		if tr := r.byName[t.Name]; tr != nil && tr.digest != nil {
			line.Fingerprint, line.Plan = tr.digest.Fingerprint(), &tr.plan
			if r.moving != nil {
				line.Cover = r.moving.covers[t.Name].Version(t.Target.Quoted)
			}
			for _, u := range tr.units {
				line.Units = append(line.Units, unitLineOf(u))
			}
		}
		entries = append(entries, entry{Table: line})
	}
	return append(entries, entry{Planned: new(len(r.pair.Tables))})
}

// resumeHeader takes over what an earlier run fixed before planning: its seeds
// and its start.
func (r *run) resumeHeader(agree *hashing.Agreement) error {
	if r.journal == nil || r.journal.past == nil {
		return nil
	}
	h := r.journal.past.header
	if err := agree.Reseed(h.Seeds); err != nil {
		return r.journal.refusal(fmt.Errorf("%w%s", err, startAnew))
	}
	r.o.Seed, r.result.StartedAt, r.result.AsOfLSN = h.SampleSeed, h.StartedAt, h.AsOfLSN
	r.began = [2]string{h.Source.Transactions, h.Target.Transactions}
	if moved := h.Horizon != ""; moved != (r.moving != nil) {
		return r.journal.refusal(fmt.Errorf("the pair was replicated at the first start and is not now, or the other way round%s", startAnew))
	} else if moved {
		if (h.Back != "") != (r.moving.back != "") {
			return r.journal.refusal(fmt.Errorf("the target's changes were replicated back at the first start and are not now, or the other way round%s", startAnew))
		}
		r.moving.horizon, r.moving.back = h.Horizon, h.Back // what was read then may have moved since
	}
	return r.resumeTables()
}

// differs says what differs between the run that left the file and this one, as
// far as that is known before any work, or "".
func (h *headerLine) differs(r *run) string {
	switch {
	case h.DigestSpec != hashing.Spec:
		return fmt.Sprintf("rows were hashed by another definition then (%s, now %s)", h.DigestSpec, hashing.Spec)
	case h.OptionsHash != r.o.OptionsHash:
		return "the options that say what is compared were others then (only concurrency, settle, limits, pauses and reports may change)"
	}
	for _, s := range []struct {
		then partyLine
		now  *postgres.DB
	}{{h.Source, r.source}, {h.Target, r.target}} {
		if why := s.then.differs(partyOf(s.now, "")); why != "" {
			return fmt.Sprintf("the %s was another database then: %s", s.now.Side(), why)
		}
	}
	return ""
}

// resumeTables refuses a pair whose definitions are not those of the plan, and
// leaves out what was not planned: it is reported as created meanwhile.
func (r *run) resumeTables() error {
	p := r.journal.past
	refuse := func(table, why string) error {
		return r.journal.refusal(fmt.Errorf("%s %s%s", table, why, startAnew))
	}
	planned := map[string]bool{}
	for _, t := range r.pair.Tables {
		then, ok := p.tables[t.Name]
		if !ok {
			continue
		}
		planned[t.Name] = true
		now := tableLineOf(t)
		switch {
		case then.Source != now.Source:
			return refuse(t.Name, "was altered, dropped or replaced on the source since the first start")
		case then.Target != now.Target:
			return refuse(t.Name, "was altered, dropped or replaced on the target since the first start")
		case then.Barred != now.Barred:
			return refuse(t.Name, "can be compared now and could not at the first start, or the other way round")
		}
	}
	for _, name := range p.names {
		if !planned[name] {
			return refuse(name, "was planned at the first start and is not there any more")
		}
	}
	r.pair.Tables = slices.DeleteFunc(r.pair.Tables, func(t *pairing.Table) bool { return !planned[t.Name] })
	return nil
}

// resumePlan takes over a table's plan.
func (r *run) resumePlan(tr *tableRun) error {
	if r.journal == nil || r.journal.past == nil || tr.digest == nil {
		return nil
	}
	then := r.journal.past.tables[tr.table.Name]
	if then.Plan == nil || then.Fingerprint != tr.digest.Fingerprint() {
		return r.journal.refusal(fmt.Errorf("the rows of %s would be hashed otherwise than at the first start (another key, or other forms)%s", tr.table.Name, startAnew))
	}
	tr.plan = *then.Plan
	return nil
}

// plannedRanges are those of an earlier run's plan; ok is false at a first
// start.
func (r *run) plannedRanges(tr *tableRun) (ranges []sampler.Range, ok bool) {
	if r.journal == nil || r.journal.past == nil {
		return nil, false
	}
	for _, u := range r.journal.past.tables[tr.table.Name].Units {
		if u.Check == sampler.CheckContent {
			ranges = append(ranges, u.unit().Range)
		}
	}
	return ranges, true
}

// resumeOutcomes folds what an earlier run compared.
func (r *run) resumeOutcomes() {
	if r.journal == nil || r.journal.past == nil {
		return
	}
	p := r.journal.past
	units := map[string]sampler.Unit{}
	for _, tr := range r.tables {
		for _, u := range tr.units {
			units[u.ID()] = u
		}
	}
	for _, line := range p.outcomes {
		u, ok := units[line.unitID()]
		if !ok || line.Confirmed > 0 && r.mayCountAgain(u) {
			continue
		}
		for _, key := range line.Claimed {
			r.byName[u.Table].claimed[string(key)] = true
		}
		r.Fold(line.outcome(u))
	}
	again := "once"
	if p.resumed > 0 {
		again = fmt.Sprintf("%d times", p.resumed+1)
	}
	r.note(fmt.Sprintf("resumed %s; first started %s, %d of %d chunks were compared before", again, p.header.StartedAt.Format(time.RFC3339),
		r.result.Coverage.ChunksCompared, r.result.Coverage.ChunksPlanned))
}

// mayCountAgain tells whether a check that comes before a unit is still to be
// done, by what was restored so far: it will find rows that the unit found, and
// only a unit that is done after it leaves those out. r.mu is not held.
func (r *run) mayCountAgain(u sampler.Unit) bool {
	tr := r.byName[u.Table]
	return u.Check == sampler.CheckContent && slices.ContainsFunc(tr.units, func(quick sampler.Unit) bool {
		return quick.Check == sampler.CheckSample && !tr.done[quick.ID()] ||
			quick.Check == sampler.CheckLast && !tr.lastBlocked && !tr.done[quick.ID()]
	})
}

// checkpoint writes down an outcome before it counts. r.mu is held.
func (r *run) checkpoint(tr *tableRun, o Outcome) {
	if r.journal == nil || o.restored {
		return
	}
	if o.Unit.Check == sampler.CheckClosing {
		return // it closes what was read before it, in this run
	}
	if !o.Compared || o.Err != "" || o.Unsettled > 0 || o.PutOff > 0 {
		// It will be done again. Its rows may then not be found any more, so
		// nothing may rest on their having been counted here.
		tr.lostClaims = tr.lostClaims || len(o.claimed) > 0
		return
	}
	if tr.lostClaims && o.Confirmed > o.Total {
		return
	}
	r.journal.write(entry{Outcome: outcomeLineOf(o)})
	r.warnOfJournal(r.emitLocked)
}

// warnOfJournal says, once, that the file cannot be written any more.
func (r *run) warnOfJournal(emit func(Event)) {
	if err := r.journal.trouble(); err != nil {
		emit(Event{Kind: Warned, Message: r.journal.lament(err)})
	}
}

func (j *journal) lament(err error) string {
	return fmt.Sprintf("the checkpoint file %s could not be written (%v): what was compared from then on is not in it, and cannot be resumed from", j.path, err)
}

// endCheckpoints closes the file. It stays when the run ended early, or did not
// compare something because a side was lost.
func (r *run) endCheckpoints() {
	if r.journal == nil {
		return
	}
	// A last word on the trouble that syncing had.
	r.journal.sync()
	r.warnOfJournal(r.emit)
	if err := r.journal.failure(); err != nil {
		r.note(r.journal.lament(err))
	}
	if r.ended != "" || r.lost {
		r.journal.close()
		return
	}
	if err := r.journal.end(); err != nil {
		r.note(fmt.Sprintf("the checkpoint file %s could not be removed (%v): remove it, or the next run with it goes on from this one", r.journal.path, err))
	}
}
