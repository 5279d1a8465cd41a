package pgcluster

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// URL is how the superuser reaches a database over TCP.
func (c *Cluster) URL(db string) string { return c.url(url.User("postgres"), db) }

// UserURL is how another role reaches a database over TCP.
func (c *Cluster) UserURL(user, password, db string) string {
	return c.url(url.UserPassword(user, password), db)
}

func (c *Cluster) url(user *url.Userinfo, db string) string {
	query := url.Values{"sslmode": {"disable"}}
	path := "/" + url.PathEscape(db)
	if strings.HasPrefix(db, "/") || db == "" {
		// Clients trim slashes off the path, escaped or not.
		path = "/"
		query.Set("dbname", db)
	}
	host := c.Host() + ":" + strconv.Itoa(c.Port())
	return "postgres://" + user.String() + "@" + host + path + "?" + query.Encode()
}

// Exec runs statements as superuser, in one session, each argument as one simple
// query: it may hold several statements, which then are one transaction.
func (c *Cluster) Exec(ctx context.Context, db string, sql ...string) (err error) {
	conn, err := c.connect(ctx, db)
	if err != nil {
		return err
	}
	defer func() {
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(cctx) // the statements' outcome is known
	}()
	for _, s := range sql {
		if _, err := conn.Exec(ctx, s).ReadAll(); err != nil {
			return fmt.Errorf("postgres %s: %s: %s: %w", c.Version(), db, excerpt(s), err)
		}
	}
	return nil
}

func (c *Cluster) connect(ctx context.Context, db string) (*pgconn.PgConn, error) {
	conn, err := pgconn.Connect(ctx, c.URL(db))
	if err != nil {
		return nil, fmt.Errorf("postgres %s: %s: %w", c.Version(), db, err)
	}
	return conn, nil
}

// excerpt is the head of a statement on one line, for an error.
func excerpt(sql string) string {
	s := strings.Join(strings.Fields(sql), " ")
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// CreateDatabase creates a database; options are SQL that follows the name, such
// as "TEMPLATE template0" or "LC_COLLATE 'de_DE.UTF-8'".
func (c *Cluster) CreateDatabase(ctx context.Context, name string, options ...string) error {
	words := append([]string{"CREATE DATABASE", pgx.Identifier{name}.Sanitize()}, options...)
	return c.Exec(ctx, "postgres", strings.Join(words, " "))
}

// DropDatabase drops a database with all that keeps it from being dropped: its
// sessions, its subscriptions (their remote slots stay) and its logical slots.
// A database that is gone already is no error.
func (c *Cluster) DropDatabase(ctx context.Context, name string) error {
	if n, err := c.count(ctx, "postgres", `SELECT count(*) FROM pg_catalog.pg_subscription s
		JOIN pg_catalog.pg_database d ON d.oid = s.subdbid WHERE d.datname = $1`, name); err != nil {
		return err
	} else if n > 0 {
		if err := c.Exec(ctx, name, "SET default_transaction_read_only = off", dropSubscriptions); err != nil {
			return err
		}
	}
	// Through a setting: a DO block takes no parameters, and the name may hold
	// whatever would quote it.
	literal := "'" + strings.ReplaceAll(name, "'", "''") + "'"
	if err := c.Exec(ctx, "postgres", "SELECT set_config('pgcluster.db', "+literal+", false)", freeDatabase); err != nil {
		return err
	}
	drop := "DROP DATABASE IF EXISTS " + pgx.Identifier{name}.Sanitize()
	if c.Major() >= 13 {
		return c.Exec(ctx, "postgres", drop+" WITH (FORCE)")
	}
	return c.Exec(ctx, "postgres", drop)
}

func (c *Cluster) count(ctx context.Context, db, sql string, args ...any) (int, error) {
	conn, err := pgx.Connect(ctx, c.URL(db))
	if err != nil {
		return 0, fmt.Errorf("postgres %s: %s: %w", c.Version(), db, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var n int
	if err := conn.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("postgres %s: %s: %w", c.Version(), db, err)
	}
	return n, nil
}

// dropSubscriptions detaches each subscription from its remote slot first: the
// publisher may be gone.
const dropSubscriptions = `DO $$
DECLARE s name;
BEGIN
	FOR s IN SELECT subname FROM pg_catalog.pg_subscription
		WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
	LOOP
		EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', s);
		EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', s);
		EXECUTE pg_catalog.format('DROP SUBSCRIPTION %I', s);
	END LOOP;
END $$`

// freeDatabase ends the sessions of a database, walsenders included, waits until
// they are gone and drops the logical slots they held.
const freeDatabase = `DO $$
DECLARE
	db CONSTANT name := pg_catalog.current_setting('pgcluster.db');
	slot name;
BEGIN
	FOR round IN 1..500 LOOP
		PERFORM pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
			WHERE datname = db AND pid <> pg_catalog.pg_backend_pid();
		PERFORM pg_catalog.pg_stat_clear_snapshot();
		EXIT WHEN NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE datname = db AND backend_type <> 'autovacuum worker')
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE database = db AND active);
		PERFORM pg_catalog.pg_sleep(0.01);
	END LOOP;
	FOR slot IN SELECT slot_name FROM pg_catalog.pg_replication_slots WHERE database = db LOOP
		PERFORM pg_catalog.pg_drop_replication_slot(slot);
	END LOOP;
END $$`
