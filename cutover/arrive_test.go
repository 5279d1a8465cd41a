//go:build unix

package cutover

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestArrived: the application's connection leads elsewhere, then there but read
// only, then there. It goes through a pooler that lends connections for a
// transaction.
func TestArrived(t *testing.T) {
	w, b, p := redirected(t, "")
	r := pooled(t, w, p)
	r.o.Application = b.url("postgres", "app")
	soon := func() error { return r.arrived(within(t, time.Second), r.to) }
	says(t, soon(), "leads to another server than the target")
	if err := r.arrived(within(t, 5*time.Second), r.from); err != nil {
		t.Error(err)
	}
	// Another database of the right server.
	r.o.Application = strings.Replace(w.target.url, r.to.db.Server().Database, "postgres", 1)
	says(t, soon(), "leads to database postgres, and not to "+r.to.db.Server().Database)

	r.o.Application = b.url("postgres", "app")
	w.target.exec(t, "ALTER DATABASE "+r.to.database+" SET default_transaction_read_only = on")
	if err := r.redirectPoolers(within(t, 5*time.Second)); err != nil {
		t.Fatal(err)
	}
	says(t, soon(), "is read only there")
	w.target.exec(t, "ALTER DATABASE "+r.to.database+" RESET default_transaction_read_only")
	b.console(t, `RECONNECT "app"`)
	if err := r.arrived(within(t, 10*time.Second), r.to); err != nil {
		t.Error(err)
	}
	r.o.drop = map[string]bool{"application-arrives": true}
	if err := r.arrived(within(t, time.Second), r.from); err != nil { // the proof is that action
		t.Error(err)
	}
}

// TestArrivesMeanwhile: it is led there while it is waited for.
func TestArrivesMeanwhile(t *testing.T) {
	w, b, p := redirected(t, "")
	r := pooled(t, w, p)
	r.o.Application = b.url("postgres", "app")
	done := make(chan error)
	go func() { done <- r.arrived(within(t, 20*time.Second), r.to) }()
	until(t, "it has looked", func() bool { return b.entry(t, "app").Connections > 0 })
	select {
	case err := <-done:
		t.Fatalf("it has not arrived yet: %v", err)
	default:
	}
	other := pooled(t, w, p)
	if err := other.redirectPoolers(within(t, 5*time.Second)); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestArrivedRevoked: the application's role may not read which server it is on;
// when that was started says it then. So it does where ours may not.
func TestArrivedRevoked(t *testing.T) {
	w, _, p := redirected(t, "")
	r := pooled(t, w, p)
	w.target.exec(t, "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC", "CREATE ROLE arrivals LOGIN PASSWORD 'arriving'")
	defer w.target.exec(t, "DROP ROLE arrivals")
	r.o.Application = w.target.cluster.UserURL("arrivals", "arriving", r.to.db.Server().Database)
	if err := r.arrived(within(t, 10*time.Second), r.to); err != nil {
		t.Error(err)
	}
	says(t, r.arrived(within(t, 300*time.Millisecond), r.from), "another server than the source")
	unknown := r.to.db.Server()
	unknown.SystemID = ""
	l := landing{database: unknown.Database, oid: fmt.Sprint(unknown.DatabaseID), system: "7", started: true}
	if why := l.differs(unknown, "target"); why != "" {
		t.Error(why)
	}
	if l.started = false; l.differs(unknown, "target") == "" {
		t.Error("a server that was started at another time is the same")
	}
}

// TestArrivedUnknown: without a connection string nothing is proved, which is
// said; one that does not lead anywhere ends with what is wrong.
func TestArrivedUnknown(t *testing.T) {
	r := &run{exec: &live{}, result: &Result{}}
	e := &end{name: "target"}
	if err := r.arrived(t.Context(), e); err != nil || len(r.result.Notes) != 1 || !strings.Contains(r.result.Notes[0], "not proved") {
		t.Errorf("%v, %q", err, r.result.Notes)
	}
	r.o.Application = "postgres://app:s3cret@127.0.0.1:1/shop"
	err := r.arrived(within(t, 300*time.Millisecond), e)
	says(t, err, "application: cannot reach 127.0.0.1:1")
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret: %v", err)
	}
}
