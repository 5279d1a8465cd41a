package hashing

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
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
	way    Way
	peers  peers
	run    [2]uint64       // the run's secret, from which all seeds come
	outer  Form            // none where the servers agree on none: then there is no pushdown
	agreed map[string]bool // by Form.id
}

// The outer forms hash a row's combined 64 bits once more.
var (
	// The bits go in as the seed: hashint8 would fold them to 32.
	outerExtended = Form{Name: "hashint4", template: "pg_catalog.hashint4extended(0,$c)", cast: "pg_catalog.int8", vectors: samples["int8"]}
	outerMD5      = Form{Name: "md5", template: md5Of("($c)::pg_catalog.text", "'$salt'"), cast: "pg_catalog.int8", vectors: samples["int8"]}
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

	forms := formsFor(tables, a.peers)
	if err := a.handshake(ctx, source, target, forms); err != nil {
		return nil, err
	}
	switch {
	case a.agreed[outerExtended.id()]:
		a.outer = outerExtended
	case a.agreed[outerMD5.id()]:
		a.outer = outerMD5
	}
	return a, nil
}

// Seeds is the run's secret in hex. Who knows it can make rows that differ and
// hash alike.
func (a *Agreement) Seeds() string { return fmt.Sprintf("%016x%016x", a.run[0], a.run[1]) }

// Reseed takes the seeds of an earlier agreement, so that what is read from now
// on adds up with what was read then. Digests that were made before keep their
// fingerprints and lose their meaning: call it before Digest.
func (a *Agreement) Reseed(seeds string) error {
	secret, err := hex.DecodeString(seeds)
	if err != nil || len(secret) != 16 {
		return errors.New("seeds are 32 hex digits")
	}
	a.run[0], a.run[1] = binary.BigEndian.Uint64(secret[:8]), binary.BigEndian.Uint64(secret[8:])
	return nil
}

// formsFor lists every form that the tables could use, each once.
func formsFor(tables []*pairing.Table, p peers) []Form {
	forms, seen := []Form{outerExtended, outerMD5}, map[string]bool{outerExtended.id(): true, outerMD5.id(): true}
	for _, t := range tables {
		for _, c := range t.Columns {
			possible, _ := candidates(c, p)
			for _, f := range possible {
				if !seen[f.id()] {
					seen[f.id()] = true
					forms = append(forms, f)
				}
			}
		}
	}
	return forms
}

// handshake fills a.agreed.
func (a *Agreement) handshake(ctx context.Context, source, target *postgres.DB, forms []Form) error {
	answers, err := postgres.Both(ctx, source, target, func(ctx context.Context, db *postgres.DB) ([]string, error) {
		return ask(ctx, db, forms)
	})
	if err != nil {
		return err
	}
	for i, f := range forms {
		a.agreed[f.id()] = answers[0][i] != "" && answers[0][i] == answers[1][i]
	}
	return nil
}

// perStatement is how many probes go into one statement: a server takes 1664
// columns at most.
const perStatement = 200

// ask runs the forms' probes on one server: many in one statement, or, where
// the server refuses that, one by one to learn which. "" is a refusal.
func ask(ctx context.Context, db *postgres.DB, forms []Form) ([]string, error) {
	var answers []string
	for batch := range slices.Chunk(forms, perStatement) {
		got, err := answer(ctx, db, batch)
		for i := 0; postgres.Refused(err) && i < len(batch); i++ {
			one, alone := answer(ctx, db, batch[i:i+1])
			if alone != nil && !postgres.Refused(alone) {
				return nil, alone
			}
			if got = append(got, one...); alone != nil {
				got = append(got, "")
			}
			if i == len(batch)-1 {
				err = nil
			}
		}
		if err != nil {
			return nil, err
		}
		answers = append(answers, got...)
	}
	return answers, nil
}

// answer runs probes in one statement; none is answered when one is refused.
func answer(ctx context.Context, db *postgres.DB, forms []Form) ([]string, error) {
	var answers []string
	err := db.Read(ctx, "handshake", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: handshakeSQL(forms)}, func(r postgres.Row) error {
			for i := range r.Len() {
				answers = append(answers, r.Text(i))
			}
			return nil
		})
	})
	return answers, err
}

func handshakeSQL(forms []Form) string {
	probes := make([]string, len(forms))
	for i, f := range forms {
		probes[i] = "(" + f.probe() + ")"
	}
	return "SELECT " + strings.Join(probes, ",\n")
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
