package preflight

import (
	"context"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// collationDetectors look at collations, encodings and extensions.
var collationDetectors = []Detector{
	{
		ID: "collation-version", Severity: schema.Block,
		About: "collations that sort otherwise than when the indexes, partition keys and constraints that use them were made",
		Find:  outOfVersion(collationVersion),
	},
	{
		ID: "database-collation-version", Severity: schema.Block, When: versionsNoDatabase,
		About: "a default collation that sorts otherwise than when the database was made",
		Find:  outOfVersion(databaseVersion),
	},
	{
		ID: "locale-differs", Severity: schema.Warn, AtWorst: schema.Block, Side: postgres.Target,
		About: "an encoding, a sort order or character classes that differ between the databases",
		Find:  localeDiffers,
	},
	{
		ID: "extension-outdated", Severity: schema.Warn, Side: postgres.Target,
		About: "extensions at an older version than the one that is installed on the server",
		SQL: `SELECT 'extension ' || pg_catalog.quote_ident(e.extname),
  'it stays at version ' || e.extversion || ' beside the library of version ' || a.default_version
    || ': what the new version adds is missing and what it mends stays broken until it is updated',
  'ALTER EXTENSION ' || pg_catalog.quote_ident(e.extname) || ' UPDATE'
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_available_extensions a ON a.name = e.extname AND a.default_version <> e.extversion
WHERE EXISTS (SELECT FROM pg_catalog.pg_extension_update_paths(e.extname) p
  WHERE p.source = e.extversion AND p.target = a.default_version AND p.path IS NOT NULL)`,
	},
	{
		ID: "extension-unavailable", Severity: schema.Block, Side: postgres.Target,
		About: "extensions of the source that the target's server does not have",
		Find:  extensionsUnavailable,
	},
}

// collationUses lists the indexes, partition keys and constraints that depend
// on the order of a collation, those on the database's default (100) too.
const collationUses = `own AS (
  SELECT c.oid, c.relkind, pg_catalog.quote_ident(n.nspname) AS schema, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE {{own n.nspname}} AND c.relpersistence <> 't'
), uses AS (
  SELECT u.collid, own.name || ' index ' || pg_catalog.quote_ident(x.relname) AS name, 'REINDEX INDEX ' || own.schema || '.' || pg_catalog.quote_ident(x.relname) AS rebuild
  FROM pg_catalog.pg_index i
  JOIN own ON own.oid = i.indrelid
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
  CROSS JOIN LATERAL (
    SELECT pg_catalog.unnest(i.indcollation::pg_catalog.oid[])
    UNION
    SELECT d.refobjid FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = i.indexrelid
      AND d.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass
  ) u(collid)
  UNION ALL
  SELECT DISTINCT u.collid, own.name || ' partition key', NULL
  FROM pg_catalog.pg_partitioned_table p JOIN own ON own.oid = p.partrelid
  CROSS JOIN LATERAL pg_catalog.unnest(p.partcollation::pg_catalog.oid[]) u(collid)
  UNION ALL
  SELECT d.refobjid, own.name || ' constraint ' || pg_catalog.quote_ident(k.conname), NULL
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_constraint k ON k.oid = d.objid
  JOIN own ON own.oid = k.conrelid
  WHERE d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_collation'::pg_catalog.regclass
), users AS (
  SELECT uses.collid, count(*) AS n, count(uses.rebuild) AS indexes,
    pg_catalog.array_to_string((pg_catalog.array_agg(uses.name ORDER BY uses.name))[1:5], ', ') || CASE WHEN count(*) > 5 THEN ', …' ELSE '' END AS names,
    CASE WHEN count(uses.rebuild) > 20 THEN 'REINDEX DATABASE ' || pg_catalog.quote_ident(pg_catalog.current_database())
      ELSE pg_catalog.string_agg(uses.rebuild, '; ' ORDER BY uses.rebuild) END AS rebuild
  FROM uses GROUP BY uses.collid
)`

// unsorted is the sentence, of m(old, new) and users.
const unsorted = `'texts sort otherwise than when it was recorded (version ' || m.old || ' then, ' || m.new || ' now): '
    || CASE WHEN users.indexes > 0 THEN 'lookups through indexes that were not rebuilt since miss rows, and unique ones let duplicates in'
      ELSE 'rows are looked for in partitions, or pass constraints, as they would not any more' END || ': ' || users.names`

// The statements ask for the versions of those collations alone that are used:
// the answer comes from the operating system, and there are hundreds. A version
// that was never recorded, or that the provider does not have, tells nothing.
const collationVersion = `WITH ` + collationUses + `, m AS (
  SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname) AS name, c.collversion AS old,
    pg_catalog.pg_collation_actual_version(c.oid) AS new
  FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
  WHERE c.collprovider <> 'd' AND c.collversion IS NOT NULL AND c.oid IN (SELECT users.collid FROM users)
  OFFSET 0
)
SELECT 'collation ' || m.name, ` + unsorted + `,
  users.rebuild || '; ALTER COLLATION ' || m.name || ' REFRESH VERSION'
FROM m JOIN users ON users.collid = m.oid
WHERE m.old <> m.new`

const databaseVersion = `WITH ` + collationUses + `, m AS (
  SELECT pg_catalog.quote_ident(d.datname) AS name, d.datcollversion AS old, pg_catalog.pg_database_collation_actual_version(d.oid) AS new
  FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
)
SELECT 'database ' || m.name, CASE WHEN users.collid IS NULL THEN 'each new session is warned that the default collation is of another version than the one recorded; no index of the database depends on it'
    ELSE ` + unsorted + ` END,
  coalesce(users.rebuild || '; ', '') || 'ALTER DATABASE ' || m.name || ' REFRESH COLLATION VERSION',
  CASE WHEN users.collid IS NULL THEN 'info' END
FROM m LEFT JOIN users ON users.collid = 100
WHERE m.old <> m.new`

// sorted runs a statement about collations on both sides. What it finds on the
// source is a warning: the target builds indexes of its own, and the switch
// leaves those of the source behind.
func outOfVersion(sql string) func(context.Context, *facts) ([]Hazard, error) {
	return func(ctx context.Context, f *facts) (all []Hazard, _ error) {
		d := Detector{ID: "collation versions", SQL: sql}
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if sql == databaseVersion && f.lacks(side, databaseVersions) != "" {
				continue
			}
			found, err := d.query(ctx, f, side)
			if err != nil {
				return all, err
			}
			for _, h := range found {
				h.Side = side
				if side == postgres.Source && h.Severity == "" {
					h.Severity = schema.Warn
				}
				all = append(all, h)
			}
		}
		return all, nil
	}
}

// databaseVersions are what a server has that records the version of a
// database's default collation.
var databaseVersions = []string{"pg_database.datcollversion", "pg_database_collation_actual_version()"}

func versionsNoDatabase(f *facts) string {
	if f.lacks(postgres.Source, databaseVersions) != "" && f.lacks(postgres.Target, databaseVersions) != "" {
		return "neither server records the version of a database's collation"
	}
	return ""
}

// extensionsUnavailable looks for the source's extensions among those that the
// target's server could install.
func extensionsUnavailable(ctx context.Context, f *facts) ([]Hazard, error) {
	wanted, err := queryRows(ctx, f.source, "preflight extension-unavailable", postgres.Statement{SQL: `SELECT e.extname FROM pg_catalog.pg_extension e`},
		func(r postgres.Row) string { return r.Text(0) })
	if err != nil {
		return nil, err
	}
	const sql = `SELECT 'extension ' || pg_catalog.quote_ident(w.name),
  CASE WHEN e.extname IS NULL THEN 'the target''s server does not have it: what the source''s schema builds on it cannot be made there; install its package on that server'
    ELSE 'the target''s server lacks its files: its functions, types and indexes fail there as soon as they are used; install its package on that server' END
FROM pg_catalog.unnest($1::pg_catalog.text[]) w(name)
LEFT JOIN pg_catalog.pg_extension e ON e.extname = w.name
WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions a WHERE a.name = w.name)
ORDER BY 1`
	return queryRows(ctx, f.target, "preflight extension-unavailable", postgres.Statement{SQL: sql, Args: []string{postgres.TextArray(wanted)}},
		func(r postgres.Row) Hazard { return Hazard{Object: r.Text(0), Sentence: r.Text(1)} })
}
