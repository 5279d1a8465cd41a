package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// tag names the work in each statement's comment.
const tag = "probe"

// end is the table on one side.
type end struct {
	db         *postgres.DB
	table      *postgres.Scratch
	key, value postgres.ScratchColumn
}

// errNoRow says that a statement that has to change one row changed none.
var errNoRow = errors.New("the server changed no row: a trigger or a rule there swallows it, or something else removed the row")

// insert writes the row, and gives its content as the server prints it.
func (e *end) insert(ctx context.Context, key, content string) (string, error) {
	return e.change(ctx, "insert", fmt.Sprintf("INSERT INTO %s (%s, %s) OVERRIDING SYSTEM VALUE VALUES ($1, $2) RETURNING %s",
		e.table.Quoted, e.key.Quoted, e.value.Quoted, e.value.Quoted), key, content)
}

func (e *end) update(ctx context.Context, key, content string) (string, error) {
	return e.change(ctx, "update", fmt.Sprintf("UPDATE %s SET %s = $2 WHERE %s = $1 RETURNING %s",
		e.table.Quoted, e.value.Quoted, e.key.Quoted, e.value.Quoted), key, content)
}

func (e *end) delete(ctx context.Context, key string) error {
	_, err := e.change(ctx, "delete", e.deletion("$1"), key)
	return err
}

func (e *end) deletion(key string) string {
	return fmt.Sprintf("DELETE FROM %s WHERE %s = %s RETURNING %s", e.table.Quoted, e.key.Quoted, key, e.value.Quoted)
}

// change writes one row in a transaction of its own.
func (e *end) change(ctx context.Context, op, sql string, args ...string) (content string, err error) {
	err = e.db.Write(ctx, tag, func(ctx context.Context, s *postgres.Session) error {
		rows := 0
		err := s.Change(ctx, op, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
			rows++
			content = r.Text(0)
			return nil
		})
		if err == nil && rows != 1 {
			return fmt.Errorf("%s: %s %s: %w", e.db.Side(), op, e.table.Quoted, errNoRow)
		}
		return err
	})
	return content, err
}

// read gives the content of the row, and whether it is there at all.
func (e *end) read(ctx context.Context, key string) (content string, there bool, err error) {
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s = $1", e.value.Quoted, e.table.Quoted, e.key.Quoted)
	err = e.db.Read(ctx, tag, func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql, Args: []string{key}}, func(r postgres.Row) error {
			content, there = r.Text(0), true
			return nil
		})
	})
	return content, there, err
}

// rows counts the table's rows, up to a limit.
func (e *end) rows(ctx context.Context, limit int) (n int64, err error) {
	sql := fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s LIMIT %d) AS first", e.table.Quoted, limit)
	err = e.db.Read(ctx, tag, func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql}, func(r postgres.Row) error {
			n = r.Int(0)
			return nil
		})
	})
	return n, err
}
