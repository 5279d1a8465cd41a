package checker

import (
	"encoding/binary"
	"errors"
	"math/big"
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/pgparity/pgparity/hashing"
)

// sketch finds the difference of two sets of rows in one pass over each and in
// constant memory: an invertible Bloom lookup table (Goodrich, Mitzenmacher
// 2011; for set differences Eppstein, Goodrich, Uyeda, Varghese 2011). Each row
// is added to three of its cells, the source's with +1, the target's with -1:
// equal rows cancel out, and what is left is peeled off from cells that hold
// just one kind of row. It can hold a limited number of differences; when there
// are more, peel says so.
//
// Cells hold sums modulo a prime, so that copies of a row count: a cell with n
// times the same row has n times its sums, and dividing by n gives them back.
type sketch struct {
	cells   []cell
	keys    []packed // xor of the entries' keys in each cell; nil for a multiset
	tooLong bool     // a key did not fit
}

type cell struct {
	n              int64
	high, low, chk uint64 // modulo prime: the entry's halves and its check
}

// packed is a key as a sketch carries it.
type packed [payloadBytes / 8]uint64

const (
	// prime is 2^61-1.
	prime = 1<<61 - 1
	// The sizes of sketches, multiples of 3: each third has one cell of a row.
	// Rows that differ make two entries, and four in five cells can be used. The
	// small one stays in a core's cache and is tried first.
	smallSketch = 3 << 11
	largeSketch = 3 << 14
	// payloadBytes is the longest key that a sketch carries, with its length.
	payloadBytes = 64
)

func newSketch(keyed bool, cells int) *sketch {
	s := &sketch{cells: make([]cell, cells)}
	if keyed {
		s.keys = make([]packed, cells)
	}
	return s
}

// add counts a row n times; n is negative for the other side.
func (s *sketch) add(row hashing.Row, n int64) {
	if s.keys == nil {
		s.put(uint64(row.Hash), nil, n)
		return
	}
	key, ok := pack(row.Key)
	if !ok {
		s.tooLong = true
		return
	}
	s.put(key.id(row.Hash), &key, n)
}

// id tells entries apart: a row is one by its key and its hash.
func (k *packed) id(hash int64) uint64 {
	var b [payloadBytes + 8]byte
	for i, w := range k {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
	binary.LittleEndian.PutUint64(b[payloadBytes:], uint64(hash))
	return xxhash.Sum64(b[:])
}

func (s *sketch) put(id uint64, key *packed, n int64) {
	m := residue(n)
	high, low, chk := mulMod(m, id>>32), mulMod(m, id&0xffffffff), mulMod(m, check(id))
	for _, at := range places(id, len(s.cells)) {
		c := &s.cells[at]
		c.n += n
		c.high, c.low, c.chk = addMod(c.high, high), addMod(c.low, low), addMod(c.chk, chk)
		if key != nil && n%2 != 0 {
			for i, w := range key {
				s.keys[at][i] ^= w
			}
		}
	}
}

// merge adds another sketch of the same kind.
func (s *sketch) merge(o *sketch) {
	s.tooLong = s.tooLong || o.tooLong
	for i := range s.cells {
		a, b := &s.cells[i], &o.cells[i]
		a.n += b.n
		a.high, a.low, a.chk = addMod(a.high, b.high), addMod(a.low, b.low), addMod(a.chk, b.chk)
		if s.keys != nil {
			for j, w := range o.keys[i] {
				s.keys[i][j] ^= w
			}
		}
	}
}

// errTooMany says that a sketch holds more differences than it can tell apart,
// or longer keys.
var errTooMany = errors.New("too many rows differ for one pass")

// peel empties the sketch and returns the keys of the rows that do not cancel
// out, each once.
func (s *sketch) peel() ([][]string, error) {
	if s.tooLong {
		return nil, errTooMany
	}
	var keys [][]string
	seen := map[packed]bool{}
	queue := make([]int, len(s.cells))
	for i := range queue {
		queue[i] = i
	}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		id, ok := s.pure(at)
		if !ok {
			continue
		}
		n := s.cells[at].n
		var key *packed
		if s.keys == nil {
			keys = append(keys, []string{hashing.HashKey(int64(id))})
		} else {
			k := s.keys[at]
			if key = &k; !seen[k] {
				seen[k] = true
				keys = append(keys, k.unpack())
			}
		}
		s.put(id, key, -n)
		for _, p := range places(id, len(s.cells)) {
			queue = append(queue, p)
		}
	}
	for _, c := range s.cells {
		if c != (cell{}) {
			return nil, errTooMany
		}
	}
	return keys, nil
}

// pure tells whether a cell holds one kind of row only, and which.
func (s *sketch) pure(at int) (id uint64, ok bool) {
	c := s.cells[at]
	if c.n == 0 || s.keys != nil && c.n != 1 && c.n != -1 {
		return 0, false
	}
	by := inverse(residue(c.n))
	high, low := mulMod(c.high, by), mulMod(c.low, by)
	id = high<<32 | low
	return id, high>>32 == 0 && low>>32 == 0 && mulMod(c.chk, by) == check(id)
}

// pack writes each part's length and text; ok is false where they do not fit.
func pack(key [][]byte) (k packed, ok bool) {
	var b [payloadBytes]byte
	n := 0
	for _, part := range key {
		if n+1+len(part) > len(b) {
			return k, false
		}
		b[n] = byte(len(part) + 1) // 0 ends the list
		n += 1 + copy(b[n+1:], part)
	}
	for i := range k {
		k[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return k, true
}

func (k *packed) unpack() []string {
	var all [payloadBytes]byte
	for i, w := range k {
		binary.LittleEndian.PutUint64(all[8*i:], w)
	}
	var key []string
	for b := all[:]; len(b) > 0 && b[0] > 0; {
		n := int(b[0])
		if n > len(b) {
			break // not what pack made; nothing is found under it
		}
		key = append(key, string(b[1:n]))
		b = b[n:]
	}
	return key
}

// places are an entry's three cells, one in each third.
func places(id uint64, cells int) [3]int {
	third := uint64(cells / 3)
	h := hash(^id)
	return [3]int{
		int((h & 0x1fffff) * third >> 21),
		int(third + (h>>21&0x1fffff)*third>>21),
		int(2*third + (h>>42&0x1fffff)*third>>21),
	}
}

func hash(id uint64) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], id)
	return xxhash.Sum64(b[:])
}

// check is a second hash of an entry, below prime.
func check(id uint64) uint64 { return hash(id) % prime }

func residue(n int64) uint64 {
	if n < 0 {
		return prime - uint64(-n)%prime
	}
	return uint64(n) % prime
}

func addMod(a, b uint64) uint64 {
	s := a + b
	if s >= prime {
		s -= prime
	}
	return s
}

func mulMod(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	// 2^61 is 1 modulo the prime.
	s := lo&prime + (hi<<3 | lo>>61)
	for s >= prime {
		s -= prime
	}
	return s
}

func inverse(a uint64) uint64 {
	switch a {
	case 1, prime - 1: // by far the most
		return a
	}
	p := new(big.Int).SetUint64(prime)
	return new(big.Int).ModInverse(new(big.Int).SetUint64(a), p).Uint64()
}
