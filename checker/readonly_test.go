package checker_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// quiet is a cluster in which nothing writes but its clients: no autovacuum,
// and no records for standbys. Its WAL position then stands still exactly as
// long as nobody writes.
func quiet(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	return pgcluster.SharedWith(t, "quiet "+strconv.Itoa(major), pgcluster.Options{Major: major, Settings: map[string]string{
		"autovacuum": "off", "wal_level": "minimal", "max_wal_senders": "0", "max_replication_slots": "0",
	}})
}

// footprints is what any write to a cluster would change: its WAL position and
// next transaction, the catalogs of the database, and the server's own counts.
func footprints(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	return queryText(t, conn, `SELECT concat_ws(' ', pg_current_wal_insert_lsn(), txid_snapshot_xmax(txid_current_snapshot()),
  (SELECT concat_ws('/', count(*), max(xmin::text::int8)) FROM pg_class),
  (SELECT concat_ws('/', count(*), max(xmin::text::int8)) FROM pg_proc),
  (SELECT concat_ws('/', count(*), max(xmin::text::int8)) FROM pg_type),
  (SELECT concat_ws('/', count(*), max(xmin::text::int8), string_agg(nspname, ',' ORDER BY nspname)) FROM pg_namespace),
  (SELECT concat_ws('/', count(*), max(xmin::text::int8)) FROM pg_statistic),
  (SELECT temp_files FROM pg_stat_database WHERE datname = current_database()),
  (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_stat_user_functions), (SELECT count(*) FROM pg_replication_slots),
  (SELECT string_agg(concat_ws('/', relname, n_tup_ins, n_tup_upd, n_tup_del), ',' ORDER BY relname) FROM pg_stat_user_tables))`)
}

// restricted leaves a database's reader nothing but reading.
func restricted(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	must(t, conn,
		`DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC; GRANT CONNECT ON DATABASE %I TO reader', current_database(), current_database()); END $$`,
		`REVOKE ALL ON SCHEMA public FROM PUBLIC`, `GRANT USAGE ON SCHEMA public TO reader`,
		`GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader`, `GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader`)
}

// TestReadsOnly: a role that may do nothing but read gets its verdict, and the
// servers are afterwards as they were before, to the byte of their WAL. So are
// those that allow no writing transaction at all.
func TestReadsOnly(t *testing.T) {
	for _, major := range []int{10, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			if testing.Short() && major != 18 {
				t.Skip("skipped: a cluster of its own; run without -short")
			}
			t.Parallel()
			server := quiet(t, major)
			readers(t, server)
			world := []string{
				`CREATE TABLE ordered (id serial PRIMARY KEY, note text); INSERT INTO ordered (note) SELECT 'n' || g FROM generate_series(1, 2000) g`,
				`CREATE TABLE swept (id text PRIMARY KEY, total numeric); INSERT INTO swept SELECT 'k' || g, g * 1.5 FROM generate_series(1, 2000) g`,
				`CREATE TABLE keyless (a int, b text); INSERT INTO keyless SELECT g % 5, 'b' FROM generate_series(1, 2000) g`,
			}
			source, equal := server.TestDB(t, world...), server.TestDB(t, world...)
			damaged := server.TestDB(t, append(world, `UPDATE ordered SET note = '' WHERE id = 7; DELETE FROM swept WHERE id = 'k9'; INSERT INTO keyless VALUES (6)`)...)
			conns := map[string]*pgx.Conn{}
			for _, u := range []string{source, equal, damaged} {
				conns[u] = connect(t, u)
				restricted(t, conns[u])
				name, _ := url.Parse(u)
				must(t, conns[u], `ALTER DATABASE `+pgx.Identifier{strings.TrimPrefix(name.Path, "/")}.Sanitize()+` SET default_transaction_read_only = on`, `VACUUM FREEZE ANALYZE`, `CHECKPOINT`)
			}
			for _, c := range []struct {
				target string
				want   checker.Verdict
			}{{equal, checker.Match}, {damaged, checker.Mismatch}} {
				o := defaults()
				o.ShowValues, o.ChunkRows = true, 500
				// Whoever reads a page first after a change prunes it and sets its
				// hint bits. That is done here, once.
				verify(t, as(server, "reader", source), as(server, "reader", c.target), o)
				var before [2]string
				eventually(t, "the servers are quiet", func() bool {
					was := before
					for i, u := range []string{source, c.target} {
						before[i] = footprints(t, conns[u])
					}
					return before == was
				})
				res := verify(t, as(server, "reader", source), as(server, "reader", c.target), o)
				if res.Verdict != c.want || len(res.Coverage.Skipped) > 0 {
					t.Errorf("%s, want %s: %q", res.Verdict, c.want, res.Reasons)
				}
				for i, u := range []string{source, c.target} {
					if after := footprints(t, conns[u]); after != before[i] {
						t.Errorf("the run left a trace:\nbefore %s\nafter  %s", before[i], after)
					}
				}
			}
			// The footprints do tell.
			before := footprints(t, conns[source])
			must(t, conns[source], `BEGIN READ WRITE; CREATE TEMP TABLE scratch (a int); COMMIT`)
			if footprints(t, conns[source]) == before {
				t.Error("a temporary table leaves no footprint: this test cannot fail")
			}
		})
	}
}
