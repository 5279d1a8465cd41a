package hashing

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// BenchmarkSums measures the digest of a whole table on one server against
// what bounds it: reading the rows out (COPY to nowhere) and just counting.
// Run it with -benchtime 5x on a machine that does nothing else.
func BenchmarkSums(b *testing.B) {
	const rows = 300_000
	db := pgcluster.Shared(b, 0).TestDB(b,
		"CREATE TABLE narrow (id int8 PRIMARY KEY, customer int4, amount numeric(12,2), created timestamptz, status text)",
		"INSERT INTO narrow SELECT g, g % 9973, (g % 1000000) / 100.0, '2024-01-01'::timestamptz + g * interval '1.000001 s', (ARRAY['paid','open','shipped','cancelled'])[1 + g % 4] FROM generate_series(1, 300000) g",
		"VACUUM ANALYZE narrow")
	p := join(b, db, db)
	perRow := func(b *testing.B) { b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row") }
	for _, way := range []Way{Pushdown, Stream} {
		d := p.digest(b, way, "public.narrow")
		b.Run(string(way), func(b *testing.B) {
			for b.Loop() {
				if p.sum(b, d, postgres.Source).Rows != rows {
					b.Fatal("rows are missing")
				}
			}
			perRow(b)
		})
	}
	conn, err := pgconn.Connect(b.Context(), db)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	for name, sql := range map[string]string{
		"copy":  "COPY narrow TO '/dev/null' (FORMAT binary)",
		"count": "SELECT count(*) FROM narrow",
		"md5":   "SELECT sum(('x' || left(md5(t::text), 16))::bit(64)::int8) FROM narrow t",
	} {
		b.Run(name, func(b *testing.B) {
			if _, err := conn.Exec(b.Context(), "SET jit = off; SET max_parallel_workers_per_gather = 0").ReadAll(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if _, err := conn.Exec(b.Context(), sql).ReadAll(); err != nil {
					b.Fatal(err)
				}
			}
			perRow(b)
		})
	}
}
