package cutover

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// downtimeLabel is how the probe's table says which side it is on.
func downtimeLabel(side string) string { return "pgparity downtime probe: " + side }

// labelledSide tells the side of a label.
func labelledSide(text string) string {
	for _, side := range []string{onSource, onTarget} {
		if text == downtimeLabel(side) {
			return side
		}
	}
	return elsewhere
}

// The table that the probe writes to. Its rows may be carried to the other side or
// not: no two rows of a switch have one number.
const createDowntime = `CREATE TABLE pgparity.downtime (run text, n bigint, at timestamptz DEFAULT pg_catalog.clock_timestamp(), PRIMARY KEY (run, n))`

// downtimeState is what is there of what the probe needs on a side.
type downtimeState struct {
	schema, table, role bool
	label               string
	allowed             bool // the role may write and read the table, or will: it owns it, or is a superuser
}

// prepareDowntime makes what the probe writes to, on an end; both have to be
// prepared before the probe starts, since a publication of all tables carries its
// rows. It asks the application's connection for its role, which has to be on both
// sides.
func (r *run) prepareDowntime(ctx context.Context, e *end) error {
	if r.o.Application == "" {
		return nil
	}
	role, err := r.applicationRole(ctx)
	if err != nil {
		return err
	}
	is, err := r.preparedDowntime(ctx, e, role)
	if err != nil {
		return err
	}
	if !is.role {
		return fmt.Errorf("%s: there is no role %s, as which the application connects: create it there, as on the other side", e.name, postgres.Ident(role))
	}
	for _, step := range []struct {
		needed             bool
		id, why, statement string
	}{
		{!is.schema, "downtime-schema", "holds what the switch writes", `CREATE SCHEMA IF NOT EXISTS pgparity`},
		{!is.table, "downtime-table", "what the downtime probe writes to", createDowntime},
		{is.label != downtimeLabel(e.name), "downtime-label", "tells the probe which side it has reached", "COMMENT ON TABLE pgparity.downtime IS " + postgres.Literal(downtimeLabel(e.name))},
		{!is.allowed, "downtime-grant", "the probe connects as the application does", fmt.Sprintf("GRANT USAGE ON SCHEMA pgparity TO %s; GRANT INSERT, SELECT ON pgparity.downtime TO %[1]s", postgres.Ident(role))},
	} {
		if !step.needed {
			continue
		}
		if err := r.sql(ctx, e, step.id, step.why, step.statement); err != nil {
			return err
		}
	}
	return nil
}

// applicationRole asks the application's connection as whom it is connected: a
// pooler may say another than its connection string.
func (r *run) applicationRole(ctx context.Context) (string, error) {
	connecting, cancel := context.WithTimeout(ctx, beatFirst)
	defer cancel()
	c, err := postgres.OpenControl(connecting, postgres.Options{Side: applicationEnd, URL: r.o.Application, Run: r.id, Application: application(r.id), AsClient: true, Pooled: true})
	if err != nil {
		return "", err
	}
	defer c.Close()
	return text(connecting, c, "downtime-role", `SELECT current_user`)
}

func (r *run) preparedDowntime(ctx context.Context, e *end, role string) (downtimeState, error) {
	list, err := rows(ctx, e.control, "downtime", `SELECT n.oid IS NOT NULL, c.oid IS NOT NULL, coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), ''), r.oid IS NOT NULL,
  coalesce(r.rolsuper OR r.rolname = current_user
  OR pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AND pg_catalog.has_table_privilege(r.oid, c.oid, 'INSERT') AND pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT'), false)
FROM (SELECT $1::pg_catalog.text AS role) a
LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'pgparity'
LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = 'downtime'
LEFT JOIN pg_catalog.pg_roles r ON r.rolname = a.role`, func(r postgres.Row) downtimeState {
		return downtimeState{schema: r.Bool(0), table: r.Bool(1), label: r.Text(2), role: r.Bool(3), allowed: r.Bool(4)}
	}, role)
	if err != nil {
		return downtimeState{}, err
	}
	return list[0], nil
}
