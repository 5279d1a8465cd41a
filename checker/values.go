package checker

import (
	"context"
	"slices"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// showValues adds the differing columns' values to the listed findings, where
// --show-values asks for them.
func (r *run) showValues(ctx context.Context) {
	if !r.o.ShowValues {
		return
	}
	for _, tr := range r.tables {
		for i := range tr.result.Findings {
			if err := r.addValues(ctx, tr, &tr.result.Findings[i]); err != nil {
				tr.note("values: " + reason(ctx, err))
				break
			}
		}
	}
}

func (r *run) addValues(ctx context.Context, tr *tableRun, f *Finding) error {
	key := []string{f.Key["row_hash"]}
	if tr.digest.Keyed() {
		key = key[:0]
		for _, k := range tr.table.Key.Columns {
			key = append(key, f.Key[k.Name])
		}
	}
	var rows [2][]*string
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readAtLength(ctx, db, "values "+tr.table.Name, func(ctx context.Context, s *postgres.Session) (err error) {
			rows[index(db.Side())], err = tr.digest.Values(ctx, s, db.Side(), key)
			return err
		})
	})
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, name := range f.Columns {
		wanted[name] = true
	}
	for i, c := range tr.digest.Columns {
		if len(wanted) > 0 && !wanted[c.Name] || r.o.HashKeys && tr.inKey(c.Name) {
			continue
		}
		v := ColumnValues{Name: c.Name}
		if rows[0] != nil {
			v.Source = rows[0][i]
		}
		if rows[1] != nil {
			v.Target = rows[1][i]
		}
		f.Values = append(f.Values, v)
	}
	return nil
}

// inKey tells whether a column is part of the key that rows are named by.
func (tr *tableRun) inKey(column string) bool {
	return tr.digest.Keyed() && slices.ContainsFunc(tr.table.Key.Columns, func(k pairing.KeyColumn) bool { return k.Name == column })
}
