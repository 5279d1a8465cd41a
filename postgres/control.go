package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// Control is one connection of a side, of no pool: for an operator who switches
// databases. It is made beforehand and kept, since a database that is closed to
// clients lets nobody in again, its owner neither. Each statement is a
// transaction of its own, and may write. It is safe for concurrent use, one
// statement at a time. Close it when done.
//
// It wants a session of its own: not a connection through a pooler that
// lends one for a transaction.
type Control struct {
	db   *DB // names the side; it has no pool
	mu   sync.Mutex
	conn *pgconn.PgConn
	pid  int
}

// controlled is what a session of a Control sets once. A database or a role may
// be read only by default, and may confirm commits before they are durable. What
// not every server has comes last.
const controlled = `SET default_transaction_read_only = off; SET synchronous_commit = on; SET search_path = '';
SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET client_encoding = 'UTF8'; SET lock_timeout = '5s'; SET standard_conforming_strings = on;
SET idle_in_transaction_session_timeout = 0; SET statement_timeout = %d;
SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout')`

// OpenControl connects to o.URL, or to another database of the same server
// where o.Database names one. o.MaxConns and o.Keep are of no meaning.
func OpenControl(ctx context.Context, o Options) (*Control, error) {
	pool, err := o.poolConfig()
	if err != nil {
		return nil, err
	}
	cfg := pool.ConnConfig
	if !o.Pooled {
		cfg.BuildContextWatcherHandler = cancelling
	}
	db := &DB{side: o.Side, run: o.Run, secret: cfg.Password, where: cfg}
	conn, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	if err != nil {
		return nil, db.connectError(err)
	}
	c := &Control{db: db, conn: conn, pid: int(conn.PID())}
	if o.AsClient {
		return c, nil
	}
	if err := c.Exec(ctx, "set", fmt.Sprintf(controlled, o.StatementTimeout.Milliseconds())); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// PID is the process id of the server's backend.
func (c *Control) PID() int { return c.pid }

// Lost tells whether the connection is gone. Its backend may be there still, and
// read what was sent last.
func (c *Control) Lost() bool { return c.conn.IsClosed() }

// Side tells which end of the pair it leads to.
func (c *Control) Side() Side { return c.db.side }

// Exec runs SQL as a simple query: one statement, or several that are one
// transaction. secrets are kept out of the error's text.
func (c *Control) Exec(ctx context.Context, tag, sql string, secrets ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &Session{db: c.db, conn: c.conn, tag: tag}
	_, err := c.conn.Exec(ctx, s.comment()+sql).ReadAll()
	if err == nil {
		return nil
	}
	err = s.wrap("change", err)
	for _, secret := range secrets {
		if secret != "" && strings.Contains(err.Error(), secret) {
			err = plainError{strings.ReplaceAll(err.Error(), secret, "xxxxx"), err}
		}
	}
	return err
}

// Each runs one statement and calls fn with each row, as Session.Each does.
func (c *Control) Each(ctx context.Context, tag string, st Statement, fn func(Row) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (&Session{db: c.db, conn: c.conn, tag: tag}).Each(ctx, st, fn)
}

// Close ends the session. It takes a few seconds at most.
func (c *Control) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = c.conn.Close(ctx)
}

// Password is what a connection string gives as the password, "" for none: to
// keep it out of what is shown.
func Password(url string) string {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return ""
	}
	return cfg.Password
}

// Redacted is a connection string as it may be shown: as keywords and values,
// with xxxxx for the password.
func Redacted(url string) string {
	cfg, err := pgconn.ParseConfig(url)
	if err != nil {
		return "xxxxx"
	}
	shown := fmt.Sprintf("host=%s port=%d dbname=%s user=%s", cfg.Host, cfg.Port, cfg.Database, cfg.User)
	if cfg.Password != "" {
		shown += " password=xxxxx"
	}
	return shown
}
