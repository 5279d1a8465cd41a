package hashing

import (
	"bytes"
	"math/bits"
	"testing"

	"pgregory.net/rapid"
)

func testHasher(columns int) *hasher {
	return (&Agreement{run: [2]uint64{0x0123456789abcdef, 0xfedcba9876543210}}).hasher(columns)
}

// lengths around words and around the buffer, where a value is cut.
func valueLengths() *rapid.Generator[int] {
	return rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(4096-9, 4096+9), rapid.IntRange(2*4096-9, 2*4096+9))
}

func TestSameBytesSameHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := testHasher(2)
		n := valueLengths().Draw(t, "length")
		a := rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "value")
		b := bytes.Clone(a)
		if h.value(0, a) != h.value(0, b) {
			t.Fatal("the same bytes hash differently")
		}
		if h.value(0, a) == h.value(1, a) {
			t.Fatal("two columns hash the same value alike")
		}
		if h.value(0, a) == h.value(0, nil) {
			t.Fatal("a value hashes as NULL")
		}
		if !bytes.Equal(a, b) {
			t.Fatal("hashing changed the value")
		}
		if n > 0 {
			at := rapid.IntRange(0, n-1).Draw(t, "at")
			b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			if h.value(0, a) == h.value(0, b) {
				t.Fatalf("bit flip at %d of %d unseen", at, n)
			}
			if h.value(0, a) == h.value(0, a[:n-1]) {
				t.Fatal("the last byte's loss unseen")
			}
		}
		if h.value(0, a) == h.value(0, append(bytes.Clone(a), 0)) {
			t.Fatal("a zero at the end unseen")
		}
	})
}

func TestHeavyEveryByteCountsAtEveryLength(t *testing.T) {
	heavy(t)
	h := testHasher(1)
	for n := range 4096 + 20 {
		if n > 64 && n < 4096-9 {
			continue
		}
		value := make([]byte, n)
		whole, seen := h.value(0, value), map[int64]int{}
		for i := range value {
			value[i] = 1
			got := h.value(0, value)
			value[i] = 0
			if other, twice := seen[got]; got == whole || twice {
				t.Fatalf("length %d: byte %d hashes as nothing, or as byte %d", n, i, other)
			}
			seen[got] = i
		}
	}
}

func TestNullAndEmpty(t *testing.T) {
	h := testHasher(2)
	all := map[int64]string{}
	for name, v := range map[string]int64{"null 0": h.value(0, nil), "null 1": h.value(1, nil), "empty 0": h.value(0, []byte{}), "empty 1": h.value(1, []byte{}), "zero 0": h.value(0, []byte{0})} {
		if other, ok := all[v]; ok {
			t.Errorf("%s and %s hash alike", name, other)
		}
		all[v] = name
	}
}

func TestCombineKeepsOrderAndLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := testHasher(1)
		a := rapid.SliceOfN(rapid.Int64(), 1, 8).Draw(t, "hashes")
		if h.combine(h.row, a) != h.combine(h.row, append([]int64{}, a...)) {
			t.Fatal("the same hashes combine differently")
		}
		if h.combine(h.row, a) == h.combine(h.key, a) {
			t.Fatal("the row's hash says the key's")
		}
		if h.combine(h.row, a) == h.combine(h.row, append(a[:len(a):len(a)], 0)) {
			t.Fatal("one more hash unseen")
		}
		if last := len(a) - 1; a[0] != a[last] {
			swapped := append([]int64{}, a...)
			swapped[0], swapped[last] = a[last], a[0]
			if h.combine(h.row, a) == h.combine(h.row, swapped) {
				t.Fatal("a swap unseen")
			}
		}
	})
}

// TestAvalanche: each input bit turns about half of the hash over.
func TestAvalanche(t *testing.T) {
	h := testHasher(1)
	for _, n := range []int{1, 7, 8, 9, 33, 64} {
		value, total := make([]byte, n), 0
		whole := h.value(0, value)
		for bit := range 8 * n {
			value[bit/8] ^= 1 << (bit % 8)
			total += bits.OnesCount64(uint64(whole ^ h.value(0, value)))
			value[bit/8] = 0
		}
		if mean := float64(total) / float64(8*n); mean < 24 || mean > 40 {
			t.Errorf("length %d: %.1f bits of 64 turn over", n, mean)
		}
	}
}

func FuzzHasherValue(f *testing.F) {
	f.Add([]byte(""), []byte("\x00"))
	f.Add([]byte("12345678"), []byte("123456789"))
	f.Add(make([]byte, 4096), make([]byte, 4097))
	h := testHasher(1)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if a == nil || b == nil {
			a, b = append([]byte{}, a...), append([]byte{}, b...)
		}
		if (h.value(0, a) == h.value(0, b)) != bytes.Equal(a, b) {
			t.Errorf("%x and %x", a, b)
		}
	})
}

func TestSeedsHaveNoZeroHalf(t *testing.T) {
	a := &Agreement{run: [2]uint64{1, 2}}
	seen := map[seed]bool{}
	for use := uint64(useColumn); use <= useStream; use++ {
		for column := range 1600 {
			s := a.seed(use, column)
			if uint32(s) == 0 || s>>32 == 0 || seen[s] {
				t.Fatalf("seed %x for use %d, column %d", uint64(s), use, column)
			}
			seen[s] = true
		}
	}
}
