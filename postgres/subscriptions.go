package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Subscription is a native logical subscription of this database, with its
// apply worker.
type Subscription struct {
	OID          uint32 // 0 where the role may not learn it
	Name         string
	Enabled      bool
	Slot         string // "" for none
	Publications []string
	// Host, Port and Database are where it connects to, where the role may
	// read that (a superuser): Database is "" otherwise.
	Host     string
	Port     int
	Database string

	Worker   int // pid of the apply worker, 0 while none runs
	Received LSN // what that worker has received
	// Counters since they were reset; of 15 on, else 0. Conflicts from 18 on.
	ApplyErrors, SyncErrors, Conflicts int64
}

// Subscriptions are all of one database.
type Subscriptions struct {
	All []Subscription
	// Hidden says that the role may not read where subscriptions connect to.
	Hidden bool
	Role   string // the connected one
}

// Named finds a subscription by name, or nil.
func (s *Subscriptions) Named(name string) *Subscription {
	for i := range s.All {
		if s.All[i].Name == name {
			return &s.All[i]
		}
	}
	return nil
}

// ReadSubscriptions reads the subscriptions of this database. Before 16 a role
// that isn't superuser sees no more of them than the columns that are granted
// to everybody; where that was revoked the error is a privilege's.
func (db *DB) ReadSubscriptions(ctx context.Context) (*Subscriptions, error) {
	subs := &Subscriptions{}
	err := db.Read(ctx, "subscriptions", func(ctx context.Context, s *Session) error {
		var oid, connection bool
		err := s.Each(ctx, Statement{SQL: `SELECT pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'oid', 'SELECT'),
  pg_catalog.has_column_privilege('pg_catalog.pg_subscription', 'subconninfo', 'SELECT'), pg_catalog.quote_ident(current_user)`}, func(r Row) error {
			oid, connection, subs.Role = r.Bool(0), r.Bool(1), r.Text(2)
			return nil
		})
		if err != nil {
			return err
		}
		subs.Hidden = !connection
		return s.Each(ctx, db.subscriptionStatement(oid, connection), func(r Row) error {
			publications, err := ParseTextArray(r.Bytes(4))
			if err != nil {
				return fmt.Errorf("%s: read subscriptions: %w", db.side, err)
			}
			sub := Subscription{OID: uint32(r.Int(0)), Name: r.Text(1), Enabled: r.Bool(2), Slot: r.Text(3), Publications: texts(publications),
				Worker: int(r.Int(6)), Received: lsn(r, 7), ApplyErrors: r.Int(8), SyncErrors: r.Int(9), Conflicts: r.Int(10)}
			sub.connectsTo(r.Text(5))
			subs.All = append(subs.All, sub)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return subs, nil
}

// subscriptionStatement asks for what version and role allow.
func (db *DB) subscriptionStatement(oid, connection bool) Statement {
	st := db.statement("subscriptions")
	// pg_stat_subscription is open to all but does not tell the database: a
	// name that several databases use is left without OID.
	id := `(SELECT CASE WHEN count(DISTINCT i.subid) = 1 THEN pg_catalog.min(i.subid) END FROM pg_catalog.pg_stat_subscription i WHERE i.subname = s.subname)`
	if oid {
		id = "s.oid"
	}
	conninfo := "''"
	if connection {
		conninfo = "s.subconninfo"
	}
	errors := `(SELECT NULL::pg_catalog.int8 AS apply_errors, NULL::pg_catalog.int8 AS sync_errors, NULL::pg_catalog.int8 AS conflicts)`
	if db.server.VersionNum >= 150000 {
		// Through JSON: 19 renames a counter, 18 added the conflicts. Those by origin
		// are none here: each row of the first copy has the copy's origin, and the
		// first change of it is counted (with track_commit_timestamp), and applied.
		errors = `(SELECT (j.j ->> 'apply_error_count')::pg_catalog.int8 AS apply_errors,
    coalesce(j.j ->> 'sync_error_count', j.j ->> 'sync_table_error_count')::pg_catalog.int8 AS sync_errors,
    (SELECT pg_catalog.sum(c.value::pg_catalog.int8)::pg_catalog.int8 FROM pg_catalog.jsonb_each_text(j.j) c WHERE c.key LIKE 'confl\_%' AND c.key NOT LIKE '%\_origin\_differs') AS conflicts
    FROM (SELECT pg_catalog.to_jsonb(x) AS j FROM pg_catalog.pg_stat_subscription_stats x WHERE x.subid = o.id) j)`
	}
	st.SQL = strings.NewReplacer("{{id}}", id, "{{conninfo}}", conninfo, "{{errors}}", errors).Replace(st.SQL)
	return st
}

// connectsTo keeps what of a connection string is no secret.
func (s *Subscription) connectsTo(conninfo string) {
	if conninfo == "" {
		return
	}
	cfg, err := pgconn.ParseConfig(conninfo)
	if err != nil {
		return // files that only the server has, or options that only libpq knows
	}
	s.Host, s.Port = cfg.Host, int(cfg.Port)
	if strings.Contains(conninfo, "dbname") || strings.HasPrefix(conninfo, "postgres") {
		s.Database = cfg.Database // else it is a default, of this machine
	}
}

// TableState is how one table, or one partition of it, stands in one
// subscription.
type TableState struct {
	Table        string // as it was asked for
	Leaf         string // the relation that holds the rows, as quote_ident prints it
	Subscription string // "" where no subscription has it
	// State is i, d, f, s or r: only r is under the apply worker's care.
	State string
	// Version is the catalog row's xmin: another state is another version.
	Version string
}

// Ready tells whether the apply worker carries the table.
func (t TableState) Ready() bool { return t.State == "r" }

// Phase is the state in words.
func (t TableState) Phase() string {
	switch t.State {
	case "":
		if t.Subscription == bucardoName {
			return "in no sync of Bucardo"
		}
		return "in no subscription"
	case stateNoTrigger:
		return "has no trigger bucardo_delta, so that Bucardo notices no change"
	case stateTriggerOff:
		return "has its trigger bucardo_delta disabled, so that Bucardo notices no change"
	case "i":
		return "waits for its copy"
	case "d":
		return "is being copied"
	case "f":
		return "is copied, not finished"
	case "s":
		return "catches up after its copy"
	case "r":
		return "ready"
	}
	return "in the unknown state " + t.State
}

// ReadTableStates reads how tables stand in the given subscriptions: each
// relation that holds their rows, with whatever of it or above it is subscribed
// to. Tables that don't exist are left out. All in one snapshot.
func (db *DB) ReadTableStates(ctx context.Context, tables []string, subscriptions []uint32) ([]TableState, error) {
	st := db.statement("table_states")
	st.Args = []string{TextArray(tables), oidArray(subscriptions)}
	return db.tableStates(ctx, st)
}

// ReadSubscribed reads the tables of the given subscriptions.
func (db *DB) ReadSubscribed(ctx context.Context, subscriptions []uint32) ([]TableState, error) {
	st := db.statement("subscribed")
	st.Args = []string{oidArray(subscriptions)}
	return db.tableStates(ctx, st)
}

// Denied tells whether the server refused a statement for want of a privilege.
func Denied(err error) bool { return hasCode(err, codeInsufficientPrivilege) }

func (db *DB) tableStates(ctx context.Context, st Statement) ([]TableState, error) {
	var list []TableState
	err := db.Read(ctx, "table states", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, st, func(r Row) error {
			list = append(list, TableState{Table: r.Text(0), Leaf: r.Text(1), Subscription: r.Text(2), State: r.Text(3), Version: r.Text(4)})
			return nil
		})
	})
	return list, err
}

func oidArray(oids []uint32) string {
	list := make([]string, len(oids))
	for i, o := range oids {
		list[i] = fmt.Sprint(o)
	}
	return TextArray(list)
}
