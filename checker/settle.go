package checker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// settle rechecks suspects and adds what is confirmed to the outcome.
func (r *run) settle(ctx context.Context, tr *tableRun, keys [][]string, out *Outcome) error {
	return r.settleEach(ctx, tr, keys, func([]string) *Outcome { return out })
}

// settleEach rechecks suspects of several units; of tells whose a key is.
func (r *run) settleEach(ctx context.Context, tr *tableRun, keys [][]string, of func(key []string) *Outcome) error {
	look := func(ctx context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error) {
		if !tr.digest.Keyed() {
			return r.lookCopies(ctx, tr, r.db(side), of(keys[0]).Unit, keys)
		}
		return r.look(ctx, tr, r.db(side), keys)
	}
	batch, c := r.sizes.look, Recheck{Look: look, Settle: r.o.Settle, Held: r.guard.heldFor}
	if tr.fences != nil { // each round waits for them
		c.Fences, c.BothRest = tr.fences, r.result.Replication.BothWays
		c.Copies = !tr.digest.Keyed()
		c.Cleared = tr.restless.cleared
		c.Primary = !r.source.Server().InRecovery && !r.result.Replication.BothWays
		batch = r.sizes.crowd
	}
	if !tr.digest.Keyed() { // each reading reads the whole table
		batch = int(r.sizes.batch)
	}
	if c.Fences == nil {
		for bite := range bites(keys, batch) {
			if err := r.settleBite(ctx, tr, bite, c, of, &sync.Mutex{}); err != nil {
				return err
			}
		}
		return nil
	}
	// They mostly wait for fences, and that they can do together.
	var g errgroup.Group
	var taking sync.Mutex
	for bite := range bites(keys, batch) {
		r.crowds <- struct{}{}
		g.Go(func() error {
			defer func() { <-r.crowds }()
			return r.settleBite(ctx, tr, bite, c, of, &taking)
		})
	}
	return g.Wait()
}

// maxCrowds bounds the suspects of a moving pair that are held in memory: so
// many bites are rechecked at a time, of all tables.
const maxCrowds = 8

// patientRounds is how many rounds a row of a moving table has before it is kept
// for the end.
const patientRounds = 2

func (r *run) settleBite(ctx context.Context, tr *tableRun, keys [][]string, c Recheck, of func(key []string) *Outcome, taking *sync.Mutex) error {
	aside := c.Fences != nil && of(keys[0]).Unit.Check == sampler.CheckContent && tr.hot.room()
	if aside {
		c.Rounds = patientRounds
	}
	confirmed, open, err := c.Run(ctx, keys)
	taking.Lock() // the outcomes are shared
	defer taking.Unlock()
	for _, s := range confirmed {
		if tr.doubt != "" {
			s.why = "it differs, and that may be meant: " + tr.doubt
			r.addUnsettled(tr, of(s.Key), s)
			continue
		}
		r.addFinding(tr, of(s.Key), s)
	}
	if aside && err == nil {
		tr.hot.put(open)
		for _, s := range open {
			of(s.Key).PutOff++
		}
		return nil
	}
	for _, s := range open {
		r.addUnsettled(tr, of(s.Key), s)
	}
	return err
}

// addUnsettled counts a suspect that was neither cleared nor confirmed.
func (r *run) addUnsettled(tr *tableRun, out *Outcome, s *Suspect) {
	if out.Unsettled++; len(out.UnsettledRows) < r.o.MaxDiffs {
		out.UnsettledRows = append(out.UnsettledRows, Unsettled{Key: tr.keyMap(s.Key), Why: s.unsettled()})
	}
	if out.unsettledWhy == "" {
		out.unsettledWhy = s.unsettled()
	}
}

// look reads rows of one side by key. A key that the side's type cannot even
// hold (an enum label it lacks, a letter its encoding lacks) makes the server
// refuse the statement: such a row is not there. Which key it is, halving tells;
// it also makes shorter what takes too long.
func (r *run) look(ctx context.Context, tr *tableRun, db *postgres.DB, keys [][]string) ([]hashing.State, error) {
	if n := r.sizes.look; len(keys) > n {
		first, err := r.look(ctx, tr, db, keys[:n])
		if err != nil {
			return nil, err
		}
		rest, err := r.look(ctx, tr, db, keys[n:])
		return append(first, rest...), err
	}
	states, err := r.lookAtOnce(ctx, tr, db, keys, r.read)
	timedOut := postgres.TimedOut(err) && r.o.Budget > 0 && ctx.Err() == nil
	switch {
	case len(keys) == 1 && timedOut:
		return r.lookAtOnce(ctx, tr, db, keys, r.readAtLength)
	case !timedOut && !postgres.Unrepresentable(err):
		return states, err
	case len(keys) == 1:
		// Is it the key, or something in the row?
		if held := r.holds(ctx, tr, db, keys[0]); !postgres.Unrepresentable(held) {
			return nil, errors.Join(err, held)
		}
		return make([]hashing.State, 1), nil
	}
	half := len(keys) / 2
	first, err := r.look(ctx, tr, db, keys[:half])
	if err != nil {
		return nil, err
	}
	second, err := r.look(ctx, tr, db, keys[half:])
	return append(first, second...), err
}

// holds tells by an error that a side cannot even hold a key.
func (r *run) holds(ctx context.Context, tr *tableRun, db *postgres.DB, key []string) error {
	return r.readAgain(ctx, db, "recheck "+tr.table.Name, func(ctx context.Context, s *postgres.Session) error {
		return tr.digest.Holds(ctx, s, db.Side(), key)
	}, r.readWhatever)
}

// lookAtOnce reads rows by key in one statement; one that a standby's replay
// cancelled is made again.
func (r *run) lookAtOnce(ctx context.Context, tr *tableRun, db *postgres.DB, keys [][]string, read readFunc) ([]hashing.State, error) {
	var states []hashing.State
	err := r.readAgain(ctx, db, "recheck "+tr.table.Name, func(ctx context.Context, s *postgres.Session) (err error) {
		states, err = tr.digest.Lookup(ctx, s, db.Side(), keys)
		return err
	}, read, hashing.IndexOnly...)
	return states, err
}

// lookCopies counts how often rows without a key are there on one side.
func (r *run) lookCopies(ctx context.Context, tr *tableRun, db *postgres.DB, u sampler.Unit, keys [][]string) ([]hashing.State, error) {
	hashes := make([]string, len(keys))
	for i, k := range keys {
		hashes[i] = k[0]
	}
	total := map[string]hashing.Copies{}
	var mu sync.Mutex
	err := r.readWhole(ctx, tr, db, u, []piece{r.whole(tr, u, db)}, "", pass{op: "copies", do: func(ctx context.Context, s *postgres.Session, p piece) (func() error, error) {
		part, err := tr.digest.ReadCopies(ctx, s, p.scope(tr, db), hashes, tr.fences != nil)
		return func() error {
			mu.Lock()
			defer mu.Unlock()
			for h, n := range part {
				total[h] = total[h].Plus(n)
			}
			return nil
		}, err
	}})
	if err != nil {
		return nil, err
	}
	states := make([]hashing.State, len(keys))
	for i, k := range keys {
		states[i] = total[k[0]].State(k)
	}
	return states, nil
}

// maxClaimed bounds the findings of a unit that are remembered by key.
const maxClaimed = 100_000

// addFinding counts a confirmed suspect, unless its row was found before:
// by the last check, or under the other side's spelling of the key.
func (r *run) addFinding(tr *tableRun, out *Outcome, s *Suspect) {
	out.Confirmed++
	f := tr.finding(s)
	key := s.source.Key
	if !s.source.Present {
		key = s.target.Key
	}
	twoSpellings := s.source.Present && s.target.Present && joinKey(s.source.Key) != joinKey(s.target.Key)
	// Rows of a moving table may come up again when it is closed.
	quick := out.Unit.Check == sampler.CheckLast || out.Unit.Check == sampler.CheckSample || r.moving != nil && out.Total < maxClaimed
	if !r.claim(tr, joinKey(key), twoSpellings || quick) {
		return
	}
	if quick {
		out.claimed = append(out.claimed, joinKey(key))
	}
	out.Total++
	if len(out.Findings) < r.o.MaxDiffs {
		f.Key = tr.keyMap(key)
		out.Findings = append(out.Findings, f)
	}
}

// claim tells whether a row is new to the report. It remembers only rows that
// can come up twice, so that memory does not grow with the differences.
func (r *run) claim(tr *tableRun, key string, remember bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if tr.claimed[key] {
		return false
	}
	if remember {
		tr.claimed[key] = true
	}
	return true
}

// finding makes the report's entry of a confirmed suspect, without its key.
func (tr *tableRun) finding(s *Suspect) Finding {
	f := Finding{Kind: KindDifferent}
	switch {
	case !s.target.Present:
		f.Kind = KindMissing
	case !s.source.Present:
		f.Kind = KindExtra
	}
	if !tr.digest.Keyed() {
		f.Count = &SideCounts{Source: copies(s.source), Target: copies(s.target)}
	} else if f.Kind == KindDifferent {
		f.Columns = tr.digest.Differing(s.source, s.target)
	}
	return f
}

func copies(s hashing.State) int64 {
	if !s.Present {
		return 0
	}
	return s.Hashes[0]
}

// keyMap names a key's parts; a row without a key goes by its hash.
func (tr *tableRun) keyMap(key []string) map[string]string {
	if !tr.digest.Keyed() {
		return map[string]string{"row_hash": key[0]}
	}
	m := make(map[string]string, len(key))
	for i, k := range tr.table.Key.Columns {
		m[k.Name] = key[i]
	}
	return m
}

// keyMask replaces key values where --hash-keys asks for it. Its secret is
// drawn for the run and forgotten: small keys would otherwise be guessed.
type keyMask struct{ secret []byte }

func newKeyMask(on bool) *keyMask {
	if !on {
		return &keyMask{}
	}
	m := &keyMask{secret: make([]byte, 32)}
	_, _ = rand.Read(m.secret) // crypto/rand never fails
	return m
}

func (m *keyMask) apply(key map[string]string) {
	if m.secret == nil {
		return
	}
	for name, value := range key {
		h := hmac.New(sha256.New, m.secret)
		h.Write([]byte(value))
		key[name] = "hidden:" + hex.EncodeToString(h.Sum(nil)[:8])
	}
}
