package probe_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/probe"
)

// TestRefused: a table that is not clearly meant for it is not written into,
// and what to type is told.
func TestRefused(t *testing.T) {
	t.Parallel()
	both := []string{
		`CREATE ROLE probe_reader LOGIN PASSWORD 'x'`,
		scratch,
		`CREATE TABLE keyless (id bigint, note text)`,
		`CREATE TABLE twokeys (a int, b int, note text, PRIMARY KEY (a, b))`,
		`CREATE TABLE smallkey (id smallint PRIMARY KEY, note text)`,
		`CREATE TABLE shortkey (id varchar(20) PRIMARY KEY, note text)`,
		`CREATE TABLE keyonly (id bigint PRIMARY KEY, flag bool, total numeric)`,
		`CREATE TABLE wants (id bigint PRIMARY KEY, note text, "who $" int NOT NULL)`,
		`CREATE TABLE child (id bigint PRIMARY KEY, note text, up bigint REFERENCES child)`,
		`CREATE UNLOGGED TABLE unlogged (id bigint PRIMARY KEY, note text)`,
		`CREATE TABLE parts (id bigint PRIMARY KEY, note text) PARTITION BY HASH (id)`,
		`CREATE VIEW seen AS SELECT * FROM scratch`,
		`CREATE TABLE full_up (id bigint PRIMARY KEY, note text); INSERT INTO full_up SELECT generate_series(1, 1001)`,
		`CREATE TABLE nearly (id bigint PRIMARY KEY, note text); INSERT INTO nearly SELECT generate_series(1, 1000)`,
		`CREATE TABLE hidden (id bigint PRIMARY KEY, note text); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY`,
		`GRANT SELECT ON ALL TABLES IN SCHEMA public TO probe_reader`,
		`CREATE SCHEMA closed; CREATE TABLE closed.scratch (id bigint PRIMARY KEY, note text)`,
		`CREATE SCHEMA "a.b"; CREATE TABLE "a.b".c (id bigint PRIMARY KEY, note text)`,
		`CREATE SCHEMA a; CREATE TABLE a."b.c" (id bigint PRIMARY KEY, note text)`,
	}
	for _, major := range []int{15, 18} {
		c := pgcluster.Shared(t, major)
		t.Cleanup(func() { // after the databases in which it has privileges
			if err := c.Exec(context.Background(), "postgres", "DROP ROLE probe_reader"); err != nil {
				t.Error(err)
			}
		})
	}
	p := newPair(t, pgcluster.Shared(t, 15), pgcluster.Shared(t, 18), both...)
	p.source.exec(t, `CREATE TABLE lonely (id bigint PRIMARY KEY, note text)`, `CREATE TABLE other (id bigint PRIMARY KEY, note text)`)
	p.target.exec(t, `CREATE TABLE other (id bigint PRIMARY KEY, note varchar(80))`, `GRANT INSERT, DELETE ON scratch TO probe_reader`)
	reader := &pair{
		&end{db: openDB(t, postgres.Source, p.source.cluster.UserURL("probe_reader", "x", p.source.name))},
		&end{db: openDB(t, postgres.Target, p.target.cluster.UserURL("probe_reader", "x", p.target.name))},
	}
	const make = "make one for this on both sides: CREATE TABLE "
	for name, c := range map[string]struct {
		pair      *pair
		table     string
		direction probe.Direction
		want      string
	}{
		"no schema":      {p, "scratch", "", "give it with its schema"},
		"missing":        {p, "public.nothere", "", "source: there is no table public.nothere: " + make + "public.nothere (id bigint PRIMARY KEY, note text)"},
		"on one side":    {p, "public.lonely", "", "target: there is no table public.lonely: " + make},
		"other columns":  {p, "public.other", "", "public.other has not the same columns on both sides: (id bigint primary key, note text) on the source, (id bigint primary key, note character varying(80)) on the target"},
		"no key":         {p, "public.keyless", "", "source: public.keyless has no primary key: " + make},
		"two keys":       {p, "public.twokeys", "", "has a primary key of 2 columns"},
		"small key":      {p, "public.smallkey", "", "has a key of type smallint, and bigint, integer, uuid or text is needed"},
		"short key":      {p, "public.shortkey", "", "has a key of type character varying(20)"},
		"nothing else":   {p, "public.keyonly", "", "has no column beside its key that can be updated"},
		"NOT NULL":       {p, "public.wants", "", `has a column "who $" that is NOT NULL and has no default`},
		"foreign key":    {p, "public.child", "", "has foreign keys: is this a scratch table?"},
		"unlogged":       {p, "public.unlogged", "", "ALTER TABLE public.unlogged SET LOGGED"},
		"partitioned":    {p, "public.parts", "", "is a partitioned table"},
		"view":           {p, "public.seen", "", "is a view"},
		"full":           {p, "public.full_up", "", "holds more than 1000 rows: is this a scratch table?"},
		"ambiguous":      {p, "a.b.c", "", `a.b.c may be any of a."b.c", "a.b".c: quote it as here`},
		"row security":   {reader, "public.hidden", "", "ALTER TABLE public.hidden DISABLE ROW LEVEL SECURITY"},
		"schema":         {reader, "closed.scratch", "", "GRANT USAGE ON SCHEMA closed TO probe_reader"},
		"privileges":     {reader, "public.scratch", "", "source: public.scratch needs INSERT, UPDATE, DELETE, which role probe_reader has not: GRANT INSERT, UPDATE, DELETE ON TABLE public.scratch TO probe_reader"},
		"only looked at": {reader, "public.scratch", probe.Reverse, "source: public.scratch needs DELETE, which"},
		"same database":  {&pair{p.source, p.source}, "public.scratch", "", "source and target are the same database"},
	} {
		o := probe.Options{Table: c.table, Direction: c.direction, Timeout: time.Second, Rounds: 1}
		if o.Direction == "" {
			o.Direction = probe.Both
		}
		res, err := probe.Run(t.Context(), c.pair.source.db, c.pair.target.db, o)
		if err == nil || res != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
	for _, e := range []*end{p.source, p.target} {
		if n := e.ask(t, "SELECT (SELECT count(*) FROM scratch) + (SELECT count(*) FROM full_up) + (SELECT count(*) FROM wants)"); n != "1001" {
			t.Errorf("%s: %s rows, want the 1001 that were there: something was written", e.db.Side(), n)
		}
	}
	// 1000 rows may be there, and stay there.
	r := run(t, t.Context(), p, probe.Options{Table: "public.nearly", Direction: probe.Forward, Timeout: 100 * time.Millisecond})
	check(t, r, probe.VerdictMismatch, "source insert not_seen, source update unproven, source delete unproven")
	for _, e := range []*end{p.source, p.target} {
		if n := e.ask(t, "SELECT count(*) FROM nearly"); n != "1000" {
			t.Errorf("%s: %s of 1000 rows are there", e.db.Side(), n)
		}
	}
}

// TestStandby: a physical standby shows what its primary does; into it nothing
// is written.
func TestStandby(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped under -short: takes a cluster of its own")
	}
	primary := pgcluster.Shared(t, 15)
	standby, err := primary.Standby(t.Context(), nil)
	if errors.Is(err, pgcluster.ErrUnavailable) {
		t.Skipf("skipped: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Stop(context.Background()) })
	source := open(t, postgres.Source, primary, scratch)
	until(t, "the standby has the table", func() bool {
		return standby.Exec(t.Context(), source.name, "SELECT FROM scratch") == nil
	})
	p := &pair{source, &end{cluster: standby, name: source.name, db: openDB(t, postgres.Target, standby.URL(source.name))}}
	r := run(t, t.Context(), p, probe.Options{Direction: probe.Forward, Timeout: 10 * time.Second})
	check(t, r, probe.VerdictMatch, forwardSeen)
	clean(t, r, p.source)
	_, err = probe.Run(t.Context(), p.source.db, p.target.db, probe.Options{Table: "public.scratch", Direction: probe.Both, Timeout: time.Second, Rounds: 1})
	if err == nil || err.Error() != "target: is a standby, nothing can be written there: give --direction forward, or its primary" {
		t.Error(err)
	}
}
