package checker

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// How many keys one recheck reading asks for. Without a key each reading reads
// the whole table, so it asks for all that a drill-down holds at once.
const (
	recheckBatch = 500
	imageBatch   = batchRows
)

// settle rechecks suspects and adds what is confirmed to the outcome.
func (r *run) settle(ctx context.Context, tr *tableRun, keys [][]string, out *Outcome) error {
	look := func(ctx context.Context, side postgres.Side, keys [][]string) ([]hashing.State, error) {
		return r.look(ctx, tr, side, keys)
	}
	batch := recheckBatch
	if !tr.digest.Keyed() {
		batch = imageBatch
	}
	for len(keys) > 0 {
		n := min(batch, len(keys))
		confirmed, unsettled, err := Recheck(ctx, keys[:n], r.o.Settle, look)
		for _, s := range confirmed {
			r.addFinding(tr, out, s)
		}
		out.Unsettled += int64(len(unsettled))
		if err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

// look reads rows of one side by key. A key that the side's type cannot even
// hold (an enum label it lacks, a letter its encoding lacks) makes the server
// refuse the statement: such a row is not there. Which key it is, halving tells.
func (r *run) look(ctx context.Context, tr *tableRun, side postgres.Side, keys [][]string) ([]hashing.State, error) {
	var states []hashing.State
	err := r.db(side).Read(ctx, "recheck "+tr.table.Name, func(ctx context.Context, s *postgres.Session) error {
		var err error
		states, err = tr.digest.Lookup(ctx, s, side, keys)
		return err
	})
	if !postgres.Unrepresentable(err) {
		return states, err
	}
	if len(keys) == 1 {
		return make([]hashing.State, 1), nil
	}
	half := len(keys) / 2
	first, err := r.look(ctx, tr, side, keys[:half])
	if err != nil {
		return nil, err
	}
	second, err := r.look(ctx, tr, side, keys[half:])
	return append(first, second...), err
}

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
	if !r.claim(tr, joinKey(key), twoSpellings || out.Unit.Check == sampler.CheckLast) {
		return
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
