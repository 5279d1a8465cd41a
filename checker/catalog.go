package checker

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/postgres"
)

// checkCatalogs reads both catalogs again after the work: a table that was
// altered, dropped or replaced meanwhile was not compared as it is now, and
// is unproven.
func (r *run) checkCatalogs(ctx context.Context) {
	if ctx.Err() != nil {
		return // unproven already
	}
	var after [2]map[string]string
	g, gctx := errgroup.WithContext(ctx)
	for i, db := range []*postgres.DB{r.source, r.target} {
		g.Go(func() error {
			cat, err := db.ReadCatalog(gctx)
			if err != nil {
				return err
			}
			after[i] = map[string]string{}
			for _, t := range cat.Tables {
				after[i][t.Quoted] = shape(t)
			}
			return nil
		})
	}
	err := g.Wait()
	for _, tr := range r.tables {
		if tr.digest == nil {
			continue
		}
		if err != nil {
			tr.fail("whether its definition changed during the run is not known: " + reason(ctx, err))
			continue
		}
		for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if after[i][tr.table.Name] != shape(tr.table.On(side)) {
				tr.fail(fmt.Sprintf("%s: it was altered, dropped or replaced while the run was on: run again", side))
			}
		}
	}
}

// shape is what of a table's definition a comparison rests on.
func shape(t *postgres.Table) string {
	var b strings.Builder
	fmt.Fprint(&b, t.OID, t.Kind)
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "|%q %s %s %c", c.Name, c.TypeText, c.Collation, c.Generated)
	}
	return b.String()
}
