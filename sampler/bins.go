package sampler

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// RangeBins are ranges of the key as bins of the whole table; none may be open.
func RangeBins(t *pairing.Table, side postgres.Side, ranges []Range) postgres.Bins {
	b := postgres.Bins{Count: len(ranges)}
	var params, names, casts, refs, from, to []string
	for i, k := range t.Key.Columns {
		low, high := make([]string, len(ranges)), make([]string, len(ranges))
		for j, r := range ranges {
			low[j], high[j] = r.From[i], r.To[i]
		}
		for end, values := range [][]string{low, high} {
			name := fmt.Sprintf("%c%d", "lh"[end], i+1)
			b.Args = append(b.Args, postgres.TextArray(values))
			params = append(params, fmt.Sprintf("$%d::pg_catalog.text[]", len(b.Args)))
			names = append(names, name)
			casts = append(casts, fmt.Sprintf("CAST(%s AS %s) AS %s", name, k.Type(side).Text, name))
		}
		refs, from, to = append(refs, k.Ref()), append(from, fmt.Sprintf("b.l%d", i+1)), append(to, fmt.Sprintf("b.h%d", i+1))
	}
	// OFFSET 0 keeps the casts from being done again for each row of the table.
	b.List = "(SELECT n, " + strings.Join(casts, ", ") + " FROM unnest(" + strings.Join(params, ", ") + ") WITH ORDINALITY AS u(" + strings.Join(names, ", ") + ", n) OFFSET 0) AS b"
	b.In = compare(refs, ">=", from) + " AND " + compare(refs, "<", to)
	return b
}

// Step is a run of values of a key's leading integer column, both ends included.
type Step struct{ From, To int64 }

// Steppable tells whether a key can be divided in steps.
func Steppable(t *pairing.Table) bool {
	if t.Key == nil || !t.Key.Ordered {
		return false
	}
	lead := t.Key.Columns[0].Type(postgres.Source)
	return lead.BuiltIn && slices.Contains([]string{"int2", "int4", "int8"}, lead.Name)
}

// StepBins are steps as bins of a scope with so many parameters.
func StepBins(t *pairing.Table, params int, steps []Step) postgres.Bins {
	var low, high []byte
	for i, s := range steps {
		if i > 0 {
			low, high = append(low, ','), append(high, ',')
		}
		low, high = strconv.AppendInt(low, s.From, 10), strconv.AppendInt(high, s.To, 10)
	}
	lead := t.Key.Columns[0].Ref()
	return postgres.Bins{
		List:  fmt.Sprintf("unnest($%d::pg_catalog.int8[], $%d::pg_catalog.int8[]) WITH ORDINALITY AS b(l, h, n)", params+1, params+2),
		In:    lead + " OPERATOR(pg_catalog.>=) b.l AND " + lead + " OPERATOR(pg_catalog.<=) b.h",
		Args:  []string{"{" + string(low) + "}", "{" + string(high) + "}"},
		Count: len(steps),
	}
}

// Of narrows a scope of the table to the step's rows.
func (within Step) Of(scope postgres.Scope, t *pairing.Table) postgres.Scope {
	lead := t.Key.Columns[0].Ref()
	return scope.And(fmt.Sprintf("%s OPERATOR(pg_catalog.>=) '%d'::pg_catalog.int8 AND %s OPERATOR(pg_catalog.<=) '%d'::pg_catalog.int8", lead, within.From, lead, within.To))
}

// Ends reads the least and the greatest value of the key's leading integer
// column in a scope; ok is false where there is no row.
func Ends(ctx context.Context, s *postgres.Session, t *pairing.Table, scope postgres.Scope) (ends Step, ok bool, err error) {
	lead := t.Key.Columns[0].Ref()
	err = s.Each(ctx, postgres.Statement{SQL: "SELECT min(" + lead + "), max(" + lead + ")\n" + scope.Clause(), Args: scope.Args}, func(r postgres.Row) error {
		ends, ok = Step{r.Int(0), r.Int(1)}, !r.Null(0)
		return nil
	})
	return ends, ok, err
}

// Ends are the values between which a closed range's leading integers lie; ok is
// false where an end is open.
func (r Range) Ends(t *pairing.Table) (ends Step, ok bool) {
	if r.From == nil || r.To == nil {
		return ends, false
	}
	from, err := strconv.ParseInt(r.From[0], 10, 64)
	if err != nil {
		return ends, false
	}
	to, err := strconv.ParseInt(r.To[0], 10, 64)
	if len(t.Key.Columns) == 1 {
		to-- // the range ends before it
	}
	return Step{from, to}, err == nil && from <= to
}

// Steps divides a step into at most n of about equal width. All of within is in
// one of them, which ends narrow: those at the ends take what lies outside.
func (within Step) Steps(ends Step, n int) []Step {
	low, high := max(within.From, ends.From), min(within.To, ends.To)
	if low > high {
		return []Step{within}
	}
	width := (uint64(high)-uint64(low))/uint64(max(n, 1)) + 1
	var steps []Step
	for from := low; ; {
		to := from + int64(width) - 1
		if uint64(high)-uint64(from) < width { // to may have overflown
			to = high
		}
		steps = append(steps, Step{from, to})
		if to == high {
			break
		}
		from = to + 1
	}
	steps[0].From, steps[len(steps)-1].To = within.From, within.To
	return steps
}
