package hashing

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"golang.org/x/sync/errgroup"
)

// Way is how a table's content is hashed.
type Way string

// The ways. Auto takes pushdown where both servers agree on a form for every
// column, and stream for the other tables.
const (
	Auto     Way = "auto"
	Pushdown Way = "pushdown" // each server hashes by its own functions
	Stream   Way = "stream"   // the values come to the client, which hashes
	Mixed    Way = "mixed"    // pushdown with a fallback form for some columns
)

// Agreement is what two servers agreed on: which forms both compute alike.
// It belongs to one run, whose seeds it holds, and is safe for concurrent use.
type Agreement struct {
	way      Way
	peers    peers
	run      [2]uint64 // the run's secret, from which all seeds come
	outer    outerForm
	agreed   map[string]bool // by handshake statement
	outerWhy string          // why the preferred outer form is not used
}

// outerForm hashes a row's combined 64 bits once more.
type outerForm struct {
	name string
	sql  func(bits string, s seed) string
}

var (
	// The bits go in as the seed: hashint8 would fold them to 32.
	outerExtended = outerForm{"hashint4", func(bits string, _ seed) string { return "pg_catalog.hashint4extended(0, " + bits + ")" }}
	outerMD5      = outerForm{"md5", func(bits string, s seed) string {
		return strings.ReplaceAll(md5Of("("+bits+")::pg_catalog.text", "'$salt'"), "$salt", s.hex())
	}}
)

// Agree asks both servers for the results of every form that the pair's
// columns could use, on fixed vectors, and keeps those on which they agree.
// An error means a server could not be asked; disagreement is no error, it
// only rules a form out.
func Agree(ctx context.Context, source, target *postgres.DB, tables []*pairing.Table, way Way) (*Agreement, error) {
	a := &Agreement{way: way, peers: peersOf(source.Server(), target.Server()), agreed: map[string]bool{}}
	var secret [16]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fmt.Errorf("draw seeds: %w", err)
	}
	a.run[0], a.run[1] = binary.LittleEndian.Uint64(secret[:8]), binary.LittleEndian.Uint64(secret[8:])

	bits := Form{cast: "pg_catalog.int8", vectors: []string{"0", "1", "-1", "4294967296", "9223372036854775807"}}
	outer := bits
	outer.probe = outerExtended.sql
	probes := []string{probe(outer)}
	for _, t := range tables {
		for _, c := range t.Columns {
			forms, _ := candidates(c, a.peers)
			for _, f := range forms {
				if p := probe(f); !slices.Contains(probes, p) {
					probes = append(probes, p)
				}
			}
		}
	}
	if err := a.handshake(ctx, source, target, probes); err != nil {
		return nil, err
	}
	a.outer = outerExtended
	if !a.agreed[probes[0]] {
		a.outer, a.outerWhy = outerMD5, "a server lacks the extended hash functions (they came with version 11)"
	}
	return a, nil
}

// probe is the handshake statement of a form: its results for the vectors
// and for NULL, in order.
func probe(f Form) string {
	const fixed = seed(0x5eed1234_9e3779b9)
	values := make([]string, 0, len(f.vectors)+1)
	for i, v := range f.vectors {
		values = append(values, fmt.Sprintf("(%d, CAST(%s AS %s))", i, postgres.Literal(v), f.cast))
	}
	values = append(values, fmt.Sprintf("(%d, CAST(NULL AS %s))", len(f.vectors), f.cast))
	return "SELECT pg_catalog.array_agg(" + f.probe("v.c", fixed) + " ORDER BY v.i) FROM (VALUES " + strings.Join(values, ", ") + ") AS v(i, c)"
}

// handshake fills a.agreed.
func (a *Agreement) handshake(ctx context.Context, source, target *postgres.DB, probes []string) error {
	sides := []*postgres.DB{source, target}
	answers := make([][]string, len(sides))
	g, ctx := errgroup.WithContext(ctx)
	for i, db := range sides {
		g.Go(func() error {
			var err error
			answers[i], err = ask(ctx, db, probes)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, p := range probes {
		a.agreed[p] = answers[0][i] != "" && answers[0][i] == answers[1][i]
	}
	return nil
}

// ask runs the probes on one server: all in one statement, or, where the
// server refuses that, one by one to learn which. "" is a refusal.
func ask(ctx context.Context, db *postgres.DB, probes []string) ([]string, error) {
	answers := make([]string, len(probes))
	run := func(statement string, at int) error {
		return db.Read(ctx, "handshake", func(ctx context.Context, s *postgres.Session) error {
			return s.Each(ctx, postgres.Statement{SQL: statement}, func(r postgres.Row) error {
				for i := range r.Len() {
					answers[at+i] = r.Text(i)
				}
				return nil
			})
		})
	}
	err := run("SELECT ("+strings.Join(probes, "),\n(")+")", 0)
	if err == nil || !postgres.Refused(err) {
		return answers, err
	}
	for i, p := range probes {
		if err := run(p, i); err != nil {
			if !postgres.Refused(err) {
				return nil, err
			}
			answers[i] = ""
		}
	}
	return answers, nil
}

// seed derives the seed for one use of one column.
func (a *Agreement) seed(use uint64, column int) seed {
	for n := uint64(0); ; n++ {
		s := mix(a.run[0] ^ mix(a.run[1]^use<<56^uint64(column)<<8^n))
		if uint32(s) != 0 && s>>32 != 0 {
			return seed(s)
		}
	}
}

// The uses of seeds.
const (
	useColumn = iota + 1
	useNull
	useKey
	useOuter
	useKeyOuter
	useStream
)

// mix is the finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection
// of 64 bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
