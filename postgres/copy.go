package postgres

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Copying is a transfer of rows from one side into the other by COPY.
type Copying struct {
	Out string // COPY (…) TO STDOUT, on the side that is read
	In  string // COPY … FROM STDIN, on the side that is written
	// Set holds for the transaction that writes: "session_replication_role = replica".
	Set []string
}

// copyBuffer is what is on its way between the two sides.
const copyBuffer = 64 << 10

// Copy reads rows of another side and writes them here, both in one transaction
// with the settings of a Session, so that a value is read as it was printed. All
// of them are committed when the error is nil, and none where it is not, but for
// one case: when the connection is lost while the transaction commits, nobody can
// tell. It gives how many they are, which both servers said.
func (c *Control) Copy(ctx context.Context, tag string, from *DB, p Copying) (rows int64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &Session{db: c.db, conn: c.conn, tag: tag}
	begin := s.comment() + strings.Replace(pinStatement(0, 0), "READ ONLY", "READ WRITE", 1) + "; SET LOCAL synchronous_commit = on"
	for _, set := range p.Set {
		begin += "; SET LOCAL " + set
	}
	if _, err := c.conn.Exec(ctx, begin).ReadAll(); err != nil {
		s.rollback(ctx)
		return 0, s.wrap("copy", err)
	}
	if rows, err = s.copyRows(ctx, from, p); err != nil {
		s.rollback(ctx)
		if ctx.Err() != nil {
			err = fmt.Errorf("%s: copy: %w", s.db.side, context.Cause(ctx))
		}
		return 0, err
	}
	return rows, s.commit(ctx)
}

func (s *Session) rollback(ctx context.Context) {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cancelPatience)
	defer cancel()
	_ = s.exec(clean, "ROLLBACK") // where the connection is gone the server does it
}

// copyRows lets one server's rows run into the other. What failed first is told:
// the other side only lost its peer.
func (s *Session) copyRows(ctx context.Context, from *DB, p Copying) (int64, error) {
	pipe, feed := io.Pipe()
	reading, stop := context.WithCancel(ctx)
	defer stop()
	type end struct {
		rows int64
		err  error
	}
	read := make(chan end, 1)
	go func() {
		n, err := from.copyOut(reading, s.tag, p.Out, feed)
		_ = feed.CloseWithError(err) // nil is the end of the rows
		read <- end{n, err}
	}()
	written, err := s.conn.CopyFrom(ctx, pipe, s.comment()+p.In)
	stop()
	_ = pipe.Close()
	out := <-read
	switch {
	case err != nil && out.err != nil && !errors.Is(out.err, errUnwanted) && (ctx.Err() != nil || !errors.Is(out.err, context.Canceled)):
		return 0, out.err // it came first: what was stopped here is no reason
	case err != nil:
		return 0, s.copyError(err)
	case out.err != nil:
		return 0, out.err
	case written.RowsAffected() != out.rows:
		return 0, fmt.Errorf("%s: copy: %d rows were sent, and the server took %d", s.db.side, out.rows, written.RowsAffected())
	}
	return out.rows, nil
}

// errUnwanted: the side that writes has no use for more rows.
var errUnwanted = errors.New("the rows are not wanted any more")

// copyOut writes the rows to w.
func (db *DB) copyOut(ctx context.Context, tag, sql string, w io.Writer) (rows int64, err error) {
	err = db.Read(ctx, tag, func(ctx context.Context, s *Session) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		patient := &draining{w: w, failed: cancel}
		buffer := bufio.NewWriterSize(patient, copyBuffer)
		tag, err := s.conn.CopyTo(ctx, buffer, s.comment()+sql)
		if err == nil {
			err = buffer.Flush()
		}
		switch {
		case patient.err != nil:
			return errUnwanted
		case err != nil:
			return s.wrap("copy", err)
		}
		rows = tag.RowsAffected()
		return nil
	})
	return rows, err
}

// draining takes everything, whether it can be written or not: the driver closes
// the connection of a writer that fails, which a database that is closed to
// clients would not give back. The statement is cancelled instead.
type draining struct {
	w      io.Writer
	failed context.CancelFunc
	err    error
}

func (d *draining) Write(b []byte) (int, error) {
	if d.err == nil {
		if _, d.err = d.w.Write(b); d.err != nil {
			d.failed()
		}
	}
	return len(b), nil
}

// copyError is the writing side's, with the key of a row that is there already.
func (s *Session) copyError(err error) error {
	wrapped := s.wrap("copy", err)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "23") && strings.HasPrefix(pg.Detail, "Key ") {
		return fmt.Errorf("%w: %s", wrapped, pg.Detail)
	}
	return wrapped
}
