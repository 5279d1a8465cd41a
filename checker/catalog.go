package checker

import (
	"context"
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/pairing"
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
	catalogs, err := readCatalogs(ctx, r.source, r.target)
	if err == nil {
		for i, cat := range catalogs {
			after[i] = map[string]string{}
			for _, t := range cat.Tables {
				after[i][t.Quoted] = shape(t)
			}
		}
		r.findCreated(catalogs)
	}
	for _, tr := range r.tables {
		if tr.digest == nil {
			continue
		}
		if err != nil {
			tr.fail("whether its definition changed during the run is not known: " + reason(ctx, err))
			continue
		}
		for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
			if after[i][tr.table.On(side).Quoted] != shape(tr.table.On(side)) {
				tr.fail(fmt.Sprintf("%s: it was altered, dropped or replaced while the run was on: run again", side))
			}
		}
	}
}

// findCreated notes what of the source came while the run was on, and so was
// neither planned nor compared.
func (r *run) findCreated(catalogs [2]*postgres.Catalog) {
	again, err := pairing.Join(catalogs[0], catalogs[1], r.o.pairing())
	if err != nil {
		return // a key on request is gone: its table was altered, which is said there
	}
	planned := map[string]bool{}
	for _, t := range r.pair.Tables {
		planned[t.Name] = true
	}
	for _, t := range again.Tables {
		if t.Source != nil && !planned[t.Name] {
			r.created = append(r.created, t.Name)
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
