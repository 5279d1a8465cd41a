package cutover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
)

// value is a value of the column as SQL.
func (c *copied) value(text string) string {
	return "CAST(" + postgres.Literal(text) + " AS " + c.column.Source.Type.Underlying().Text + ")"
}

// scope is the rows behind a value, up to another; nil bounds nothing. Its values
// are constants: COPY takes no parameters.
func (c *copied) scope(side postgres.Side, after, upto *string) postgres.Scope {
	scope := c.table.Scope(side)
	if after != nil {
		scope = scope.And(c.column.Ref() + " > " + c.value(*after))
	}
	if upto != nil {
		scope = scope.And(c.column.Ref() + " <= " + c.value(*upto))
	}
	return scope
}

// copying copies a scope's rows, in order, so that they come to lie as they are
// read later.
func (c *copied) copying(scope postgres.Scope) postgres.Copying {
	p := postgres.Copying{
		Out: fmt.Sprintf("COPY (SELECT %s %s ORDER BY %s) TO STDOUT", c.columns, scope.Clause(), c.column.Ref()),
		In:  fmt.Sprintf("COPY %s (%s) FROM STDIN", postgres.Ident(c.table.Target.Schema, c.table.Target.Name), c.columns),
	}
	if c.replica {
		p.Set = []string{"session_replication_role = replica"}
	}
	return p
}

// one reads a value of the column, nil where there is no row.
func (c *copied) one(ctx context.Context, db *postgres.DB, sql string) (value *string, err error) {
	err = db.Read(ctx, "cutover copy", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql}, func(row postgres.Row) error {
			v := row.Text(0)
			value = &v
			return nil
		})
	})
	return value, err
}

// last is the last value of a side, nil where it has none. Not by max(): uuid has
// it from 18 on.
func (c *copied) last(ctx context.Context, db *postgres.DB) (*string, error) {
	ref := c.column.Ref()
	return c.one(ctx, db, fmt.Sprintf("SELECT %s::pg_catalog.text %s ORDER BY %[1]s DESC LIMIT 1", ref, c.table.Scope(db.Side()).Clause()))
}

// nth is the value of the n-th row behind a value, nil where there are fewer.
func (c *copied) nth(ctx context.Context, db *postgres.DB, after *string, end string, n int64) (*string, error) {
	ref := c.column.Ref()
	return c.one(ctx, db, fmt.Sprintf("SELECT %s::pg_catalog.text %s ORDER BY %[1]s OFFSET %[3]d LIMIT 1", ref, c.scope(db.Side(), after, &end).Clause(), n-1))
}

// before is the value that lies n rows before one, nil where there are fewer.
func (c *copied) before(ctx context.Context, db *postgres.DB, upto *string, n int64) (*string, error) {
	if upto == nil {
		return nil, nil
	}
	ref := c.column.Ref()
	return c.one(ctx, db, fmt.Sprintf("SELECT %s::pg_catalog.text %s ORDER BY %[1]s DESC OFFSET %[3]d LIMIT 1", ref, c.scope(db.Side(), nil, upto).Clause(), n))
}

// copyRange copies the rows behind a value, up to another: all of them at once
// where none is there.
func (r *run) copyRange(ctx context.Context, c *copied, after *string, upto string) (int64, error) {
	there, err := c.one(ctx, r.to.db, "SELECT "+c.column.Ref()+"::pg_catalog.text "+c.scope(postgres.Target, after, &upto).Clause()+" LIMIT 1")
	if err != nil {
		return 0, err
	}
	if there != nil {
		return r.fill(ctx, c, after, upto)
	}
	return r.to.control.Copy(ctx, "cutover copy", r.from.db, c.copying(c.scope(postgres.Source, after, &upto)))
}

// fillBatch is how many rows are named in one statement.
const fillBatch = 500

// fill copies those rows of a range that are missing. Those that are there have
// to be the other side's; more than it has are left alone.
func (r *run) fill(ctx context.Context, c *copied, after *string, upto string) (rows int64, err error) {
	scopes := [2]postgres.Scope{c.scope(postgres.Source, after, &upto), c.scope(postgres.Target, after, &upto)}
	var sums [2]hashing.Sum
	err = r.both(ctx, func(ctx context.Context, i int, s *postgres.Session) (err error) {
		sums[i], err = c.digest.Sum(ctx, s, scopes[i])
		return err
	})
	if err != nil || sums[0] == sums[1] {
		return 0, err
	}
	if !c.digest.Keyed() {
		return 0, fmt.Errorf("%s: rows of %s are there up to %s that are not those of the %s, and it has no key to tell which: TRUNCATE it there, or give it a key on both sides", r.to.name, c.table.Name, upto, r.from.name)
	}
	missing, err := r.missing(ctx, c, scopes)
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(missing, fillBatch) {
		scope := c.table.Scope(postgres.Source).And("(" + strings.Join(batch, "\n  OR ") + ")")
		n, err := r.to.control.Copy(ctx, "cutover copy", r.from.db, c.copying(scope))
		rows += n
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// missing are conditions, each of a row that the written side lacks.
func (r *run) missing(ctx context.Context, c *copied, scopes [2]postgres.Scope) ([]string, error) {
	type row struct {
		key  []string
		hash int64
	}
	var rows [2]map[string]row
	err := r.both(ctx, func(ctx context.Context, i int, s *postgres.Session) error {
		rows[i] = map[string]row{}
		return c.digest.Rows(ctx, s, scopes[i], hashing.All, func(h hashing.Row) error {
			k := row{hash: h.Hash}
			for _, part := range h.Key {
				k.key = append(k.key, string(part))
			}
			rows[i][fmt.Sprintf("%q", k.key)] = k
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	var list []string
	for name, from := range rows[0] {
		switch to, there := rows[1][name]; {
		case !there:
			list = append(list, c.is(from.key))
		case to.hash != from.hash:
			return nil, fmt.Errorf("%s: row %s of %s is there, and is not the one of the %s: somebody wrote it before it was copied, or changed it since; keep one of the two, and run again", r.to.name, c.named(from.key), c.table.Name, r.from.name)
		}
	}
	slices.Sort(list)
	return list, nil
}

// both reads both sides at a time: 0 is the one that is read from.
func (r *run) both(ctx context.Context, read func(context.Context, int, *postgres.Session) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, e := range []*end{r.from, r.to} {
		g.Go(func() error {
			return e.db.Read(ctx, "cutover copy", func(ctx context.Context, s *postgres.Session) error { return read(ctx, i, s) })
		})
	}
	return g.Wait()
}

// is is the condition that a row has a key.
func (c *copied) is(key []string) string {
	parts := make([]string, len(key))
	for i, k := range c.table.Key.Columns {
		parts[i] = k.Is(postgres.Source, postgres.Literal(key[i]))
	}
	return "(" + strings.Join(parts, " AND ") + ")"
}

// named says a key for a person.
func (c *copied) named(key []string) string {
	parts := make([]string, len(key))
	for i, k := range c.table.Key.Columns {
		parts[i] = k.Name + "=" + key[i]
	}
	return strings.Join(parts, ", ")
}
