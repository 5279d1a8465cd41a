package postgres

import (
	"context"
	"errors"
)

// writable lifts what a pinned session forbids. It may be lifted until the
// transaction's first snapshot, and the settings come before that. A role or a
// database may have synchronous_commit off: then a write that was confirmed
// could be lost in a crash, and what waits for it would wait for ever.
var writable = []string{"transaction_read_only = off", "synchronous_commit = on"}

// Write runs fn inside one pinned transaction that may write, and has committed
// when Write returns nil. It is the only way to write here: for an operator who
// named the table. fn writes by Session.Change.
//
// When the connection is lost while the transaction commits, nobody can tell
// whether it did: Lost(err), and the change may be there.
func (db *DB) Write(ctx context.Context, tag string, fn func(context.Context, *Session) error) error {
	return db.Read(ctx, tag, fn, writable...)
}

// Change runs a statement that writes, and calls fn with each row that it
// returns. It must have a RETURNING clause: by that alone is it known that every
// row the server says it changed was told of. op is what an error calls it:
// insert, update, delete.
func (s *Session) Change(ctx context.Context, op string, st Statement, fn func(Row) error) error {
	err := s.Each(ctx, st, fn)
	var e *Error
	if errors.As(err, &e) {
		e.Op = op
		switch e.Code {
		case codeInsufficientPrivilege:
			e.Hint = "reading is not enough here: GRANT it to the role that connects"
		case codeQueryCanceled:
			e.Hint = "something holds the row or the table: see pg_locks there"
		}
	}
	return err
}
