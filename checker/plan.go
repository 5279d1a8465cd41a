package checker

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// tableRun is one table's work and what came of it.
type tableRun struct {
	table       *pairing.Table
	digest      *hashing.Digest
	plan        sampler.Plan
	units       []sampler.Unit
	result      *TableResult
	strip       *strip
	done        map[string]bool // units folded
	claimed     map[string]bool // rows found more than one way
	lostClaims  bool            // some of them by a unit that has no checkpoint
	pending     int             // units without an outcome
	differs     atomic.Bool     // the unit done last had rows that differ
	lastBlocked bool            // no index serves the last check
	errors      map[string]bool // why units failed

	// Of a moving pair:
	fences   *tableFences
	barred   error  // why the replication does not carry it; nothing is read then
	doubt    string // why a difference may be meant, "" where it may not
	hot      hotRows
	restless restless

	mu    sync.Mutex // guards paces
	paces map[string]*pace
}

// TablePlan is how a table will be compared, for `pgparity plan`.
type TablePlan struct {
	Name   string
	Reason string // why it will not be compared; then the rest is empty
	// OneSided: only one side has the table.
	OneSided bool
	Key      []string
	KeyWhy   string
	Plan     sampler.Plan
	Sample   string // how the check "sample" would go, "" where it is not asked for
	Way      hashing.Way
	Columns  []hashing.Column
	// Undecidable are columns that no digest fits.
	Undecidable []hashing.Column
	Notes       []string
}

// Plan tells how each table of a pair would be compared. It reads catalogs
// and runs the handshake, but no table.
func Plan(ctx context.Context, source, target *postgres.DB, o Options) ([]TablePlan, *pairing.Pair, error) {
	if err := distinct(source, target); err != nil {
		return nil, nil, err
	}
	pair, err := Join(ctx, source, target, o.pairing())
	if err != nil {
		return nil, nil, err
	}
	agree, err := hashing.Agree(ctx, source, target, pair.Tables, o.Digest)
	if err != nil {
		return nil, nil, err
	}
	var plans []TablePlan
	for _, t := range pair.Tables {
		p := TablePlan{Name: t.Name, OneSided: !t.Both(), KeyWhy: t.KeyReason, Notes: append(slices.Clone(t.Incomparable), unreadable(t)...)}
		if why := notComparable(t); why != "" {
			p.Reason = why
			plans = append(plans, p)
			continue
		}
		d := agree.Digest(t)
		if p.Plan, err = o.choose(t, d); err != nil {
			return nil, nil, err
		}
		p.Way, p.Columns, p.Undecidable = d.Way, d.Columns, d.Undecidable
		p.Sample = o.sampleText(source, target, t, d.Keyed())
		p.Key = keyColumns(t)
		plans = append(plans, p)
	}
	return plans, pair, nil
}

// keyColumns names the key's columns in order, none without a key.
func keyColumns(t *pairing.Table) []string {
	var names []string
	if t.Key != nil {
		for _, k := range t.Key.Columns {
			names = append(names, k.Name)
		}
	}
	return names
}

// notComparable says why a table has no content to compare, or "".
func notComparable(t *pairing.Table) string {
	switch {
	case t.Target == nil:
		return "missing on the target"
	case t.Source == nil:
		return "on the target only"
	}
	return t.Barred
}

// planTables fixes the units of every table. From here on what was planned
// does not change, whatever happens to it.
func (r *run) planTables(ctx context.Context, agree *hashing.Agreement) error {
	if sentence := r.o.strangers(r.pair); sentence != "" {
		r.note(sentence)
	}
	wantTables := r.o.has("counts") || r.o.has("last") || r.o.has("sample") || r.o.has("ranges")
	for _, t := range r.pair.Tables {
		if notComparable(t) == "" && !wantTables {
			continue
		}
		tr := &tableRun{table: t, result: &TableResult{Name: t.Name, Key: keyColumns(t)}, done: map[string]bool{}, claimed: map[string]bool{}}
		r.tables = append(r.tables, tr)
		r.byName[t.Name] = tr
		if notComparable(t) == "" {
			tr.digest = agree.Digest(t)
			var err error
			if tr.plan, err = r.o.choose(t, tr.digest); err != nil {
				return err
			}
			if err := r.resumePlan(tr); err != nil {
				return err
			}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(r.o.Concurrency, 1))
	for _, tr := range r.tables {
		if tr.digest != nil {
			g.Go(func() error { return r.planTable(gctx, tr) })
		}
	}
	err := g.Wait()
	if err == nil {
		err = r.cover(ctx)
	}
	if err == nil {
		err = r.fixPlan(agree)
	}
	for _, tr := range r.tables {
		tr.pending = len(tr.units)
		tr.result.Chunks.Planned = int64(len(tr.units))
		r.result.Coverage.ChunksPlanned += int64(len(tr.units))
		r.emit(Event{Kind: TablePlanned, Table: tr.table.Name, Planned: int64(len(tr.units)), EstimatedRows: tr.plan.Rows})
	}
	return err
}

// planTable makes a table's units. An error that concerns only this table
// stays with it.
func (r *run) planTable(ctx context.Context, tr *tableRun) error {
	t := tr.table
	if r.o.has("last") {
		r.planLast(tr)
	}
	if r.o.has("sample") {
		r.planSample(tr)
	}
	if !r.o.has("ranges") {
		if r.o.has("counts") {
			tr.add(sampler.Unit{Check: sampler.CheckCounts})
		}
		return nil
	}
	tr.describe()
	ranges, planned := r.plannedRanges(tr)
	var err error
	if !planned {
		err = postgres.Again(ctx, func() (err error) {
			ranges, err = sampler.Cut(ctx, r.source, t, tr.plan, r.budget()...)
			return err
		})
	}
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		tr.fail(err.Error())
		ranges = []sampler.Range{{}} // planned, so that the failure shows as not compared
	}
	for i, rng := range ranges {
		tr.add(sampler.Unit{Check: sampler.CheckContent, Chunk: i, Chunks: len(ranges), Range: rng})
	}
	tr.strip = newStrip(len(ranges))
	if r.moving != nil {
		tr.add(sampler.Unit{Check: sampler.CheckClosing})
	}
	return nil
}

// describe writes how the content is compared into the result.
func (tr *tableRun) describe() {
	tr.result.Plan, tr.result.Digest = string(tr.plan.Strategy), string(tr.digest.Way)
	for _, c := range tr.digest.Columns {
		tr.result.Columns = append(tr.result.Columns, ColumnForm{Name: c.Name, Form: c.Form, Why: c.Why})
	}
}

func (tr *tableRun) add(u sampler.Unit) {
	u.Table, u.Fingerprint = tr.table.Name, tr.digest.Fingerprint()
	tr.units = append(tr.units, u)
}

// fail notes why something of a table was not compared; the first says it,
// the number of the others is added in the end.
func (tr *tableRun) fail(sentence string) {
	if tr.result.Error == "" {
		tr.result.Error = sentence
	}
	if tr.errors == nil {
		tr.errors = map[string]bool{}
	}
	tr.errors[sentence] = true
}

// planLast plans the last rows by the asked column, or by the key.
func (r *run) planLast(tr *tableRun) {
	t := tr.table
	by := r.o.LastBy
	if own, ok := r.o.LastByTable[t.Source.Schema+"."+t.Source.Name]; ok {
		by = own
	}
	if by != "" && !slices.ContainsFunc(t.Columns, func(c *pairing.Column) bool { return c.Name == by }) {
		by = "" // not every table has an updated_at
	}
	switch {
	case !tr.digest.Keyed():
		tr.note("last: not planned, the table has no key to order and look up rows by")
		return
	case by != "" && (!t.Source.LedBy(by) || !t.Target.LedBy(by)):
		name := postgres.Ident(t.Source.Schema, t.Source.Name)
		tr.lastBlocked = true // stays planned, and so not compared
		tr.fail(fmt.Sprintf("last: no index on both sides begins with %s: CREATE INDEX CONCURRENTLY ON %s (%s);", by, name, postgres.Ident(by)))
	}
	tr.add(sampler.Unit{Check: sampler.CheckLast, Last: r.o.Last, LastBy: by})
}

func (tr *tableRun) note(sentence string) { tr.result.Notes = append(tr.result.Notes, sentence) }

// units lists one phase's units, the largest table first.
func (r *run) units(check sampler.Check) []sampler.Unit {
	tables := slices.Clone(r.tables)
	sort.SliceStable(tables, func(i, j int) bool { return tables[i].plan.Bytes > tables[j].plan.Bytes })
	var units []sampler.Unit
	for _, tr := range tables {
		if tr.lastBlocked && check == sampler.CheckLast {
			continue
		}
		for _, u := range tr.units {
			if u.Check == check && !tr.done[u.ID()] {
				units = append(units, u)
			}
		}
	}
	return units
}
