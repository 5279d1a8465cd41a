package preflight

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// compared is a setting that has to be alike on both sides.
type compared struct {
	name     string // as pg_settings has it
	severity schema.Severity
	// what changes where the sides differ, the end of a sentence.
	what string
	// lower: it matters only where the target has less.
	lower bool
	// alike maps values that are other names for one and the same; nil for none.
	alike func(string) string
}

// comparedSettings are those that decide what a statement means, how a value
// prints, or whether the application's work is let through. What only makes a
// server faster or slower is its own, but for jit.
var comparedSettings = []compared{
	{name: "TimeZone", severity: schema.Warn, what: "times without a zone mean other moments, and times print otherwise", alike: zone},
	{name: "timezone_abbreviations", severity: schema.Warn, what: "abbreviated time zones in what is read mean other zones"},
	{name: "DateStyle", severity: schema.Warn, what: "dates print otherwise, and 1/2/2003 is another day", alike: dateStyle},
	{name: "IntervalStyle", severity: schema.Warn, what: "intervals print otherwise"},
	{name: "extra_float_digits", severity: schema.Warn, what: "floating point numbers print with other digits"},
	{name: "bytea_output", severity: schema.Warn, what: "bytea prints otherwise"},
	{name: "xmlbinary", severity: schema.Warn, what: "binary values in XML print otherwise"},
	{name: "xmloption", severity: schema.Warn, what: "text is read as another kind of XML"},
	{name: "array_nulls", severity: schema.Warn, what: "NULL in an array's text means something else"},
	{name: "transform_null_equals", severity: schema.Warn, what: "x = NULL means something else"},
	{name: "standard_conforming_strings", severity: schema.Warn, what: "a backslash in a string constant means something else"},
	{name: "backslash_quote", severity: schema.Warn, what: "statements with \\' in a string fail on one side"},
	{name: "search_path", severity: schema.Warn, what: "names without a schema mean other tables and functions"},
	{name: "default_text_search_config", severity: schema.Warn, what: "text search finds other words"},
	{name: "lc_monetary", severity: schema.Warn, what: "money prints otherwise", alike: locale},
	{name: "lc_numeric", severity: schema.Warn, what: "to_char prints numbers otherwise", alike: locale},
	{name: "lc_time", severity: schema.Warn, what: "to_char prints names of days and months otherwise", alike: locale},
	{name: "lc_messages", severity: schema.Info, what: "messages come in another language", alike: locale},
	{name: "default_transaction_isolation", severity: schema.Warn, what: "transactions see other rows, and fail where they did not"},
	{name: "default_transaction_deferrable", severity: schema.Warn, what: "serializable transactions wait where they did not"},
	{name: "default_transaction_read_only", severity: schema.Warn, what: "transactions of one side cannot write"},
	{name: "session_replication_role", severity: schema.Warn, what: "triggers and foreign keys are obeyed on one side only"},
	{name: "row_security", severity: schema.Warn, what: "what row security hides raises an error on one side"},
	{name: "synchronous_commit", severity: schema.Warn, what: "a commit that was confirmed may be lost in a crash on one side only"},
	{name: "fsync", severity: schema.Warn, what: "a crash destroys the data of one side"},
	{name: "full_page_writes", severity: schema.Warn, what: "a crash destroys the data of one side"},
	{name: "autovacuum", severity: schema.Warn, what: "one side is never cleaned up"},
	{name: "password_encryption", severity: schema.Warn, what: "passwords that are set from now on are stored otherwise, and drivers that do not know how cannot connect", alike: onIsMD5},
	{name: "statement_timeout", severity: schema.Warn, what: "statements are cancelled earlier on one side"},
	{name: "lock_timeout", severity: schema.Warn, what: "waiting for a lock is given up earlier on one side"},
	{name: "idle_in_transaction_session_timeout", severity: schema.Warn, what: "open transactions are ended earlier on one side"},
	{name: "idle_session_timeout", severity: schema.Warn, what: "connections are closed earlier on one side, which poolers do not expect"},
	{name: "transaction_timeout", severity: schema.Warn, what: "transactions are ended earlier on one side"},
	{name: "max_connections", severity: schema.Warn, lower: true, what: "connections that the source took are refused"},
	{name: "max_prepared_transactions", severity: schema.Warn, lower: true, what: "transactions cannot be prepared as on the source"},
	{name: "max_locks_per_transaction", severity: schema.Warn, lower: true, what: "transactions that touch many tables run out of memory for locks"},
	{name: "jit", severity: schema.Info, what: "long queries are compiled on one side only"},
}

// settingDetectors look at settings.
var settingDetectors = []Detector{
	{
		ID: "setting-differs", Severity: schema.Warn, When: notPhysical,
		About: "settings that change what statements mean or whether they run",
		Find:  differingSettings,
	},
	{
		ID: "preload-libraries-missing", Severity: schema.Warn, AtWorst: schema.Block, When: notPhysical,
		About: "libraries that only the source's server loads",
		Find:  missingLibraries,
	},
}

// setting is what an ordinary role's session begins with on one side.
type setting struct {
	value    string // canonical
	original bool   // it is the server's own default
	hidden   bool   // the connected role has one of its own, in front of it
	start    bool   // it is changed by a restart alone
	unit     string
}

// readSettings: the database's value, which holds for sessions to come, or else
// reset_val, which is what this session began with before pgparity pinned its
// own for the transaction: the server's, unless the role has one of its own.
const readSettings = `SELECT s.name, coalesce(d.value, s.reset_val), d.value IS NULL AND s.reset_val = s.boot_val,
  d.value IS NULL AND EXISTS (
    SELECT FROM pg_catalog.pg_db_role_setting m JOIN pg_catalog.pg_roles u ON u.oid = m.setrole CROSS JOIN LATERAL pg_catalog.unnest(m.setconfig) e(e)
    WHERE u.rolname = current_user AND m.setdatabase IN (0, here.oid) AND pg_catalog.lower(pg_catalog.split_part(e.e, '=', 1)) = pg_catalog.lower(s.name)),
  s.context = 'postmaster', coalesce(s.unit, ''), s.vartype
FROM pg_catalog.pg_settings s
JOIN pg_catalog.pg_database here ON here.datname = pg_catalog.current_database()
LEFT JOIN LATERAL (
  SELECT pg_catalog.substr(c.c, pg_catalog.strpos(c.c, '=') + 1) AS value
  FROM pg_catalog.pg_db_role_setting r CROSS JOIN LATERAL pg_catalog.unnest(r.setconfig) c(c)
  WHERE r.setrole = 0 AND r.setdatabase = here.oid AND pg_catalog.lower(pg_catalog.split_part(c.c, '=', 1)) = pg_catalog.lower(s.name)
) d ON true
WHERE s.name = ANY ($1::pg_catalog.text[])`

// settings reads those of one side, by name. One that a version does not have
// is not there.
func (f *facts) settings(ctx context.Context, side postgres.Side, names []string) (map[string]setting, error) {
	found := map[string]setting{}
	st := postgres.Statement{SQL: readSettings, Args: []string{postgres.TextArray(names)}}
	err := readEach(ctx, f.on(side), "preflight settings", st, nil, func(r postgres.Row) error {
		found[r.Text(0)] = setting{value: canonical(r.Text(0), r.Text(6), r.Text(5), r.Text(1)), original: r.Bool(2), hidden: r.Bool(3), start: r.Bool(4), unit: r.Text(5)}
		return nil
	})
	return found, err
}

// bothSettings reads them on both sides.
func (f *facts) bothSettings(ctx context.Context, names []string) (source, target map[string]setting, _ error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = f.settings(ctx, postgres.Source, names); return err })
	g.Go(func() (err error) { target, err = f.settings(ctx, postgres.Target, names); return err })
	return source, target, g.Wait()
}

// differingSettings compares what an ordinary role's session begins with. What
// is the default on both sides is what the versions chose: it may differ.
func differingSettings(ctx context.Context, f *facts) ([]Hazard, error) {
	var names []string
	for _, c := range comparedSettings {
		names = append(names, c.name)
	}
	source, target, err := f.bothSettings(ctx, names)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, c := range comparedSettings {
		s, onSource := source[c.name]
		t, onTarget := target[c.name]
		if !onSource || !onTarget {
			continue
		}
		if h := c.judge(s, t, f.target.Server().Database); h != nil {
			found = append(found, *h)
		}
	}
	return found, nil
}

// judge compares one setting; nil is alike.
func (c compared) judge(s, t setting, database string) *Hazard {
	h := &Hazard{Side: postgres.Target, Object: "setting " + c.name, Severity: c.severity}
	if s.hidden || t.hidden {
		h.Severity = schema.Info
		h.Sentence = "the connected role has a value of its own, which hides the server's: they were not compared"
		return h
	}
	alike := c.alike
	if alike == nil {
		alike = func(v string) string { return v }
	}
	if alike(s.value) == alike(t.value) || s.original && t.original || c.lower && !less(t.value, s.value) {
		return nil
	}
	h.Sentence = fmt.Sprintf("it is %s on the source and %s on the target: %s", s.print(), t.print(), c.what)
	switch {
	case c.name == "default_transaction_read_only" && t.value == "on":
		h.Severity = schema.Info
		h.Sentence = "the target is read only, which keeps strangers from writing there: it has to be lifted when the target is opened"
	case t.start:
		h.Sentence += "; it is changed by a restart"
	case slices.Contains([]string{"fsync", "full_page_writes", "autovacuum"}, c.name):
	default:
		value := postgres.Literal(s.value)
		if c.name == "search_path" && s.value != "" {
			value = s.value // a list of quoted names
		}
		h.Fix = fmt.Sprintf("ALTER DATABASE %s SET %s = %s", postgres.Ident(database), postgres.Ident(c.name), value)
	}
	return h
}

func (s setting) print() string {
	switch {
	case s.value == "":
		return "empty"
	case s.unit == "ms":
		return s.value + " ms"
	}
	return s.value
}
