package hashing

import (
	"encoding/binary"
	"math/bits"
)

// The server's hash, to make inputs for it: Bob Jenkins' lookup3 as of
// hash_bytes_extended and hash_bytes_uint32_extended in common/hashfn.c.
type lookup3 struct{ a, b, c uint32 }

func newLookup3(length int, seed uint64) lookup3 {
	start := uint32(0x9e3779b9) // wraps
	start += uint32(length) + 3923095
	s := lookup3{start, start, start}
	if seed != 0 {
		s.a += uint32(seed >> 32)
		s.b += uint32(seed)
		s.mix()
	}
	return s
}

func (s *lookup3) mix() {
	a, b, c, r := s.a, s.b, s.c, bits.RotateLeft32

	a -= c
	a ^= r(c, 4)
	c += b
	b -= a
	b ^= r(a, 6)
	a += c
	c -= b
	c ^= r(b, 8)
	b += a
	a -= c
	a ^= r(c, 16)
	c += b
	b -= a
	b ^= r(a, 19)
	a += c
	c -= b
	c ^= r(b, 4)
	b += a
	s.a, s.b, s.c = a, b, c
}

func (s *lookup3) final() int64 {
	a, b, c, r := s.a, s.b, s.c, bits.RotateLeft32
	c ^= b
	c -= r(b, 14)
	a ^= c
	a -= r(c, 11)
	b ^= a
	b -= r(a, 25)
	c ^= b
	c -= r(b, 16)
	a ^= c
	a -= r(c, 4)
	b ^= a
	b -= r(a, 14)
	c ^= b
	c -= r(b, 24)
	return int64(uint64(b)<<32 | uint64(c))
}

func hashUint32(v uint32, seed uint64) int64 {
	s := newLookup3(4, seed)
	s.a += v
	return s.final()
}

// hashBytes is the hash of a text's bytes on a little-endian machine.
func hashBytes(p []byte, seed uint64) int64 {
	s := newLookup3(len(p), seed)
	for ; len(p) >= 12; p = p[12:] {
		s.a += binary.LittleEndian.Uint32(p)
		s.b += binary.LittleEndian.Uint32(p[4:])
		s.c += binary.LittleEndian.Uint32(p[8:])
		s.mix()
	}
	var rest [16]byte
	copy(rest[:8], p[:min(8, len(p))])
	if len(p) > 8 { // the lowest byte of c is kept for the length
		copy(rest[9:12], p[8:])
	}
	s.a += binary.LittleEndian.Uint32(rest[:])
	s.b += binary.LittleEndian.Uint32(rest[4:])
	s.c += binary.LittleEndian.Uint32(rest[8:])
	return s.final()
}
