package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs that decide what an operator is told.
const (
	codeInsufficientPrivilege = "42501"
	codeUndefinedTable        = "42P01"
	codeQueryCanceled         = "57014"
	codeLockNotAvailable      = "55P03"
	codeInvalidPassword       = "28P01"
	codeInvalidAuthorization  = "28000"
	codeInvalidCatalog        = "3D000"
	codeTooManyConnections    = "53300"
	codeFailedTransaction     = "25P02"
	codeIdleInTransaction     = "25P03"
	codeTransactionTimeout    = "25P04"
	codeSerialization         = "40001"
	codeDeadlock              = "40P01"
)

// Error is a failed reading on one side. It answers what a caller branches
// on, and its text names the side, the cause and, where there is one, what
// to do.
type Error struct {
	Side Side
	Op   string
	Code string // SQLSTATE, "" when the server did not speak
	Hint string
	err  error

	standby bool // read from a server that replays another's log
}

func (e *Error) Error() string {
	msg := fmt.Sprintf("%s: %s: %v", e.Side, e.Op, e.err)
	if e.Op == "" { // connecting: the sentence says so
		msg = fmt.Sprintf("%s: %v", e.Side, e.err)
	}
	if e.Hint != "" {
		msg += ": " + e.Hint
	}
	return msg
}

func (e *Error) Unwrap() error { return e.err }

// hasCode tells whether the server's error has one of the SQLSTATEs.
func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && slices.Contains(codes, pg.Code)
}

// Lost tells whether the side went away, rather than refused a statement.
func Lost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P")
	}
	var e *Error
	return errors.As(err, &e) && e.Code == "" && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// Refused tells whether the server itself refused a statement (an unknown
// function, an invalid value), rather than went away or was told to stop.
func Refused(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code != "" && !strings.HasPrefix(e.Code, "08") && !strings.HasPrefix(e.Code, "57")
}

// TimedOut tells whether the server cancelled a statement: it took longer than
// its statement_timeout, or somebody there wanted it gone.
func TimedOut(err error) bool { return hasCode(err, codeQueryCanceled) }

// Conflicted tells whether a standby cancelled a statement because the replay
// of its primary's changes could not wait for it any longer. It may be tried
// again. A standby may also end the connection, between two statements, and what
// it said then is lost when the next one is on its way: a connection to a standby
// that broke counts too. One that cannot be made does not.
func Conflicted(err error) bool {
	var e *Error
	return hasCode(err, codeSerialization, codeDeadlock) || errors.As(err, &e) && e.standby && Lost(err) && e.Code == ""
}

// Unrepresentable tells whether the server refused a parameter because its
// type or its encoding has no such value.
func Unrepresentable(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case "22P02", "22P05", "22021", "22003", "22007", "22008":
		return true // text representation, untranslatable character, out of range
	}
	return false
}

// wrap turns a driver's error into an Error that says what to do.
func (s *Session) wrap(op string, err error) error {
	e := &Error{Side: s.db.side, Op: op, err: s.db.redact(err), standby: s.db.server.InRecovery}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		e.Code = pg.Code
		e.err = plainError{fmt.Sprintf("%s (SQLSTATE %s)", pg.Message, pg.Code), err}
		switch pg.Code {
		case codeInsufficientPrivilege:
			e.Hint = "`pgparity grants` prints the privileges that are needed"
			if strings.Contains(pg.Message, "row-level security") {
				e.Hint = "rows would be hidden: use a role with BYPASSRLS, or the table's owner"
			}
		case codeUndefinedTable:
			e.Hint = "it was dropped or renamed while the run was on"
		case codeQueryCanceled:
			if strings.Contains(pg.Message, "statement timeout") {
				e.Hint = "raise --statement-timeout, or make chunks smaller with --chunk-rows"
			}
		case codeLockNotAvailable:
			e.Hint = "another session holds an exclusive lock on it"
		}
	}
	return e
}

// plainError prints one line while keeping the cause for errors.As.
type plainError struct {
	msg   string
	cause error
}

func (e plainError) Error() string { return e.msg }
func (e plainError) Unwrap() error { return e.cause }

// redact keeps the password out of an error's text.
func (db *DB) redact(err error) error {
	if db.secret == "" || !strings.Contains(err.Error(), db.secret) {
		return err
	}
	return plainError{strings.ReplaceAll(err.Error(), db.secret, "xxxxx"), err}
}

// connectError says why a side could not be reached, in one sentence, as an
// *Error. One that says so already comes back as it is.
func (db *DB) connectError(err error) error {
	var said *Error
	if errors.As(err, &said) && said.Op == "" {
		return err
	}
	e := &Error{Side: db.side, err: plainError{db.unreachable(err), err}}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		e.Code = pg.Code
	}
	return e
}

func (db *DB) unreachable(err error) string {
	cfg := db.where
	where := fmt.Sprintf("%s:%d", cfg.Host, cfg.Port)
	if strings.HasPrefix(cfg.Host, "/") {
		where = cfg.Host
	}
	var pg *pgconn.PgError
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &pg) && (pg.Code == codeInvalidPassword || pg.Code == codeInvalidAuthorization):
		return fmt.Sprintf("the server at %s refused user %q: %s (SQLSTATE %s); check user and password (.pgpass, PGPASSWORD) and pg_hba.conf", where, cfg.User, pg.Message, pg.Code)
	case errors.As(err, &pg) && pg.Code == codeInvalidCatalog:
		return fmt.Sprintf("there is no database %q at %s; check the name in the connection string", cfg.Database, where)
	case errors.As(err, &pg) && pg.Code == codeTooManyConnections:
		return fmt.Sprintf("the server at %s has no connection left for user %q: %s (SQLSTATE %s); lower --concurrency, or raise the limit (that of a database which a switch has closed is 0)", where, cfg.User, pg.Message, pg.Code)
	case errors.As(err, &pg) && pg.Code == codeInsufficientPrivilege:
		return fmt.Sprintf("user %q may not connect to database %q at %s (SQLSTATE %s); run there: GRANT CONNECT ON DATABASE %s TO %s", cfg.User, cfg.Database, where, pg.Code, Ident(cfg.Database), Ident(cfg.User))
	case errors.As(err, &pg):
		return fmt.Sprintf("the server at %s said: %s (SQLSTATE %s)", where, pg.Message, pg.Code)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host name %q is not known; check the connection string", dns.Name)
	case errors.Is(err, context.Canceled):
		return "interrupted while connecting to " + where
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer from %s in time; check address and firewall, or set connect_timeout", where)
	case errors.As(err, &op):
		return fmt.Sprintf("cannot reach %s: %v; check that the server runs and listens there", where, op.Err)
	default:
		return fmt.Sprintf("cannot use %s: %v", where, db.redact(err))
	}
}

func pathError(err error) (string, bool) {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Error(), true
	}
	return "", false
}

// HasCode tells whether the server answered with an SQLSTATE.
func HasCode(err error, code string) bool { return hasCode(err, code) }
