package cutover

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

const (
	// readWhole is up to how many bytes a table is read whole to find a column's
	// last value, where no index tells it.
	readWhole = 1 << 20
	// endsPatience bounds one such reading: what the sequences of the side that is
	// switched from say is enough, so a window does not wait for it.
	endsPatience = "statement_timeout = 1000"
	// endsLocks is how many relations one statement may lock.
	endsLocks = 1500
)

// fed is a column that a sequence feeds and that can be looked into at once.
type fed struct {
	sequence *pairing.Sequence
	column   string
	table    *pairing.Table
}

// fedColumns are those, and the names of the others.
func (r *run) fedColumns(list []*pairing.Sequence) (cheap []fed, others []string) {
	type name struct{ schema, table string }
	tables := map[name]*pairing.Table{}
	for _, t := range r.pair.Tables {
		if t.Target != nil {
			tables[name{t.Target.Schema, t.Target.Name}] = t
		}
	}
	for _, q := range list {
		for _, f := range r.prepared.sequences.feeds[q.Target.OID] {
			t := tables[name{f.Schema, f.Table}]
			if t == nil || !t.Target.CanSelect || t.Target.RowSecurity || !t.Target.LedBy(f.Column) && t.Target.Bytes > readWhole {
				others = append(others, f.Name)
				continue
			}
			cheap = append(cheap, fed{q, f.Column, t})
		}
	}
	return cheap, others
}

// readEnds reads, of each sequence, the furthest value that a column has of those
// that it can give. What it cannot give says nothing of where it should stand.
func (r *run) readEnds(ctx context.Context, list []*pairing.Sequence) (map[uint32]*big.Int, error) {
	cheap, others := r.fedColumns(list)
	ends := map[uint32]*big.Int{}
	for len(cheap) > 0 {
		n := batchOf(cheap)
		batch := cheap[:n]
		cheap = cheap[n:]
		err := r.readInto(ctx, endsSQL(batch), func(row postgres.Row) error {
			q := batch[row.Int(0)].sequence
			v := whole(row.Text(1), q.Target.Increment < 0)
			if old := ends[q.Target.OID]; v != nil && (old == nil || v.Cmp(old) > 0 == (q.Target.Increment > 0)) {
				ends[q.Target.OID] = v
			}
			return nil
		})
		switch {
		case postgres.TimedOut(err) && ctx.Err() == nil:
			for _, f := range batch {
				others = append(others, f.table.Name+"."+f.column)
			}
		case err != nil:
			return nil, err
		}
	}
	if len(others) > 0 {
		r.note("what %s hold was not looked at (no index leads with the column, the role may not read it, or it took too long): their sequences are set by the other side's alone", few(others))
	}
	return ends, nil
}

// batchOf is how many of the columns one statement looks into.
func batchOf(list []fed) int {
	n := 0
	for locks := 0; n < len(list) && (n == 0 || locks < endsLocks); n++ {
		t := list[n].table.Target
		locks += max(t.Leaves, 1) * (1 + len(t.Indexes))
	}
	return n
}

func (r *run) readInto(ctx context.Context, sql string, fn func(postgres.Row) error) error {
	return r.to.db.Read(ctx, "cutover sequence values", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql}, fn)
	}, endsPatience)
}

// endsSQL are subselects of a list of values, because a UNION ALL of as many
// arms takes the planner much longer.
func endsSQL(list []fed) string {
	lines := make([]string, len(list))
	for i, f := range list {
		q, column, last := f.sequence.Target, "t."+postgres.Ident(f.column), "max"
		if q.Increment < 0 {
			last = "min"
		}
		given := f.table.Scope(postgres.Target).And(fmt.Sprintf("%s >= '%d'::pg_catalog.int8 AND %[1]s <= '%[3]d'::pg_catalog.int8", column, q.Min, q.Max))
		lines[i] = fmt.Sprintf("(%d::pg_catalog.int8, (SELECT pg_catalog.%s(%s)::pg_catalog.text %s))", i, last, column, given.Clause())
	}
	return "VALUES " + strings.Join(lines, ",\n  ")
}

// whole is a number of the server's without its fraction, rounded towards where
// the sequence comes from; nil for none.
func whole(text string, down bool) *big.Int {
	v, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	n := new(big.Int).Quo(v.Num(), v.Denom()) // towards zero
	switch {
	case v.IsInt():
	case !down && v.Sign() < 0:
		n.Sub(n, big.NewInt(1))
	case down && v.Sign() > 0:
		n.Add(n, big.NewInt(1))
	}
	return n
}

// readTaken reads which of the next values of the sequences that cycle their
// columns have.
func (r *run) readTaken(ctx context.Context, marks []*mark) error {
	var list []fed
	of := map[*pairing.Sequence]*mark{}
	for _, m := range marks {
		if m.Source.Cycle {
			of[m.Sequence], m.taken = m, map[int64]bool{}
			cheap, _ := r.fedColumns([]*pairing.Sequence{m.Sequence})
			list = append(list, cheap...)
		}
	}
	for len(list) > 0 {
		n := batchOf(list)
		batch := list[:n]
		list = list[n:]
		err := r.readInto(ctx, takenSQL(batch, of), func(row postgres.Row) error {
			of[batch[row.Int(0)].sequence].taken[row.Int(1)] = true
			return nil
		})
		if err != nil && (!postgres.TimedOut(err) || ctx.Err() != nil) {
			return err
		}
	}
	return nil
}

func takenSQL(list []fed, of map[*pairing.Sequence]*mark) string {
	arms := make([]string, len(list))
	for i, f := range list {
		column := "t." + postgres.Ident(f.column)
		values := make([]string, 0, cycleLooks)
		for _, v := range of[f.sequence].coming() {
			values = append(values, fmt.Sprint(v))
		}
		scope := f.table.Scope(postgres.Target).And(fmt.Sprintf("%s = ANY ('{%s}'::pg_catalog.int8[])", column, strings.Join(values, ",")))
		arms[i] = fmt.Sprintf("SELECT %d::pg_catalog.int8, %s::pg_catalog.int8 %s", i, column, scope.Clause())
	}
	return strings.Join(arms, "\nUNION ALL ")
}
