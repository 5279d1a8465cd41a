package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// PglogicalSubscription is a subscription of the extension pglogical on its
// subscriber, with its apply worker.
type PglogicalSubscription struct {
	Name         string
	Enabled      bool
	Slot         string   // on the provider; the origin here has the same name
	Sets         []string // the replication sets it asks the provider for
	Provider     string   // the provider's node
	ProviderNode uint32   // its id, made of the name
	// Host, Port and Database are where it connects to, where the role may
	// read that: Database is "" otherwise.
	Host     string
	Port     int
	Database string
	Delay    string // how much later it applies on purpose, "" for none
	// Incarnation is another one when the subscription was dropped and made
	// anew, which its name and its id don't show. "" before its first copy.
	Incarnation string
	// Applied is the provider's position of the last transaction that changed
	// something here, 0 for none, and where the role may not read it.
	Applied LSN
	// State is that of the subscription as a whole, as a TableState's.
	State  string
	Worker int // pid of the apply worker, 0 while none runs
}

// Ready tells whether the subscription's first copy is done.
func (s PglogicalSubscription) Ready() bool { return s.State == "r" }

// PglogicalSubscriptions are all of one database.
type PglogicalSubscriptions struct {
	All []PglogicalSubscription
	// Installed says that the extension is there at all.
	Installed bool
	// Hidden says that the role may not read where subscriptions connect to.
	Hidden bool
	Role   string // the connected one, quoted
}

// Named finds a subscription by name, or nil.
func (s *PglogicalSubscriptions) Named(name string) *PglogicalSubscription {
	for i := range s.All {
		if s.All[i].Name == name {
			return &s.All[i]
		}
	}
	return nil
}

// PglogicalGrant is what lets a role, given as quote_ident prints it, read the
// catalogs of pglogical: on a subscriber and on a provider, connection strings
// not included.
func PglogicalGrant(role string) string {
	return fmt.Sprintf("GRANT USAGE ON SCHEMA pglogical TO %s; GRANT SELECT ON pglogical.node, pglogical.local_node, pglogical.subscription, pglogical.local_sync_status, pglogical.replication_set, pglogical.replication_set_table TO %[1]s", role)
}

// ReadPglogicalSubscriptions reads pglogical's subscriptions of this database;
// none where the extension isn't installed. Where the role may not read them
// the error is a privilege's (Denied), and what is returned beside it still
// has Installed and Role. A connection string's secrets don't leave here.
func (db *DB) ReadPglogicalSubscriptions(ctx context.Context) (*PglogicalSubscriptions, error) {
	subs := &PglogicalSubscriptions{}
	err := db.Read(ctx, "pglogical subscriptions", func(ctx context.Context, s *Session) error {
		var applied bool
		*subs = PglogicalSubscriptions{}
		err := s.Each(ctx, Statement{SQL: `SELECT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'pglogical'), pg_catalog.quote_ident(current_user),
  pg_catalog.has_function_privilege('pg_catalog.pg_show_replication_origin_status()', 'EXECUTE')
    AND pg_catalog.has_table_privilege('pg_catalog.pg_replication_origin_status', 'SELECT'),
  coalesce((SELECT pg_catalog.has_table_privilege(c.oid, 'SELECT') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pglogical' AND c.relname = 'node_interface'), false)`},
			func(r Row) error {
				subs.Installed, subs.Role, applied, subs.Hidden = r.Bool(0), r.Text(1), r.Bool(2), !r.Bool(3)
				return nil
			})
		if err != nil || !subs.Installed {
			return err
		}
		return s.Each(ctx, db.pglogicalStatement(applied, !subs.Hidden), func(r Row) error {
			sets, err := ParseTextArray(r.Bytes(3))
			if err != nil {
				return fmt.Errorf("%s: read pglogical subscriptions: %w", db.side, err)
			}
			sub := PglogicalSubscription{Name: r.Text(0), Enabled: r.Bool(1), Slot: r.Text(2), Sets: texts(sets), Provider: r.Text(4), ProviderNode: uint32(r.Int(5)),
				Delay: r.Text(7), Incarnation: r.Text(8), Applied: lsn(r, 9), State: pglogicalState(r.Text(10)), Worker: int(r.Int(11))}
			var where Subscription
			where.connectsTo(r.Text(6))
			sub.Host, sub.Port, sub.Database = where.Host, where.Port, where.Database
			subs.All = append(subs.All, sub)
			return nil
		})
	})
	return subs, err
}

// pglogicalStatement asks for what the role may read: a function that it may
// not call fails the statement even where it is not reached.
func (db *DB) pglogicalStatement(applied, dsn bool) Statement {
	st := db.statement("pglogical_subscriptions")
	choose := func(may bool, column, otherwise string) string {
		if may {
			return column
		}
		return otherwise
	}
	st.SQL = strings.NewReplacer(
		"{{dsn}}", choose(dsn, "(SELECT i.if_dsn FROM pglogical.node_interface i WHERE i.if_id = s.sub_origin_if)", "''"),
		"{{applied}}", choose(applied, "(SELECT p.remote_lsn FROM pg_catalog.pg_replication_origin_status p WHERE p.external_id = s.sub_slot_name::pg_catalog.text)", "NULL::pg_catalog.pg_lsn"),
	).Replace(st.SQL)
	return st
}

// pglogicalState puts pglogical's letters of a copy's progress into those of
// TableState.
func pglogicalState(letter string) string {
	switch letter {
	case "i", "s": // asked for; the structure is being copied
		return "i"
	case "d", "c": // data, constraints
		return "d"
	case "w": // copied, waits for the apply worker
		return "f"
	case "u", "y": // catches up; done at a position that the apply worker has to reach
		return "s"
	}
	return letter
}

// PglogicalTable is how a table stands in one pglogical subscription, by its
// names, as which pglogical knows it on both sides. State is "" where the
// subscriber keeps none: it is carried from when the provider sends it.
type PglogicalTable struct {
	TableState
	Schema, Name string
}

// ReadPglogicalStates reads how tables stand in the given subscriptions: one
// entry for each relation that holds their rows and each subscription. Tables
// that don't exist are left out. All in one snapshot.
func (db *DB) ReadPglogicalStates(ctx context.Context, tables, subscriptions []string) ([]PglogicalTable, error) {
	st := db.statement("pglogical_states")
	st.Args = []string{TextArray(tables), TextArray(subscriptions)}
	return db.pglogicalStates(ctx, st)
}

// ReadPglogicalUnready reads the tables of the given subscriptions that are not
// ready.
func (db *DB) ReadPglogicalUnready(ctx context.Context, subscriptions []string) ([]PglogicalTable, error) {
	st := db.statement("pglogical_unready")
	st.Args = []string{TextArray(subscriptions)}
	return db.pglogicalStates(ctx, st)
}

func (db *DB) pglogicalStates(ctx context.Context, st Statement) ([]PglogicalTable, error) {
	var list []PglogicalTable
	err := db.Read(ctx, "pglogical states", func(ctx context.Context, s *Session) error {
		list = nil
		return s.Each(ctx, st, func(r Row) error {
			list = append(list, PglogicalTable{TableState: TableState{Table: r.Text(0), Leaf: r.Text(1), Subscription: r.Text(2), State: pglogicalState(r.Text(3)), Version: r.Text(4)},
				Schema: r.Text(5), Name: r.Text(6)})
			return nil
		})
	})
	return list, err
}

// ReadPglogicalNode reads what pglogical calls this database, and its id: "" and
// 0 where it is no node.
func (db *DB) ReadPglogicalNode(ctx context.Context) (name string, id uint32, err error) {
	err = db.Read(ctx, "pglogical node", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT n.node_name, n.node_id FROM pglogical.local_node l JOIN pglogical.node n ON n.node_id = l.node_id`}, func(r Row) error {
			name, id = r.Text(0), uint32(r.Int(1))
			return nil
		})
	})
	return name, id, err
}

// PglogicalMember is a table in a provider's replication sets.
type PglogicalMember struct {
	Schema, Name string
	Table        string // both, as quote_ident prints them
	Version      string // another one when its place in the sets, or a set, changed
	// Withheld are the operations that none of the sets sends.
	Withheld []string
	Filtered bool // by a row filter
	Narrowed bool // by a column list
}

// ReadPglogicalMembers reads the tables that this provider has in the sets of
// the given names.
func (db *DB) ReadPglogicalMembers(ctx context.Context, sets []string) ([]PglogicalMember, error) {
	var list []PglogicalMember
	st := db.statement("pglogical_tables")
	st.Args = []string{TextArray(sets)}
	err := db.Read(ctx, "pglogical sets", func(ctx context.Context, s *Session) error {
		list = nil
		return s.Each(ctx, st, func(r Row) error {
			withheld, err := ParseTextArray(r.Bytes(4))
			if err != nil {
				return fmt.Errorf("%s: read pglogical sets: %w", db.side, err)
			}
			list = append(list, PglogicalMember{Schema: r.Text(0), Name: r.Text(1), Table: r.Text(2), Version: r.Text(3), Withheld: texts(withheld), Filtered: r.Bool(5), Narrowed: r.Bool(6)})
			return nil
		})
	})
	return list, err
}

// PglogicalSenders is what a provider tells about those it sends to. Everybody
// may read it.
type PglogicalSenders struct {
	Role string // the connected one, quoted
	// Appliers are the apply workers' pids by those of the walsenders that serve
	// them, as the workers gave them: where the server keeps that, and shows it
	// to the role (pg_read_all_stats).
	Appliers map[int]int
	// Refused says that the server's output_plugin_libraries, where it has that
	// setting, leaves out pglogical_output: no such slot can be read.
	Refused bool
}

// ReadPglogicalSenders reads them.
func (db *DB) ReadPglogicalSenders(ctx context.Context) (*PglogicalSenders, error) {
	senders := &PglogicalSenders{}
	err := db.Read(ctx, "pglogical senders", func(ctx context.Context, s *Session) error {
		senders.Appliers = map[int]int{}
		err := s.Each(ctx, Statement{SQL: `SELECT pg_catalog.quote_ident(current_user), pg_catalog.current_setting('output_plugin_libraries', true)`}, func(r Row) error {
			senders.Role, senders.Refused = r.Text(0), !r.Null(1) && !listsLibrary(r.Text(1), "pglogical_output")
			return nil
		})
		if err != nil {
			return err
		}
		return s.Each(ctx, Statement{SQL: `SELECT q.pid, q.applier FROM (
  SELECT a.pid, pg_catalog.substring(a.query, 'pglogical_apply_pid ''([0-9]{1,9})''\)$')::pg_catalog.int4 AS applier
  FROM pg_catalog.pg_stat_activity a WHERE a.backend_type = 'walsender') q
WHERE q.applier IS NOT NULL`}, func(r Row) error {
			senders.Appliers[int(r.Int(0))] = int(r.Int(1))
			return nil
		})
	})
	return senders, err
}

// listsLibrary tells whether a setting that lists libraries names one: with
// commas in between, quotes around, as a path, or a star for all.
func listsLibrary(setting, library string) bool {
	return slices.ContainsFunc(strings.Split(setting, ","), func(entry string) bool {
		entry = strings.Trim(strings.TrimSpace(entry), `"'`)
		entry = entry[strings.LastIndex(entry, "/")+1:]
		return entry == "*" || strings.TrimSuffix(entry, ".so") == library
	})
}
