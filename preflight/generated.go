package preflight

import (
	"context"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// generatedColumns compares who computes a column. Where both sides do, each
// computes its own.
func generatedColumns(ctx context.Context, f *facts) ([]Hazard, error) {
	published, err := f.publishedGenerated(ctx)
	if err != nil {
		return nil, err
	}
	var plain map[string]bool // read where it matters
	var found []Hazard
	for _, t := range f.pair.Tables {
		if !t.Both() {
			continue
		}
		for _, c := range t.Columns {
			carried := published[t.Name+"."+c.Source.Quoted]
			if c.Source.Generated == 0 && c.Target.Generated != 0 {
				if plain == nil {
					if plain, err = f.publishedPlain(ctx); err != nil {
						return nil, err
					}
				}
				carried = plain[t.Name+"."+c.Source.Quoted] || t.Source.Kind == 'p' // its leaves may be, in its place
			}
			if h, bad := judgeGenerated(c, carried); bad {
				h.Object = t.Name + "." + c.Target.Quoted
				found = append(found, h)
			}
		}
	}
	return found, nil
}

func judgeGenerated(c *pairing.Column, published bool) (Hazard, bool) {
	source, target := c.Source.Generated != 0, c.Target.Generated != 0
	switch {
	case source && target && published:
		return Hazard{Severity: schema.Block, Sentence: "the source publishes what it generates, and the target generates it too: applying a change fails"}, true
	case source && !target && !published:
		return Hazard{Severity: schema.Block, Sentence: "the source generates it and does not publish that, and the target generates nothing: it stays empty there"}, true
	case !source && target:
		if !published { // left out of a column list
			return Hazard{Sentence: "the target generates what is a plain value on the source, and is not published: what was written there does not arrive"}, true
		}
		return Hazard{Severity: schema.Block, Sentence: "the target generates what is a plain value on the source: applying the first change fails, and the replication stops there"}, true
	}
	return Hazard{}, false
}

// publishedGenerated are the generated columns whose values the publications
// carry, which none did before there was an option for that.
func (f *facts) publishedGenerated(ctx context.Context) (map[string]bool, error) {
	published := map[string]bool{}
	if f.lacks(postgres.Source, []string{"pg_publication.pubgencols"}) != "" {
		return published, nil
	}
	err := f.rows(ctx, postgres.Source, "generated-columns", `SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || '.' || pg_catalog.quote_ident(a.attname)
FROM pg_catalog.pg_publication_tables t JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attgenerated <> '' AND a.attname = ANY (t.attnames)
WHERE {{feeds t.pubname}}`, func() { clear(published) }, func(r postgres.Row) { published[r.Text(0)] = true })
	return published, err
}

// publishedPlain are the other columns that they carry.
func (f *facts) publishedPlain(ctx context.Context) (map[string]bool, error) {
	published := map[string]bool{}
	err := f.rows(ctx, postgres.Source, "generated-columns", `SELECT DISTINCT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) || '.' || pg_catalog.quote_ident(a.attname)
FROM pg_catalog.pg_publication_tables t JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE {{feeds t.pubname}} {{pg_publication_rel.prattrs ? AND a.attname = ANY (t.attnames) : }}`, func() { clear(published) }, func(r postgres.Row) { published[r.Text(0)] = true })
	return published, err
}
