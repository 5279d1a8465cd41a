package preflight

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// Detector looks for one hazard. It has either SQL or Find.
type Detector struct {
	// ID names the hazard, in reports and in acknowledgements. It stays.
	ID string
	// Severity is that of what it finds, unless a finding says another.
	Severity schema.Severity
	// AtWorst is the gravest that a finding may say, where that is more.
	AtWorst schema.Severity
	// About says in a few words what it looks for.
	About string

	// Side is where SQL runs; Both sides where it is "".
	Side postgres.Side
	// Primary: it has to look at the server that writes. Of a standby that is
	// its primary, where one was given; else the detector can't look.
	Primary bool
	// Needs are names that Side's server must have (postgres.Features): without
	// one the hazard does not exist there.
	Needs []string
	// When says why there is nothing to look for in this pair, "" where there
	// may be; nil is always.
	When func(*facts) string
	// Deep: it reads tables, and runs only where Options.Deep asks for that.
	Deep bool

	// SQL gives one row for each object: its name as reports have it, the
	// sentence that says what will go wrong, the statement that mends it or
	// NULL, and optionally the severity. See expand for what may stand in it.
	SQL string
	// Args are SQL's parameters, nil for none.
	Args func(*facts) []string

	// Find is for what one statement can't see.
	Find func(context.Context, *facts) ([]Hazard, error)
}

// Worst is the gravest severity that the hazard has.
func (d *Detector) Worst() schema.Severity {
	if d.AtWorst != "" {
		return d.AtWorst
	}
	return d.Severity
}

// Detectors lists all, in the order of the reports. The caller owns the list.
func Detectors() []Detector {
	return slices.Concat(coverageDetectors, subscriptionDetectors, streamDetectors(), capacityDetectors, activityDetectors,
		sequenceDetectors, uncarriedDetectors, semanticsDetectors, collationDetectors, settingDetectors, deepDetectors, schemaDetectors())
}

// look runs a detector, on one side or both.
func (d *Detector) look(ctx context.Context, f *facts) ([]Hazard, []Unknown, Checked) {
	c := Checked{ID: d.ID, About: d.About}
	if d.Deep && !f.o.Deep {
		c.Skipped = "reads tables: asked for with --deep"
		return nil, nil, c
	}
	if d.When != nil {
		if c.Skipped = d.When(f); c.Skipped != "" {
			return nil, nil, c
		}
	}
	var hazards []Hazard
	var unknown []Unknown
	add := func(side postgres.Side, found []Hazard, err error) {
		if err != nil { // what was found before stands
			unknown = append(unknown, Unknown{ID: d.ID, Side: side, Reason: err.Error()})
		}
		for _, h := range found {
			h.ID = d.ID
			if h.Severity == "" {
				h.Severity = d.Severity
			}
			if h.Side == "" {
				h.Side = side
			}
			if f.chosen(h.Object) {
				hazards = append(hazards, h)
			}
		}
	}
	if d.Find != nil {
		found, err := d.Find(ctx, f)
		add(d.Side, found, err)
		c.Found = len(hazards)
		return hazards, unknown, c
	}
	sides := []postgres.Side{postgres.Source, postgres.Target}
	if d.Side != "" {
		sides = []postgres.Side{d.Side}
	}
	lacking := 0
	for _, side := range sides {
		if name := f.lacks(side, d.Needs); name != "" {
			lacking++
			c.Skipped = fmt.Sprintf("%s: PostgreSQL %d has no %s", side, f.on(side).Server().Major(), name)
			continue
		}
		found, err := d.query(ctx, f, side)
		add(side, found, err)
	}
	if lacking < len(sides) {
		c.Skipped = ""
	}
	c.Found = len(hazards)
	return hazards, unknown, c
}

// query runs the detector's SQL on one side.
func (d *Detector) query(ctx context.Context, f *facts, side postgres.Side) ([]Hazard, error) {
	db := f.on(side)
	if d.Primary {
		var err error
		if db, err = f.primaryOf(side); err != nil {
			return nil, err
		}
	}
	st := postgres.Statement{SQL: f.features[side].Fill(f.expand(d.SQL))}
	if d.Args != nil {
		st.Args = d.Args(f)
	}
	return queryRows(ctx, db, "preflight "+d.ID, st, func(r postgres.Row) Hazard {
		h := Hazard{Object: r.Text(0), Sentence: r.Text(1)}
		if r.Len() > 2 {
			h.Fix = r.Text(2)
		}
		if r.Len() > 3 {
			h.Severity = schema.Severity(r.Text(3))
		}
		return h
	})
}

// The relations that a statement may begin WITH: {{rel}} and the like stand for
// a common table expression.
var expressions = map[string]string{
	// Tables and partitioned tables of the user's own, partitions among them.
	"rel": `rel AS (
  SELECT c.oid, c.relname, n.nspname, c.relnamespace, c.relkind, c.relpersistence, c.relreplident, c.relispartition, c.relrowsecurity,
    c.relforcerowsecurity, c.reltuples, c.relowner, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r','p') AND c.relpersistence <> 't' AND {{own n.nspname}}
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid AND e.deptype = 'e')
)`,
	// What the publications that feed the target publish, all publications where
	// none is known to; of a partitioned table the root or its leaves.
	"pub": `pub AS (
  SELECT p.oid AS puboid, p.pubname, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, {{pg_publication.pubtruncate ? p.pubtruncate : true}} AS pubtruncate, t.relid
  FROM pg_catalog.pg_publication p CROSS JOIN LATERAL pg_catalog.pg_get_publication_tables(p.pubname::pg_catalog.text) t
  WHERE {{feeds p.pubname}}
)`,
}

var (
	expression = regexp.MustCompile(`\{\{(rel|pub)\}\}`)
	own        = regexp.MustCompile(`\{\{own ([\w.]+)\}\}`)
	feeds      = regexp.MustCompile(`\{\{feeds ([\w.]+)\}\}`)
)

// expandOwn replaces {{own n.nspname}}, see expand.
func expandOwn(sql string) string {
	return own.ReplaceAllString(sql, `$1 NOT IN ('pg_catalog','information_schema','bucardo','pglogical','pgparity','repack','squeeze') AND $1 NOT LIKE 'pg\_toast%' AND $1 NOT LIKE 'pg\_temp\_%'`)
}

// expand replaces {{rel}} and {{pub}} by their expressions, {{own n.nspname}} by
// the condition that a schema is the user's own, no system's or tool's, and
// {{feeds p.pubname}} by the one that a publication is of those that feed the
// target, or that none is known to.
func (f *facts) expand(sql string) string {
	sql = expression.ReplaceAllStringFunc(sql, func(m string) string { return expressions[strings.Trim(m, "{}")] })
	sql = expandOwn(sql)
	return feeds.ReplaceAllStringFunc(sql, func(m string) string {
		if len(f.publications) == 0 {
			return "true"
		}
		return feeds.FindStringSubmatch(m)[1] + " = ANY (" + postgres.Literal(postgres.TextArray(f.publications)) + "::pg_catalog.text[])"
	})
}
