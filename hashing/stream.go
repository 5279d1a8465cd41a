package hashing

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// The stream way reads rows in the protocol's binary format, in which each
// value is length-prefixed and NULL has a length of its own, and hashes them
// here. It is for pairs whose servers share no form, and the second opinion
// on the pushdown.

// streamColumn says how a column's values travel: in the binary form where
// equal values have equal bytes on every server, else as text.
func (a *Agreement) streamColumn(c *pairing.Column) Column {
	col := Column{Name: c.Name, pair: c}
	if !sameShape(c.Source.Type, c.Target.Type) {
		col.Why = c.Source.Type.Text + " is not made of the same types on both sides"
		return col
	}
	typ, twin, through := unwrap(c)
	f := Form{Name: "stream:binary", template: "$c", through: through}
	switch floats := containsFloat(typ); {
	case isFloat(typ):
		f.template = oneNaN(typ)
	case floats && a.peers.floatTextDiffers:
		bytes, ok := sendExpr(typ)
		if !ok {
			col.Why = unprintable(typ)
			return col
		}
		f.template = bytes
	case !floats && portable(typ) && portable(twin):
	default:
		f.Name, col.text = "stream:text", true
		f.template = nullGuard(textOf(typ, typ.TextCast || twin.TextCast))
	}
	if through != "" {
		f.Name = "domain:" + f.Name
	}
	col.Form, col.form = f.Name, f
	return col
}

// streamedRow is a row hashed here, valid until the callback returns.
type streamedRow struct {
	Row
	share  uint64   // which share of the scope it is in, by its low bits
	lead   []string // the leading columns asked for, as text
	hashes []int64  // per column
}

// streamEach reads a scope's rows: first the lead columns (text), then the
// key (text), then every column.
func (d *Digest) streamEach(ctx context.Context, s *postgres.Session, scope postgres.Scope, tail string, fn func(streamedRow) error, lead ...string) error {
	first := len(lead) + len(d.keys)
	h := d.agree.hasher(len(d.Columns))
	row := streamedRow{hashes: make([]int64, len(d.Columns)), lead: make([]string, len(lead)), Row: Row{Key: make([][]byte, len(d.keys))}}
	key := make([]int64, len(d.keys))
	widest, err := d.widest(ctx, s, scope, tail)
	if err != nil {
		return err
	}
	return s.EachWide(ctx, d.streamStatement(scope, tail, lead...), widest, func(r postgres.Row) error {
		for i := range lead {
			row.lead[i] = r.Text(i)
		}
		for i := range d.Columns {
			row.hashes[i] = h.value(i, r.Bytes(first+i))
		}
		defer clear(row.Key) // the key alone would keep the whole row in memory
		row.Hash = h.combine(h.row, row.hashes)
		if !d.Keyed() {
			row.share = uint64(row.Hash)
			return fn(row)
		}
		for n, i := range d.keys {
			key[n] = row.hashes[i]
			row.Key[n] = r.Bytes(len(lead) + n)
		}
		row.share = uint64(h.combine(h.key, key))
		return fn(row)
	})
}

// maxExpansion is about how much smaller the server may store a value than it
// is: pglz makes one byte of up to 90.
const maxExpansion = 100

// widest is about how many bytes the widest row of a scope takes, or more; 0
// where the table stores nothing out of line, so that no row is large. It does
// not fetch what is stored out of line.
func (d *Digest) widest(ctx context.Context, s *postgres.Session, scope postgres.Scope, tail string) (int64, error) {
	if d.table.On(s.Side()).ToastBytes == 0 {
		return 0, nil
	}
	var widest int64
	err := s.Each(ctx, postgres.Statement{SQL: d.widestSQL(scope, tail), Args: scope.Args}, func(r postgres.Row) error {
		widest = r.Int(0)
		return nil
	})
	return widest, err
}

func (d *Digest) widestSQL(scope postgres.Scope, tail string) string {
	var sizes []string
	for _, c := range d.Columns {
		ref := c.pair.Ref()
		switch typ, _, _ := unwrap(c.pair); {
		case typ.BuiltIn && (typ.Name == "text" || typ.Name == "varchar" || typ.Name == "bpchar" || typ.Name == "bytea"):
			sizes = append(sizes, "pg_catalog.octet_length("+ref+")")
		case typ.Kind != 'e' && (!typ.BuiltIn || extended[typ.Name].sql == ""):
			sizes = append(sizes, fmt.Sprintf("%d::pg_catalog.int8 OPERATOR(pg_catalog.*) pg_catalog.pg_column_size(%s)", maxExpansion, ref))
		}
	}
	// A sum in a subselect: 1600 terms in a chain would hit the stack limit.
	return "SELECT coalesce(pg_catalog.max(w.bytes), 0)::pg_catalog.int8\nFROM (SELECT (SELECT pg_catalog.sum(v.n) FROM pg_catalog.unnest(ARRAY[" +
		strings.Join(sizes, ", ") + "]::pg_catalog.int8[]) AS v(n)) AS bytes\n" + scope.Clause() + tail + ") AS w"
}

func (d *Digest) streamStatement(scope postgres.Scope, tail string, lead ...string) postgres.Statement {
	refs := append(append([]string{}, lead...), d.keyRefs()...)
	formats := make([]int16, len(refs), len(refs)+len(d.Columns))
	for _, c := range d.Columns {
		refs = append(refs, c.form.sql(c.pair.Ref(), 0))
		if c.text {
			formats = append(formats, 0)
		} else {
			formats = append(formats, 1)
		}
	}
	return postgres.Statement{SQL: "SELECT " + strings.Join(refs, ",\n  ") + "\n" + scope.Clause() + tail, Args: scope.Args, Formats: formats}
}

func (d *Digest) streamSum(ctx context.Context, s *postgres.Session, scope postgres.Scope) (Sum, error) {
	// The sum is kept whole, in 128 bits, so that sums of parts add up.
	var rows int64
	var high, low uint64
	err := d.streamEach(ctx, s, scope, "", func(row streamedRow) error {
		var carry uint64
		low, carry = bits.Add64(low, uint64(row.Hash), 0)
		high += carry
		rows++
		return nil
	})
	if rows == 0 {
		return Sum{}, err
	}
	sum := new(big.Int).SetUint64(high)
	sum.Add(sum.Lsh(sum, 64), new(big.Int).SetUint64(low))
	return Sum{Rows: rows, Hash: sum.String()}, err
}

func (d *Digest) streamRows(ctx context.Context, s *postgres.Session, scope postgres.Scope, h Share, fn func(Row) error) error {
	return d.streamEach(ctx, s, scope, "", func(row streamedRow) error {
		if row.share&uint64(h.Of-1) == uint64(h.N) {
			return fn(row.Row)
		}
		return nil
	})
}

func (d *Digest) streamLookup(ctx context.Context, s *postgres.Session, scope postgres.Scope, states []State) error {
	return d.streamEach(ctx, s, scope, "", func(row streamedRow) error {
		n, err := strconv.Atoi(row.lead[0])
		if err != nil {
			return fmt.Errorf("ordinality %q: %w", row.lead[0], err)
		}
		st := State{Present: true, Version: row.lead[1], Free: row.lead[2] == "0", Hashes: slices.Clone(row.hashes)}
		for _, k := range row.Key {
			st.Key = append(st.Key, string(k))
		}
		return place(states, n, st)
	}, "w.n", "t.xmin", "t.xmax")
}

// hasher hashes values under the run's seeds. Not safe for concurrent use.
type hasher struct {
	columns, nulls []seed
	row, key       seed
	d              *xxhash.Digest
	buf            [4096]byte // whole words
}

func (a *Agreement) hasher(columns int) *hasher {
	h := &hasher{d: xxhash.New(), row: a.seed(useOuter, 0), key: a.seed(useKeyOuter, 0)}
	for i := range columns {
		h.columns = append(h.columns, a.seed(useStream, i))
		h.nulls = append(h.nulls, a.seed(useNull, i))
	}
	return h
}

// value hashes one column's bytes; nil is NULL and unlike any value.
//
// XXH64 alone is not enough against chosen inputs: flipping the top bit of
// one 8-byte word and adding a constant to the word 32 bytes on collides
// under every seed with a probability of one half; a keystream xored in first
// leaves one in some thousands. So each word goes through a keyed permutation
// first, which leaves no difference to foresee. The length is part of the
// key: values of different lengths have nothing in common.
func (h *hasher) value(column int, b []byte) int64 {
	if b == nil {
		return int64(h.nulls[column])
	}
	s := mix(uint64(h.columns[column]) + uint64(len(b)))
	h.d.ResetWithSeed(s)
	for word := uint64(0); len(b) > 0; {
		n := 0
		for ; n < len(h.buf) && len(b) > 0; n, word = n+8, word+1 {
			var w uint64
			if len(b) >= 8 {
				w, b = binary.LittleEndian.Uint64(b), b[8:]
			} else { // the last: zeros fill it up
				var last [8]byte
				copy(last[:], b)
				w, b = binary.LittleEndian.Uint64(last[:]), nil
			}
			binary.LittleEndian.PutUint64(h.buf[n:], mix(w^mix(s+word)))
		}
		_, _ = h.d.Write(h.buf[:n])
	}
	return int64(mix(h.d.Sum64() ^ s))
}

// combine hashes a list of hashes in order.
func (h *hasher) combine(s seed, hashes []int64) int64 {
	h.d.ResetWithSeed(uint64(s))
	for _, v := range hashes {
		binary.LittleEndian.PutUint64(h.buf[:], uint64(v))
		_, _ = h.d.Write(h.buf[:8])
	}
	return int64(h.d.Sum64())
}
