package monitor

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite", in pure Go

	"github.com/pgparity/pgparity/follow"
)

//go:embed migrations/*.sql
var migrations embed.FS

// store is what the monitor remembers, in one file for all pairs. What a call has written is
// on the disk when it returns, but for samples and cells, of which the last seconds may be
// lost with the machine. It is safe for concurrent use. The file holds keys of rows as they are: it is readable
// by its owner alone.
type store struct {
	path string
	lock *os.File
	// firm waits for the disk with each commit, light does not: a process that is killed loses
	// nothing of either.
	firm, light *sql.DB
	mask        []byte // by which keys are hidden, always the same for a file
}

// errStateHeld: another process has the state.
var errStateHeld = errors.New("another monitor holds it: end that one, or name another file (--state)")

// openStore opens the file, makes it where it is not there, takes its lock and brings its
// tables up to date.
func openStore(ctx context.Context, path string) (*store, error) {
	st := &store{path: path}
	if err := st.open(ctx); err != nil {
		st.close()
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	return st, nil
}

func (st *store) open(ctx context.Context) error {
	path, err := filepath.Abs(st.path)
	if err != nil {
		return err
	}
	// The lock has a file of its own: a database's locks belong to the process, and would be
	// let go of with any other descriptor of it.
	if st.lock, err = os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return stateFile(err)
	}
	if err := lockState(st.lock); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return stateFile(err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if st.firm, err = openSQLite(path, "FULL"); err != nil {
		return err
	}
	if err := migrate(ctx, st.firm); err != nil {
		return err
	}
	if st.light, err = openSQLite(path, "NORMAL"); err != nil {
		return err
	}
	return st.readMask(ctx)
}

func stateFile(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return fmt.Errorf("%w: it has to be in a folder that the monitor may write to", err)
}

// openSQLite opens the file for one connection, which waits for others of its process.
func openSQLite(path, synchronous string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_pragma": {"busy_timeout(20000)", "journal_mode(WAL)", "synchronous(" + synchronous + ")"}, "_txlock": {"immediate"}}.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err != nil {
		return err
	}
	steps := p.ListSources()
	now, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("it cannot be read, and may be no state of a monitor: %w", err)
	}
	if newest := steps[len(steps)-1].Version; now > newest {
		return fmt.Errorf("a newer pgparity has written it (version %d, this one knows %d): use that, or name another file (--state)", now, newest)
	}
	if _, err = p.Up(ctx); err != nil {
		return fmt.Errorf("bring its tables up to date: %w", err)
	}
	return nil
}

func (st *store) readMask(ctx context.Context) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // crypto/rand never fails
	if _, err := st.firm.ExecContext(ctx, "INSERT INTO secrets (name, value) VALUES ('mask', ?) ON CONFLICT DO NOTHING", secret); err != nil {
		return err
	}
	return st.firm.QueryRowContext(ctx, "SELECT value FROM secrets WHERE name = 'mask'").Scan(&st.mask)
}

// close gives the file back. Nothing may use the store any more.
func (st *store) close() {
	for _, db := range []*sql.DB{st.light, st.firm} {
		if db != nil {
			_ = db.Close() // what was committed is there
		}
	}
	if st.lock != nil {
		_ = st.lock.Close()
	}
}

// write runs one transaction.
func (st *store) write(ctx context.Context, what string, do func(*sql.Tx) error) error {
	tx, err := st.firm.BeginTx(ctx, nil)
	if err == nil {
		if err = do(tx); err == nil {
			err = tx.Commit()
		}
		_ = tx.Rollback() // of one that was committed it is nothing
	}
	if err != nil {
		return fmt.Errorf("state: %s: %w", what, err)
	}
	return nil
}

// pairs are the names of all pairs of which something is known, and the state of those that are followed.
func (st *store) pairs(ctx context.Context) (map[string]follow.State, error) {
	followed := map[string]follow.State{}
	err := st.each(ctx, "read pairs", "SELECT name, follow FROM pairs", nil, func(row *sql.Rows) error {
		var name, text string
		if err := row.Scan(&name, &text); err != nil {
			return err
		}
		var s follow.State
		if text != "" {
			if err := json.Unmarshal([]byte(text), &s); err != nil {
				return err
			}
		}
		followed[name] = s
		return nil
	})
	return followed, err
}

// each reads rows, and tells whether that was all of them.
func (st *store) each(ctx context.Context, what, query string, args []any, fn func(*sql.Rows) error) error {
	rows, err := st.firm.QueryContext(ctx, query, args...)
	if err == nil {
		for err == nil && rows.Next() {
			err = fn(rows)
		}
		err = errors.Join(err, rows.Err(), rows.Close())
	}
	if err != nil {
		return fmt.Errorf("state: %s: %w", what, err)
	}
	return nil
}

// pair reads what is known of one; nothing, where it is new.
func (st *store) pair(ctx context.Context, name string) (f facts, s follow.State, err error) {
	var text, followed string
	err = st.firm.QueryRowContext(ctx, "SELECT facts, follow FROM pairs WHERE name = ?", name).Scan(&text, &followed)
	if errors.Is(err, sql.ErrNoRows) {
		return f, s, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &f)
	}
	if err == nil && followed != "" {
		err = json.Unmarshal([]byte(followed), &s)
	}
	if err != nil {
		return f, s, fmt.Errorf("state: read pair %s: %w", name, err)
	}
	return f, s, nil
}

// keepFollow keeps how far changes were followed; nil for not at all.
func (st *store) keepFollow(ctx context.Context, name string, s *follow.State) error {
	if s == nil {
		return st.write(ctx, "forget what was followed", func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "UPDATE pairs SET follow = '' WHERE name = ?", name)
			return err
		})
	}
	return st.keepJSON(ctx, name, "follow", s)
}

// keepJSON sets a column of a pair: one of those that are named here.
func (st *store) keepJSON(ctx context.Context, name, column string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return st.write(ctx, "keep "+column, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO pairs (name, "+column+") VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "+column+" = excluded."+column, name, string(text))
		return err
	})
}

func micros(t time.Time) int64          { return t.UnixMicro() }
func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }
