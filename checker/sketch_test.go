package checker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/hashing"
)

// TestSketchTellsTheDifference adds the rows of two sides, in parts that are
// merged, and peels off exactly the keys that differ.
func TestSketchTellsTheDifference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type row struct {
			key  []string
			hash int64
		}
		part := rapid.StringN(0, 25, 30)
		sides := [2]map[string]row{{}, {}}
		var want []string
		for range rapid.IntRange(0, 300).Draw(rt, "rows") {
			key := []string{part.Draw(rt, "a"), part.Draw(rt, "b")}
			k := joinKey(key)
			if _, twice := sides[0][k]; twice || sides[1][k].key != nil || len(key[0])+len(key[1])+2 > payloadBytes {
				continue
			}
			hash := rapid.Int64().Draw(rt, "hash")
			switch rapid.IntRange(0, 9).Draw(rt, "fate") {
			case 0:
				sides[0][k] = row{key, hash}
			case 1:
				sides[1][k] = row{key, hash}
			case 2:
				sides[0][k], sides[1][k] = row{key, hash}, row{key, hash + 1}
			default:
				sides[0][k], sides[1][k] = row{key, hash}, row{key, hash}
				continue
			}
			want = append(want, k)
		}
		total := newSketch(true, smallSketch)
		for i, rows := range sides {
			parts := []*sketch{newSketch(true, smallSketch), newSketch(true, smallSketch)}
			n := 0
			for _, r := range rows {
				parts[n%2].add(hashing.Row{Key: [][]byte{[]byte(r.key[0]), []byte(r.key[1])}, Hash: r.hash}, int64(1-2*i))
				n++
			}
			total.merge(parts[0])
			total.merge(parts[1])
		}
		keys, err := total.peel()
		if err != nil {
			rt.Fatal(err)
		}
		var got []string
		for _, k := range keys {
			got = append(got, joinKey(k))
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}

// TestSketchCountsCopies: without a key, rows differ when their counts do.
func TestSketchCountsCopies(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, want := newSketch(false, smallSketch), []string{}
		for _, hash := range rapid.SliceOfNDistinct(rapid.Int64(), 0, 200, rapid.ID).Draw(rt, "hashes") {
			source := rapid.IntRange(0, 5).Draw(rt, "source")
			target := rapid.OneOf(rapid.Just(source), rapid.IntRange(0, 5)).Draw(rt, "target")
			for range source {
				s.add(hashing.Row{Hash: hash}, 1)
			}
			for range target {
				s.add(hashing.Row{Hash: hash}, -1)
			}
			if source != target {
				want = append(want, hashing.HashKey(hash))
			}
		}
		keys, err := s.peel()
		if err != nil {
			rt.Fatal(err)
		}
		got := []string{}
		for _, k := range keys {
			got = append(got, k[0])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("got %q, want %q", got, want)
		}
	})
}

// TestSketchIsFull: it holds what it is made for, and says when there is more
// rather than tell a part of it.
func TestSketchIsFull(t *testing.T) {
	fill := func(rows int) ([][]string, error) {
		s := newSketch(true, smallSketch)
		for i := range rows {
			key := [][]byte{[]byte(fmt.Sprint("key ", i))}
			s.add(hashing.Row{Key: key, Hash: int64(i) * 7919}, 1)
			s.add(hashing.Row{Key: key, Hash: int64(i)*7919 + 1}, -1)
		}
		return s.peel()
	}
	if keys, err := fill(smallSketch / 3); err != nil || len(keys) != smallSketch/3 {
		t.Errorf("%d rows, %v; want %d", len(keys), err, smallSketch/3)
	}
	for _, n := range []int{smallSketch / 2, smallSketch, 10 * smallSketch} {
		if keys, err := fill(n); err == nil {
			t.Errorf("%d differing rows: %d told", n, len(keys))
		}
	}
	s := newSketch(true, smallSketch)
	s.add(hashing.Row{Key: [][]byte{[]byte(strings.Repeat("k", payloadBytes))}}, 1)
	if _, err := s.peel(); err == nil {
		t.Error("a key that does not fit was lost")
	}
}

// TestPackedKey: a key comes back as it was, or is refused.
func TestPackedKey(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		key := rapid.SliceOfN(rapid.StringN(0, 40, 60), 1, 4).Draw(rt, "key")
		var parts [][]byte
		size := 0
		for _, p := range key {
			parts, size = append(parts, []byte(p)), size+1+len(p)
		}
		k, ok := pack(parts)
		if ok != (size <= payloadBytes) {
			rt.Fatalf("%q: packed %t", key, ok)
		}
		if ok && !slices.Equal(k.unpack(), key) {
			rt.Fatalf("%q came back as %q", key, k.unpack())
		}
	})
}
