package checker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// newStandby makes a standby that lets no reading hold its replay up.
func newStandby(t *testing.T, primary *pgcluster.Cluster) *pgcluster.Cluster {
	t.Helper()
	standby, err := primary.Standby(t.Context(), map[string]string{"max_standby_streaming_delay": "0", "hot_standby_feedback": "off"})
	if errors.Is(err, pgcluster.ErrUnavailable) && os.Getenv("CI") != "true" {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return standby
}

// churn has a primary write a table all over and vacuum it, again and again,
// without changing a value, until stop is called: a standby then cancels each
// statement that began before.
func churn(t *testing.T, url string) (stop func()) {
	t.Helper()
	conn := connect(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			for _, sql := range []string{`UPDATE churned SET n = n`, `VACUUM churned`} {
				if _, err := conn.Exec(ctx, sql); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
			select {
			case <-time.After(60 * time.Millisecond): // some statements have to get through
			case <-ctx.Done():
			}
		}
	})
	stop = func() { cancel(); work.Wait() }
	t.Cleanup(stop)
	return stop
}

// TestStandbyThatCancels: the target is a standby whose replay cancels
// statements all the time. They are made again, in smaller pieces where that
// helps: what nobody touches is proven equal or different, and what is written
// to meanwhile is never accused.
func TestStandbyThatCancels(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const fill = `SELECT %s, s.v FROM generate_series(1, 5000) AS g, seed AS s`
	world := []string{
		`CREATE TABLE seed AS SELECT repeat('0123456789', 3000) AS v`,
		`CREATE TABLE ordered (id int PRIMARY KEY, v text); INSERT INTO ordered ` + fmt.Sprintf(fill, "g"),
		`CREATE TABLE swept (k text COLLATE "en-x-icu" PRIMARY KEY, v text); INSERT INTO swept ` + fmt.Sprintf(fill, "'k' || g"),
		`CREATE TABLE keyless (n int, v text); INSERT INTO keyless ` + fmt.Sprintf(fill, "g % 1000"),
		`CREATE TABLE churned (id int PRIMARY KEY, n int); INSERT INTO churned SELECT g, g FROM generate_series(1, 500) g`,
		`DROP TABLE seed; ANALYZE`,
	}
	damage := []string{`UPDATE ordered SET v = v || '!' WHERE id = 2500`, `DELETE FROM swept WHERE k = 'k2500'`, `INSERT INTO keyless VALUES (-1, 'extra')`}
	server := pgcluster.Shared(t, 18)
	source := server.TestDB(t, world...)
	primary := pgcluster.SharedWith(t, "primary 15", pgcluster.Options{Major: 15, Settings: map[string]string{"wal_level": "replica", "autovacuum": "off"}})
	for _, c := range []struct {
		name   string
		damage []string
		want   checker.Verdict
		found  int64
	}{{"equal", nil, checker.Match, 0}, {"damaged", damage, checker.Mismatch, 1}} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.damage == nil {
				t.Skip("skipped: the damaged pair is compared; run without -short")
			}
			written := primary.TestDB(t, append(world[:len(world):len(world)], c.damage...)...)
			standby := newStandby(t, primary)
			read := strings.Replace(written, fmt.Sprint(":", primary.Port(), "/"), fmt.Sprint(":", standby.Port(), "/"), 1)
			mark := fmt.Sprint("@", written[strings.LastIndex(written, "/")+1:strings.Index(written, "?")], " pgparity ERROR:  canceling statement due to conflict with recovery")
			stop := churn(t, written)
			o := defaults()
			o.Budget, o.Settle = 2*time.Second, time.Second
			o.Replication = fence.KindStill // what comes to the standby is not the source's
			ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
			defer cancel()
			res := verifyWithin(t, ctx, [2]string{source, read}, o)
			stop()

			for _, name := range []string{"public.ordered", "public.swept", "public.keyless"} {
				tab := table(res, name)
				if tab.Verdict != c.want || tab.FindingsTotal != c.found || tab.Rows.Source == nil || *tab.Rows.Source != 5000 {
					t.Errorf("%s: %s with %d findings, want %s with %d: %q %q", name, tab.Verdict, tab.FindingsTotal, c.want, c.found, tab.Error, res.Reasons)
				}
			}
			if tab := table(res, "public.churned"); tab.Verdict == checker.Mismatch {
				t.Errorf("churned, of which no value changed: %+v", tab)
			}
			log, err := os.ReadFile(standby.LogFile())
			if err != nil {
				t.Fatal(err)
			}
			if ours := strings.Count(string(log), mark); ours == 0 {
				t.Error("no statement of the run was cancelled: this shows nothing")
			} else {
				t.Logf("%d statements were cancelled; churned: %s", ours, table(res, "public.churned").Verdict)
			}
			conn := connect(t, read)
			eventually(t, "the standby counts the conflicts", func() bool {
				return queryInt(t, conn, `SELECT confl_snapshot + confl_lock FROM pg_stat_database_conflicts WHERE datname = current_database()`) > 0
			})
		})
	}
}

// TestStandbyThatHangsUp: a standby's replay may end a connection, and what it
// said of that does not always arrive. The reading is made again, wherever in
// the run it happens.
func TestStandbyThatHangsUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	primary := pgcluster.SharedWith(t, "primary 15", pgcluster.Options{Major: 15, Settings: map[string]string{"wal_level": "replica", "autovacuum": "off"}})
	source, written := pgcluster.Shared(t, 18).TestDB(t, smallWorld...), primary.TestDB(t, smallWorld...)
	standby := newStandby(t, primary)
	urls := [2]string{source, strings.Replace(written, fmt.Sprint(":", primary.Port(), "/"), fmt.Sprint(":", standby.Port(), "/"), 1)}
	still := func(o *checker.Options) { o.Replication = fence.KindStill } // what comes to the standby is not the source's
	clean := attemptRun(t, t.Context(), urls, [2]cut{}, hashing.Auto, still)
	if clean.err != nil || clean.result.Verdict != checker.Match {
		t.Fatalf("without a cut: %v, %+v", clean.err, clean.result)
	}
	messages := len(clean.proxy[1].sizes)
	for i := range 12 {
		c := cut{how: []how{hangUp, reset}[i%2], message: messages * i / 12}
		got := attemptRun(t, t.Context(), urls, [2]cut{{}, c}, hashing.Auto, still)
		switch {
		case !got.proxy[1].hasStruck():
			t.Errorf("cut %+v of %d messages did not happen", c, messages)
		case got.err != nil && !strings.Contains(got.err.Error(), "connect"):
			t.Errorf("cut %+v of %d messages: %v", c, messages, got.err)
		case got.err == nil && got.result.Verdict != checker.Match:
			t.Errorf("cut %+v of %d messages: %s: %q", c, messages, got.result.Verdict, got.result.Reasons)
		}
	}
}
