package demo

import (
	"context"
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// The shop's SQL.
var (
	//go:embed schema.sql
	schemaSQL string
	//go:embed rows.sql
	rowsSQL string
	//go:embed rows_more.sql
	rowsMoreSQL string
	//go:embed traffic.sql
	trafficSQL string
	//go:embed sequences.sql
	sequencesSQL string
)

// What the shop holds once the traffic is over.
const (
	shopDB     = "shop"
	shopTables = 11
	shopRows   = 405_942
)

// iCollation is a collation that sorts as people do. Where a server was built
// without ICU the database's own stands in.
const iCollation = "en-x-icu"

// buildShop makes both databases from the same statements, and the source's
// rows.
func (d *demo) buildShop(ctx context.Context) error {
	d.say.step("Building a shop on the source: 11 tables, 400,000 rows")
	err := both(ctx,
		func(ctx context.Context) error { return d.source.CreateDatabase(ctx, shopDB) },
		func(ctx context.Context) error { return d.target.CreateDatabase(ctx, shopDB) })
	if err != nil {
		return err
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	schema, err := d.schema(ctx)
	if err != nil {
		return err
	}
	err = both(ctx,
		func(ctx context.Context) error { return d.source.Exec(ctx, shopDB, schema) },
		func(ctx context.Context) error { return d.target.Exec(ctx, shopDB, schema) })
	if err != nil {
		return err
	}
	err = both(ctx,
		func(ctx context.Context) error { return d.source.Exec(ctx, shopDB, rowsSQL) },
		func(ctx context.Context) error { return d.source.Exec(ctx, shopDB, rowsMoreSQL) })
	if err != nil {
		return err
	}
	d.say.done()
	return nil
}

// connect opens both sides, as verify does.
func (d *demo) connect(ctx context.Context) (err error) {
	open := func(side postgres.Side, url string) (*postgres.DB, error) {
		return postgres.Open(ctx, postgres.Options{Side: side, URL: url, MaxConns: d.o.Check.Concurrency + 1,
			StatementTimeout: time.Minute, Run: "demo"})
	}
	if d.from, err = open(postgres.Source, d.source.URL(shopDB)); err != nil {
		return err
	}
	d.to, err = open(postgres.Target, d.target.URL(shopDB))
	return err
}

// schema is the shop's DDL, with a collation that both servers have.
func (d *demo) schema(ctx context.Context) (string, error) {
	collation := iCollation
	for _, db := range []*postgres.DB{d.from, d.to} {
		found, err := ask(ctx, db, `SELECT EXISTS (SELECT FROM pg_catalog.pg_collation WHERE collname = $1)`, iCollation)
		if err != nil {
			return "", err
		}
		if found != "t" {
			collation = "default"
		}
	}
	return strings.ReplaceAll(schemaSQL, "{{collation}}", postgres.Ident(collation)), nil
}

// ask reads one value.
func ask(ctx context.Context, db *postgres.DB, sql string, args ...string) (string, error) {
	answer := ""
	err := db.Read(ctx, "demo", func(ctx context.Context, s *postgres.Session) error {
		return s.Each(ctx, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
			answer = r.Text(0)
			return nil
		})
	})
	return answer, err
}

// poll asks again and again until the answer is yes. what completes the
// sentence of the error: "the target has not …".
func poll(ctx context.Context, patience time.Duration, what string, yes func(context.Context) (bool, error)) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := yes(ctx)
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline.C:
			return fmt.Errorf("the target has not %s after %s: the machine may be busy; run the demo again", what, patience)
		case <-tick.C:
		}
	}
}
