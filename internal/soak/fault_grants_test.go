package soak_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
)

// TestLeastRole: a role with what grants prints, and nothing else, judges a pair
// under load. Where the administrators have closed the catalogs to everybody,
// the run ends unproven, and grants prints what is lacking.
func TestLeastRole(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	for _, majors := range [][2]int{{10, 15}, {18, 10}} {
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			role := fmt.Sprintf("reader_%d", names.Add(1))
			for _, major := range majors { // before the pair: roles are dropped after databases
				dropRole(t, server(t, major), role)
			}
			p := newPair(t, majors[0], majors[1], shop...)
			busy(t, p.source.url, -1, 100)
			given := p.grants(t, role, p.source.url, p.target.url)
			if text := strings.Join(slices.Concat(given[0], given[1]), "\n"); strings.Contains(text, "TABLE pg_catalog") || !strings.Contains(text, "parcels") {
				t.Errorf("the catalogs are open to everybody, yet the grants are %s", text)
			}
			p.give(t, role, given)
			reader := *p
			urls := [2]*string{&p.source.url, &p.target.url}
			for i, e := range []**end{&reader.source, &reader.target} {
				other := **e
				other.url = other.cluster.UserURL(role, "secret", other.name)
				*e, urls[i] = &other, &other.url
			}
			matches(t, reader.verify(t))

			closed := []string{"pg_subscription", "pg_subscription_rel", "pg_stat_subscription", "pg_replication_slots", "pg_publication"}
			for _, e := range []*end{p.source, p.target} {
				e.exec(t, "REVOKE SELECT ON "+strings.Join(closed, ", ")+" FROM PUBLIC")
			}
			res := reader.verify(t)
			unproven(t, res, "permission denied", "`pgparity grants` prints the privileges that are needed")
			// What the role sees for itself, and an administrator for it.
			lacks := p.grants(t, "", *urls[0], *urls[1])
			if lacks[0] == nil || lacks[1] == nil {
				t.Errorf("nothing lacks: %q", lacks)
			}
			p.give(t, role, p.grants(t, role, p.source.url, p.target.url))
			if lacks = p.grants(t, "", *urls[0], *urls[1]); lacks[0] != nil || lacks[1] != nil {
				t.Errorf("it still lacks %q", lacks)
			}
			ruin(t, p.target, shopDamage...)
			finds(t, reader.verify(t), shopFindings)
		})
	}
}

// grants are the statements, for each side, that a role needs; for "", those that
// the connected ones lack.
func (p *pair) grants(t *testing.T, role, sourceURL, targetURL string) (sql [2][]string) {
	t.Helper()
	source, target := open(t, postgres.Source, sourceURL), open(t, postgres.Target, targetURL)
	defer source.Close()
	defer target.Close()
	sides, err := checker.Needs(t.Context(), source, target, checker.Options{Checks: []string{"ranges"}}, role)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range sides {
		if role != "" {
			sql[i] = append(sql[i], g.CreateSQL(), "ALTER ROLE "+g.Quoted+" PASSWORD 'secret'")
		}
		for _, m := range g.Missing() {
			sql[i] = append(sql[i], m.SQL)
		}
	}
	return sql
}

func (p *pair) give(t *testing.T, role string, sql [2][]string) {
	t.Helper()
	p.source.exec(t, sql[0]...)
	p.target.exec(t, sql[1]...)
	for _, e := range []*end{p.source, p.target} {
		if e.ask(t, "SELECT rolsuper OR pg_has_role(oid, 'pg_monitor', 'USAGE') FROM pg_roles WHERE rolname = '"+role+"'") != "false" {
			t.Fatal("the role has more than it was meant to have")
		}
	}
}

// dropRole drops a role when the test and its databases are gone.
func dropRole(t *testing.T, c *pgcluster.Cluster, role string) {
	t.Cleanup(func() {
		if err := c.Exec(context.Background(), "postgres", "DROP ROLE IF EXISTS "+pgx.Identifier{role}.Sanitize()); err != nil {
			t.Log(err)
		}
	})
}
