package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// unreadableSequences gives no hazards: its error names what the other detectors
// had to pass by.
func unreadableSequences(ctx context.Context, f *facts) ([]Hazard, error) {
	var reasons []string
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		list, err := f.unreadable(ctx, side)
		if err != nil {
			return nil, err
		}
		reasons = append(reasons, list...)
	}
	if len(reasons) == 0 {
		return nil, nil
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}

// unreadable says of one side which sequences do not tell where they stand, and
// on the target, which columns not what they have; the source's would only make
// the judgement milder.
func (f *facts) unreadable(ctx context.Context, side postgres.Side) (reasons []string, err error) {
	feeds, err := f.on(side).ReadFeeds(ctx)
	if err != nil {
		return nil, err
	}
	type name struct{ schema, table string }
	tables := map[name]*postgres.Table{}
	for _, t := range f.pair.Tables {
		if r := t.On(side); r != nil && side == postgres.Target {
			tables[name{r.Schema, r.Name}] = r
		}
	}
	var sequences, closed, hidden []string
	for _, q := range f.pair.Sequences {
		s := q.On(side)
		if s == nil {
			continue
		}
		if !s.CanSelect {
			sequences = append(sequences, s.Quoted)
		}
		for _, of := range feeds[s.OID] {
			switch t := tables[name{of.Schema, of.Table}]; {
			case t == nil:
			case !t.CanSelect:
				closed = append(closed, t.Quoted)
			case t.RowSecurity:
				hidden = append(hidden, t.Quoted)
			}
		}
	}
	role := postgres.Ident(f.on(side).Server().User)
	if len(sequences) > 0 {
		reasons = append(reasons, fmt.Sprintf("%s: where %s stand is hidden: GRANT SELECT ON SEQUENCE %s TO %s, and USAGE on the schema", side, some(sequences), strings.Join(sequences, ", "), role))
	}
	if closed = distinct(closed); len(closed) > 0 {
		reasons = append(reasons, fmt.Sprintf("%s: whether %s have the next values of their sequences is hidden: GRANT SELECT ON %s TO %s", side, some(closed), strings.Join(closed, ", "), role))
	}
	if hidden = distinct(hidden); len(hidden) > 0 {
		reasons = append(reasons, fmt.Sprintf("%s: row security may hide the next values of sequences in %s: ALTER ROLE %s BYPASSRLS", side, some(hidden), role))
	}
	return reasons, nil
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
