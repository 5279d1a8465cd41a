package cutover

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// fingerprintSQL tells whether a definition has changed: each row of a catalog has
// another xmin then, or another number of rows is there. What vacuum, an analysis
// and an index's making write in place does not change one. Our own schema and
// temporary tables are not of it.
const fingerprintSQL = `WITH own AS (
  SELECT n.oid FROM pg_catalog.pg_namespace n
  WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgparity') AND n.nspname NOT LIKE 'pg\_temp\_%' AND n.nspname NOT LIKE 'pg\_toast\_temp\_%'
), rel AS (SELECT c.oid, c.xmin FROM pg_catalog.pg_class c WHERE c.relnamespace IN (SELECT oid FROM own)), parts AS (
  SELECT 1 k, oid o, xmin x, 0 n FROM rel
  UNION ALL SELECT 2, a.attrelid, a.xmin, a.attnum FROM pg_catalog.pg_attribute a WHERE a.attrelid IN (SELECT oid FROM rel) AND a.attnum > 0
  UNION ALL SELECT 3, oid, xmin, 0 FROM pg_catalog.pg_constraint WHERE connamespace IN (SELECT oid FROM own)
  UNION ALL SELECT 4, oid, xmin, 0 FROM pg_catalog.pg_trigger WHERE tgrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 5, oid, xmin, 0 FROM pg_catalog.pg_type WHERE typnamespace IN (SELECT oid FROM own)
  UNION ALL SELECT 6, oid, xmin, 0 FROM pg_catalog.pg_proc WHERE pronamespace IN (SELECT oid FROM own)
  UNION ALL SELECT 7, oid, xmin, 0 FROM pg_catalog.pg_namespace WHERE oid IN (SELECT oid FROM own)
  UNION ALL SELECT 8, oid, xmin, 0 FROM pg_catalog.pg_attrdef WHERE adrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 9, oid, xmin, 0 FROM pg_catalog.pg_rewrite WHERE ev_class IN (SELECT oid FROM rel)
  UNION ALL SELECT 10, oid, xmin, 0 FROM pg_catalog.pg_policy WHERE polrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 11, inhrelid, xmin, inhseqno FROM pg_catalog.pg_inherits WHERE inhrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 12, oid, xmin, 0 FROM pg_catalog.pg_enum
  UNION ALL SELECT 13, seqrelid, xmin, 0 FROM pg_catalog.pg_sequence WHERE seqrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 14, indexrelid, xmin, 0 FROM pg_catalog.pg_index WHERE indexrelid IN (SELECT oid FROM rel)
  UNION ALL SELECT 15, oid, xmin, 0 FROM pg_catalog.pg_publication
  UNION ALL SELECT 16, oid, xmin, 0 FROM pg_catalog.pg_publication_rel
)
SELECT pg_catalog.concat(count(*), ' ', sum(pg_catalog.hashtext(pg_catalog.concat(k, ' ', o, ' ', x, ' ', n))::pg_catalog.int8)) FROM parts`

// fingerprint remembers how the definitions of both sides stand. The statement is
// prepared where the window runs it: to plan it takes longer than to run it.
func (r *run) fingerprint(ctx context.Context) error {
	for _, e := range []*end{r.from, r.to} {
		if err := e.control.Exec(ctx, "cutover fingerprint", "PREPARE "+fingerprintName+" AS "+fingerprintSQL); err != nil && !postgres.HasCode(err, "42P05") { // it is there
			return err
		}
	}
	both, err := r.fingerprints(ctx)
	r.facts.Fingerprint = map[string]string{r.from.name: both[0], r.to.name: both[1]}
	return err
}

const fingerprintName = "pgparity_fingerprint"

func (r *run) fingerprints(ctx context.Context) (both [2]string, err error) {
	read := func(e *end, into *string) func(context.Context) error {
		return func(ctx context.Context) (err error) {
			*into, err = text(ctx, e.control, "fingerprint", "EXECUTE "+fingerprintName)
			if postgres.HasCode(err, "26000") { // the connection is another one
				*into, err = text(ctx, e.control, "fingerprint", fingerprintSQL)
			}
			return err
		}
	}
	err = r.together(ctx, read(r.from, &both[0]), read(r.to, &both[1]))
	return both, err
}

// sameDefinitions proves that nothing was defined anew since the run was armed:
// such a change is replicated by nobody, and may take rows with it.
func (r *run) sameDefinitions(ctx context.Context) error {
	return r.gate(ctx, Action{ID: "same-definitions", On: "both", Do: "SELECT … FROM pg_class, pg_attribute, pg_constraint, …", Why: "no definition has changed since the run was armed"}, func(ctx context.Context) error {
		both, err := r.fingerprints(ctx)
		if err != nil {
			return err
		}
		for i, e := range []*end{r.from, r.to} {
			if both[i] != r.facts.Fingerprint[e.name] {
				return fmt.Errorf("%s: %w", e.name, errFingerprint)
			}
		}
		return nil
	})
}
