package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATEs of what a slot or a publication may be refused for.
const (
	codeObjectInUse     = "55006"
	codeUndefinedObject = "42704"
	codeNotInPrereq     = "55000"
	codeConfiguration   = "53400"
)

// SlotRefused tells whether the server's settings, or the role's attributes, keep it from
// making a logical slot.
func SlotRefused(err error) bool {
	return hasCode(err, codeNotInPrereq, codeConfiguration, codeInsufficientPrivilege)
}

// connectReplication makes a connection that can read from slots, whose values print as
// those of a Session do.
func connectReplication(ctx context.Context, db *DB, url string) (*pgconn.PgConn, *DB, error) {
	pool, err := Options{Side: db.side, URL: url, Database: db.server.Database}.poolConfig()
	if err != nil {
		return nil, nil, err
	}
	cfg := pool.ConnConfig
	for name, value := range map[string]string{"replication": "database", "TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres",
		"extra_float_digits": "3", "bytea_output": "hex", "lc_monetary": "C", "client_encoding": "UTF8", "search_path": "", "statement_timeout": "0",
		"quote_all_identifiers": "off"} {
		cfg.RuntimeParams[name] = value
	}
	if db.server.VersionNum >= 120000 {
		cfg.RuntimeParams["wal_sender_timeout"] = deadAfter
	}
	named := &DB{side: db.side, run: db.run, secret: cfg.Password, where: cfg, server: db.server}
	conn, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	if err != nil {
		return nil, nil, named.connectError(err)
	}
	return conn, named, nil
}

// hangUp closes a connection, in a few seconds at most.
func hangUp(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = conn.Close(ctx)
}

// Instance is what a server says of itself to who replicates from it.
type Instance struct {
	SystemIdentifier string
	Timeline         int64
}

// ReadInstance asks on a connection that can replicate, which the role has to be allowed
// to: as OpenChanges does.
func (db *DB) ReadInstance(ctx context.Context, url string) (Instance, error) {
	conn, named, err := connectReplication(ctx, db, url)
	if err != nil {
		return Instance{}, err
	}
	defer hangUp(conn)
	answer, err := pglogrepl.IdentifySystem(ctx, conn)
	if err != nil {
		return Instance{}, (&Session{db: named}).wrap("identify", err)
	}
	return Instance{SystemIdentifier: answer.SystemID, Timeline: int64(answer.Timeline)}, nil
}

// CreateSlot makes a persistent logical slot of pgoutput, which a standby gets too where
// the server can do that, and returns from which place on it has changes: all transactions
// that commit behind it. It waits until all transactions are over that write now.
func (c *Control) CreateSlot(ctx context.Context, name string, version int) (at LSN, err error) {
	sql := `SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')`
	if version >= 170000 {
		sql = `SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput', failover => true)`
	}
	err = c.Each(ctx, "create slot", Statement{SQL: sql, Args: []string{name}}, func(r Row) error {
		at = lsn(r, 0)
		return nil
	})
	return at, err
}

// DropSlot removes a slot. One that is not there is no error; while somebody reads
// it, it is ErrSlotActive.
func (c *Control) DropSlot(ctx context.Context, name string) error {
	err := c.Each(ctx, "drop slot", Statement{SQL: `SELECT pg_catalog.pg_drop_replication_slot($1)`, Args: []string{name}}, func(Row) error { return nil })
	switch {
	case hasCode(err, codeUndefinedObject):
		return nil
	case hasCode(err, codeObjectInUse):
		return fmt.Errorf("%s: slot %s: %w", c.db.side, name, ErrSlotActive)
	}
	return err
}

// Retained is how much a slot keeps, and where the server is.
type Retained struct {
	Bytes  int64 // of log, from what the slot needs to the end
	Exists bool
	Insert LSN // where the server inserts into its log
}

// ReadRetained reads how much of the log a slot keeps.
func (db *DB) ReadRetained(ctx context.Context, slot string) (k Retained, err error) {
	err = db.Read(ctx, "slot", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT pg_catalog.pg_current_wal_insert_lsn(),
  (SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), s.restart_lsn)::pg_catalog.int8 FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1),
  EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1)`, Args: []string{slot}}, func(r Row) error {
			k = Retained{Insert: lsn(r, 0), Bytes: r.Int(1), Exists: r.Bool(2)}
			return nil
		})
	})
	return k, err
}

// Member is a relation that a table's rows are in, or that is above such a one.
type Member struct {
	Root, OID   uint32
	Quoted      string
	Kind        byte // pg_class.relkind
	Persistence byte
	Full        bool     // its replica identity is all of the row
	Identity    []string // else its columns; none: changes of its rows don't tell which
}

// ReadMembers reads the relations of tables, by the tables' OIDs.
func (db *DB) ReadMembers(ctx context.Context, tables []uint32) (list []Member, err error) {
	st := db.statement("followed")
	st.Args = []string{oidArray(tables)}
	err = db.Read(ctx, "identities", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, st, func(r Row) error {
			columns, err := ParseTextArray(r.Bytes(6))
			if err != nil {
				return fmt.Errorf("%s: read identities: %w", db.side, err)
			}
			list = append(list, Member{Root: uint32(r.Int(0)), OID: uint32(r.Int(1)), Quoted: r.Text(2), Kind: r.Text(3)[0], Persistence: r.Text(4)[0],
				Full: r.Bool(5), Identity: texts(columns)})
			return nil
		})
	})
	return list, err
}

// Print is a table's definition, and its files, as hashes: see prints.sql. That of a table
// that is gone is empty.
type Print struct{ Definition, Files string }

// ReadPrints reads those of tables, by their OIDs.
func (db *DB) ReadPrints(ctx context.Context, tables []uint32, publications []string) (map[uint32]Print, error) {
	features, err := db.ReadFeatures(ctx)
	if err != nil {
		return nil, err
	}
	st := db.statement("prints")
	st.SQL = features.Fill(st.SQL)
	st.Args = []string{oidArray(tables), TextArray(publications)}
	prints := map[uint32]Print{}
	err = db.Read(ctx, "prints", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, st, func(r Row) error {
			prints[uint32(r.Int(0))] = Print{r.Text(1), r.Text(2)}
			return nil
		})
	})
	return prints, err
}

// PublicationNames reads which publications the database has.
func (db *DB) PublicationNames(ctx context.Context) (names []string, err error) {
	err = db.Read(ctx, "publications", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT p.pubname FROM pg_catalog.pg_publication p ORDER BY p.pubname`}, func(r Row) error {
			names = append(names, r.Text(0))
			return nil
		})
	})
	return names, err
}

// OpenTransactions reads which transactions of this database have written and are not over,
// prepared ones too: of one that has committed, until its changes can be seen. A snapshot would not
// tell: it does not list those that are not older than the last that ended.
func (db *DB) OpenTransactions(ctx context.Context) (xids []string, err error) {
	err = db.Read(ctx, "transactions", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT l.transactionid FROM pg_catalog.pg_locks l
WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted AND (
  EXISTS (SELECT FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_database d ON d.oid = a.datid WHERE a.pid = l.pid AND d.datname = pg_catalog.current_database())
  OR EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p WHERE p.transaction = l.transactionid AND p.database = pg_catalog.current_database()))
ORDER BY pg_catalog.age(l.transactionid) DESC`}, func(r Row) error {
			xids = append(xids, r.Text(0))
			return nil
		})
	})
	return xids, err
}
