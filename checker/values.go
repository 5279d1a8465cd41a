package checker

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// What of a row's values goes into a report, in characters: of a finding, and
// of the one row that `pgparity show` shows.
var (
	reported = hashing.Excerpt{Long: 2000, Row: 64_000, Short: 100}
	shown    = hashing.Excerpt{Long: 100_000, Row: 3_200_000, Short: 2000}
)

// excerpts are the texts of a column's two values. One that was cut ends in a
// mark with the size of the whole: "… (104,857,600 bytes)". Two that differ
// behind the cut alone would look the same: then the target's mark says so.
func excerpts(source, target *hashing.Value, differ bool) (s, t *string) {
	s, t = excerpt(source, ""), excerpt(target, "")
	if differ && s != nil && t != nil && *s == *t && target.Bytes > 0 {
		t = excerpt(target, "; differs behind this")
	}
	return s, t
}

func excerpt(v *hashing.Value, remark string) *string {
	if v == nil {
		return nil
	}
	text := v.Text
	if v.Bytes > 0 {
		text += "… (" + thousands(v.Bytes) + " bytes" + remark + ")"
	}
	return &text
}

// explainSize adds to a server's error what to do about a value that is too
// large for it.
func explainSize(err error) error {
	var e *postgres.Error
	if errors.As(err, &e) && e.Hint == "" {
		switch e.Code {
		case "54000": // program_limit_exceeded
			e.Hint = "a value's text would be larger than a server can make (1 GB): try --digest stream, or exclude the table"
		case "XX000": // internal_error, which a request for that much memory is, too
			e.Hint = "where this is about memory, a value's text would be larger than a server can make (1 GB): try --digest stream, or exclude the table"
		}
	}
	return err
}

// thousands writes a number in groups of three digits.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

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
	var rows [2][]*hashing.Value
	err := r.bothSides(ctx, func(ctx context.Context, db *postgres.DB) error {
		return r.readAtLength(ctx, db, "values "+tr.table.Name, func(ctx context.Context, s *postgres.Session) (err error) {
			rows[index(db.Side())], err = tr.digest.Values(ctx, s, db.Side(), key, reported)
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
		var sides [2]*hashing.Value
		for n, row := range rows {
			if row != nil {
				sides[n] = row[i]
			}
		}
		v := ColumnValues{Name: c.Name}
		v.Source, v.Target = excerpts(sides[0], sides[1], wanted[c.Name])
		f.Values = append(f.Values, v)
	}
	return nil
}

// inKey tells whether a column is part of the key that rows are named by.
func (tr *tableRun) inKey(column string) bool {
	return tr.digest.Keyed() && slices.ContainsFunc(tr.table.Key.Columns, func(k pairing.KeyColumn) bool { return k.Name == column })
}
