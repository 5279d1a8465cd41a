// Package postgres is one side of a pair: pinned read-only sessions from a
// pool, the catalog, statements in, rows out. It is the only package that
// knows the driver.
//
// The rules of a session are:
//
//   - Everything is read only, and every setting that changes how a value is
//     computed or printed is pinned by SET LOCAL in the same transaction, so
//     that two servers with different configurations print equal values
//     alike, and a transaction-pooling PgBouncer in between is harmless.
//   - No named prepared statement, no temporary table, no function is made.
//   - A result counts only when its command tag says the server sent as many
//     rows as were read: a cut connection is an error, never a short result.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Side names one end of a pair.
type Side string

// The two sides, and what may stand between them.
const (
	Source Side = "source"
	Target Side = "target"
	Middle Side = "middle" // of a cascade; nothing of it is compared
)

// MinVersion is the oldest server_version_num that is compared: 10.0.
const MinVersion = 100000

// Options says how to reach one side.
type Options struct {
	Side Side
	// URL is anything libpq takes: a URL, a keyword/value string, or "" for
	// the PG* environment. Passwords may come from .pgpass or a service file.
	URL string
	// MaxConns bounds the pool; at least 1.
	MaxConns int
	// StatementTimeout bounds every statement on the server; 0 means none.
	StatementTimeout time.Duration
	// Run names the run in each statement's comment, for whoever reads
	// pg_stat_activity on the other end.
	Run string
	// Database, where it is not "", is the database in place of the URL's.
	Database string
	// Host and Port, where Host is not "", are where to connect in place of the URL's.
	Host, Port string
	// Application is what the sessions call themselves (application_name) in place
	// of the URL's; "" is the URL's, and pgparity where that has none.
	Application string
	// Keep: what is connected once stays so, however long it is idle (see Warm).
	Keep bool
	// AsClient: a Control's session is left as an application gets it: what its
	// database and role set by default holds.
	AsClient bool
	// Pooled: a pooler may stand between. A Control hangs up on a statement that is
	// given up: a cancel request has brought a PgBouncer down (1.18, bad client state).
	Pooled bool
	// Primary: what target_session_attrs asks for is a primary, be its database read
	// only by default or not.
	Primary bool
}

// DB is one side: a pool of connections and what its server said of itself.
// It is safe for concurrent use. Close it when done.
type DB struct {
	side   Side
	pool   *pgxpool.Pool
	dials  *dials
	server Server
	pin    string // BEGIN and the SET LOCALs, for this server's version
	run    string
	secret string // the password in use, to keep it out of messages
	where  *pgx.ConnConfig

	mu       sync.Mutex
	instance string // which running server and database the first session found
	features Features
}

// Server is what a side's server says of itself.
type Server struct {
	VersionNum int    // server_version_num: 150018
	Version    string // digits only: 15.18
	SystemID   string // pg_control_system's identifier; "" where it may not be read
	Database   string
	DatabaseID uint32
	StartedAt  string // pg_postmaster_start_time as text
	Encoding   string // server_encoding
	CCollation bool   // the database's default collation orders text by bytes
	InRecovery bool
	User       string
	BlockSize  int64 // bytes of a page: 8192, but where it was built otherwise
}

// Major gives the major version: 15.
func (s Server) Major() int { return s.VersionNum / 10000 }

// connectTimeout applies where the connection string sets none: a host that
// swallows packets must not hang a gate.
const connectTimeout = 15 * time.Second

// Open connects to one side and reads who it is. The error says what to do
// and never holds the password.
func Open(ctx context.Context, o Options) (*DB, error) {
	cfg, err := o.poolConfig()
	if err != nil {
		return nil, err
	}
	// A cancelled run must cancel its statements on the server, not just hang up.
	cfg.ConnConfig.BuildContextWatcherHandler = cancelling
	dials := newDials(cfg.ConnConfig.DialFunc)
	cfg.ConnConfig.DialFunc = dials.dial
	db := &DB{side: o.Side, dials: dials, run: o.Run, secret: cfg.ConnConfig.Password, where: cfg.ConnConfig}
	if db.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Side, err)
	}
	if err := Again(ctx, func() error { return db.identify(ctx, o) }); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// poolConfig parses the URL and sets what all connections have in common. Its
// error never holds the password.
func (o Options) poolConfig() (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The parser's own message may quote the string, password included.
		return nil, fmt.Errorf("%s: the connection string is not valid: want postgres://user@host:5432/dbname or \"host=… dbname=… user=…\" (percent-encode special characters in a URL's password, or use .pgpass)%s", o.Side, fileHint(err))
	}
	cfg.MaxConns = int32(max(o.MaxConns, 1))
	cfg.MinConns = 0
	if o.Keep {
		cfg.MaxConnLifetime, cfg.MaxConnIdleTime = keptFor, keptFor
	}
	conn := cfg.ConnConfig
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	if o.Database != "" {
		conn.Database = o.Database
	}
	if o.Host != "" {
		port, err := strconv.ParseUint(o.Port, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no port", o.Side, o.Port)
		}
		conn.Host, conn.Port, conn.Fallbacks = o.Host, uint16(port), nil
	}
	if o.Primary && conn.ValidateConnect != nil {
		conn.ValidateConnect = primary
	}
	switch {
	case o.Application != "":
		conn.RuntimeParams["application_name"] = o.Application
	case conn.RuntimeParams["application_name"] == "":
		conn.RuntimeParams["application_name"] = "pgparity"
	}
	return cfg, nil
}

// primary is what target_session_attrs=read-write means: a server that is none. That
// its database is read only by default is not asked.
func primary(ctx context.Context, c *pgconn.PgConn) error {
	result := c.ExecParams(ctx, "SELECT pg_catalog.pg_is_in_recovery()", nil, nil, nil, nil).Read()
	if result.Err == nil && (len(result.Rows) != 1 || string(result.Rows[0][0]) != "f") {
		return errors.New("it is a standby")
	}
	return result.Err
}

// keptFor is longer than anything that keeps connections lasts.
const keptFor = 365 * 24 * time.Hour

// cancelPatience is how long a server has to answer a cancelled statement.
const cancelPatience = 3 * time.Second

// cancelling makes the end of a context cancel the statement on the server, and
// not just hang up.
func cancelling(c *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelPatience}
}

// Warm connects n times, up to MaxConns, so that later readings need no new
// connection: a database that is closed to clients lets nobody in.
func (db *DB) Warm(ctx context.Context, n int) error {
	n = min(n, int(db.pool.Config().MaxConns))
	held := make([]*pgxpool.Conn, 0, n)
	defer func() {
		for _, c := range held {
			c.Release()
		}
	}()
	for range n {
		c, err := db.pool.Acquire(ctx)
		if err != nil {
			return db.connectError(err)
		}
		held = append(held, c)
	}
	return nil
}

// errOtherServer ends a run in which an address led to two servers: what was
// read would be a mixture.
var errOtherServer = errors.New("another server answers there than at the start of the run, or it was restarted or promoted: run again, with an address that leads to one server")

// whichServer, in a pinned session, names the running server and its database.
const whichServer = `SELECT pg_catalog.concat(d.oid, ' ', pg_catalog.pg_is_in_recovery(), ' ', pg_catalog.pg_postmaster_start_time())
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`

// recognise makes sure that each transaction runs on the same server: several
// hosts in a URL, a name with several addresses and a load balancer may all
// lead elsewhere. answer is what whichServer gave.
func (db *DB) recognise(answer *pgconn.Result) error {
	if len(answer.Rows) != 1 { // no server that is supported: identify says which
		return nil
	}
	found := string(answer.Rows[0][0])
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.instance == "" {
		db.instance = found
	}
	if db.instance != found {
		return errOtherServer
	}
	return nil
}

// Both reads the two sides at the same time, and once more a standby whose
// replay cancelled it. The first error ends the other reading and is returned.
func Both[T any](ctx context.Context, source, target *DB, read func(context.Context, *DB) (T, error)) ([2]T, error) {
	var answers [2]T
	g, gctx := errgroup.WithContext(ctx)
	for i, db := range []*DB{source, target} {
		g.Go(func() error {
			return Again(gctx, func() (err error) {
				answers[i], err = read(gctx, db)
				return err
			})
		})
	}
	return answers, g.Wait()
}

// Close gives all connections back. No session may be open. It takes a few
// seconds at most, also when a server does not answer any more.
func (db *DB) Close() {
	impatient := time.AfterFunc(closePatience, db.dials.closeAll)
	defer impatient.Stop()
	db.pool.Close()
}

// Side tells which end of the pair this is.
func (db *DB) Side() Side { return db.side }

// Server tells what the server said of itself when it was opened.
func (db *DB) Server() Server { return db.server }

func (db *DB) identify(ctx context.Context, o Options) error {
	db.pin = pinStatement(0, o.StatementTimeout)
	var s Server
	err := db.Read(ctx, "identify", func(ctx context.Context, t *Session) error {
		return t.Each(ctx, Statement{SQL: `SELECT pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),
  pg_catalog.current_database(), d.oid, pg_catalog.pg_postmaster_start_time(), pg_catalog.current_setting('server_encoding'),
  pg_catalog.pg_is_in_recovery(), current_user, pg_catalog.current_setting('block_size')
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`}, func(r Row) error {
			version, _, _ := strings.Cut(r.Text(1), " ")
			s = Server{VersionNum: int(r.Int(0)), Version: version, Database: r.Text(2), DatabaseID: uint32(r.Int(3)),
				StartedAt: r.Text(4), Encoding: r.Text(5), InRecovery: r.Bool(6), User: r.Text(7), BlockSize: r.Int(8)}
			return nil
		})
	})
	if err != nil {
		return db.connectError(err)
	}
	if s.VersionNum < MinVersion {
		return fmt.Errorf("%s: the server is PostgreSQL %s: pgparity compares versions 10 and newer; upgrade it, or restore its data into a newer server to compare", db.side, s.Version)
	}
	db.server = s
	db.pin = pinStatement(s.VersionNum, o.StatementTimeout)
	if err := db.readCollation(ctx); err != nil {
		return err
	}
	db.server.SystemID, err = db.readSystemID(ctx)
	return err
}

// readSystemID reads the cluster's identifier, or "" where the provider
// revoked the function: identity then rests on the other facts.
func (db *DB) readSystemID(ctx context.Context) (string, error) {
	id := ""
	err := db.Read(ctx, "identify", func(ctx context.Context, t *Session) error {
		return t.Each(ctx, Statement{SQL: `SELECT system_identifier FROM pg_catalog.pg_control_system()`}, func(r Row) error {
			id = r.Text(0)
			return nil
		})
	})
	if Refused(err) {
		return "", nil
	}
	return id, err
}

func (db *DB) readCollation(ctx context.Context) error {
	expr := `d.datcollate IN ('C','POSIX')`
	switch v := db.server.VersionNum; {
	case v >= 170000:
		expr = `CASE d.datlocprovider WHEN 'c' THEN d.datcollate IN ('C','POSIX') WHEN 'b' THEN d.datlocale IN ('C','C.UTF-8') ELSE false END`
	case v >= 150000:
		expr = `d.datlocprovider = 'c' AND d.datcollate IN ('C','POSIX')`
	}
	return db.Read(ctx, "identify", func(ctx context.Context, t *Session) error {
		return t.Each(ctx, Statement{SQL: `SELECT ` + expr + ` FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`}, func(r Row) error {
			db.server.CCollation = r.Bool(0)
			return nil
		})
	})
}

// Position reads the side's write-ahead-log position: where it inserts, or,
// on a standby, what it has replayed. "" where the server has none to tell.
func (db *DB) Position(ctx context.Context) (string, error) {
	fn := "pg_catalog.pg_current_wal_insert_lsn()"
	if db.server.InRecovery {
		fn = "pg_catalog.pg_last_wal_replay_lsn()"
	}
	lsn := ""
	err := db.Read(ctx, "position", func(ctx context.Context, t *Session) error {
		return t.Each(ctx, Statement{SQL: "SELECT " + fn}, func(r Row) error {
			lsn = r.Text(0)
			return nil
		})
	})
	return lsn, err
}

// Transactions reads which transactions that write are over and which are not,
// as a snapshot prints it: when it changes, something in the cluster writes.
// The next transaction id alone would not do: a transaction that began before
// leaves it as it is when it commits.
func (db *DB) Transactions(ctx context.Context) (string, error) {
	snapshot := ""
	err := db.Read(ctx, "position", func(ctx context.Context, t *Session) error {
		return t.Each(ctx, Statement{SQL: "SELECT pg_catalog.txid_current_snapshot()"}, func(r Row) error {
			snapshot = r.Text(0)
			return nil
		})
	})
	return snapshot, err
}

// SameDatabase tells whether two sides are one and the same database, which
// proves nothing about a pair. A cluster's identifier that one of the roles
// may not read tells nothing; the start of the server, to the microsecond,
// then does.
func SameDatabase(a, b *DB) bool {
	x, y := a.server, b.server
	oneCluster := x.SystemID == y.SystemID || x.SystemID == "" || y.SystemID == ""
	return oneCluster && x.DatabaseID == y.DatabaseID && x.StartedAt == y.StartedAt
}

// fileHint names the file that could not be read, where that is the trouble
// (a certificate, a service file): a path is no secret.
func fileHint(err error) string {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if msg, ok := pathError(e); ok {
			return ": " + msg
		}
	}
	return ""
}
