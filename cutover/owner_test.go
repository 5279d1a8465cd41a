package cutover

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// owner is the role that owns both databases of a pair, and is no superuser.
const owner = "cutover_owner"

// newOwned makes a pair that belongs to the owner, with its replication, and gives
// the stage and the options of a switch by that role. Who is a superuser may not be
// connected to it while it is switched: leave gets them out.
func newOwned(t *testing.T, source, target int) (s *stage, o Options, leave func()) {
	t.Helper()
	clusters := [2]*pgcluster.Cluster{}
	a := &arena{world: &world{}}
	for i, p := range []**place{&a.source, &a.target} {
		major := []int{source, target}[i]
		c := pgcluster.SharedWith(t, fmt.Sprintf("arena %d", major), pgcluster.Options{Major: major, Settings: roomy})
		makeRole(t, c, clientRole, "")
		makeRole(t, c, owner, "REPLICATION IN ROLE pg_monitor, pg_signal_backend")
		u := c.TestDB(t)
		*p = &place{cluster: c, url: u, conn: connect(t, u)}
		(*p).exec(t, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", database(t, *p), owner))
		(*p).exec(t, "ALTER SCHEMA public OWNER TO "+owner)
		if major >= 16 {
			(*p).exec(t, "GRANT pg_create_subscription TO "+owner)
		}
		as := &place{cluster: c, url: as(t, u, owner), conn: connect(t, as(t, u, owner))}
		as.exec(t, `CREATE TABLE tokens (id bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())`, `CREATE TABLE stock (id serial PRIMARY KEY, n int)`, `GRANT ALL ON ALL TABLES IN SCHEMA public TO `+clientRole)
		clusters[i] = c
		a.client[i] = u
	}
	a.client = [2]string{as(t, a.source.url, clientRole), as(t, a.target.url, clientRole)}
	byOwner := &world{source: &place{cluster: clusters[0], url: as(t, a.source.url, owner)}, target: &place{cluster: clusters[1], url: as(t, a.target.url, owner)}}
	byOwner.source.conn, byOwner.target.conn = connect(t, byOwner.source.url), connect(t, byOwner.target.url)
	a.source.exec(t, `INSERT INTO stock (n) SELECT i FROM generate_series(1, 200) i`)
	byOwner.replicate(t)
	a.name = byOwner.name
	s = stageOn(t, a)
	o = s.options(t)
	o.Source, o.Target, o.Reverse.Connection = byOwner.source.url, byOwner.target.url, byOwner.target.url
	o.drop = nil
	return s, o, func() {
		for _, p := range []*place{s.source, s.target} {
			_ = p.conn.Close(context.Background())
		}
	}
}

// TestOwner: an owner that is no superuser does everything, and gets into the
// database that it has closed when it has to.
func TestOwner(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s, o, leave := newOwned(t, 16, 18)
	do := func(what string, run command) {
		t.Helper()
		leave()
		r, err := run(t.Context(), o)
		t.Log(what)
		succeed(t, r, err)
		leave()
	}
	stands := func(side int) {
		t.Helper()
		s.opens(t, side)
		s.refuses(t, 1-side, 0)
		closed := []*place{s.source, s.target}[1-side]
		if how := howItStands(t, closed); !strings.Contains(how, "limit 0") {
			t.Errorf("the side that is closed is\n%s", how)
		}
		leave()
	}
	do("run", Run)
	stands(1)
	do("status", Status)
	o.drop = map[string]bool{"preflight": true} // it was looked at once
	do("rollback", RollBack)
	stands(0)
	for _, at := range []string{"after freeze-limit", "journal reached DRAINED"} {
		leave()
		crashed(t, Run, o, at)
		leave()
		do("abort at "+at, Abort)
		s.opens(t, 0)
	}
	leave()
	crashed(t, Run, o, "journal reached REVERSE_READY")
	leave()
	crashed(t, Run, o, "journal reached PNR")
	do("run again", Run)
	stands(1)
	crashed(t, RollBack, o, "journal reached TARGET_OPEN")
	leave()
	if err := os.Remove(o.Journal); err != nil {
		t.Fatal(err)
	}
	do("rollback without the journal", RollBack)
	stands(0)
	do("and forward", Run)
	stands(1)
	s.target.exec(t, "INSERT INTO stock (n) VALUES (7777)")
	do("finalize", Finalize)
	stands(1)
	if n := s.source.ask(t, "SELECT count(*) FROM stock WHERE n = 7777"); n != "1" {
		t.Errorf("%s of the last row are on the source", n)
	}
}

// TestOwnerAndOlderServer: up to 15 only a superuser makes a subscription, so there
// is no way back.
func TestOwnerAndOlderServer(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, major := range []int{12, 15} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			s, o, leave := newOwned(t, major, 18)
			leave()
			r, err := Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, ""), "a superuser up to 15") {
				t.Fatalf("%s: %v", r.Outcome, r.Reasons)
			}
			o.Reverse.Off = true
			crashed(t, Run, o, "after opened")
			r, err = Run(t.Context(), o)
			succeed(t, r, err)
			s.opens(t, 1)
			s.refuses(t, 0, 0)
			leave()
			s.refused(t, "rollback", func(ctx context.Context, o Options) (*Result, error) { leave(); return RollBack(ctx, o) }, o, "there is no way back")
			leave()
			r, err = Finalize(t.Context(), o)
			succeed(t, r, err)
		})
	}
}

// TestOwnerAndSuperuser: a superuser's session may not be ended by an owner; it is
// said whose it is, and the source is open again.
func TestOwnerAndSuperuser(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, at := range []string{"before freeze-limit", "after end-clients"} { // there, and come later
		s, o, leave := newOwned(t, 16, 18)
		leave()
		o.Attempts, o.Backoff = 5, 0
		o.drop = map[string]bool{"preflight": true} // which finds one that is there before
		attempts, pid := 0, uint32(0)
		o.point = func(id string) {
			if id == at {
				attempts++
				pid = connect(t, s.source.url).PgConn().PID()
			}
		}
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, ""), fmt.Sprintf("backend %d of role \"postgres\"", pid)) || attempts != 1 {
			t.Errorf("%s: %s after %d attempts, want one: %v", at, r.Outcome, attempts, r.Reasons)
		}
		s.opens(t, 0)
	}
}
