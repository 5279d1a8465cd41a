package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// Console is a connection to the admin console of a PgBouncer, which speaks the
// protocol and none of the language: simple queries of its own commands, without
// comments. Every error of it has one SQLSTATE, so what is so is read rather
// than concluded from an error. It is safe for concurrent use, one command at a
// time. Close it when done.
//
// A command whose context ends cuts the connection, and no other way would do:
// PAUSE gives no answer until it is done. What PAUSE began stays: only RESUME
// ends it, on another connection. A PAUSE that is waiting while another
// connection says RESUME is never answered: cut it first.
type Console struct {
	db   *DB // names the pooler; it has no pool
	mu   sync.Mutex
	conn *pgconn.PgConn
}

// OpenConsole connects to an admin console. url is anything libpq takes, and
// its database is always pgbouncer. name is what errors call it.
func OpenConsole(ctx context.Context, name, url string) (*Console, error) {
	o := Options{Side: Side("pooler " + name), URL: url, Database: "pgbouncer"}
	pool, err := o.poolConfig()
	if err != nil {
		return nil, err
	}
	cfg := pool.ConnConfig
	// It refuses what it does not know, and to be asked whether it can write.
	cfg.RuntimeParams = map[string]string{"application_name": "pgparity"}
	cfg.ValidateConnect, cfg.AfterConnect = nil, nil
	cfg.BuildContextWatcherHandler = func(c *pgconn.PgConn) ctxwatch.Handler { return cutting{c} }
	// The driver sends a cancel request after whatever it gives up. Here that
	// would resume all that somebody else has paused.
	var connected atomic.Bool
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if connected.Load() {
			return nil, net.ErrClosed
		}
		return dial(ctx, network, address)
	}
	db := &DB{side: o.Side, secret: cfg.Password, where: cfg}
	conn, err := pgconn.ConnectConfig(ctx, &cfg.Config)
	connected.Store(true)
	if err != nil {
		return nil, consoleError(db.connectError(err))
	}
	return &Console{db: db, conn: conn}, nil
}

// consoleError says who may use a console. PgBouncer has one code for all that
// it refuses.
func consoleError(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Code == "08P01" {
		e.Hint = "the user has to be one of PgBouncer's admin_users, and known to its auth_file"
	}
	return err
}

// cutting ends a connection when its context ends.
type cutting struct{ conn *pgconn.PgConn }

// HandleCancel cuts it.
func (c cutting) HandleCancel(context.Context) { _ = c.conn.Conn().Close() }

// HandleUnwatchAfterCancel has nothing to put right: there is no way back.
func (c cutting) HandleUnwatchAfterCancel() {}

// Closed tells whether the connection was lost, or cut: a new one is needed.
func (c *Console) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn.IsClosed()
}

// Close ends the session. It takes a few seconds at most.
func (c *Console) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = c.conn.Close(ctx)
}

// exec runs a command and gives the rows of its answer, by column.
func (c *Console) exec(ctx context.Context, command string) ([]map[string]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	results, err := c.conn.Exec(ctx, command).ReadAll()
	if err != nil {
		return nil, (&Session{db: c.db}).wrap(command, err)
	}
	var rows []map[string]string
	for _, r := range results {
		for _, values := range r.Rows {
			row := map[string]string{}
			for i, v := range values {
				row[r.FieldDescriptions[i].Name] = string(v)
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// ReloadSQL has the configuration read again.
const ReloadSQL = "RELOAD"

// PauseSQL is the command that pauses an entry.
func PauseSQL(database string) string { return "PAUSE " + quote(database) }

// ResumeSQL is the command that resumes an entry.
func ResumeSQL(database string) string { return "RESUME " + quote(database) }

// ReconnectSQL is the command that has an entry's connections replaced.
func ReconnectSQL(database string) string { return "RECONNECT " + quote(database) }

// LoginRetrySQL is the command that sets how many seconds a PgBouncer lets its
// clients wait after a login at the server failed, until a RELOAD.
func LoginRetrySQL(seconds string) string { return "SET server_login_retry = '" + seconds + "'" }

// quote quotes a name, which a console folds to nothing else.
func quote(database string) string { return `"` + strings.ReplaceAll(database, `"`, `""`) + `"` }

// Pause keeps new transactions of an entry's clients waiting, and returns when
// those that were open have ended and all its connections to the server are
// closed. One that is paused already is paused still. When it fails, the entry
// may be paused all the same.
func (c *Console) Pause(ctx context.Context, database string) error {
	_, err := c.exec(ctx, PauseSQL(database))
	return err
}

// Resume lets an entry's clients go on. One that is not paused is left alone.
func (c *Console) Resume(ctx context.Context, database string) error {
	_, err := c.exec(ctx, ResumeSQL(database))
	if err == nil || ctx.Err() != nil || c.Closed() {
		return err
	}
	list, failed := c.Databases(ctx)
	i := slices.IndexFunc(list, func(d PooledDatabase) bool { return d.Name == database })
	if failed == nil && i >= 0 && !list[i].Paused {
		return nil
	}
	return err
}

// Reconnect has each connection of an entry to its server closed as soon as no
// client uses it.
func (c *Console) Reconnect(ctx context.Context, database string) error {
	_, err := c.exec(ctx, ReconnectSQL(database))
	return err
}

// Reload has the configuration read again. An old PgBouncer does not say when it
// could not: see Databases for what became of it.
func (c *Console) Reload(ctx context.Context) error {
	_, err := c.exec(ctx, ReloadSQL)
	return err
}

// LoginRetry tells how many seconds it lets clients wait after a login at the server
// failed.
func (c *Console) LoginRetry(ctx context.Context) (string, error) {
	return c.config(ctx, "server_login_retry")
}

// ConfigFile is the path of the file that it was started with, on its host.
func (c *Console) ConfigFile(ctx context.Context) (string, error) { return c.config(ctx, "conffile") }

// config reads one setting.
func (c *Console) config(ctx context.Context, key string) (string, error) {
	rows, err := c.exec(ctx, "SHOW CONFIG")
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if r["key"] == key {
			return r["value"], nil
		}
	}
	return "", fmt.Errorf("%s: it has no %s", c.db.side, key)
}

// SetLoginRetry sets that, until a RELOAD.
func (c *Console) SetLoginRetry(ctx context.Context, seconds string) error {
	_, err := c.exec(ctx, LoginRetrySQL(seconds))
	return err
}

// MayAdminister makes sure that the user may do more than look. It enables an
// entry that is enabled, which changes nothing.
func (c *Console) MayAdminister(ctx context.Context, enabled string) error {
	_, err := c.exec(ctx, "ENABLE "+quote(enabled))
	return consoleError(err)
}

// Version is what the PgBouncer calls itself: PgBouncer 1.18.0.
func (c *Console) Version(ctx context.Context) (string, error) {
	rows, err := c.exec(ctx, "SHOW VERSION")
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0]["version"], nil
}

// PooledDatabase is an entry of a PgBouncer.
type PooledDatabase struct {
	Name             string // clients connect to it by this
	Host             string // as configured; "" is a Unix socket in a folder of its own choice
	Port             string
	Database         string // on the server
	Mode             string // session, transaction or statement; "" is the PgBouncer's default
	Connections      int    // to the server
	Paused, Disabled bool
}

// Databases lists the entries that are in use or named in the configuration.
func (c *Console) Databases(ctx context.Context) ([]PooledDatabase, error) {
	rows, err := c.exec(ctx, "SHOW DATABASES")
	if err != nil {
		return nil, err
	}
	var list []PooledDatabase
	for _, r := range rows {
		if _, ok := r["paused"]; !ok {
			return nil, fmt.Errorf("%s: it does not say what is paused: a switch needs PgBouncer 1.8 or newer", c.db.side)
		}
		n, _ := strconv.Atoi(r["current_connections"])
		list = append(list, PooledDatabase{Name: r["name"], Host: r["host"], Port: r["port"], Database: r["database"], Mode: r["pool_mode"],
			Connections: n, Paused: r["paused"] != "0", Disabled: r["disabled"] != "0"})
	}
	return list, nil
}

// Pool is what clients of one user at one entry do.
type Pool struct {
	Database, User string
	Waiting        int // clients that wait for a connection to the server
	Connected      int // connections to the server, those that log in left out
	Mode           string
}

// Pools lists the pools.
func (c *Console) Pools(ctx context.Context) ([]Pool, error) {
	rows, err := c.exec(ctx, "SHOW POOLS")
	if err != nil {
		return nil, err
	}
	var list []Pool
	for _, r := range rows {
		p := Pool{Database: r["database"], User: r["user"], Mode: r["pool_mode"]}
		p.Waiting, _ = strconv.Atoi(r["cl_waiting"])
		for _, column := range []string{"sv_active", "sv_idle", "sv_used", "sv_tested"} {
			n, _ := strconv.Atoi(r[column])
			p.Connected += n
		}
		list = append(list, p)
	}
	return list, nil
}

// PooledServer is a connection of a PgBouncer to a server.
type PooledServer struct {
	Entry       string // of PooledDatabase.Name
	User        string
	Application string
	PID         string // of the server's backend; "0" where that is not known yet
	LocalPort   string // of the connection
	Client      string // address and port of the client that has it, "" for none
	Since       string // when that client last began something
}

// Servers lists the connections to servers.
func (c *Console) Servers(ctx context.Context) ([]PooledServer, error) {
	servers, err := c.exec(ctx, "SHOW SERVERS")
	if err != nil {
		return nil, err
	}
	clients, err := c.exec(ctx, "SHOW CLIENTS")
	if err != nil {
		return nil, err
	}
	where := map[string]string{}
	for _, r := range clients {
		where[r["ptr"]] = net.JoinHostPort(r["addr"], r["port"])
	}
	var list []PooledServer
	for _, r := range servers {
		list = append(list, PooledServer{Entry: r["database"], User: r["user"], Application: r["application_name"], PID: r["remote_pid"],
			LocalPort: r["local_port"], Client: where[r["link"]], Since: r["request_time"]})
	}
	return list, nil
}

// Address is where a connection string leads, of several hosts the first.
type Address struct {
	Host     string // a name, an address, or the folder of a Unix socket
	Port     string
	Database string
}

// AddressOf reads a connection string. Its error never holds the password.
func AddressOf(side Side, url string) (Address, error) {
	pool, err := Options{Side: side, URL: url}.poolConfig()
	if err != nil {
		return Address{}, err
	}
	c := pool.ConnConfig
	return Address{Host: c.Host, Port: strconv.Itoa(int(c.Port)), Database: c.Database}, nil
}
