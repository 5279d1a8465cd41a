package checker

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/sampler"
)

// pairing is what the pairing has to know of the options: a table that is
// wanted as a multiset is paired without its key, so that its digest, its
// units and its findings are those of a table that has none.
func (o Options) pairing() pairing.Options {
	p := o.Pairing
	p.Keyless = map[string]bool{}
	for name, plan := range o.Plans {
		if plan == sampler.Multiset {
			p.Keyless[name] = true
		}
	}
	return p
}

// choose plans a table as the options ask. An OperatorError is a plan on
// request that the table cannot be compared by.
func (o Options) choose(t *pairing.Table, d *hashing.Digest) (sampler.Plan, error) {
	p, err := sampler.Choose(t, d.Keyed(), sampler.Wish{ChunkRows: o.ChunkRows, Strategy: o.Plans[t.Source.Schema+"."+t.Source.Name]})
	if err != nil {
		return p, &OperatorError{err}
	}
	return p, nil
}

// strangers says which tables have settings of their own and are not among
// those of the pair, or "": a name mistyped is otherwise a setting that does
// nothing.
func (o Options) strangers(pair *pairing.Pair) string {
	set := map[string]bool{}
	for name := range o.Pairing.Keys {
		set[name] = true
	}
	for name := range o.LastByTable {
		set[name] = true
	}
	for name := range o.Plans {
		set[name] = true
	}
	for _, t := range pair.Tables {
		if t.Source != nil {
			delete(set, t.Source.Schema+"."+t.Source.Name)
		}
	}
	if len(set) == 0 {
		return ""
	}
	return fmt.Sprintf("per_table has settings for what is not among the tables compared, which did nothing: %s", strings.Join(slices.Sorted(maps.Keys(set)), ", "))
}
