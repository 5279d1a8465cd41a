package checker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// Aim is how much of a table at rest is read.
type Aim string

// The aims. Whole hashes all rows on both sides and rests on nothing else;
// Changed is explained at the top of window.go; Last compares the rows that come last,
// and says nothing of others.
const (
	Whole   Aim = "whole"
	Changed Aim = "changed"
	Last    Aim = "last"
)

// Task is what to read of one table.
type Task struct {
	Table *WindowTable
	Aim   Aim
	Last  int    // how many rows
	By    string // the column that orders them, "" for the key
	// Above, where it is not "", narrows Whole and Last to the rows in which By is
	// greater: those of Whole are hashed, whatever their number.
	Above string
	// Parts is how many runs of pages are read at the same time, each on a
	// connection of its own. Below 2, and where a server can't, it is one.
	Parts int
}

// Proof is what came of a task.
type Proof struct {
	Rows     [2]int64 // of source and target, where Counted
	Counted  bool     // all rows were counted on both sides
	Compared int64    // rows of which the content was compared
	Findings []Located
	Total    int64
	// Differs: so do the counts, or the digests beyond what Findings explain.
	Differs bool
}

// Equal tells whether what was read is the same on both sides.
func (p Proof) Equal() bool { return p.Total == 0 && !p.Differs }

// Prove does tasks in one transaction a side, on a pair at rest: nothing is
// waited for, and nothing is read twice. A task of several parts has to be alone.
// limit is how long a statement may take (postgres.TimedOut). Tables that a proof is not
// returned for, after an error, were not compared.
func (w *Window) Prove(ctx context.Context, tasks []Task, limit time.Duration) ([]Proof, error) {
	reads, err := w.readAll(ctx, tasks, limit)
	if err != nil {
		return nil, err
	}
	proofs := make([]Proof, len(tasks))
	for i, task := range tasks {
		if proofs[i], err = w.judge(ctx, task, [2]*counted{reads[0][i], reads[1][i]}, limit); err != nil {
			return proofs[:i], fmt.Errorf("%s: %w", task.Table.Name, err)
		}
	}
	return proofs, nil
}

// counted is what was read of a task on one side.
type counted struct {
	sum  hashing.Sum // of all rows, or of their keys
	rows *rowSet     // those that are compared one by one
}

func (w *Window) readAll(ctx context.Context, tasks []Task, limit time.Duration) (reads [2][]*counted, err error) {
	if len(tasks) == 1 && tasks[0].Parts > 1 && tasks[0].Table.Source.PageRanges && tasks[0].Table.Target.PageRanges && tasks[0].Aim != Last {
		return w.readParts(ctx, tasks[0], limit)
	}
	err = w.both(ctx, "gate", func(ctx context.Context, s *postgres.Session) error {
		list := make([]*counted, len(tasks))
		for i, task := range tasks {
			var err error
			if list[i], err = task.read(ctx, s, task.Table.Scope(s.Side())); err != nil {
				return fmt.Errorf("%s: %w", task.Table.Name, err)
			}
		}
		reads[index(s.Side())] = list
		return nil
	}, timeout(limit))
	return reads, err
}

// readParts reads a task's runs of pages side by side. They add up: the pair is
// at rest.
func (w *Window) readParts(ctx context.Context, task Task, limit time.Duration) (reads [2][]*counted, err error) {
	var parts [2][]*counted
	g, gctx := errgroup.WithContext(ctx)
	for _, db := range []*postgres.DB{w.run.source, w.run.target} {
		of := make([]*counted, task.Parts)
		parts[index(db.Side())] = of
		pages := max(task.Table.On(db.Side()).Pages/int64(task.Parts), 1)
		for i := range task.Parts {
			run := pageRun{Segment: sampler.Segment{From: int64(i) * pages, To: int64(i+1) * pages}}
			if i == task.Parts-1 {
				run.To = 0
			}
			g.Go(func() error {
				return db.Read(gctx, "gate "+task.Table.Name, func(ctx context.Context, s *postgres.Session) (err error) {
					of[i], err = task.read(ctx, s, run.scope(task.Table.tr, db))
					return err
				}, timeout(limit))
			})
		}
	}
	if err := g.Wait(); err != nil {
		return reads, fmt.Errorf("%s: %w", task.Table.Name, err)
	}
	for side, of := range parts {
		total := of[0]
		for _, part := range of[1:] {
			total.sum = plus(total.sum, part.sum)
			if err := total.rows.merge(part.rows); err != nil {
				return reads, err
			}
		}
		reads[side] = []*counted{total}
	}
	return reads, nil
}

// plus is Sum.Plus, also of sums that only count.
func plus(a, b hashing.Sum) hashing.Sum {
	switch {
	case b.Rows == 0:
		return a
	case a.Hash == "" && b.Hash == "":
		return hashing.Sum{Rows: a.Rows + b.Rows}
	}
	return a.Plus(b)
}

func (task Task) read(ctx context.Context, s *postgres.Session, scope postgres.Scope) (c *counted, err error) {
	c = &counted{rows: newRowSet(0)}
	digest, take := task.Table.tr.digest, c.rows.within(maxYoung)
	if task.Above != "" {
		scope = scope.And(fmt.Sprintf("t.%s > $%d", postgres.Ident(task.By), len(scope.Args)+1), task.Above)
	}
	switch task.Aim {
	case Changed:
		c.sum, err = digest.Census(ctx, s, scope, task.Table.Since.of(s.Side()), take)
	case Last:
		err = digest.Last(ctx, s, s.Side(), task.Last, task.By, take)
	case Whole:
		c.sum, err = digest.Sum(ctx, s, scope)
	}
	return c, err
}

// within is add, for so many rows.
func (s *rowSet) within(n int) func(hashing.Row) error {
	return func(row hashing.Row) error {
		if len(s.rows) >= n {
			return errBatchFull
		}
		return s.add(row)
	}
}

// judge compares what was read, and looks up the rows that do not agree.
func (w *Window) judge(ctx context.Context, task Task, read [2]*counted, limit time.Duration) (Proof, error) {
	t := task.Table
	p := Proof{Rows: [2]int64{read[0].sum.Rows, read[1].sum.Rows}, Counted: task.Aim != Last && task.Above == ""}
	p.Compared = int64(len(read[0].rows.rows))
	if task.Aim == Whole {
		p.Compared = p.Rows[0]
	}
	keys := read[0].rows.differing(read[1].rows)
	if task.Aim == Changed {
		keys = append(keys, t.carried...) // both lists may have one
	}
	if err := w.lookUp(ctx, t, keys, &p); err != nil {
		return p, err
	}
	if read[0].sum == read[1].sum {
		return p, nil
	}
	// All rows' keys tell which; what was found is enough to end an attempt by.
	if p.Total == 0 && task.Above == "" && max(p.Rows[0], p.Rows[1]) <= maxDrilled {
		if err := w.drill(ctx, t, &p, min(limit, drillPatience)); err != nil && !postgres.TimedOut(err) {
			return p, err
		}
	}
	p.Differs = p.Total == 0 || p.Rows[0] != p.Rows[1]
	return p, nil
}

// What is spent on telling which rows of a table differ: clients wait meanwhile.
const (
	maxDrilled    = 200_000
	drillPatience = time.Second
)

// drill finds which rows of a table differ.
func (w *Window) drill(ctx context.Context, t *WindowTable, p *Proof, limit time.Duration) error {
	var sets [2]*rowSet
	err := w.both(ctx, "gate "+t.Name, func(ctx context.Context, s *postgres.Session) error {
		set := newRowSet(0)
		set.many = !t.Keyed
		sets[index(s.Side())] = set
		return t.tr.digest.Rows(ctx, s, t.Scope(s.Side()), hashing.All, set.take)
	}, timeout(limit))
	if err != nil {
		return err
	}
	if t.Keyed {
		return w.lookUp(ctx, t, sets[0].differing(sets[1]), p)
	}
	has := [2]map[string]bool{sets[0].keys(), sets[1].keys()} // differing empties one of them
	found := newFindings(w.run, t)
	keys := sets[0].differing(sets[1])
	slices.SortFunc(keys, byKey)
	for _, k := range keys {
		found.image(k, has[0][joinKey(k)], has[1][joinKey(k)])
	}
	p.Findings, p.Total = found.list, found.total
	return nil
}

func (s *rowSet) keys() map[string]bool {
	keys := make(map[string]bool, len(s.rows))
	for k := range s.rows {
		keys[k] = true
	}
	return keys
}

// lookUp reads rows of both sides by key and keeps those that differ.
func (w *Window) lookUp(ctx context.Context, t *WindowTable, keys [][]string, p *Proof) error {
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, byKey)
	look := w.look(t)
	states, err := postgres.Both(ctx, w.run.source, w.run.target, func(ctx context.Context, db *postgres.DB) ([]hashing.State, error) {
		return look(ctx, db.Side(), keys)
	})
	if err != nil {
		return err
	}
	found := newFindings(w.run, t)
	for i := range keys {
		if !states[0][i].Same(states[1][i]) {
			found.add(&Suspect{Key: keys[i], source: states[0][i], target: states[1][i]})
		}
	}
	p.Findings, p.Total = append(p.Findings, found.list...), p.Total+found.total
	return nil
}

// byKey orders keys: those that are listed are the first.
func byKey(a, b []string) int { return slices.CompareFunc(a, b, compareKey) }

func (w *Window) look(t *WindowTable) Look {
	return func(ctx context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error) {
		return w.run.look(ctx, t.tr, w.run.db(side), keys)
	}
}

// findings collects those of one table, each row once.
type findings struct {
	run   *run
	table *WindowTable
	seen  map[string]bool
	list  []Located
	total int64
}

func newFindings(r *run, t *WindowTable) *findings {
	return &findings{run: r, table: t, seen: map[string]bool{}}
}

// add takes a row that is known to differ.
func (f *findings) add(s *Suspect) {
	key := s.source.Key
	if !s.source.Present {
		key = s.target.Key
	}
	finding := f.table.tr.finding(s)
	finding.Key = f.table.tr.keyMap(key)
	f.take(joinKey(key), finding)
}

// image takes rows without a key that differ in number.
func (f *findings) image(key []string, source, target bool) {
	finding := Finding{Kind: KindDifferent, Key: f.table.tr.keyMap(key)}
	switch {
	case !target:
		finding.Kind = KindMissing
	case !source:
		finding.Kind = KindExtra
	}
	f.take(joinKey(key), finding)
}

func (f *findings) take(key string, finding Finding) {
	if f.seen[key] {
		return
	}
	f.seen[key] = true
	if f.total++; len(f.list) < f.run.o.MaxDiffs {
		f.run.keys.apply(finding.Key)
		f.list = append(f.list, Located{f.table.Name, finding})
	}
}

// timeout ends a statement after d.
func timeout(d time.Duration) string {
	return fmt.Sprintf("statement_timeout = %d", max(d.Milliseconds(), 1))
}
