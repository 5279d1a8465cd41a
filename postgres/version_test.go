package postgres

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A server older than 10 is refused by its version, not by the first setting
// it does not know. No such server can be had for the tests, so this one only
// plays 9.4: it knows no setting that came later.
func TestAServerThatIsTooOldIsNamed(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go playOldServer(conn)
		}
	}()
	_, err = Open(t.Context(), Options{Side: Source, URL: "postgres://u@" + l.Addr().String() + "/d?sslmode=disable", MaxConns: 1, StatementTimeout: time.Minute})
	if err == nil {
		t.Fatal("a 9.4 server was accepted")
	}
	for _, want := range []string{"source: ", "PostgreSQL 9.4.26", "10 and newer"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

// playOldServer answers like 9.4 what identification asks.
func playOldServer(conn net.Conn) {
	defer conn.Close()
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		msg, err := b.Receive()
		if err != nil {
			return
		}
		switch m := msg.(type) {
		case *pgproto3.Query:
			answerOldQuery(b, m.String)
		case *pgproto3.Parse:
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Describe:
			b.Send(&pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, 9)})
		case *pgproto3.Execute:
			row := &pgproto3.DataRow{}
			for _, v := range []string{"90426", "9.4.26", "d", "1", "2020-01-01", "UTF8", "f", "u", "8192"} {
				row.Values = append(row.Values, []byte(v))
			}
			b.Send(row)
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'T'})
		case *pgproto3.Terminate:
			return
		}
	}
}

// answerOldQuery fails at the first setting that 9.4 does not have.
func answerOldQuery(b *pgproto3.Backend, sql string) {
	defer b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for _, unknown := range []string{"row_security", "max_parallel_workers_per_gather", "idle_in_transaction_session_timeout", "jit", "transaction_timeout"} {
		if strings.Contains(sql, "SET LOCAL "+unknown) {
			b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "42704", Message: `unrecognized configuration parameter "` + unknown + `"`})
			return
		}
	}
	if _, after, ok := strings.Cut(sql, "*/ "); ok { // the comment that names the run
		sql = after
	}
	tag, _, _ := strings.Cut(sql, " ")
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
}

// Every session of a server that is known gets every setting it has.
func TestAKnownServerGetsEverySetting(t *testing.T) {
	pin := pinStatement(180000, time.Minute)
	for _, p := range pinned {
		if !strings.Contains(pin, "SET LOCAL "+p.set) {
			t.Errorf("18 is not given %q", p.set)
		}
	}
}
