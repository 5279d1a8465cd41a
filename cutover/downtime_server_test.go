package cutover

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var clients atomic.Int64

// client makes a role on both sides that may do nothing but log in.
func (w *world) client(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("Client %d", clients.Add(1))
	for _, p := range []*place{w.source, w.target} {
		p.exec(t, fmt.Sprintf(`CREATE ROLE %q LOGIN PASSWORD 'client'`, name))
		t.Cleanup(func() {
			for _, sql := range []string{`DROP OWNED BY %q`, `DROP ROLE %q`} {
				if err := p.cluster.Exec(context.Background(), p.database(), fmt.Sprintf(sql, name)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	return name
}

func (p *place) database() string {
	u, _ := url.Parse(p.url)
	return strings.TrimPrefix(u.Path, "/")
}

// as is a side's connection string for a client.
func (p *place) as(client string) string { return p.cluster.UserURL(client, "client", p.database()) }

// probing opens a run whose probe is prepared, for a client that connects to the
// source.
func (w *world) probing(t *testing.T, o Options) *run {
	t.Helper()
	r := w.open(t, o)
	for _, e := range []*end{r.to, r.from} {
		if err := r.prepareDowntime(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// seen waits until a number of statements of both kinds were acknowledged since it
// was called.
func (d *downtime) seen(t *testing.T, n int) {
	t.Helper()
	counts := func() (int, int) {
		d.record.mu.Lock()
		defer d.record.mu.Unlock()
		return d.record.lanes[kindWrite].acknowledged, d.record.lanes[kindRead].acknowledged
	}
	wrote, read := counts()
	until(t, "statements are acknowledged", func() bool {
		a, b := counts()
		return a >= wrote+n && b >= read+n
	})
}

// out closes a side to its clients for a time, as a switch does, and gives how
// long it was at least and at most.
func (p *place) out(t *testing.T, d time.Duration) (least, most time.Duration) {
	t.Helper()
	began := time.Now()
	p.exec(t, fmt.Sprintf(`ALTER DATABASE %q CONNECTION LIMIT 0`, p.database()),
		`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pgparity downtime'`)
	closed := time.Now()
	rest(t.Context(), d)
	least = time.Since(closed)
	p.exec(t, fmt.Sprintf(`ALTER DATABASE %q CONNECTION LIMIT -1`, p.database()))
	return least, time.Since(began)
}

// slack is what a busy machine may add to a connection and a statement.
const slack = 250 * time.Millisecond

func TestDowntimeMeasures(t *testing.T) {
	w := newWorld(t, 15, 18)
	o := w.options(t)
	o.Application = w.source.as(w.client(t))
	r := w.probing(t, o)
	before := goleak.IgnoreCurrent()
	if err := r.startDowntime(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.watcher.seen(t, 5)
	r.watcher.mark(Armed, time.Now())
	least, most := w.source.out(t, 300*time.Millisecond)
	r.watcher.mark(Redirected, time.Now())
	r.watcher.seen(t, 5)
	d := r.watcher
	got := r.stopDowntime()
	goleak.VerifyNone(t, before)
	for kind, ms := range map[string]float64{kindWrite: got.WriteMS, kindRead: got.ReadMS} {
		if ms < milliseconds(least-beatEvery) || ms > milliseconds(most+beatEvery+slack) {
			t.Errorf("%s: away for %v ms, and it was for %v to %v", kind, ms, least, most)
		}
	}
	if got.Failed == 0 || got.Retried != got.Failed || got.Lost != 0 || got.Elsewhere != 0 || len(got.Failures) == 0 {
		t.Errorf("%d failed, %d retried, %d lost, %d elsewhere: %v", got.Failed, got.Retried, got.Lost, got.Elsewhere, got.Failures)
	}
	if !slices.ContainsFunc(got.Failures, func(f Failure) bool { return strings.Contains(f.Error, "53300") }) {
		t.Errorf("nothing says that no connection was let in: %v", got.Failures)
	}
	acknowledged := 0
	for _, b := range got.Timeline {
		if b.Failed != (b.On == "") || !b.Failed && b.On != "source" {
			t.Errorf("%+v", b)
		}
		if b.acknowledged() && b.Kind == kindWrite {
			acknowledged++
		}
	}
	// Of those that failed some may have been done, when their connection was ended.
	if n := w.source.ask(t, `SELECT count(*) BETWEEN `+fmt.Sprint(got.Writes)+` AND `+fmt.Sprint(got.Writes+got.Failed)+` FROM pgparity.downtime`); n != "true" || acknowledged != got.Writes {
		t.Errorf("%d writes were acknowledged, %d are in the timeline, and there are %s", got.Writes, acknowledged, w.source.ask(t, `SELECT count(*) FROM pgparity.downtime`))
	}
	if again := r.stopDowntime(); again != nil || d == nil {
		t.Errorf("stopped twice: %+v", again)
	}
	t.Logf("away for %v to %v; measured %v and %v ms\n%s", least, most, got.WriteMS, got.ReadMS, strings.Join(got.Text(100), "\n"))
}

// TestDowntimeLost: what was acknowledged and is gone is found, by the side that
// had it.
func TestDowntimeLost(t *testing.T) {
	w := newWorld(t, 15, 18)
	o := w.options(t)
	o.Application = w.source.url
	r := w.probing(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	if err := r.startDowntime(ctx); err != nil {
		t.Fatal(err)
	}
	cancel() // a switch that is given up is measured to its end
	r.watcher.seen(t, 6)
	// Another run's rows do not stand in for those that are gone.
	w.source.exec(t, `UPDATE pgparity.downtime SET run = 'another' WHERE n IN (SELECT n FROM pgparity.downtime ORDER BY n LIMIT 2 OFFSET 1)`)
	if got := r.stopDowntime(); got.Lost != 2 {
		t.Errorf("%d are lost, want 2", got.Lost)
	}
	if err := r.startDowntime(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.from.control.Close()
	if got := r.stopDowntime(); got.Lost != 0 || !strings.Contains(strings.Join(r.result.Notes, "\n"), "source: whether the writes") {
		t.Errorf("nothing says that the source was not asked: %d lost, %q", got.Lost, r.result.Notes)
	}
}

// TestDowntimeRefuses: what does not lead to the side that is switched from is
// told before a window, and nothing is left that runs.
func TestDowntimeRefuses(t *testing.T) {
	w := newWorld(t, 15, 18)
	client := w.client(t)
	o := w.options(t)
	o.Application = w.source.as(client)
	r := w.probing(t, o)
	other := (&place{cluster: w.source.cluster, url: w.source.cluster.TestDB(t, `CREATE SCHEMA pgparity`, createDowntime, `GRANT ALL ON SCHEMA pgparity TO public; GRANT ALL ON pgparity.downtime TO public`)}).as(client)
	for _, c := range []struct{ name, application, want string }{
		{"the other side", w.target.as(client), "leads to the target, and not to the source"},
		{"neither side", other, "neither side"},
		{"nothing there", "postgres://client:hush@127.0.0.1:1/x?sslmode=disable", "cannot reach 127.0.0.1:1"},
		{"a wrong password", strings.Replace(w.source.as(client), "client@", "hush@", 1), "refused user"},
		{"no connection string", "hush://", "is not valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			r.o.Application = c.application
			err := r.startDowntime(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if got := r.stopDowntime(); got != nil {
				t.Errorf("it runs: %+v", got)
			}
			goleak.VerifyNone(t, before)
		})
	}

	// Behind the point of no return nothing is waited for.
	r.o.Application = w.target.as(client)
	w.target.exec(t, fmt.Sprintf(`ALTER DATABASE %q CONNECTION LIMIT 0`, w.target.database()))
	if err := r.followDowntime(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.watcher.mark(PNR, time.Now())
	w.target.exec(t, fmt.Sprintf(`ALTER DATABASE %q CONNECTION LIMIT -1`, w.target.database()))
	r.watcher.seen(t, 2)
	if got := r.stopDowntime(); got.Writes < 2 || got.Lost != 0 {
		t.Errorf("%+v", got)
	}

	r.o.Application = ""
	if err := r.startDowntime(t.Context()); err != nil || r.stopDowntime() != nil || len(r.result.Notes) != 1 {
		t.Errorf("without a connection string: %v, %q", err, r.result.Notes)
	}
}

func actionIDs(actions []Action) []string {
	var ids []string
	for _, a := range actions {
		ids = append(ids, a.On+" "+a.ID)
	}
	return ids
}

func TestDowntimePrepare(t *testing.T) {
	w := newWorld(t, 15, 18)
	client := w.client(t)
	o := w.options(t)
	o.Application = w.source.as(client)
	r := w.open(t, o)
	whole := []string{"source downtime-schema", "source downtime-table", "source downtime-label", "source downtime-grant"}
	for _, c := range []struct {
		name string
		sql  string // before
		dry  bool
		want []string
	}{
		{"planned", "", true, whole},
		{"made", "", false, whole},
		{"there", "", false, nil},
		{"restored from the other side", `COMMENT ON TABLE pgparity.downtime IS 'pgparity downtime probe: target'`, false, whole[2:3]},
		{"revoked", fmt.Sprintf(`REVOKE INSERT ON pgparity.downtime FROM %q`, client), false, whole[3:]},
		{"the schema is another's work", `DROP TABLE pgparity.downtime`, false, whole[1:]},
	} {
		if c.sql != "" {
			w.source.exec(t, c.sql)
		}
		if r.exec = executor(&live{}); c.dry {
			r.exec = &dry{}
		}
		if err := r.prepareDowntime(t.Context(), r.from); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := actionIDs(r.exec.taken()); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if err := r.dropLedger(t.Context(), r.from); err != nil {
		t.Fatal(err)
	}
	r.exec.taken()
	if there := w.source.ask(t, `to_regclass('pgparity.downtime')`); there != "" {
		t.Error("it is still there")
	}

	r.o.Application = w.source.url // a superuser needs no grant
	if err := r.prepareDowntime(t.Context(), r.from); err != nil {
		t.Fatal(err)
	}
	if got := actionIDs(r.exec.taken()); !slices.Equal(got, whole[:3]) {
		t.Errorf("for a superuser: %q", got)
	}

	lonely := fmt.Sprintf("lonely%d", clients.Add(1))
	w.source.exec(t, `CREATE ROLE `+lonely+` LOGIN PASSWORD 'client'`)
	t.Cleanup(func() { _ = w.source.cluster.Exec(context.Background(), "postgres", `DROP ROLE `+lonely) })
	r.o.Application = w.source.as(lonely)
	if err := r.prepareDowntime(t.Context(), r.to); err == nil || !strings.HasPrefix(err.Error(), "target: there is no role") || !strings.Contains(err.Error(), lonely) {
		t.Errorf("a role that is on one side only: %v", err)
	}
}

// TestDowntimeNeedsAll: without any one of its actions there is no measurement.
func TestDowntimeNeedsAll(t *testing.T) {
	for _, id := range []string{"downtime-schema", "downtime-table", "downtime-label", "downtime-grant", "downtime-start"} {
		t.Run(id, func(t *testing.T) {
			w := newWorld(t, 15, 18)
			o := w.options(t)
			o.Application = w.source.as(w.client(t))
			o.drop = map[string]bool{id: true}
			r := w.open(t, o)
			err := r.prepareDowntime(t.Context(), r.from)
			if err == nil {
				err = r.startDowntime(t.Context())
			}
			if got := r.stopDowntime(); err == nil && got != nil {
				t.Errorf("it was not missed: %+v", got)
			}
			if id == "downtime-start" && err != nil {
				t.Error(err)
			}
		})
	}
}
