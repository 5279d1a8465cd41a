package demo

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// replicationPatience bounds each wait for the target.
const replicationPatience = 3 * time.Minute

// subscription names the subscription and its slot; the publication shares it.
const subscription = "pgparity_demo"

// replicate copies the shop to the target by native logical replication, lets
// the shop trade on, and waits until the target has applied all of it.
func (d *demo) replicate(ctx context.Context) error {
	d.say.step("Replicating it to the target, by logical replication")
	publish := "CREATE PUBLICATION " + subscription + " FOR ALL TABLES WITH (publish_via_partition_root = true)"
	if err := d.source.Exec(ctx, shopDB, publish); err != nil {
		return err
	}
	subscribe := "CREATE SUBSCRIPTION " + subscription + " CONNECTION " + postgres.Literal(d.source.URL(shopDB)) + " PUBLICATION " + subscription
	if err := d.target.Exec(ctx, shopDB, subscribe); err != nil {
		return err
	}
	if err := poll(ctx, replicationPatience, "copied all tables", d.copied); err != nil {
		return err
	}
	d.say.progress("the shop trades on")
	if err := d.source.Exec(ctx, shopDB, trafficSQL); err != nil {
		return err
	}
	if err := d.waitApplied(ctx); err != nil {
		return err
	}
	// The statistics tell verify how to cut the tables.
	err := both(ctx,
		func(ctx context.Context) error { return d.source.Exec(ctx, shopDB, "ANALYZE") },
		func(ctx context.Context) error { return d.target.Exec(ctx, shopDB, sequencesSQL, "ANALYZE") })
	if err != nil {
		return err
	}
	d.say.done()
	d.say.remark("Orders came in meanwhile; the target has applied all of them. Sequences",
		"are not replicated: set by hand, but for one that was forgotten.")
	return nil
}

// copied tells whether the initial copy of every table is done.
func (d *demo) copied(ctx context.Context) (bool, error) {
	answer, err := ask(ctx, d.to, `SELECT pg_catalog.count(*) FROM pg_catalog.pg_subscription_rel WHERE srsubstate = 'r'`)
	if err != nil {
		return false, err
	}
	ready, err := strconv.Atoi(answer)
	if err != nil {
		return false, fmt.Errorf("target: read subscription state: %w", err)
	}
	d.say.progress(fmt.Sprintf("%d of %d tables", ready, shopTables))
	return ready == shopTables, nil
}

// waitApplied waits until the target has applied all that the source has
// written by now.
func (d *demo) waitApplied(ctx context.Context) error {
	mark, err := d.from.Position(ctx)
	if err != nil {
		return err
	}
	return poll(ctx, replicationPatience, "applied everything", func(ctx context.Context) (bool, error) {
		d.say.progress("waiting for " + mark)
		answer, err := ask(ctx, d.from, `SELECT confirmed_flush_lsn OPERATOR(pg_catalog.>=) CAST($1 AS pg_catalog.pg_lsn)
FROM pg_catalog.pg_replication_slots WHERE slot_name = $2`, mark, subscription)
		return answer == "t", err
	})
}
