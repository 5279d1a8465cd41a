package checker_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Each test here is of a pair that could pass for something that it is not.

// TestOnlyTheTargetHoldsAnything: an empty source is more likely the wrong
// database than a pair that matches.
func TestOnlyTheTargetHoldsAnything(t *testing.T) {
	full := []string{`CREATE TABLE s (id int PRIMARY KEY)`, `CREATE TABLE t (id serial PRIMARY KEY)`, `INSERT INTO t VALUES (1)`}
	for name, c := range map[string]struct {
		source []string
		change func(*checker.Options)
	}{
		"an empty source":             {change: func(*checker.Options) {}},
		"the filter finds extra ones": {source: []string{`CREATE TABLE s (id int PRIMARY KEY)`}, change: tables("t")},
		"sequences alone":             {source: []string{`CREATE TABLE s (id int PRIMARY KEY)`}, change: func(o *checker.Options) { o.Checks = []string{"sequences"} }},
	} {
		t.Run(name, func(t *testing.T) {
			o := defaults()
			c.change(&o)
			res := verify(t, pgcluster.Shared(t, 15).TestDB(t, c.source...), pgcluster.Shared(t, 18).TestDB(t, full...), o)
			if res.Verdict != checker.Unproven || !contains(res.Reasons, "nothing to compare") {
				t.Errorf("%s, reasons %q; want unproven: nothing of the source was judged", res.Verdict, res.Reasons)
			}
		})
	}
}

// TestWordsThatBecameKeywords: json and system_user need quotes since 16, and
// are the same tables on both sides all the same.
func TestWordsThatBecameKeywords(t *testing.T) {
	made := []string{`CREATE TABLE "json" (id serial PRIMARY KEY, "normalize" int)`, `CREATE TABLE "system_user" (id int PRIMARY KEY)`,
		`CREATE SEQUENCE "json_array"`, `INSERT INTO "json" VALUES (1, 2)`}
	res := verify(t, pgcluster.Shared(t, 15).TestDB(t, made...), pgcluster.Shared(t, 18).TestDB(t, made...), defaults())
	if res.Verdict != checker.Match || len(res.Tables) != 2 || len(res.Sequences) != 2 || len(res.Schema) != 0 {
		t.Errorf("%s with %d tables, %d sequences, reasons %q", res.Verdict, len(res.Tables), len(res.Sequences), res.Reasons)
	}
}

// TestNotNullThatWasNeverValidated: since 18 a column may be marked NOT NULL
// and hold nulls. Ranges of such a key would leave those rows out.
func TestNotNullThatWasNeverValidated(t *testing.T) {
	server := pgcluster.Shared(t, 18)
	source := server.TestDB(t, `CREATE TABLE t (k int, v text)`, `CREATE UNIQUE INDEX ON t (k)`,
		`INSERT INTO t SELECT g, 'kept' FROM generate_series(1, 500) g`, `INSERT INTO t SELECT NULL, 'lost' FROM generate_series(1, 7)`,
		`ALTER TABLE t ADD CONSTRAINT filled NOT NULL k NOT VALID`, `ANALYZE t`)
	target := server.TestDB(t, `CREATE TABLE t (k int NOT NULL, v text)`, `CREATE UNIQUE INDEX ON t (k)`,
		`INSERT INTO t SELECT g, 'kept' FROM generate_series(1, 500) g`, `ANALYZE t`)
	o := defaults()
	o.ChunkRows = 100
	res := verify(t, source, target, o)
	if res.Verdict != checker.Mismatch || *table(res, "public.t").Rows.Source != 507 {
		t.Errorf("%s, %+v", res.Verdict, table(res, "public.t"))
	}
}

// TestBytesOfOtherEncodings: text in byte order lies in another order in
// another encoding, where ranges would overlap.
func TestBytesOfOtherEncodings(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: two clusters of its own; hashing compares other encodings; run without -short")
	}
	made := []string{`CREATE TABLE t (k text PRIMARY KEY)`,
		// The lower-case Cyrillic letters, in ASCII.
		`INSERT INTO t SELECT substr(convert_from(decode(string_agg(CASE WHEN c < 1088 THEN 'd0' || to_hex(c - 896) ELSE 'd1' || to_hex(c - 960) END, '' ORDER BY c), 'hex'), 'UTF8'), 1 + n % 32, 1) || n
  FROM generate_series(1072, 1103) c, generate_series(1, 2000) n GROUP BY n`, `ANALYZE t`}
	koi := pgcluster.SharedWith(t, "koi8r", pgcluster.Options{Major: 15, InitdbArgs: []string{"--encoding=KOI8R", "--locale=C"}})
	utf := pgcluster.SharedWith(t, "utf8 in C", pgcluster.Options{Major: 15, InitdbArgs: []string{"--encoding=UTF8", "--locale=C"}})
	o := defaults()
	o.ChunkRows = 100
	res := verify(t, koi.TestDB(t, made...), utf.TestDB(t, made...), o)
	if tab := table(res, "public.t"); res.Verdict != checker.Match || tab.Rows.Target == nil || *tab.Rows.Target != 2000 {
		t.Errorf("%s, reasons %q, %+v", res.Verdict, res.Reasons, tab)
	}
}

// TestCommitOfAnEarlierTransaction: what began before the run and commits
// within leaves the next transaction id alone, and is a write all the same.
func TestCommitOfAnEarlierTransaction(t *testing.T) {
	made := []string{`CREATE TABLE t (id int PRIMARY KEY)`, `INSERT INTO t SELECT generate_series(1, 100)`}
	c, err := pgcluster.Start(t.Context(), pgcluster.Options{Major: 15, InMemory: true}) // nobody else writes in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop(context.WithoutCancel(t.Context())) })
	source := c.TestDB(t, made...)
	early := connect(t, source)
	must(t, early, `BEGIN`, `INSERT INTO t VALUES (1000)`)
	must(t, connect(t, source), `CREATE TABLE later ()`, `DROP TABLE later`)
	o := defaults()
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.RunPlanned {
			must(t, early, `COMMIT`)
		}
	}
	res := verify(t, source, pgcluster.Shared(t, 18).TestDB(t, made...), o)
	if !contains(res.Notes, "the source's cluster ran write transactions") {
		t.Errorf("%s, notes %q", res.Verdict, res.Notes)
	}
}

// TestCreatedMeanwhile: a table that came after the planning was not compared.
func TestCreatedMeanwhile(t *testing.T) {
	source, target := pgcluster.Shared(t, 15).TestDB(t, twoTables[:2]...), pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...)
	o := defaults()
	o.OnEvent = func(e checker.Event) {
		if e.Kind == checker.RunPlanned {
			must(t, connect(t, source), `CREATE TABLE newborn (id int PRIMARY KEY)`)
		}
	}
	res := verify(t, source, target, o)
	if res.Verdict != checker.Unproven || !contains(res.Reasons, "public.newborn: it was created") || len(res.Coverage.Skipped) != 1 {
		t.Errorf("%s, reasons %q, skipped %v", res.Verdict, res.Reasons, res.Coverage.Skipped)
	}
}

// TestLargeObjectsAreNotCompared, and the report says so.
func TestLargeObjectsAreNotCompared(t *testing.T) {
	source := pgcluster.Shared(t, 15).TestDB(t, append(twoTables[:2:2], `SELECT lo_from_bytea(0, 'x')`)...)
	res := verify(t, source, pgcluster.Shared(t, 18).TestDB(t, twoTables[:2]...), defaults())
	if len(res.Coverage.Excluded) != 1 || res.Coverage.Excluded[0].Reason != "large objects are not compared" {
		t.Errorf("excluded %v", res.Coverage.Excluded)
	}
}

// TestPartitionsThatTheFilterAlonePicks: they are compared through a root that
// the filter leaves out, and so not at all.
func TestPartitionsThatTheFilterAlonePicks(t *testing.T) {
	made := []string{`CREATE TABLE other (id int PRIMARY KEY)`, `CREATE TABLE o (id int PRIMARY KEY) PARTITION BY RANGE (id)`,
		`CREATE TABLE o_1 PARTITION OF o FOR VALUES FROM (0) TO (100)`}
	o := defaults()
	o.Pairing.Filter = pairing.Filter{Tables: []string{"other", "o_*"}}
	res := verify(t, pgcluster.Shared(t, 15).TestDB(t, append(made, `INSERT INTO o VALUES (1)`)...), pgcluster.Shared(t, 18).TestDB(t, made...), o)
	if res.Verdict != checker.Unproven || !contains(res.Reasons, `no table matched "o_*"`) || len(res.Coverage.Excluded) != 1 {
		t.Errorf("%s, reasons %q, excluded %v", res.Verdict, res.Reasons, res.Coverage.Excluded)
	}
}

// TestImagesAreLookedUpTogether: without a key each lookup reads the whole
// table, so that small batches would take time that grows with the square.
func TestImagesAreLookedUpTogether(t *testing.T) {
	const made = `CREATE TABLE t (id int, v text)`
	source := pgcluster.Shared(t, 18).TestDB(t, made, `INSERT INTO t SELECT g, g FROM generate_series(1, 5000) g`, `ANALYZE t`)
	db, err := postgres.Open(t.Context(), postgres.Options{Side: postgres.Source, URL: source, MaxConns: 3, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	watch := connect(t, source)
	before := queryInt(t, watch, `SELECT seq_scan FROM pg_stat_user_tables`)
	res, err := checker.Run(t.Context(), db, open(t, postgres.Target, pgcluster.Shared(t, 15).TestDB(t, made)), defaults())
	db.Close()
	if err != nil || res.Verdict != checker.Mismatch || table(res, "public.t").FindingsTotal != 5000 {
		t.Fatalf("%v, %+v", err, res)
	}
	eventually(t, "the run's sessions end", func() bool {
		return queryInt(t, watch, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'`) == 1
	})
	if scans := queryInt(t, watch, `SELECT seq_scan FROM pg_stat_user_tables`) - before; scans > 8 {
		t.Errorf("the table was read %d times", scans)
	}
}

// TestAnAddressOfTwoServers: what is read from two servers in turn proves
// nothing of either.
func TestAnAddressOfTwoServers(t *testing.T) {
	first := pgcluster.Shared(t, 15)
	u, _ := url.Parse(first.TestDB(t))
	other := pgcluster.Shared(t, 18)
	name := strings.TrimPrefix(u.Path, "/")
	if err := other.CreateDatabase(t.Context(), name, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.DropDatabase(context.WithoutCancel(t.Context()), name) })
	firstAddress := u.Host
	otherURL, _ := url.Parse(other.URL(name))
	way := newSwitch(t, firstAddress)
	u.Host = way.listener.Addr().String()
	db := open(t, postgres.Source, u.String())
	if _, err := db.Position(t.Context()); err != nil {
		t.Fatal(err)
	}
	way.to(otherURL.Host)
	var err error
	eventually(t, "the second server is refused", func() bool {
		_, err = db.Position(t.Context())
		return err != nil && strings.Contains(err.Error(), "another server answers there")
	})
}

// switched is an address that leads to one server, and later to another.
type switched struct {
	listener net.Listener
	mu       sync.Mutex
	address  string
	open     []net.Conn
}

func newSwitch(t *testing.T, address string) *switched {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &switched{listener: l, address: address}
	var wg sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); s.to(""); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			out, err := net.DialTimeout("tcp4", s.address, 5*time.Second)
			if err != nil {
				_ = in.Close()
				s.mu.Unlock()
				continue
			}
			s.open = append(s.open, in, out)
			s.mu.Unlock()
			for _, pipe := range [][2]net.Conn{{in, out}, {out, in}} {
				wg.Go(func() { _, _ = io.Copy(pipe[0], pipe[1]); _ = pipe[0].Close() })
			}
		}
	})
	return s
}

// to cuts what is open and leads elsewhere from now on.
func (s *switched) to(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address = address
	for _, c := range s.open {
		_ = c.Close()
	}
	s.open = nil
}
