package pgcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The clusters that the tests of one process share.
var shared = struct {
	sync.Mutex
	byKey map[string]*sharedCluster
}{byKey: map[string]*sharedCluster{}}

type sharedCluster struct {
	sync.Mutex // held while it starts
	options    Options
	cluster    *Cluster
	err        error
}

// startPatience bounds the start of a shared cluster, a download included.
const startPatience = 5 * time.Minute

// Shared returns the test process's cluster of a major version (0 = the newest
// at hand), started at the first call. Where the version can't be had the test
// is skipped with the reason, and fails where CI=true. Main stops it.
func Shared(tb testing.TB, major int) *Cluster {
	tb.Helper()
	return SharedWith(tb, "major "+strconv.Itoa(major), Options{Major: major})
}

// SharedWith is Shared with own options. All callers of a key get the same
// cluster; the first one's options count.
func SharedWith(tb testing.TB, key string, o Options) *Cluster {
	tb.Helper()
	shared.Lock()
	s := shared.byKey[key]
	if s == nil {
		o.InMemory = o.InMemory || os.Getenv("TMPDIR") == ""
		s = &sharedCluster{options: o}
		shared.byKey[key] = s
	}
	shared.Unlock()
	c, err := s.get()
	switch {
	case err == nil:
		return c
	case errors.Is(err, ErrUnavailable) && os.Getenv("CI") != "true":
		tb.Skipf("skipped: %v", err)
	default:
		tb.Fatal(err)
	}
	return nil
}

// get starts the cluster once; a failure is remembered too, so that a hundred
// tests don't each wait for it.
func (s *sharedCluster) get() (*Cluster, error) {
	s.Lock()
	defer s.Unlock()
	if s.cluster == nil && s.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startPatience)
		defer cancel()
		s.cluster, s.err = Start(ctx, s.options)
	}
	return s.cluster, s.err
}

// Main runs the tests of a package, stops the clusters they shared and exits:
//
//	func TestMain(m *testing.M) { pgcluster.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	if err := StopShared(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// StopShared stops the shared clusters, for a TestMain of one's own.
func StopShared(ctx context.Context) error {
	shared.Lock()
	all := shared.byKey
	shared.byKey = map[string]*sharedCluster{}
	shared.Unlock()
	var wg sync.WaitGroup
	errs := make(chan error, len(all))
	for _, s := range all {
		wg.Go(func() {
			s.Lock()
			defer s.Unlock()
			if s.cluster != nil {
				errs <- s.cluster.Stop(ctx)
			}
		})
	}
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

var testDBs atomic.Int64

// TestDB creates an empty database, runs statements in it (each as Exec does)
// and returns its superuser URL. It is dropped at the end of the test, with its
// sessions, subscriptions and logical slots.
func (c *Cluster) TestDB(tb testing.TB, sql ...string) string {
	tb.Helper()
	name := testDBName(tb.Name())
	ctx := tb.Context()
	if err := c.CreateDatabase(ctx, name, c.cheapCopy()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if c.PID() == 0 {
			return // the test stopped or killed the cluster
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.DropDatabase(ctx, name); err != nil {
			tb.Logf("drop test database: %v", err)
		}
	})
	if err := c.Exec(ctx, name, sql...); err != nil {
		tb.Fatal(err)
	}
	return c.URL(name)
}

// cheapCopy is how test databases are made: from template0, in which nobody can
// be, so that they can be made side by side; and by copying files, which from 15
// on has to be asked for, and takes a fifth of the default's time.
func (c *Cluster) cheapCopy() string {
	if c.Major() >= 15 {
		return "TEMPLATE template0 STRATEGY file_copy"
	}
	return "TEMPLATE template0"
}

// testDBName is unique in the process and tells which test it belongs to.
func testDBName(test string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(test) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	name := b.String()
	if len(name) > 40 {
		name = name[:40]
	}
	return "t" + strconv.FormatInt(testDBs.Add(1), 10) + "_" + name
}
