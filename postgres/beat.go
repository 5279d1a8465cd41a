package postgres

import (
	"context"
	"errors"
	"fmt"
)

// Beat is a marker row that something changes again and again, and that the
// replication carries like any other row.
type Beat struct {
	Table  string // as quote_ident prints it
	Column string // only grows: an integer, a timestamp
	// KeyColumn and Key pick the row; both "" where the table has one row.
	KeyColumn, Key string
}

// ErrNoBeat says that the marker is not exactly one row with a value.
var ErrNoBeat = errors.New("the heartbeat is not exactly one row with a value: name its table, column and key")

func (b Beat) where() (string, []string) {
	if b.KeyColumn == "" {
		return "", nil
	}
	return " WHERE b." + Ident(b.KeyColumn) + " = $1", []string{b.Key}
}

// ReadBeat reads the marker's value. Where than is not "" it also tells whether
// the value is at least that, and whether it is more, in the column's own order.
func (db *DB) ReadBeat(ctx context.Context, b Beat, than string) (value string, reached, beyond bool, err error) {
	where, args := b.where()
	column := "b." + Ident(b.Column)
	list := column
	if than != "" {
		args = append(args, than)
		list = fmt.Sprintf("%s, %s >= $%d, %s > $%d", column, column, len(args), column, len(args))
	}
	rows := 0
	err = db.Read(ctx, "heartbeat", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: "SELECT " + list + " FROM " + b.Table + " b" + where, Args: args}, func(r Row) error {
			rows++
			value = r.Text(0)
			if than != "" {
				reached, beyond = r.Bool(1), r.Bool(2)
			}
			return nil
		})
	})
	if err == nil && (rows != 1 || value == "") {
		return "", false, false, fmt.Errorf("%s: read %s.%s: %w", db.side, b.Table, Ident(b.Column), ErrNoBeat)
	}
	return value, reached, beyond, err
}

// Strike adds one to the marker, an integer, in a transaction of its own that
// has committed when Strike returns, and gives the new value.
func (db *DB) Strike(ctx context.Context, b Beat) (value string, err error) {
	where, args := b.where()
	column := Ident(b.Column)
	update := Statement{SQL: "UPDATE " + b.Table + " AS b SET " + column + " = b." + column + " + 1" + where + " RETURNING b." + column, Args: args}
	err = db.Write(ctx, "heartbeat", func(ctx context.Context, s *Session) error {
		rows := 0
		err := s.Change(ctx, "update", update, func(r Row) error {
			rows++
			value = r.Text(0)
			return nil
		})
		if err == nil && (rows != 1 || value == "") {
			return fmt.Errorf("%s: update %s.%s: %w", db.side, b.Table, column, ErrNoBeat)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return value, nil
}
