package hashing

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// seconds and fold are the two numbers by which instant tells instants apart,
// as the server's C computes them of microseconds since 2000: tsrange_subdiff
// in rangetypes.c and hashint8extended in hashfunc.c.
func seconds(v int64) float64 { return float64(v) / 1e6 }

func fold(v int64) uint32 {
	high := uint32(v >> 32)
	if v < 0 {
		high = ^high
	}
	return uint32(v) ^ high
}

func hashInstant(v int64, s seed) int64 {
	under := hashUint32(fold(v), uint64(s))
	q := seconds(v)
	if q == 0 {
		return under
	}
	return hashBytes(binary.LittleEndian.AppendUint64(nil, math.Float64bits(q)), uint64(under))
}

// theFirst and theLast are the microseconds that a server takes, infinity
// apart: from 4714-11-24 BC to 294276-12-31.
const (
	theFirst = -211813488000000000
	theLast  = 9223371331199999999
)

// edges are where the proof in instant turns: powers of two, where a float
// gets coarser, and multiples of 2^32, where the high half changes.
func edges() []int64 {
	all := []int64{math.MinInt64, theFirst, -1 << 33 * 1e6, 0, 1 << 33 * 1e6, theLast, math.MaxInt64}
	for k := range 63 {
		all = append(all, 1<<k, -1<<k, 1<<k*3/2, -1<<k*3/2)
	}
	for k := range 31 {
		for h := int64(1)<<k - 1; h <= 1<<k+1; h++ {
			all = append(all, h<<32, -h<<32)
		}
	}
	return append(all, theLast>>32<<32, (theLast>>32-1)<<32)
}

// TestInstantsAreToldApart walks over all instants near each edge, and near
// many others: of those that a float holds for the same, none may fold alike.
func TestInstantsAreToldApart(t *testing.T) {
	starts := edges()
	for range 500 {
		starts = append(starts, int64(rand.Uint64())>>rand.IntN(40))
	}
	const reach = 4096
	for _, start := range starts {
		last, folds := math.Inf(-1), map[uint32]bool{}
		for i := int64(-reach); i <= reach; i++ {
			v := start + i
			if (v > start) != (i > 0) && i != 0 {
				continue // past the ends
			}
			if q := seconds(v); q != last {
				if q < last {
					t.Fatalf("the distance of %d is less than that of the one before", v)
				}
				last = q
				clear(folds)
			}
			if folds[fold(v)] {
				t.Fatalf("%d has the distance and the fold of another", v)
			}
			if folds[fold(v)] = true; len(folds) >= reach {
				t.Fatalf("%d instants before %d have its distance", len(folds), v)
			}
		}
	}
}

// asTimestamp prints microseconds since 2000 so that both types read it.
func asTimestamp(v int64) string {
	second, micro := v/1e6, v%1e6
	at := time.Unix(second+946684800, micro*1000).UTC()
	year, era := at.Year(), ""
	if year < 1 {
		year, era = 1-year, " BC"
	}
	return fmt.Sprintf("%04d-%s+00%s", year, at.Format("01-02 15:04:05.000000"), era)
}

// TestServersHashInstantsAsProved: what the walk above shows of the two
// numbers holds for the servers only if they compute those.
func TestServersHashInstantsAsProved(t *testing.T) {
	const s = seed(0x5eed1234_9e3779b9)
	var values []int64
	for _, e := range edges() {
		for v := e - 1; v <= e+1; v++ {
			if v >= theFirst && v <= theLast {
				values = append(values, v)
			}
		}
	}
	for _, major := range majors() {
		if major < 11 {
			continue
		}
		for _, typ := range []string{"timestamp", "timestamptz"} {
			t.Run(fmt.Sprint(typ, major), func(t *testing.T) {
				db := pgcluster.Shared(t, major).TestDB(t)
				p := join(t, db, db)
				f := Form{template: extended[typ].sql, cast: "pg_catalog." + typ, vectors: []string{"infinity", "-infinity"}}
				for _, v := range values {
					f.vectors = append(f.vectors, asTimestamp(v))
				}
				got, err := postgres.ParseTextArray([]byte(p.ask(t, postgres.Source, f.probe())[0]))
				if err != nil {
					t.Fatal(err)
				}
				all := append([]int64{math.MaxInt64, math.MinInt64}, values...)
				if len(got) != len(all)+1 || got[len(all)] != nil {
					t.Fatalf("%d answers, the last %v", len(got), got[len(got)-1])
				}
				for i, v := range all {
					if want := fmt.Sprint(hashInstant(v, s)); got[i] == nil || *got[i] != want {
						t.Errorf("%s (%d): server %v, port %s", f.vectors[i], v, got[i], want)
					}
				}
			})
		}
	}
}
