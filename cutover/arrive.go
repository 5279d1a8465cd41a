package cutover

import (
	"context"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// arrivalTry bounds one connection: an address that answers no more may be
// another one a moment later.
const arrivalTry = 3 * time.Second

// Where a session has ended up, and whether it can write. A pooler may lend
// another connection for each statement, so each statement says all.
const (
	arrivalSQL = `SELECT pg_catalog.current_database(), (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()),
  pg_catalog.pg_postmaster_start_time() OPERATOR(pg_catalog.=) $1::pg_catalog.timestamptz, pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'), %s`
	withSystem    = `s.system_identifier FROM pg_catalog.pg_control_system() s`
	withoutSystem = `NULL`
)

// arrived proves that the application's connection leads to an end, and can write
// there: each look is a new connection.
func (r *run) arrived(ctx context.Context, e *end) error {
	if r.o.Application == "" {
		r.note("no connection string of the application is given: that it has arrived on the %s is not proved", e.name)
		return nil
	}
	a := Action{ID: "application-arrives", On: "application", Do: fmt.Sprintf(arrivalSQL, withSystem), Why: "a new session of the application is on the " + e.name + ", and can write"}
	last := ""
	return r.await(ctx, a, func(ctx context.Context) (bool, string, error) {
		why := r.arrival(ctx, e)
		if ctx.Err() == nil || last == "" { // the look that was cut off saw nothing
			last = why
		}
		return why == "", last, nil
	})
}

// arrival says what keeps a new session of the application from writing to an
// end, "" for nothing.
func (r *run) arrival(ctx context.Context, e *end) string {
	ctx, cancel := context.WithTimeout(ctx, arrivalTry)
	defer cancel()
	c, err := postgres.OpenControl(ctx, postgres.Options{Side: "application", URL: r.o.Application, Run: r.id, Application: "pgparity arrival", AsClient: true, Pooled: true})
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	s := e.db.Server()
	system := withSystem
	if s.SystemID == "" {
		system = withoutSystem
	}
	found, err := rows(ctx, c, "arrival", fmt.Sprintf(arrivalSQL, system), arrivalRow, s.StartedAt)
	if postgres.Refused(err) && system == withSystem { // it may be revoked from the application's role
		system = withoutSystem
		found, err = rows(ctx, c, "arrival", fmt.Sprintf(arrivalSQL, system), arrivalRow, s.StartedAt)
	}
	if err != nil {
		return err.Error()
	}
	return found[0].differs(s, e.name)
}

// landing is where a session has ended up.
type landing struct {
	database, oid, system string
	started               bool // its server was started when the end's was
	recovery, readOnly    bool
}

func arrivalRow(r postgres.Row) landing {
	return landing{database: r.Text(0), oid: r.Text(1), started: r.Bool(2), recovery: r.Bool(3), readOnly: r.Text(4) != "off", system: r.Text(5)}
}

// differs says what is not as it shall be.
func (l landing) differs(s postgres.Server, name string) string {
	there := l.system == s.SystemID
	if l.system == "" || s.SystemID == "" {
		there = l.started && l.oid == fmt.Sprint(s.DatabaseID)
	}
	switch {
	case !there:
		return fmt.Sprintf("application: its connection leads to another server than the %s", name)
	case l.database != s.Database:
		return fmt.Sprintf("application: its connection leads to database %s, and not to %s, of the %s", l.database, s.Database, name)
	case l.recovery:
		return fmt.Sprintf("application: its connection leads to a standby of the %s", name)
	case l.readOnly:
		return fmt.Sprintf("application: its connection leads to the %s, and is read only there (default_transaction_read_only of the database or of the role)", name)
	}
	return ""
}
