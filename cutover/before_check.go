package cutover

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// What is looked at before anything is touched: what lacks here would be found in
// the window, or behind the point of no return.

// foreignSQL reads which publications and subscriptions are not the role's to
// alter. A publication of all tables has the heartbeat's as well.
const (
	foreignPublicationsSQL = `SELECT pg_catalog.quote_ident(p.pubname) FROM pg_catalog.pg_publication p
WHERE p.pubname = %s AND NOT p.puballtables AND NOT pg_catalog.pg_has_role(p.pubowner, 'USAGE')`
	foreignSubscriptionsSQL = `SELECT pg_catalog.quote_ident(s.subname) FROM pg_catalog.pg_subscription s
WHERE s.subname = ANY (%s::pg_catalog.text[]) AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND NOT pg_catalog.pg_has_role(s.subowner, 'USAGE')`
)

// checkOwner makes sure that the role may alter what carries the pair.
func (r *run) checkOwner(ctx context.Context) error {
	if r.strategy != Native || r.direction == Rollback {
		return nil
	}
	var names []string
	for _, s := range r.facts.Streams {
		names = append(names, s.Subscription)
	}
	first := r.facts.Streams[0].Publications
	if len(first) == 0 {
		return nil
	}
	for _, c := range []struct {
		end                 *end
		sql, what, why, fix string
	}{
		{r.from, fmt.Sprintf(foreignPublicationsSQL, postgres.Literal(first[0])), "publication", "the heartbeat's table is added to it", "ALTER PUBLICATION %s OWNER TO %s"},
		{r.to, fmt.Sprintf(foreignSubscriptionsSQL, postgres.Literal(postgres.TextArray(names))), "subscription", "the switch stops it", "ALTER SUBSCRIPTION %s OWNER TO %s (up to 15 its owner has to be a superuser: switch as one)"},
	} {
		a := Action{ID: "owner", On: c.end.name, Do: c.sql, Why: "none: the role may alter what carries the pair"}
		err := r.gate(ctx, a, func(ctx context.Context) error {
			list, err := rows(ctx, c.end.control, "owner", c.sql, func(row postgres.Row) string { return strings.Clone(row.Text(0)) })
			if err != nil || len(list) == 0 {
				return err
			}
			return fmt.Errorf("%s: %s %s is not the role's, and %s; run there: "+c.fix, c.end.name, c.what, list[0], c.why, list[0], postgres.Ident(c.end.db.Server().User))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkHooks makes sure that the programs of hooks are there: one that leads the
// application elsewhere is called when there is no way back any more.
func (r *run) checkHooks(ctx context.Context) error {
	for _, h := range r.o.Hooks {
		if len(h.Exec) == 0 {
			continue
		}
		a := Action{ID: "hook-ready", On: "hook " + h.Name, Do: "command -v " + quoted(h.Exec[0]), Why: "the program is there, and may be run"}
		err := r.gate(ctx, a, func(context.Context) error {
			if _, err := exec.LookPath(h.Exec[0]); err != nil {
				return fmt.Errorf("hook %s (%s): %w: correct its path, or make it executable", h.Name, h.When, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkApplication makes sure that the application's connection string leads to
// where the application writes now: else the outage of something else is measured,
// and it is never seen to arrive.
func (r *run) checkApplication(ctx context.Context) error {
	if r.o.Application == "" || r.strategy == VerifyOnly {
		return nil
	}
	a := Action{ID: "application-ready", On: "application", Do: fmt.Sprintf(arrivalSQL, withSystem), Why: "it leads to the " + r.from.name + ", and can write there"}
	return r.gate(ctx, a, func(ctx context.Context) error {
		if why := r.arrival(ctx, r.from); why != "" {
			return fmt.Errorf("%s: it has to be what the application itself connects with now: correct it (cutover.application), or leave it out", why)
		}
		return nil
	})
}
