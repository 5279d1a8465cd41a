package hashing

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Sum is the digest of a set of rows: their count and the sum of their
// hashes. Two sets are taken as equal when both are.
type Sum struct {
	Rows int64
	Hash string // decimal; the sum over int8 as the way in use prints it
}

// Plus is the digest of two disjoint sets of rows together.
func (s Sum) Plus(o Sum) Sum {
	if s.Rows == 0 {
		return o
	}
	var a, b big.Int
	a.SetString(s.Hash, 10) // what Sums made is decimal
	b.SetString(o.Hash, 10)
	return Sum{Rows: s.Rows + o.Rows, Hash: a.Add(&a, &b).String()}
}

// Buckets is how a scope is divided for comparison: by the low bits of the
// key's hash, which both sides compute alike, into Count parts (a power of
// two). Only, where it lists any, keeps just those.
type Buckets struct {
	Count int
	Only  []int
}

// Whole is one bucket for all rows.
var Whole = Buckets{Count: 1}

// Row is a row's key as the server prints it and its hash. Without a key,
// Key is the hash itself and Copies counts the equal rows.
type Row struct {
	Key    []string
	Hash   int64
	Copies int64
}

// Sums reads the digest of each bucket that has rows.
func (d *Digest) Sums(ctx context.Context, s *postgres.Session, scope postgres.Scope, b Buckets) (map[int]Sum, error) {
	if d.Way == Stream {
		return d.streamSums(ctx, s, scope, b)
	}
	sums := map[int]Sum{}
	err := s.Each(ctx, postgres.Statement{SQL: d.sumsSQL(scope, b), Args: scope.Args}, func(r postgres.Row) error {
		if n := r.Int(1); n > 0 {
			sums[int(r.Int(0))] = Sum{Rows: n, Hash: r.Text(2)}
		}
		return nil
	})
	return sums, err
}

func (d *Digest) sumsSQL(scope postgres.Scope, b Buckets) string {
	if b.Count <= 1 {
		return "SELECT 0, count(*), sum(" + d.rowSQL() + ")\n" + scope.Clause()
	}
	if len(b.Only) > 0 {
		scope = scope.And(d.inBuckets(b))
	}
	return "SELECT " + d.bucketSQL(b) + ",\n  count(*), sum(" + d.rowSQL() + ")\n" + scope.Clause() + "\nGROUP BY 1"
}

func (d *Digest) bucketSQL(b Buckets) string {
	return fmt.Sprintf("%s & %d", d.keySQL(), b.Count-1)
}

func (d *Digest) inBuckets(b Buckets) string {
	only := make([]string, len(b.Only))
	for i, n := range b.Only {
		only[i] = strconv.Itoa(n)
	}
	return "(" + d.bucketSQL(b) + ") = ANY ('{" + strings.Join(only, ",") + "}'::pg_catalog.int8[])"
}

// Rows reads the key and hash of each row in the buckets. fn may keep the Row.
func (d *Digest) Rows(ctx context.Context, s *postgres.Session, scope postgres.Scope, b Buckets, fn func(Row) error) error {
	if d.Way == Stream {
		return d.streamRows(ctx, s, scope, b, fn)
	}
	if b.Count > 1 && len(b.Only) > 0 {
		scope = scope.And(d.inBuckets(b))
	}
	return d.pushedRows(ctx, s, postgres.Statement{SQL: d.rowsSQL(scope), Args: scope.Args}, fn)
}

func (d *Digest) rowsSQL(scope postgres.Scope) string {
	if !d.Keyed() {
		return "SELECT " + d.rowSQL() + ", count(*)\n" + scope.Clause() + "\nGROUP BY 1"
	}
	return "SELECT " + strings.Join(d.keyRefs(), ", ") + ",\n  " + d.rowSQL() + "\n" + scope.Clause()
}

func (d *Digest) pushedRows(ctx context.Context, s *postgres.Session, st postgres.Statement, fn func(Row) error) error {
	keys := len(d.keys)
	return s.Each(ctx, st, func(r postgres.Row) error {
		row := Row{Copies: 1}
		if keys == 0 {
			row.Key, row.Hash, row.Copies = []string{hashKey(r.Int(0))}, r.Int(0), r.Int(1)
			return fn(row)
		}
		row.Key = make([]string, keys)
		for i := range row.Key {
			row.Key[i] = r.Text(i)
		}
		row.Hash = r.Int(keys)
		return fn(row)
	})
}

// hashKey prints a row's hash as the key of a multiset's finding.
func hashKey(h int64) string { return fmt.Sprintf("%016x", uint64(h)) }

// Last reads key and hash of the N rows that come last by the given column,
// or, when that is "", by the key.
func (d *Digest) Last(ctx context.Context, s *postgres.Session, side postgres.Side, n int, by string, fn func(Row) error) error {
	scope, order := d.scope(side), make([]string, 0, len(d.keys))
	if by != "" {
		ref := "t." + postgres.Ident(by)
		scope = scope.And(ref + " IS NOT NULL")
		order = append(order, ref+" DESC")
	} else {
		for _, ref := range d.keyRefs() {
			order = append(order, ref+" DESC")
		}
	}
	if len(order) == 0 {
		return fmt.Errorf("%s: the last rows of %s: there is neither a key nor a column to order by", side, d.table.Name)
	}
	tail := "\nORDER BY " + strings.Join(order, ", ") + "\nLIMIT " + strconv.Itoa(n)
	if d.Way == Stream {
		return d.streamEach(ctx, s, scope, tail, func(row streamedRow) error { return fn(row.Row) })
	}
	sql := d.rowsSQL(scope)
	if !d.Keyed() { // row by row: equal rows are not counted together
		sql = "SELECT " + d.rowSQL() + ", 1\n" + scope.Clause()
	}
	return d.pushedRows(ctx, s, postgres.Statement{SQL: sql + tail, Args: scope.Args}, fn)
}

// State is one reading of one row: not there, or there in one version with
// one content.
type State struct {
	Present bool
	Version string   // xmin: tells two row versions apart
	Key     []string // as this side prints it
	Hashes  []int64  // per column of Digest.Columns; for a multiset the count of copies
}

// Same tells whether two readings saw equal content. Key columns are among
// the hashes; how a key prints is not asked, since floats print differently
// in different versions.
func (s State) Same(o State) bool {
	return s.Present == o.Present && slices.Equal(s.Hashes, o.Hashes)
}

// lookupSettings, after SET LOCAL, make the planner find each key through the
// index: a plan that reads the whole table for a handful of keys would be an
// outage.
const lookupSettings = "enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_material = off"

// Lookup reads the rows with the given keys by equality, in one statement
// and one snapshot. The result has one State per key, in order.
func (d *Digest) Lookup(ctx context.Context, s *postgres.Session, side postgres.Side, keys [][]string) ([]State, error) {
	states := make([]State, len(keys))
	if !d.Keyed() {
		return states, d.lookupCopies(ctx, s, side, keys, states)
	}
	if err := s.Set(ctx, lookupSettings); err != nil {
		return nil, err
	}
	scope := d.wanted(side, keys)
	if d.Way == Stream {
		return states, d.streamLookup(ctx, s, scope, states)
	}
	n := len(d.keys)
	err := s.Each(ctx, postgres.Statement{SQL: d.lookupSQL(scope), Args: scope.Args}, func(r postgres.Row) error {
		st := State{Present: true, Version: r.Text(1), Key: make([]string, n)}
		for i := range n {
			st.Key[i] = r.Text(2 + i)
		}
		hashes, err := parseInts(r.Bytes(2 + n))
		if err != nil {
			return err
		}
		st.Hashes = hashes
		return place(states, int(r.Int(0)), st)
	})
	return states, err
}

func (d *Digest) lookupSQL(scope postgres.Scope) string {
	return "SELECT w.n, t.xmin, " + strings.Join(d.keyRefs(), ", ") + ",\n  " + d.columnsSQL() + "\n" + scope.Clause()
}

// ErrKeyTwice says that two rows have one key. It does not name the key, whose
// values may be personal data.
var ErrKeyTwice = errors.New("a key is there twice: its unique index may be corrupt; check with amcheck and REINDEX")

// place files a reading under its key. Two rows for one key mean that the
// key is not unique there after all; nothing can then be said of it.
func place(states []State, n int, st State) error {
	if states[n-1].Present {
		return ErrKeyTwice
	}
	states[n-1] = st
	return nil
}

// wanted joins the table with a list of keys, numbered from 1 as w.n.
func (d *Digest) wanted(side postgres.Side, keys [][]string) postgres.Scope {
	var params, names, on, args []string
	for i, k := range d.table.Key.Columns {
		values := make([]string, len(keys))
		for j, key := range keys {
			values[j] = key[i]
		}
		args = append(args, postgres.TextArray(values))
		params = append(params, fmt.Sprintf("$%d::pg_catalog.text[]", i+1))
		names = append(names, fmt.Sprintf("k%d", i+1))
		on = append(on, k.Is(side, fmt.Sprintf("w.k%d", i+1)))
	}
	return postgres.Scope{
		From: "unnest(" + strings.Join(params, ", ") + ") WITH ORDINALITY AS w(" + strings.Join(names, ", ") + ", n)\n  JOIN " +
			d.scope(side).From + " ON " + strings.Join(on, " AND "),
		Args: args,
	}
}

// lookupCopies counts the rows of a multiset that have the given hashes.
func (d *Digest) lookupCopies(ctx context.Context, s *postgres.Session, side postgres.Side, keys [][]string, states []State) error {
	at := make(map[string][]int, len(keys))
	var only []string
	for i, k := range keys {
		at[k[0]] = append(at[k[0]], i)
		h, err := strconv.ParseUint(k[0], 16, 64)
		if err != nil {
			return fmt.Errorf("row hash %q: %w", k[0], err)
		}
		only = append(only, strconv.FormatInt(int64(h), 10))
	}
	note := func(row Row) error {
		for _, i := range at[row.Key[0]] {
			st := &states[i]
			copies := row.Copies
			if st.Present { // the stream way tells row by row
				copies += st.Hashes[0]
			}
			*st = State{Present: true, Version: strconv.FormatInt(copies, 10), Key: row.Key, Hashes: []int64{copies}}
		}
		return nil
	}
	if d.Way == Stream {
		return d.streamRows(ctx, s, d.scope(side), Whole, note)
	}
	// A subselect is hashed on every version, a long list only since 14.
	scope := d.scope(side).And(d.rowSQL()+" IN (SELECT pg_catalog.unnest($1::pg_catalog.int8[]))", "{"+strings.Join(only, ",")+"}")
	return d.pushedRows(ctx, s, postgres.Statement{SQL: d.rowsSQL(scope), Args: scope.Args}, note)
}

func parseInts(b []byte) ([]int64, error) {
	parts, err := postgres.ParseTextArray(b)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(parts))
	for i, p := range parts {
		if p == nil {
			return nil, fmt.Errorf("column hash %d is null", i+1)
		}
		if out[i], err = strconv.ParseInt(*p, 10, 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Differing names the columns in which two present states differ, sorted.
// Keys that are equal by = but are not the same value (1.0 and 1.00) differ.
func (d *Digest) Differing(a, b State) []string {
	var names []string
	for i := range min(len(a.Hashes), len(b.Hashes), len(d.Columns)) {
		if a.Hashes[i] != b.Hashes[i] {
			names = append(names, d.Columns[i].Name)
		}
	}
	slices.Sort(names)
	return names
}
