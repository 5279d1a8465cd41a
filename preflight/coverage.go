package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// coverageDetectors look at what replication needs of each table, and at which
// tables it leaves out. What is in the way of a table's being carried whole is
// told of the table itself, of a partitioned one the root.
var coverageDetectors = []Detector{
	{
		ID: "nothing-replicates", Severity: schema.Warn,
		About: "a pair between which nothing is on its way", Find: nothingReplicates,
	},
	{
		ID: "replica-identity-missing", Severity: schema.Block, Side: postgres.Source, When: onlyMayBeNative,
		About: "published tables without a usable replica identity", SQL: identityMissingSQL,
	},
	{
		ID: "replica-identity-full", Severity: schema.Warn, Side: postgres.Source, When: onlyPublished,
		About: "tables whose rows the target finds by all their columns", Find: identityFull,
	},
	{
		ID: "key-differs", Severity: schema.Block, Side: postgres.Target, When: notPhysical,
		About: "tables whose key the target does not have", Find: keyDiffers,
	},
	{
		ID: "table-unpublished", Severity: schema.Block, Side: postgres.Source, When: onlyCarried,
		About: "tables that nothing sends to the target", Find: tableUnpublished,
	},
	{
		ID: "table-unsubscribed", Severity: schema.Block, Side: postgres.Target, When: onlyPublished,
		About: "published tables that no subscription has", Find: tableUnsubscribed,
	},
	{
		ID: "table-not-ready", Severity: schema.Block, Side: postgres.Target, When: onlyCarried,
		About: "tables that are not copied yet, or not followed", Find: tableNotReady,
	},
	{
		ID: "publication-operations", Severity: schema.Block, Side: postgres.Source, When: onlyCarried,
		About: "inserts, updates, deletes or truncates that are not sent", Find: publicationOperations,
	},
	{
		ID: "publication-filtered", Severity: schema.Block, Side: postgres.Source, When: onlyCarried,
		About: "tables of which only some rows or columns are sent", Find: publicationFiltered,
	},
	{
		ID: "table-unlogged", Severity: schema.Warn, Side: postgres.Source,
		About: "unlogged tables, which are not replicated", Find: tableUnlogged,
	},
	{
		ID: "table-foreign", Severity: schema.Warn, Side: postgres.Source, When: notPhysical,
		About: "foreign tables, whose rows are elsewhere", SQL: foreignSQL,
	},
	{
		ID: "table-with-oids", Severity: schema.Warn, Side: postgres.Source, When: notPhysical, Needs: []string{"pg_class.relhasoids"},
		About: "tables with hidden oids", SQL: `WITH {{rel}}
SELECT rel.name, 'the hidden oid of its rows is not carried, and from version 12 on there is none: whoever reads or stores it finds nothing after the switch',
  'ALTER TABLE ' || rel.name || ' SET WITHOUT OIDS'
FROM rel JOIN pg_catalog.pg_class c ON c.oid = rel.oid AND c.relhasoids WHERE NOT rel.relispartition`,
	},
	{
		ID: "partition-layout", Severity: schema.Warn, Side: postgres.Source, When: notPhysical,
		About: "partitioned tables with other partitions on the target", Find: partitionLayout,
	},
}

// onlyMayBeNative is a When for what native logical replication is about, or
// will be once it is set up.
func onlyMayBeNative(f *facts) string {
	if f.mayBeNative() {
		return ""
	}
	return "something else than native logical replication feeds the target"
}

// identityMissingSQL looks at all tables where nothing is published yet: logical
// replication will need an identity.
const identityMissingSQL = `WITH RECURSIVE {{rel}}, ` + leavesOf + `, ` + sentOf + `, bare AS (
  SELECT leaf.name, EXISTS (SELECT FROM sent JOIN feeding p ON p.oid = sent.puboid WHERE sent.leaf = leaf.oid AND (p.pubupdate OR p.pubdelete)) AS published
  FROM leaf
  WHERE leaf.relkind = 'r' AND CASE leaf.relreplident
    WHEN 'n' THEN true
    WHEN 'd' THEN NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = leaf.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate)
    WHEN 'i' THEN NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = leaf.oid AND i.indisreplident AND i.indisvalid)
    ELSE false END
)
SELECT bare.name, CASE WHEN bare.published
    THEN 'UPDATE and DELETE on it fail on the source, for it is published and has no usable replica identity'
    ELSE 'UPDATE and DELETE on it fail on the source as soon as it is published, for it has no usable replica identity' END,
  'ALTER TABLE ' || bare.name || ' REPLICA IDENTITY FULL', CASE WHEN bare.published THEN 'block' ELSE 'warn' END
FROM bare
WHERE bare.published OR NOT EXISTS (SELECT FROM pg_catalog.pg_publication)`

const foreignSQL = `WITH RECURSIVE tree(rootname, oid, within) AS (
  SELECT (pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)) COLLATE "C", c.oid, NULL::pg_catalog.text COLLATE "C"
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('f','p') AND NOT c.relispartition AND {{own n.nspname}}
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
  UNION ALL
  SELECT t.rootname, c.oid, (pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)) COLLATE "C" FROM tree t
  JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)
SELECT t.rootname, coalesce('its partitions ' || pg_catalog.string_agg(t.within, ', ' ORDER BY t.within) || ' are foreign tables', 'it is a foreign table')
  || ': the rows are on another server, are not replicated, and after the switch the target reaches for the same ones with its own user mapping', NULL
FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.oid AND c.relkind = 'f'
GROUP BY t.rootname`

func tableUnpublished(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, p := range c.tables {
		if names := p.unsent(f.way()); len(names) > 0 {
			h := Hazard{Object: p.name, Sentence: fmt.Sprintf("nothing sends %s to the target: what changes there on the source never arrives; ", p.which(names))}
			if f.way() == byFence {
				how, fix := f.addition(p.name)
				h.Sentence, h.Fix = h.Sentence+how, fix
			} else {
				h.Sentence += "publish it, then REFRESH the subscription"
				h.Fix = c.publish(f, p, names)
			}
			found = append(found, h)
		}
	}
	return found, nil
}

// publish adds a table, or some partitions, to a publication that lists tables:
// "" where no such one feeds the target. ONLY keeps children out, which are
// listed for themselves.
func (c *carriage) publish(f *facts, p *passage, names []string) string {
	i := slices.IndexFunc(c.publications, func(pub publication) bool { return !pub.allTables })
	if i < 0 {
		return ""
	}
	if len(names) == len(p.leaves) && f.lacks(postgres.Source, []string{"pg_publication.pubviaroot"}) == "" {
		names = []string{p.name} // a partitioned table can be published itself
	}
	return fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE ONLY %s", c.publications[i].quoted, strings.Join(names, ", ONLY "))
}

func tableUnsubscribed(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, p := range c.tables {
		names, absent, publication := p.unsubscribed()
		if len(names) == 0 {
			continue
		}
		h := Hazard{Object: p.name, Sentence: fmt.Sprintf("no subscription has %s, though it is published: what changes there on the source is not applied", p.which(names))}
		if absent {
			h.Sentence = fmt.Sprintf("the target does not have %s, which is published: the first change of it stops the subscription; create it, then REFRESH the subscription", p.which(names))
		} else if s := c.subscriber(publication); s != "" {
			h.Fix = "ALTER SUBSCRIPTION " + postgres.Ident(s) + " REFRESH PUBLICATION"
		}
		found = append(found, h)
	}
	return found, nil
}

// subscriber is the subscription that takes a publication, "" for none.
func (c *carriage) subscriber(publication string) string {
	for _, s := range c.subscriptions {
		if slices.Contains(s.Publications, publication) {
			return s.Name
		}
	}
	return ""
}

func tableNotReady(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, p := range c.tables {
		states := p.unready(f.way())
		if len(states) == 0 {
			continue
		}
		var says []string
		for _, s := range states {
			text := p.which([]string{s.Leaf}) + " " + s.Phase()
			if i := slices.IndexFunc(c.subscriptions, func(sub postgres.Subscription) bool { return sub.Name == s.Subscription }); i >= 0 {
				text += fmt.Sprintf(" by subscription %q", s.Subscription)
				if n := c.subscriptions[i].SyncErrors; n > 0 {
					text += fmt.Sprintf(", which has met %d errors while copying (the target's log has them)", n)
				}
			}
			says = append(says, text)
		}
		found = append(found, Hazard{Object: p.name, Sentence: fewOf(says, "; ") + ": rows of it are missing on the target"})
	}
	return found, nil
}

func tableUnlogged(ctx context.Context, f *facts) ([]Hazard, error) {
	c, err := f.carried(ctx)
	if err != nil {
		return nil, err
	}
	why := "logical replication does not carry it: what changes there on the source never arrives"
	if f.way() == byFiles {
		why = "it is empty on the standby, and stays so when that is promoted"
	}
	var found []Hazard
	for _, p := range c.tables {
		if names := p.unlogged(); len(names) > 0 {
			found = append(found, Hazard{Object: p.name, Sentence: fmt.Sprintf("%s unlogged, and %s; the fix writes it anew, and all who use it wait for that", p.are(names), why), Fix: "ALTER TABLE " + strings.Join(names, " SET LOGGED; ALTER TABLE ") + " SET LOGGED"})
		}
	}
	return found, nil
}

// nothingReplicates tells of a pair of which nobody has said that it is at rest.
func nothingReplicates(_ context.Context, f *facts) ([]Hazard, error) {
	if !f.mayBeNative() || f.native() {
		return nil, nil
	}
	return []Hazard{{Sentence: "nothing was found that replicates this pair: what the source writes from now on never arrives; with --replication still nobody is to write any more"}}, nil
}

// cover counts what the replication carries, from what the detectors read.
func (r *Result) cover(f *facts) {
	c, w := &f.carriage, f.way()
	passages := map[string]*passage{}
	for _, p := range c.tables {
		passages[p.name] = p
		for _, l := range p.leaves {
			if passages[l.name] == nil { // compared by itself, where the target has it as a table
				passages[l.name] = &passage{name: l.name, leaves: []*leaf{l}, gaps: p.gapsOf(l.name), held: p.held}
			}
		}
	}
	omit := func(object, reason string) {
		r.Coverage.NotCarried = append(r.Coverage.NotCarried, Omitted{Object: object, Reason: reason})
	}
	for _, t := range f.pair.Tables {
		if t.Source == nil {
			continue
		}
		r.Coverage.Tables++
		p := passages[t.Name]
		var reasons []string
		switch {
		case t.Source.Kind == 'm': // compared on request
			if w != byFiles {
				reasons = []string{"materialised view"}
			}
		case p == nil || c.err != nil:
			reasons = []string{"whether it is carried is not known"}
		default:
			reasons = p.omissions(w)
		}
		if len(reasons) > 0 {
			omit(t.Name, strings.Join(reasons, "; "))
		} else if w != byNothing {
			r.Coverage.Carried++
		}
	}
	for _, e := range f.pair.Excluded {
		switch {
		case e.Why == pairing.OnTargetOnly, e.Why == pairing.OfTool, w == byFiles && e.Why != pairing.OnRequest:
		case e.Why == pairing.LargeObjects:
			omit("large objects", "logical replication does not carry them")
		default:
			omit(e.Object, e.Reason)
		}
	}
}

// gapsOf are those of one of its relations.
func (p *passage) gapsOf(leaf string) []postgres.TableState {
	return slices.DeleteFunc(slices.Clone(p.gaps), func(s postgres.TableState) bool { return s.Leaf != leaf })
}
