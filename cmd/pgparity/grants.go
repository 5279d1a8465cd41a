package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/config"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/report"
)

// grantsFlags are grants' own flags, beside the pairs'.
type grantsFlags struct {
	pairFlags
	role string
	side string
	test bool
}

var sideWords = []string{"both", "source", "target"}

func (a *app) grantsCommand() *cobra.Command {
	f := &grantsFlags{}
	cmd := &cobra.Command{
		Use:   "grants --source URL --target URL | --config FILE [--pair NAME]",
		Short: "Print the SQL that makes the least role verify needs, or test a role",
		Long: `grants prints the SQL that makes a role with the least privileges that verify
needs, for the tables that the filter chooses. It changes nothing itself: read
the SQL, then run it in the database it names, as an administrator. It may be
run again after new tables came.

Partitions are read through their root: the privilege on the root is enough.

The limits --max-active, --max-lag and --max-xmin-age, and preflight, see other
roles' sessions only with GRANT pg_monitor, which is not among the SQL: no table
needs it. Where something stays unseen, the report says so.

With --test it connects as the role that the connection strings name, and tells
what that role lacks, with the GRANT for each.

Exit codes: 0 printed, or with --test nothing is missing · 2 could not run ·
3 with --test: something is missing.`,
		Example: `  pgparity grants --source postgres://admin@db1/shop --target postgres://admin@db2/shop
  pgparity grants --side source --source postgres://admin@db1/shop --role auditor | psql …
  pgparity grants --test --source postgres://pgparity@db1/shop --target postgres://pgparity@db2/shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.grants(cmd, f) },
	}
	f.register(a, cmd)
	f.help(cmd, append(filterFlags, "checks")...)
	cmd.Flags().StringVar(&f.role, "role", "pgparity", "`NAME` of the role to make")
	cmd.Flags().StringVar(&f.side, "side", "both", "`SIDE` to print for: both, source or target")
	cmd.Flags().BoolVar(&f.test, "test", false, "test the role that connects instead")
	complete(cmd, "side", sideWords)
	return cmd
}

func (a *app) grants(cmd *cobra.Command, f *grantsFlags) error {
	if err := oneOf("side", f.side, sideWords); err != nil {
		return err
	}
	if f.test && cmd.Flags().Changed("role") {
		return fmt.Errorf("--role: --test tests the role that the connection strings name; leave --role out")
	}
	if err := checkRole(f.role); err != nil {
		return err
	}
	pairs, alone, err := a.loadSide(cmd, f)
	if err != nil {
		return err
	}
	for i, p := range pairs {
		sides, err := needs(cmd.Context(), p, f, alone)
		if err != nil {
			return named(p, err)
		}
		for j, g := range sides {
			if f.test {
				a.tellMissing(p, g)
				continue
			}
			if i+j > 0 {
				fmt.Fprintln(a.stdout)
			}
			fmt.Fprint(a.stdout, grantSQL(p, g))
		}
	}
	return nil
}

func checkRole(role string) error {
	switch {
	case role == "":
		return fmt.Errorf("--role: is empty; leave it out for pgparity")
	case report.Sentence(role) != role:
		return fmt.Errorf("--role: holds a blank that cannot be told from others, or a control character")
	}
	return nil
}

// loadSide reads the pairs. With --side and one connection string, that side
// stands alone and the other is not asked for.
func (a *app) loadSide(cmd *cobra.Command, f *grantsFlags) (pairs []config.Pair, alone bool, err error) {
	given := config.Options().FromFlags(cmd.Flags())
	has := func(side string) bool {
		return len(given[side]) > 0 || a.getenv("PGPARITY_"+strings.ToUpper(side)) != ""
	}
	other := map[string]string{"source": "target", "target": "source"}[f.side]
	if other == "" || f.file != "" || has(other) || !has(f.side) {
		pairs, err = a.load(cmd, &f.pairFlags)
		return pairs, false, err
	}
	given[other] = given[f.side]
	if given[other] == nil {
		given[other] = []string{a.getenv("PGPARITY_" + strings.ToUpper(f.side))}
	}
	pairs, err = config.Load(config.Input{Flags: given, Environ: a.environ, PairNames: f.pairs})
	return pairs, true, err
}

// needs connects and asks what the role needs on the sides that were asked for.
func needs(ctx context.Context, p config.Pair, f *grantsFlags, alone bool) ([]*checker.Grants, error) {
	role := f.role
	if f.test {
		role = ""
	}
	if alone {
		side, url := postgres.Source, p.Source
		if f.side == "target" {
			side, url = postgres.Target, p.Target
		}
		db, err := openSide(ctx, p, side, url, runID())
		if err != nil {
			return nil, err
		}
		defer db.Close()
		return checker.Needs(ctx, db, nil, options(p), role)
	}
	source, target, err := connect(ctx, p)
	if err != nil {
		return nil, err
	}
	defer closeBoth(source, target)
	sides, err := checker.Needs(ctx, source, target, options(p), role)
	return slices.DeleteFunc(sides, func(g *checker.Grants) bool { return f.side != "both" && f.side != string(g.Side) }), err
}

// grantSQL is one side's script.
func grantSQL(p config.Pair, g *checker.Grants) string {
	var b strings.Builder
	say := func(format string, args ...any) {
		b.WriteString("-- " + report.Sentence(fmt.Sprintf(format, args...)) + "\n")
	}
	name := ""
	if p.Name != "" {
		name = " of pair " + p.Name
	}
	say("%s%s: run this in database %s (PostgreSQL %s), as a superuser or as the", g.Side, name, g.Server.Database, g.Server.Version)
	say("owner of the tables. It makes a role that reads %s.", extent(g))
	b.WriteString(g.CreateSQL())
	say(`Give it a password where it needs one: \password %s (in psql)`, g.Role)
	fmt.Fprintf(&b, "GRANT CONNECT ON DATABASE %s TO %s;\n", g.Database, g.Quoted)
	for _, grant := range g.Grants {
		if strings.HasPrefix(grant.What, "BYPASSRLS") {
			say("Row security would hide rows, and hidden rows prove nothing. Only a superuser")
			say("may give this; the tables' owner without FORCE ROW LEVEL SECURITY needs it not.")
			say("%s", grant.What)
		}
		b.WriteString(grant.SQL + "\n")
	}
	if len(g.Schemas) > 0 {
		say("For tables to come, as the role that will own them:")
		for _, s := range g.Schemas {
			say("ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT ON TABLES TO %s;", s, g.Quoted)
			say("ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT ON SEQUENCES TO %s;", s, g.Quoted)
		}
	}
	return b.String()
}

// tellMissing prints what the connected role lacks on one side.
func (a *app) tellMissing(p config.Pair, g *checker.Grants) {
	where := string(g.Side)
	if p.Name != "" {
		where = "pair " + report.Name(p.Name) + ": " + where
	}
	missing := g.Missing()
	if len(missing) == 0 {
		fmt.Fprintf(a.stdout, "%s: role %s has all that verify needs (%s)\n", where, report.Name(g.Role), extent(g))
		return
	}
	a.worse(exitUnproven)
	fmt.Fprintf(a.stdout, "%s: role %s lacks %d:\n", where, report.Name(g.Role), len(missing))
	for _, m := range missing {
		fmt.Fprintf(a.stdout, "  %s\n    %s\n", report.Sentence(m.What), m.SQL)
	}
}

// extent says how much a role is to read.
func extent(g *checker.Grants) string {
	text := fmt.Sprintf("%d tables", g.Tables)
	if g.Tables == 1 {
		text = "1 table"
	}
	if g.Sequences == 1 {
		return text + " and 1 sequence"
	}
	return fmt.Sprintf("%s and %d sequences", text, g.Sequences)
}
