//go:build unix

package cutover

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/postgres"
)

// TestPauseCutsALogin: a client waits for a connection that is logging in when the
// pooler is paused. When it is resumed it is served at once, and not when PgBouncer
// deigns to try again.
func TestPauseCutsALogin(t *testing.T) {
	for _, without := range []string{"", "pool-hurry", "pool-calm"} {
		t.Run("without "+without, func(t *testing.T) {
			if without != "" {
				slow(t)
			}
			w := newWorld(t, 15, 15, twoTables)
			silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
			if err != nil {
				t.Fatal(err)
			}
			defer silent.Close()
			_, port, _ := net.SplitHostPort(silent.Addr().String())
			b := newBounce(t, "app = host=127.0.0.1 port="+port+" dbname=app", "server_login_retry = 3")
			r := pooled(t, w, b.pooler("a", "app"))
			r.o.drop = map[string]bool{without: true}
			served := make(chan error, 1)
			go func() {
				conn, err := pgx.Connect(t.Context(), b.url("postgres", "app"))
				if err == nil {
					err = conn.Close(t.Context())
				}
				served <- err
			}()
			console, err := postgres.OpenConsole(t.Context(), "test", b.url("postgres", "pgbouncer"))
			if err != nil {
				t.Fatal(err)
			}
			defer console.Close()
			until(t, "it logs in", func() bool { return b.entry(t, "app").Connections > 0 })
			if err := r.pausePoolers(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			writeFile(t, b.file, strings.Replace(b.text(t), "host=127.0.0.1 port="+port+" dbname=app", entrySettings(t, w.source.url), 1))
			b.console(t, "RELOAD")
			began := time.Now()
			if err := r.resumePoolers(within(t, 5*time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := <-served; err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > time.Second != (without == "pool-hurry") {
				t.Errorf("its client waited for %v", took)
			}
			if now, err := console.LoginRetry(t.Context()); err != nil || now == "3" != (without != "pool-calm") {
				t.Errorf("server_login_retry is %s, %v", now, err)
			}
		})
	}
}
