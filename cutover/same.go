package cutover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Between the survey of a pair and its window lie a full verification, which may
// take hours, and a person's answer. What the survey found has to be so still.

// stillVerified proves that the full verification is young enough now.
func (r *run) stillVerified(ctx context.Context) error {
	return r.gate(ctx, Action{ID: "still-verified", On: "here", Do: fmt.Sprintf("the full verification is not older than %v", r.o.MaxAge), Why: "a person may have taken their time"}, func(context.Context) error {
		if r.facts.Evidence == nil {
			return errGiveUp{errors.New("there is no full verification: run again")}
		}
		if err := r.doubts(r.facts.Evidence); err != nil {
			return errGiveUp{fmt.Errorf("the full verification: %w; run again", err)}
		}
		return nil
	})
}

// sameTables proves that the tables and sequences are those that the run began with:
// what came later was not verified, has no way back, and its sequences are not set.
func (r *run) sameTables(ctx context.Context) error {
	return r.gate(ctx, Action{ID: "same-tables", On: "both", Do: "SELECT … FROM pg_class, pg_attribute, pg_sequence, pg_subscription_rel, …", Why: "nothing was added since the run began, which verified it and made the way back"}, func(ctx context.Context) error {
		catalogs, err := postgres.Both(ctx, r.from.db, r.to.db, func(ctx context.Context, db *postgres.DB) (*postgres.Catalog, error) {
			return db.ReadCatalog(ctx)
		})
		if err != nil {
			return err
		}
		now, err := pairing.Join(catalogs[0], catalogs[1], r.o.Verify.Pairing)
		if err != nil {
			return err
		}
		was, is := outline(r.pair), outline(now)
		var others, gone []string
		for _, name := range slices.Sorted(maps.Keys(is)) {
			if was[name] != is[name] {
				others = append(others, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(was)) {
			if _, there := is[name]; !there {
				gone = append(gone, name)
			}
		}
		switch {
		case len(others) > 0:
			return errGiveUp{fmt.Errorf("added, or defined anew, since the run began, which has not verified it: %s: run again", few(others))}
		case len(gone) > 0:
			return errGiveUp{fmt.Errorf("dropped since the run began: %s: run again", few(gone))}
		}
		return r.allComeBack(ctx)
	})
}

// outline says by name what the tables and sequences of a pair are.
func outline(p *pairing.Pair) map[string]string {
	is := map[string]string{}
	for _, t := range p.Tables {
		text := ""
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if on := t.On(side); on != nil {
				text += fmt.Sprintf("%s %d;", side, on.OID)
			}
		}
		for _, c := range t.Columns {
			text += fmt.Sprintf(" %q %q", c.Name, c.Source.TypeText)
		}
		is["table "+t.Name] = text
	}
	for _, q := range p.Sequences {
		text := ""
		for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if on := q.On(side); on != nil {
				text += fmt.Sprintf("%s %d;", side, on.OID)
			}
		}
		is["sequence "+q.Name] = text
	}
	return is
}

// allComeBack proves that the way back has every table that the switch carries: a
// partition may be new.
func (r *run) allComeBack(ctx context.Context) error {
	if r.direction == Rollback || len(r.facts.Reverse) == 0 {
		return nil
	}
	carried, _, err := r.carriedThere(ctx)
	if err != nil {
		return err
	}
	back, err := rows(ctx, r.to.control, "reverse", `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid JOIN pg_catalog.pg_class c ON c.oid = r.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE p.pubname = $1`, func(row postgres.Row) string { return row.Text(0) }, reverseName)
	if err != nil {
		return err
	}
	for _, t := range carried {
		if !slices.Contains(back, t) {
			return errGiveUp{fmt.Errorf("%s: %s is carried since the way back was made, which has not got it: run again", r.to.name, t)}
		}
	}
	return nil
}
