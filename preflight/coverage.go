package preflight

import (
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// coverageDetectors look at what replication needs of each table, and at which
// tables it leaves out.
var coverageDetectors = []Detector{
	{
		ID: "replica-identity-missing", Severity: schema.Block, Side: postgres.Source, When: onlyNative,
		About: "published tables without a usable replica identity",
		SQL: `WITH {{rel}}, {{pub}}
SELECT rel.name, 'UPDATE and DELETE on it fail on the source, for it is published and has no usable replica identity',
  'ALTER TABLE ' || rel.name || ' REPLICA IDENTITY FULL'
FROM rel
WHERE EXISTS (SELECT FROM pub WHERE pub.relid = rel.oid AND (pub.pubupdate OR pub.pubdelete))
  AND CASE rel.relreplident
    WHEN 'n' THEN true
    WHEN 'd' THEN NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = rel.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate)
    WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = rel.oid AND i.indisreplident AND i.indisvalid)
    ELSE false END`,
	},
}

// cover counts what the replication carries.
func (r *Result) cover(f *facts) {}
