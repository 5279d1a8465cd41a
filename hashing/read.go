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

// Share is the part of a scope's rows whose key's hash, in its low bits, is N;
// Of is the number of such parts, a power of two. Both sides compute it alike.
// A multiset goes by the row's hash.
type Share struct{ Of, N int }

// All is every row.
var All = Share{Of: 1}

// Halves are the two shares that a share is made of.
func (h Share) Halves() [2]Share { return [2]Share{{2 * h.Of, h.N}, {2 * h.Of, h.N + h.Of}} }

// Row is a row's key as the server prints it, none for a multiset, and its
// hash. The key's bytes are valid only until the callback returns.
type Row struct {
	Key  [][]byte
	Hash int64
}

// Sum reads the digest of a scope.
func (d *Digest) Sum(ctx context.Context, s *postgres.Session, scope postgres.Scope) (Sum, error) {
	if d.Way == Stream {
		return d.streamSum(ctx, s, scope)
	}
	var sum Sum
	err := s.Each(ctx, postgres.Statement{SQL: d.sumSQL(scope), Args: scope.Args}, func(r postgres.Row) error {
		if n := r.Int(0); n > 0 {
			sum = Sum{Rows: n, Hash: r.Text(1)}
		}
		return nil
	})
	return sum, err
}

func (d *Digest) sumSQL(scope postgres.Scope) string {
	return "SELECT count(*), sum(" + d.rowSQL() + ")\n" + scope.Clause()
}

// BinSums reads the digest of each of a scope's bins, in their order. One
// statement does them all, each bin through the key's index: to group rows by
// hash would cost several times as much. Not for the stream way.
func (d *Digest) BinSums(ctx context.Context, s *postgres.Session, scope postgres.Scope, b postgres.Bins) ([]Sum, error) {
	sums := make([]Sum, b.Count)
	st := postgres.Statement{SQL: d.binSumsSQL(scope, b), Args: append(append([]string{}, scope.Args...), b.Args...)}
	return sums, s.Each(ctx, st, func(r postgres.Row) error {
		sums[r.Int(0)-1] = Sum{Rows: r.Int(1), Hash: r.Text(2)}
		return nil
	})
}

func (d *Digest) binSumsSQL(scope postgres.Scope, b postgres.Bins) string {
	return "SELECT b.n, d.rows, d.hash\nFROM " + b.List + "\nCROSS JOIN LATERAL (SELECT count(*) AS rows, sum(" + d.rowSQL() + ") AS hash\n" +
		scope.And(b.In).Clause() + ") AS d\nWHERE d.rows OPERATOR(pg_catalog.>) 0"
}

func (d *Digest) inShare(h Share) string {
	return fmt.Sprintf("(%s & %d) OPERATOR(pg_catalog.=) %d", d.keySQL(), h.Of-1, h.N)
}

// Rows reads the key and hash of each row of a scope that is in the share.
func (d *Digest) Rows(ctx context.Context, s *postgres.Session, scope postgres.Scope, h Share, fn func(Row) error) error {
	if d.Way == Stream {
		return d.streamRows(ctx, s, scope, h, fn)
	}
	if h.Of > 1 {
		scope = scope.And(d.inShare(h))
	}
	return d.pushedRows(ctx, s, postgres.Statement{SQL: d.rowsSQL(scope), Args: scope.Args}, fn)
}

func (d *Digest) rowsSQL(scope postgres.Scope) string {
	return "SELECT " + strings.Join(append(d.keyRefs(), "\n  "+d.rowSQL()), ", ") + "\n" + scope.Clause()
}

func (d *Digest) pushedRows(ctx context.Context, s *postgres.Session, st postgres.Statement, fn func(Row) error) error {
	row := Row{Key: make([][]byte, len(d.keys))}
	return s.Each(ctx, st, func(r postgres.Row) error {
		for i := range row.Key {
			row.Key[i] = r.Bytes(i)
		}
		row.Hash = r.Int(len(row.Key))
		return fn(row)
	})
}

// HashKey prints a row's hash as the key of a multiset's finding.
func HashKey(h int64) string { return fmt.Sprintf("%016x", uint64(h)) }

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
	return d.pushedRows(ctx, s, postgres.Statement{SQL: d.rowsSQL(scope) + tail, Args: scope.Args}, fn)
}

// State is one reading of one row: not there, or there in one version with
// one content.
type State struct {
	Present bool
	Version string // xmin: tells two row versions apart
	// Free: no transaction that the reading did not see has changed, deleted or
	// locked the row (xmax is 0). False where that is not known.
	Free   bool
	Key    []string // as this side prints it
	Hashes []int64  // per column of Digest.Columns; for a multiset the count of copies
}

// Same tells whether two readings saw equal content. Key columns are among
// the hashes; how a key prints is not asked, since floats print differently
// in different versions.
func (s State) Same(o State) bool {
	return s.Present == o.Present && slices.Equal(s.Hashes, o.Hashes)
}

// IndexOnly are a transaction's settings that make the planner find rows through
// the key's index: a plan that reads the whole table for a handful of keys, or
// once for each of many ranges, would be an outage.
var IndexOnly = []string{"enable_hashjoin = off", "enable_mergejoin = off", "enable_seqscan = off", "enable_material = off"}

// Lookup reads the rows with the given keys by equality, in one statement
// and one snapshot, in a transaction with the settings IndexOnly. The result
// has one State per key, in order. Rows without a key have Copies instead.
func (d *Digest) Lookup(ctx context.Context, s *postgres.Session, side postgres.Side, keys [][]string) ([]State, error) {
	states := make([]State, len(keys))
	scope := d.wanted(side, keys)
	if d.Way == Stream {
		return states, d.streamLookup(ctx, s, scope, states)
	}
	n := len(d.keys)
	err := s.Each(ctx, postgres.Statement{SQL: d.lookupSQL(scope), Args: scope.Args}, func(r postgres.Row) error {
		st := State{Present: true, Version: r.Text(1), Free: r.Text(2) == "0", Key: make([]string, n)}
		for i := range n {
			st.Key[i] = r.Text(3 + i)
		}
		hashes, err := parseInts(r.Bytes(3 + n))
		if err != nil {
			return err
		}
		st.Hashes = hashes
		return place(states, int(r.Int(0)), st)
	})
	return states, err
}

func (d *Digest) lookupSQL(scope postgres.Scope) string {
	return "SELECT w.n, t.xmin, t.xmax, " + strings.Join(d.keyRefs(), ", ") + ",\n  " + d.columnsSQL() + "\n" + scope.Clause()
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

// Holds reads a key's parts as values of the side's types, and nothing of the
// table: where that is an error that postgres.Unrepresentable recognises, the
// side can't have a row with the key.
func (d *Digest) Holds(ctx context.Context, s *postgres.Session, side postgres.Side, key []string) error {
	list := make([]string, len(d.table.Key.Columns))
	for i, k := range d.table.Key.Columns {
		list[i] = fmt.Sprintf("CAST($%d::pg_catalog.text AS %s) IS NULL", i+1, k.Type(side).Text)
	}
	return s.Each(ctx, postgres.Statement{SQL: "SELECT " + strings.Join(list, ", "), Args: key}, func(postgres.Row) error { return nil })
}

// Copies are the rows without a key that have one hash.
type Copies struct {
	Rows int64
	// Writers and Squares are the sums of the transactions that wrote them, and of
	// their squares, which tell whether they are the same row versions; "" where
	// that was not asked for.
	Writers, Squares string
}

// Plus is two disjoint sets of copies together.
func (c Copies) Plus(o Copies) Copies {
	return Copies{Rows: c.Rows + o.Rows, Writers: addText(c.Writers, o.Writers), Squares: addText(c.Squares, o.Squares)}
}

func addText(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	var x, y big.Int
	x.SetString(a, 10) // a server printed both
	y.SetString(b, 10)
	return x.Add(&x, &y).String()
}

// State is the reading of a row without a key.
func (c Copies) State(key []string) State {
	if c.Rows == 0 {
		return State{}
	}
	return State{Present: true, Version: fmt.Sprint(c.Rows, " ", c.Writers, " ", c.Squares), Key: key, Hashes: []int64{c.Rows}}
}

// ReadCopies reads the rows of a scope that have one of the given hashes, as
// Row.Key prints them, by hash. Those of disjoint scopes add up. With versions
// it tells row versions apart; the relation has to have xmin then, and
// the way must not be Stream.
func (d *Digest) ReadCopies(ctx context.Context, s *postgres.Session, scope postgres.Scope, hashes []string, versions bool) (map[string]Copies, error) {
	copies, wanted := map[string]Copies{}, make(map[int64]string, len(hashes))
	only := make([]string, len(hashes))
	for i, k := range hashes {
		h, err := strconv.ParseUint(k, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("row hash %q: %w", k, err)
		}
		wanted[int64(h)] = k
		only[i] = strconv.FormatInt(int64(h), 10)
	}
	if d.Way == Stream {
		return copies, d.streamRows(ctx, s, scope, All, func(row Row) error {
			if k, ok := wanted[row.Hash]; ok {
				copies[k] = copies[k].Plus(Copies{Rows: 1})
			}
			return nil
		})
	}
	// A subselect is hashed on every version, a long list only since 14.
	narrow := scope.And(fmt.Sprintf("%s IN (SELECT pg_catalog.unnest($%d::pg_catalog.int8[]))", d.rowSQL(), len(scope.Args)+1), "{"+strings.Join(only, ",")+"}")
	writers := ""
	if versions {
		const writer = "t.xmin::pg_catalog.text::pg_catalog.numeric"
		writers = ", sum(" + writer + "), sum(" + writer + " OPERATOR(pg_catalog.*) " + writer + ")"
	}
	st := postgres.Statement{SQL: "SELECT " + d.rowSQL() + ", count(*)" + writers + "\n" + narrow.Clause() + "\nGROUP BY 1", Args: narrow.Args}
	return copies, s.Each(ctx, st, func(r postgres.Row) error {
		c := Copies{Rows: r.Int(1)}
		if versions {
			c.Writers, c.Squares = r.Text(2), r.Text(3)
		}
		copies[HashKey(r.Int(0))] = c
		return nil
	})
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
