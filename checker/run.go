// Package checker does the work of a run: it plans units, compares them on
// both sides, drills down where they differ, rechecks each suspect, and folds
// the outcomes into a Result whose verdict is a proof.
package checker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
	"github.com/pgparity/pgparity/schema"
)

// SchemaVersion is the version of the JSON report.
const SchemaVersion = 1

// run is the state of one run. Its tables are written through Fold only.
type run struct {
	o              Options
	source, target *postgres.DB
	pair           *pairing.Pair
	definitions    []schema.Difference // what the check schema found, and pairing did not
	tables         []*tableRun         // those on both sides, to be compared
	byName         map[string]*tableRun
	result         *Result
	keys           *keyMask
	guard          *guard
	moving         *moving        // nil where nothing replicates
	again          []sampler.Unit // put off, since the replication stood still
	crowds         chan struct{}  // one for each bite of a moving pair that is rechecked
	sizes          sizes
	stop           context.CancelCauseFunc
	journal        *journal  // nil keeps no checkpoints
	began          [2]string // each side's transactions at the first start
	losses         int       // readings in a row that lost a side
	lost           bool      // a unit was not compared since a side was lost
	created        []string  // tables of the source that were created meanwhile
	ended          string    // why the run ended early, "" when it did not

	sketches sync.Mutex // held by whoever has a large sketch
	mu       sync.Mutex // guards tables' counters, losses and OnEvent
}

// Run compares two open sides. The error is the operator's mistake (a filter
// that names a partition, a key that is none, the same database twice): then
// nothing was compared. Everything else, a cancelled context and a lost side
// included, ends in a Result.
func Run(ctx context.Context, source, target *postgres.DB, o Options) (*Result, error) {
	if err := distinct(source, target); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	o = o.seeded()
	r := &run{o: o, source: source, target: target, byName: map[string]*tableRun{}, keys: newKeyMask(o.HashKeys), stop: stop}
	r.crowds = make(chan struct{}, maxCrowds)
	r.result = &Result{
		SchemaVersion: SchemaVersion,
		Tool:          Tool{Version: o.Version, OptionsHash: o.OptionsHash, DigestSpec: hashing.Spec},
		Pair:          o.Pair,
		StartedAt:     time.Now().UTC(),
		Source:        Identify(source), Target: Identify(target),
	}
	var err error
	if r.journal, err = r.openCheckpoints(); err != nil {
		return nil, err
	}
	if r.sizes = o.sizes; r.sizes == (sizes{}) {
		r.sizes = usual
	}
	r.guard = newGuard(o.Guard, source, target, r.emit)
	r.guard.start(ctx)
	defer r.guard.stop()
	err = r.compare(ctx)
	r.guard.stop()
	for _, sentence := range r.guard.notes() {
		r.note(sentence)
	}
	var mistake *OperatorError
	if errors.As(err, &mistake) {
		r.journal.close()
		return nil, err
	}
	r.finish(ctx, err)
	r.endCheckpoints()
	return r.result, nil
}

// OperatorError is a request that cannot be carried out as it was made.
type OperatorError struct{ err error }

func (e *OperatorError) Error() string { return e.err.Error() }
func (e *OperatorError) Unwrap() error { return e.err }

// distinct refuses a database that is to be compared with itself.
func distinct(source, target *postgres.DB) error {
	if postgres.SameDatabase(source, target) {
		return &OperatorError{fmt.Errorf("source and target are the same database (%s): give two different ones", source.Server().Database)}
	}
	return nil
}

// Identify says which server and database a side is.
func Identify(db *postgres.DB) ServerInfo {
	s := db.Server()
	return ServerInfo{ServerVersion: s.Version, SystemIdentifier: s.SystemID, Database: s.Database}
}

// compare runs all checks. Its error is what kept the run from planning; a
// unit's failure stays with its table.
func (r *run) compare(ctx context.Context) error {
	r.began = r.writes(ctx)
	agree, err := r.prepare(ctx)
	if err != nil {
		return err
	}
	defer r.endMoving(ctx)
	if r.o.has("sequences") {
		r.checkSequences(ctx)
	}
	if err := r.resumeHeader(agree); err != nil {
		return err
	}
	if err := r.planTables(ctx, agree); err != nil {
		return err
	}
	r.emit(Event{Kind: RunPlanned, Planned: r.result.Coverage.ChunksPlanned})
	r.resumeOutcomes()
	// Quick answers first: the last rows of every table, then the counts, then
	// the sample, then a small first chunk of every large table, then all content, the
	// largest table first.
	for _, phase := range []sampler.Check{sampler.CheckLast, sampler.CheckCounts, sampler.CheckSample} {
		r.work(ctx, r.units(phase))
	}
	probes, rest := probesFirst(r.units(sampler.CheckContent))
	r.work(ctx, probes)
	r.work(ctx, rest)
	again := r.again
	r.again = nil
	r.work(ctx, again)
	r.work(ctx, r.units(sampler.CheckClosing))
	r.showValues(ctx)
	r.checkCatalogs(ctx)
	if r.moving == nil {
		r.noteWrites(r.began, r.writes(ctx))
	}
	return nil
}

// prepare reads both catalogs, pairs them and agrees on the digests.
func (r *run) prepare(ctx context.Context) (*hashing.Agreement, error) {
	pair, err := Join(ctx, r.source, r.target, r.o.pairing())
	if err != nil {
		return nil, err
	}
	r.pair = pair
	if r.o.has("schema") {
		if err := r.joinDefinitions(ctx); err != nil {
			return nil, err
		}
	}
	r.result.AsOfLSN, err = r.source.Position(ctx)
	switch {
	case postgres.Refused(err): // some providers revoke the function
		r.note("the source's WAL position cannot be read: " + err.Error())
	case err != nil:
		return nil, err
	}
	if err := r.detect(ctx); err != nil {
		return nil, err
	}
	if r.moving != nil {
		if err := r.begin(ctx); err != nil {
			return nil, err
		}
	}
	var agree *hashing.Agreement
	err = postgres.Again(ctx, func() (err error) {
		agree, err = hashing.Agree(ctx, r.source, r.target, pair.Tables, r.o.Digest)
		return err
	})
	return agree, err
}

// Join reads both catalogs and pairs them. An OperatorError is a mistake in
// the options.
func Join(ctx context.Context, source, target *postgres.DB, o pairing.Options) (*pairing.Pair, error) {
	catalogs, err := readCatalogs(ctx, source, target)
	if err != nil {
		return nil, err
	}
	pair, err := pairing.Join(catalogs[0], catalogs[1], o)
	if err != nil {
		return nil, &OperatorError{err}
	}
	return pair, nil
}

func readCatalogs(ctx context.Context, source, target *postgres.DB) ([2]*postgres.Catalog, error) {
	return postgres.Both(ctx, source, target, func(ctx context.Context, db *postgres.DB) (*postgres.Catalog, error) {
		return db.ReadCatalog(ctx)
	})
}

// work does units on a limited number of workers and folds what comes out.
func (r *run) work(ctx context.Context, units []sampler.Unit) {
	var g errgroup.Group
	g.SetLimit(max(r.o.Concurrency, 1))
	for _, batch := range r.batches(units) {
		if ctx.Err() != nil {
			break // what was not done stays planned and not compared
		}
		g.Go(func() error {
			if ctx.Err() == nil { // it may have waited for its turn
				r.doBatch(ctx, batch)
			}
			return nil
		})
	}
	_ = g.Wait() // workers report through Fold
}

// probesFirst takes out the first chunk of each table of several.
func probesFirst(units []sampler.Unit) (probes, rest []sampler.Unit) {
	for _, u := range units {
		if u.Chunk == 0 && u.Chunks > 1 {
			probes = append(probes, u)
		} else {
			rest = append(rest, u)
		}
	}
	return probes, rest
}

// reason is an error's sentence; a unit that failed because the run was
// stopped says why the run was.
func reason(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		return cause.Error()
	}
	return err.Error()
}

// maxLosses is how many units in a row may lose a side before the run stops
// asking a server that is gone.
const maxLosses = 5

func (r *run) watchLosses(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || !postgres.Lost(err) {
		r.losses = 0
		return
	}
	r.lost = true
	if r.losses++; r.losses >= maxLosses {
		r.stop(fmt.Errorf("stopped: %w", err))
	}
}

// emit hands an event to the operator's receiver, one at a time.
func (r *run) emit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emitLocked(e)
}

func (r *run) emitLocked(e Event) {
	if r.o.OnEvent != nil {
		r.o.OnEvent(e)
	}
}

func (r *run) note(sentence string) { r.result.Notes = append(r.result.Notes, sentence) }

func (r *run) db(side postgres.Side) *postgres.DB {
	if side == postgres.Source {
		return r.source
	}
	return r.target
}

// writes reads which transactions are over on each side, "" if unknown.
func (r *run) writes(ctx context.Context) [2]string {
	var at [2]string
	for i, db := range []*postgres.DB{r.source, r.target} {
		at[i], _ = db.Transactions(ctx) // only for a note
	}
	return at
}

// noteWrites says when a side was written to while it was read: this run
// judges a pair at rest.
func (r *run) noteWrites(before, after [2]string) {
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		switch {
		case before[i] == "" || after[i] == "":
			r.note(fmt.Sprintf("whether the %s was written to during the run is not known: the verdict is of a pair at rest", side))
		case before[i] != after[i]:
			r.note(fmt.Sprintf("the %s's cluster ran write transactions during the run (%s to %s): the verdict is of a pair at rest; rows written meanwhile may be judged in either version", side, before[i], after[i]))
		}
	}
}
