package hashing

import (
	"context"
	"encoding/binary"
	"fmt"
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

// streamColumn says how a column's values travel.
func (a *Agreement) streamColumn(c *pairing.Column) Column {
	typ, prefix := c.Source.Type, ""
	for typ.Base != nil {
		typ, prefix = typ.Base, "domain:"
	}
	target := c.Target.Type
	for target.Base != nil {
		target = target.Base
	}
	col := Column{Name: c.Name, pair: c}
	value := "$c"
	if prefix != "" {
		value = "($c::" + typ.Text + ")"
	}
	switch {
	case typ.BuiltIn && (typ.Name == "float4" || typ.Name == "float8"):
		nan := "'NaN'::pg_catalog." + typ.Name // all NaN are one value; their bits need not be
		value = "CASE WHEN " + value + " = " + nan + " THEN " + nan + " ELSE " + value + " END"
		col.Form = prefix + "stream:binary"
	case portable(typ) && portable(target):
		col.Form = prefix + "stream:binary"
	case a.peers.floatTextDiffers && containsFloat(typ):
		bytes, ok := sendExpr(typ)
		if !ok {
			col.Why = "floats inside " + typ.Text + " print differently before and after version 12, and its binary form holds OIDs"
			return col
		}
		value, col.Form = strings.ReplaceAll(bytes, "$c", value), prefix+"stream:binary"
	default:
		value, col.Form, col.text = strings.ReplaceAll(textOf(typ), "$c", value), prefix+"stream:text", true
		if strings.Contains(value, "pg_catalog.format(") {
			value = "CASE WHEN " + c.Ref() + " IS NOT DISTINCT FROM NULL THEN NULL ELSE " + value + " END"
		}
	}
	col.sql = func(ref string, _ seed) string { return strings.ReplaceAll(value, "$c", ref) }
	return col
}

// streamedRow is a row hashed here.
type streamedRow struct {
	Row
	bucket uint64
	lead   []string // the leading columns asked for, as text
	hashes []int64  // per column
}

// streamEach reads a scope's rows: first the lead columns (text), then the
// key (text), then every column.
func (d *Digest) streamEach(ctx context.Context, s *postgres.Session, scope postgres.Scope, tail string, fn func(streamedRow) error, lead ...string) error {
	refs := append(append([]string{}, lead...), d.keyRefs()...)
	formats := make([]int16, len(refs), len(refs)+len(d.Columns))
	for _, c := range d.Columns {
		refs = append(refs, c.sql(c.pair.Ref(), 0))
		if c.text {
			formats = append(formats, 0)
		} else {
			formats = append(formats, 1)
		}
	}
	first := len(lead) + len(d.keys)
	h := d.agree.hasher(len(d.Columns))
	sql := "SELECT " + strings.Join(refs, ", ") + "\n" + scope.Clause() + tail
	return s.Each(ctx, postgres.Statement{SQL: sql, Args: scope.Args, Formats: formats}, func(r postgres.Row) error {
		row := streamedRow{hashes: make([]int64, len(d.Columns)), lead: make([]string, len(lead))}
		for i := range lead {
			row.lead[i] = r.Text(i)
		}
		for i := range d.Columns {
			row.hashes[i] = h.value(i, r.Bytes(first+i))
		}
		row.Hash, row.Copies = h.combine(h.row, row.hashes), 1
		if !d.Keyed() {
			row.Key, row.bucket = []string{hashKey(row.Hash)}, uint64(row.Hash)
			return fn(row)
		}
		key := make([]int64, len(d.keys))
		for n, i := range d.keys {
			key[n] = row.hashes[i]
			row.Key = append(row.Key, r.Text(len(lead)+n))
		}
		row.bucket = uint64(h.combine(h.key, key))
		return fn(row)
	})
}

func (d *Digest) streamSums(ctx context.Context, s *postgres.Session, scope postgres.Scope, b Buckets) (map[int]Sum, error) {
	type total struct {
		rows int64
		sum  uint64
	}
	totals := map[int]total{}
	only := bucketSet(b)
	err := d.streamEach(ctx, s, scope, "", func(row streamedRow) error {
		n := int(row.bucket & uint64(b.Count-1))
		if only == nil || only[n] {
			t := totals[n]
			totals[n] = total{t.rows + 1, t.sum + uint64(row.Hash)}
		}
		return nil
	})
	sums := make(map[int]Sum, len(totals))
	for n, t := range totals {
		sums[n] = Sum{Rows: t.rows, Hash: strconv.FormatUint(t.sum, 10)}
	}
	return sums, err
}

func (d *Digest) streamRows(ctx context.Context, s *postgres.Session, scope postgres.Scope, b Buckets, fn func(Row) error) error {
	only := bucketSet(b)
	return d.streamEach(ctx, s, scope, "", func(row streamedRow) error {
		if only == nil || only[int(row.bucket&uint64(b.Count-1))] {
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
		return place(states, n, State{Present: true, Version: row.lead[1], Key: row.Key, Hashes: row.hashes})
	}, "w.n", "t.xmin")
}

func bucketSet(b Buckets) map[int]bool {
	if len(b.Only) == 0 {
		return nil
	}
	set := make(map[int]bool, len(b.Only))
	for _, n := range b.Only {
		set[n] = true
	}
	return set
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
// under every seed with a probability of one half. So each word is first
// xored with a keystream that only this run knows: the difference that the
// second word needs is then different for each seed.
func (h *hasher) value(column int, b []byte) int64 {
	if b == nil {
		return int64(h.nulls[column])
	}
	s := uint64(h.columns[column])
	h.d.ResetWithSeed(s)
	word := uint64(0)
	for len(b) >= 8 {
		n := 0
		for n < len(h.buf) && len(b) >= 8 {
			binary.LittleEndian.PutUint64(h.buf[n:], binary.LittleEndian.Uint64(b)^mix(s+word))
			n, b, word = n+8, b[8:], word+1
		}
		_, _ = h.d.Write(h.buf[:n])
	}
	key := mix(s + word)
	for i, c := range b {
		h.buf[i] = c ^ byte(key>>(8*i))
	}
	_, _ = h.d.Write(h.buf[:len(b)])
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
