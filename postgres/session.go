package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Session is one short read-only transaction on a pinned connection. It is
// valid inside the function it is handed to, and not safe for concurrent use.
type Session struct {
	db   *DB
	conn *pgconn.PgConn
	tag  string
}

// Statement is SQL with its parameters. Parameters travel as text of unknown
// type, so that the server gives each the type its place asks for.
type Statement struct {
	SQL  string
	Args []string
	// Formats asks for each result column as text (0) or binary (1), as in
	// the protocol's Bind: none means all text, one is for all columns.
	Formats []int16
}

// pinned are the settings every reading depends on. Time zone, styles and
// float digits decide how a value prints; search_path decides which function
// a name means; row_security=off makes a policy raise instead of hiding rows;
// jit would compile the digest expressions for seconds.
var pinned = []struct {
	since int // server_version_num
	set   string
}{
	{170000, "transaction_timeout = 0"}, // early, like statement_timeout
	{0, "TimeZone = 'UTC'"},
	{0, "DateStyle = 'ISO, YMD'"},
	{0, "IntervalStyle = 'postgres'"},
	{0, "extra_float_digits = 3"},
	{0, "bytea_output = 'hex'"},
	{0, "xmlbinary = 'base64'"},
	{0, "xmloption = 'content'"},
	{0, "lc_monetary = 'C'"},
	{0, "client_encoding = 'UTF8'"},
	{0, "search_path = ''"},
	{90500, "row_security = off"},
	{0, "quote_all_identifiers = off"},
	{0, "standard_conforming_strings = on"},
	{90600, "max_parallel_workers_per_gather = 0"},
	{90300, "lock_timeout = '30s'"},
	{90600, "idle_in_transaction_session_timeout = '10min'"},
	{110000, "jit = off"},
}

// pinStatement opens a transaction with all settings in one round trip.
func pinStatement(version int, statementTimeout time.Duration) string {
	var b strings.Builder
	b.WriteString("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
	// First, so that a short timeout of the role or database ends here.
	fmt.Fprintf(&b, "; SET LOCAL statement_timeout = %d", statementTimeout.Milliseconds())
	for _, p := range pinned {
		switch {
		case version >= p.since:
			b.WriteString("; SET LOCAL " + p.set)
		case version == 0: // not known yet, and no SET is conditional
			name, value, _ := strings.Cut(p.set, " = ")
			fmt.Fprintf(&b, "; SELECT pg_catalog.set_config('%s', '%s', true) WHERE pg_catalog.current_setting('server_version_num')::pg_catalog.int4 OPERATOR(pg_catalog.>=) %d",
				name, strings.Trim(value, "'"), p.since)
		}
	}
	return b.String()
}

// Read runs fn inside one pinned read-only transaction. tag names the work
// in each statement's comment. The transaction ends before Read returns, so
// no snapshot outlives it. settings, such as "enable_seqscan = off", hold for
// this transaction and cost no round trip.
func (db *DB) Read(ctx context.Context, tag string, fn func(context.Context, *Session) error, settings ...string) error {
	s, conn, err := db.session(ctx, tag, settings)
	if err != nil {
		return err
	}
	defer conn.Release()
	if err := fn(ctx, s); err != nil {
		// The connection may already be gone; the pool then drops it.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = s.exec(clean, "ROLLBACK")
		return err
	}
	return s.commit(ctx)
}

// beginTries is how often a transaction is begun before a timeout is believed.
const beginTries = 5

// session opens a pinned transaction on a connection of the pool, which the
// caller releases. Timeouts of the role or the database may be shorter than a
// hiccup of the machine: one that ends the connection before the transaction
// is pinned costs that connection, and another is taken.
func (db *DB) session(ctx context.Context, tag string, settings []string) (*Session, *pgxpool.Conn, error) {
	for try := 1; ; try++ {
		conn, err := db.pool.Acquire(ctx)
		if err != nil {
			return nil, nil, db.connectError(err)
		}
		s := &Session{db: db, conn: conn.Conn().PgConn(), tag: tag}
		err = s.begin(ctx, settings)
		if err == nil {
			return s, conn, nil
		}
		conn.Release() // closes one that the server ended
		if !hasCode(err, codeIdleInTransaction, codeTransactionTimeout) || try == beginTries {
			return nil, nil, s.wrap("begin", err)
		}
	}
}

// begin opens the pinned transaction. A short statement_timeout may end the
// very statement that lifts it: then it is tried again.
func (s *Session) begin(ctx context.Context, settings []string) error {
	for try := 1; ; try++ {
		err := s.pin(ctx, settings)
		if !hasCode(err, codeQueryCanceled, codeFailedTransaction) || try == beginTries || ctx.Err() != nil {
			return err
		}
		// It may time out as well: the next try then finds the transaction failed.
		if err := s.exec(ctx, "ROLLBACK"); hasCode(err, codeIdleInTransaction, codeTransactionTimeout) {
			return err
		}
	}
}

// pin begins a transaction, pins its settings and recognises the server.
func (s *Session) pin(ctx context.Context, settings []string) error {
	begin := s.comment() + s.db.pin
	for _, set := range settings {
		begin += "; SET LOCAL " + set
	}
	results, err := s.conn.Exec(ctx, begin+"; "+whichServer).ReadAll()
	if err != nil {
		return err
	}
	return s.db.recognise(results[len(results)-1])
}

// commit ends the transaction. The server answers ROLLBACK where a statement
// had failed: whoever overlooked that is told here.
func (s *Session) commit(ctx context.Context) error {
	results, err := s.conn.Exec(ctx, s.comment()+"COMMIT").ReadAll()
	if err != nil {
		return s.wrap("commit", err)
	}
	if len(results) != 1 || results[0].CommandTag.String() != "COMMIT" {
		return fmt.Errorf("%s: commit: the server did not confirm it", s.db.side)
	}
	return nil
}

// Set changes a planner setting for the rest of the transaction, such as
// "enable_hashjoin = off".
func (s *Session) Set(ctx context.Context, setting string) error {
	if err := s.exec(ctx, "SET LOCAL "+setting); err != nil {
		return s.wrap("set", err)
	}
	return nil
}

func (s *Session) exec(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, s.comment()+sql).ReadAll()
	return err
}

// Each runs a statement and calls fn with each row, in order. It is the one
// place that loops over rows. It returns nil only when the server said the
// statement is complete and its count of rows is the count that fn has seen.
// The error names the side; fn's own error comes back as it is.
func (s *Session) Each(ctx context.Context, st Statement, fn func(Row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	args := make([][]byte, len(st.Args))
	for i, a := range st.Args {
		args[i] = []byte(a)
	}
	rows := s.conn.ExecParams(ctx, s.comment()+st.SQL, args, nil, nil, st.Formats)
	var seen int64
	var failed error
	for failed == nil && rows.NextRow() {
		seen++
		failed = fn(Row{rows.Values()})
	}
	if failed != nil {
		cancel() // cancels on the server: the rest is not wanted
		_, _ = rows.Close()
		return failed
	}
	tag, err := rows.Close()
	if err != nil {
		return s.wrap("read", err)
	}
	if tag.RowsAffected() != seen {
		return fmt.Errorf("%s: read: the server said %q, but %d rows arrived", s.db.side, tag.String(), seen)
	}
	return nil
}

// runComment is how each statement of a run begins, and none of another's.
func runComment(run string) string { return "/* pgparity run=" + run + " " }

// comment names the run and the work for whoever watches the server.
func (s *Session) comment() string {
	return runComment(s.db.run) + strings.NewReplacer("*/", "* /", "/*", "/ *").Replace(s.tag) + " */ "
}

// Row is one row of a result. It is valid only until the callback returns.
type Row struct{ values [][]byte }

// Len is the number of columns.
func (r Row) Len() int { return len(r.values) }

// Null tells whether column i is NULL.
func (r Row) Null(i int) bool { return r.values[i] == nil }

// Bytes is column i as sent, not copied; nil for NULL.
func (r Row) Bytes(i int) []byte { return r.values[i] }

// Text is column i as a string; "" for NULL.
func (r Row) Text(i int) string { return string(r.values[i]) }

// Bool is a text-format boolean; false for NULL.
func (r Row) Bool(i int) bool { return len(r.values[i]) == 1 && r.values[i][0] == 't' }

// Int is a text-format integer; 0 for NULL. Only for columns that the
// statement declares integer.
func (r Row) Int(i int) int64 {
	var n int64
	b := r.values[i]
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0') // wraps exactly onto math.MinInt64
	}
	if neg {
		return -n
	}
	return n
}

// typeMaps lends codecs: a pgtype.Map caches what it plans, and so is not
// safe for the concurrent use that two sides and many workers make of it.
var typeMaps = sync.Pool{New: func() any { return pgtype.NewMap() }}

// TextArray prints values as a text[] literal, for a parameter.
func TextArray(values []string) string {
	if values == nil {
		values = []string{}
	}
	m := typeMaps.Get().(*pgtype.Map)
	defer typeMaps.Put(m)
	b, err := m.Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, values, nil)
	if err != nil {
		panic(err) // a []string always encodes
	}
	return string(b)
}

// ParseTextArray reads an array literal of any type as its elements' texts;
// a NULL element is nil.
func ParseTextArray(b []byte) ([]*string, error) {
	var out []*string
	m := typeMaps.Get().(*pgtype.Map)
	defer typeMaps.Put(m)
	if err := m.Scan(pgtype.TextArrayOID, pgtype.TextFormatCode, b, &out); err != nil {
		return nil, err
	}
	return out, nil
}
