package preflight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// btree is a valid btree index.
type btree struct {
	oid      string
	object   string // public.orders index by_name
	name     string // of the index alone, unquoted
	fix      string
	texts    bool   // a collation decides its order
	missing  string // the GRANT that reading its table takes, "" where the role may
	table    string // FROM item
	tableOID string
}

// btreesSQL lists them: those that a collation orders first, since a change of
// the operating system breaks these. 950 and 951 are C and POSIX.
const btreesSQL = `SELECT i.indexrelid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname) || ' index ' || pg_catalog.quote_ident(x.relname),
  x.relname, 'REINDEX INDEX ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(x.relname), key.texts,
  CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(t.oid, 'SELECT') THEN NULL
    ELSE 'GRANT USAGE ON SCHEMA ' || pg_catalog.quote_ident(n.nspname) || ' TO ' || pg_catalog.quote_ident(current_user) || '; GRANT SELECT ON '
      || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname) || ' TO ' || pg_catalog.quote_ident(current_user) END,
  CASE t.relkind WHEN 'r' THEN 'ONLY ' ELSE '' END || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname) || ' AS t', t.oid
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
JOIN pg_catalog.pg_am am ON am.oid = x.relam AND am.amname = 'btree'
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid AND t.relkind IN ('r','m') AND t.relispopulated
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (SELECT coalesce(pg_catalog.bool_or(c <> 0), false) AS texts, coalesce(pg_catalog.bool_or(c NOT IN (0, 950, 951)), false) AS loose
  FROM pg_catalog.unnest(i.indcollation::pg_catalog.oid[]) c) key
WHERE i.indisvalid AND i.indisready AND i.indislive AND {{own n.nspname}} AND x.relpersistence <> 't'
  AND (x.relpersistence <> 'u' OR NOT pg_catalog.pg_is_in_recovery())
ORDER BY key.loose DESC, key.texts DESC, 2`

func (f *facts) btrees(ctx context.Context, side postgres.Side) ([]btree, error) {
	st := postgres.Statement{SQL: f.expand(btreesSQL)}
	return queryRows(ctx, f.on(side), "preflight index-disagrees", st, func(r postgres.Row) btree {
		return btree{oid: r.Text(0), object: r.Text(1), name: r.Text(2), fix: r.Text(3), texts: r.Bool(4), missing: r.Text(5), table: r.Text(6), tableOID: r.Text(7)}
	})
}

// amcheck is the extension on one side, as far as it may be used.
type amcheck struct {
	function string // bt_index_check with its schema; "" where it may not be used
	options  int    // it takes, all boolean: each row has its entry, none that is unique is there twice
	why      string // it may not be used
	fix      string
}

const amcheckSQL = `SELECT pg_catalog.quote_ident(n.nspname) || '.bt_index_check', p.pronargs - 1, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE'),
  'GRANT USAGE ON SCHEMA ' || pg_catalog.quote_ident(n.nspname) || ' TO ' || pg_catalog.quote_ident(current_user) || '; GRANT EXECUTE ON FUNCTION ' || p.oid::pg_catalog.regprocedure || ' TO ' || pg_catalog.quote_ident(current_user)
FROM pg_catalog.pg_extension e
JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.refobjid = e.oid AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.deptype = 'e'
JOIN pg_catalog.pg_proc p ON p.oid = d.objid AND p.proname = 'bt_index_check'
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE e.extname = 'amcheck'
ORDER BY 3 DESC, p.pronargs DESC LIMIT 1`

func (f *facts) amcheck(ctx context.Context, side postgres.Side) (amcheck, error) {
	found, err := queryRows(ctx, f.on(side), "preflight index-disagrees", postgres.Statement{SQL: amcheckSQL}, func(r postgres.Row) amcheck {
		if !r.Bool(2) {
			return amcheck{why: "the role may not execute bt_index_check", fix: r.Text(3)}
		}
		return amcheck{function: r.Text(0), options: int(r.Int(1)), why: fmt.Sprintf("amcheck did not end within %v", f.o.Budget)}
	})
	if err != nil || len(found) == 0 {
		return amcheck{why: "amcheck is not installed", fix: "CREATE EXTENSION amcheck"}, err
	}
	return found[0], nil
}

// findDisagreeing looks at both sides at the same time.
func findDisagreeing(ctx context.Context, f *facts) ([]Hazard, error) {
	var g errgroup.Group
	sides := []postgres.Side{postgres.Source, postgres.Target}
	found, errs := make([][]Hazard, len(sides)), make([]error, len(sides))
	for i, side := range sides {
		g.Go(func() error {
			found[i], errs[i] = f.disagreeing(ctx, side)
			return nil
		})
	}
	_ = g.Wait() // each side's error is kept: the other side's findings count
	all := slices.Concat(found...)
	if errs[0] != nil && errs[1] != nil {
		return all, fmt.Errorf("%w; %w", errs[0], errs[1])
	}
	return all, errors.Join(errs...)
}

// disagreeing looks at one side's indexes, each whole, or by a sample.
func (f *facts) disagreeing(ctx context.Context, side postgres.Side) (found []Hazard, _ error) {
	am, err := f.amcheck(ctx, side)
	if err != nil {
		return nil, err
	}
	list, err := f.btrees(ctx, side)
	if err != nil {
		return nil, err
	}
	var left leftOut
	all, sampled, passed := 0, 0, 0
	for _, b := range list {
		if !f.chosen(b.object) {
			continue
		}
		all++
		bad, whole, err := f.checkWhole(ctx, side, am, b)
		if err == nil && !whole && !bad {
			if !b.texts {
				passed++
				continue
			}
			sampled++
			if bad, err = f.checkSample(ctx, side, b); errors.Is(err, errOtherPlan) {
				sampled, passed, err = sampled-1, passed+1, nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return found, context.Cause(ctx)
		case err != nil:
			left.add(err.Error(), b.object)
		case bad:
			found = append(found, Hazard{Side: side, Object: b.object, Fix: b.fix,
				Sentence: "it does not agree with its table: rows are not found through it, and a unique one lets duplicates in; where REINDEX then names duplicates, these have to go first"})
		}
	}
	if sampled+passed > 0 {
		found = append(found, Hazard{Severity: schema.Info, Side: side, Fix: am.fix,
			Sentence: fmt.Sprintf("of %d btree indexes %d were looked at by a sample and %d, over no text or hidden behind another index, not at all: %s", all, sampled, passed, am.why)})
	}
	return found, left.err(side)
}

// checkWhole lets amcheck look at an index. whole is false where it may not be
// used, or did not end in time.
func (f *facts) checkWhole(ctx context.Context, side postgres.Side, am amcheck, b btree) (bad, whole bool, err error) {
	if am.function == "" {
		return false, false, nil
	}
	ways := []string{strings.Repeat(", true", am.options)}
	if am.options > 0 { // where that takes too long, the order alone
		ways = append(ways, strings.Repeat(", false", am.options))
	}
	for i, way := range ways {
		st := postgres.Statement{SQL: "SELECT " + am.function + "($1::pg_catalog.oid::pg_catalog.regclass" + way + ")", Args: []string{b.oid}}
		_, err = queryRows(ctx, f.on(side), "preflight index-disagrees", st, func(postgres.Row) bool { return true }, f.limit())
		if !postgres.TimedOut(err) {
			return corrupt(err), err == nil && i == 0 || corrupt(err), unlessCorrupt(err)
		}
	}
	return false, false, nil
}

// The SQLSTATEs by which a server says that its data, or an index, is corrupt.
const (
	codeDataCorrupted  = "XX001"
	codeIndexCorrupted = "XX002"
)

func corrupt(err error) bool {
	var told *postgres.Error
	return asTold(err, &told) && (told.Code == codeDataCorrupted || told.Code == codeIndexCorrupted)
}

func unlessCorrupt(err error) error {
	if corrupt(err) {
		return nil
	}
	return err
}
