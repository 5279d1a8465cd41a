package cutover

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/preflight"
	"github.com/pgparity/pgparity/schema"
)

// errBlocked: the preflight found what has to be mended first.
type errBlocked struct{ reasons []string }

func (e errBlocked) Error() string { return "blocked: " + strings.Join(e.reasons, "; ") }

// preflight looks for everything that would go wrong. Nothing has been touched.
func (r *run) preflight(ctx context.Context) error {
	for _, check := range []func(context.Context) error{r.checkRole, r.checkOwner, r.checkPoolers, r.checkHooks, r.checkApplication} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	if r.direction == Rollback { // what would have gone wrong was looked for before the switch
		return nil
	}
	if err := r.checkDelayed(ctx); err != nil {
		return err
	}
	return r.gate(ctx, Action{ID: "preflight", On: "here", Do: "pgparity preflight", Why: "no hazard may block"}, func(ctx context.Context) error {
		result, err := r.lookAhead(ctx)
		if err != nil {
			return err
		}
		if result.Verdict == preflight.Ready {
			return nil
		}
		blocked := errBlocked{reasons: result.Reasons}
		for i := range result.Hazards {
			if h := &result.Hazards[i]; h.Severity == schema.Block || r.o.Preflight.Strict && h.Severity == schema.Warn && !h.Acknowledged {
				blocked.reasons = append(blocked.reasons, strings.TrimSpace(fmt.Sprintf("%s %s: %s", h.ID, h.Object, h.Sentence)))
			}
		}
		if result.Verdict == preflight.Unproven {
			return fmt.Errorf("something could not be looked at: %w", blocked)
		}
		return blocked
	})
}

// prepare makes what a window has no time for.
func (r *run) prepare(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	// The side that is switched to first: a table that is published has to be there.
	for _, e := range []*end{r.to, r.from} {
		if err := r.makeLedger(ctx, e); err != nil {
			return err
		}
	}
	// What is changed from here on can be taken back without the journal too.
	if err := r.foretell(ctx); err != nil {
		return err
	}
	if r.direction == Forward {
		if err := r.closeTo(ctx); err != nil {
			return err
		}
	}
	for _, part := range []func(context.Context) error{r.carryHeartbeat, r.readyTarget, r.prepareProbe, r.copyBefore, r.prepareReverse} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// foretell writes down, here and on to, what is to be made: who takes it back knows
// of it wherever this process dies.
func (r *run) foretell(ctx context.Context) error {
	if err := r.write(Begins, Prepared, ""); err != nil {
		return err
	}
	return r.do(ctx, Action{ID: "journal-copy", On: r.to.name, Do: "INSERT INTO pgparity.cutover_journal …", Why: "it says how the databases were, and what was made, where the journal is lost"}, func(ctx context.Context) error {
		return r.copyJournal(ctx, r.to)
	})
}

// prepareProbe makes what the downtime probe writes to, on both ends.
func (r *run) prepareProbe(ctx context.Context) error {
	for _, e := range []*end{r.from, r.to} {
		if err := r.prepareDowntime(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// settingsSQL reads what closing a database changes: its limit, its own setting,
// and those of roles, which override that.
const (
	limitSQL = `SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`
	ownSQL   = `SELECT pg_catalog.substr(c, 31) FROM pg_catalog.pg_db_role_setting s, pg_catalog.unnest(s.setconfig) c
WHERE s.setrole = 0 AND s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND c LIKE 'default\_transaction\_read\_only=%'`
	rolesSQL = `SELECT pg_catalog.quote_ident(r.rolname), s.setdatabase <> 0, pg_catalog.substr(c, 31)
FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole, pg_catalog.unnest(s.setconfig) c
WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) AND c LIKE 'default\_transaction\_read\_only=%'
ORDER BY 1, 2`
)

// save remembers how both databases are, before anything is changed. One that is
// switched from, and open, is as its owner wants it. Else what an earlier run has
// saved, and not given back, holds.
func (r *run) save(ctx context.Context) error {
	if r.facts.Saved == nil {
		r.facts.Saved = map[string]SavedDatabase{}
	}
	for _, e := range []*end{r.from, r.to} {
		s, err := readSettings(ctx, e)
		if err != nil {
			return err
		}
		if _, done := r.facts.Saved[e.name]; done && (e == r.to || !s.open()) {
			continue
		}
		r.facts.Saved[e.name] = s
	}
	// On the disk before the first change.
	return r.write(Begins, Prepared, "")
}

func readSettings(ctx context.Context, e *end) (s SavedDatabase, err error) {
	limits, err := rows(ctx, e.control, "save", limitSQL, func(row postgres.Row) int { return int(row.Int(0)) })
	if err != nil {
		return s, err
	}
	s.Limit = limits[0]
	own, err := rows(ctx, e.control, "save", ownSQL, func(row postgres.Row) string { return row.Text(0) })
	if err != nil {
		return s, err
	}
	if len(own) > 0 {
		s.ReadOnly = &own[0]
	}
	s.Roles, err = rows(ctx, e.control, "save", rolesSQL, func(row postgres.Row) Role {
		return Role{Name: row.Text(0), Here: row.Bool(1), Value: row.Text(2)}
	})
	return s, err
}

// open tells whether clients can write there.
func (s SavedDatabase) open() bool { return s.ReadOnly == nil || !isOn(*s.ReadOnly) }

// isOn reads a boolean setting as the server would.
func isOn(value string) bool {
	return slices.Contains([]string{"on", "true", "yes", "1", "t", "y"}, strings.ToLower(value))
}

// overriding are the roles whose setting would override the database's read only:
// for each the one that counts, which is the one for this database.
func (s SavedDatabase) overriding() (list []Role) {
	for _, role := range s.Roles {
		here := slices.ContainsFunc(s.Roles, func(other Role) bool { return other.Name == role.Name && other.Here })
		if !isOn(role.Value) && (role.Here || !here) {
			list = append(list, role)
		}
	}
	return list
}

// openSQL gives a role the setting back that it had in a database.
func (role Role) openSQL(database string) string {
	if role.Here {
		return "ALTER ROLE " + role.Name + " IN DATABASE " + database + " SET default_transaction_read_only = " + postgres.Literal(role.Value)
	}
	return "ALTER ROLE " + role.Name + " IN DATABASE " + database + " RESET default_transaction_read_only"
}

// closeTo keeps clients of the database that is switched to from writing there
// before it is their turn. Replication writes all the same: it asks nobody.
func (r *run) closeTo(ctx context.Context) error {
	s, err := readSettings(ctx, r.to)
	if err != nil || !s.open() {
		return err
	}
	return r.sql(ctx, r.to, "target-read-only", "no client writes there before its turn", "ALTER DATABASE "+r.to.database+" SET default_transaction_read_only = on")
}

// carryHeartbeat has the heartbeat's table replicated: with native replication
// the switch sees to that itself.
func (r *run) carryHeartbeat(ctx context.Context) error {
	if r.strategy != Native {
		return nil
	}
	s := r.facts.Streams[0]
	carried, err := text(ctx, r.to.control, "heartbeat", `SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
WHERE s.subname = $1 AND r.srrelid = pg_catalog.to_regclass('pgparity.heartbeat'))`, s.Subscription)
	if err != nil {
		return err
	}
	if carried != "t" {
		published, err := text(ctx, r.from.control, "heartbeat", `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_tables WHERE pubname = ANY ($1::pg_catalog.text[]) AND schemaname = 'pgparity' AND tablename = 'heartbeat')`, postgres.TextArray(s.Publications))
		if err != nil {
			return err
		}
		if published != "t" {
			r.facts.Heartbeat = s.Publications[0]
			if err := r.foretell(ctx); err != nil {
				return err
			}
			if err := r.sql(ctx, r.from, "heartbeat-publish", "a row of ours travels with the application's", "ALTER PUBLICATION "+postgres.Ident(s.Publications[0])+" ADD TABLE pgparity.heartbeat"); err != nil {
				return err
			}
		}
		// What an earlier run left there would meet its own copy.
		if err := r.sql(ctx, r.to, "heartbeat-empty", "its copy begins anew", "DELETE FROM pgparity.heartbeat"); err != nil {
			return err
		}
		if err := r.grantCopy(ctx, s); err != nil {
			return err
		}
		if err := r.sql(ctx, r.to, "heartbeat-subscribe", "", "ALTER SUBSCRIPTION "+postgres.Ident(s.Subscription)+" REFRESH PUBLICATION"); err != nil {
			return err
		}
	}
	ready := `SELECT r.srrelid::pg_catalog.regclass FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid WHERE s.subname = ` + postgres.Literal(s.Subscription) + ` AND r.srsubstate <> 'r'`
	wait, cancel := context.WithTimeoutCause(ctx, copyPatience, fmt.Errorf("waited %v in vain", copyPatience))
	defer cancel()
	return r.await(wait, Action{ID: "heartbeat-ready", On: r.to.name, Do: ready, Why: "none: every table is carried"}, func(ctx context.Context) (bool, string, error) {
		left, err := rows(ctx, r.to.control, "heartbeat", ready, func(row postgres.Row) string { return strings.Clone(row.Text(0)) })
		return err == nil && len(left) == 0, fmt.Sprintf("subscription %s has not copied %s: its worker fails, or has much to copy; the %s server's log says which", s.Subscription, strings.Join(left, ", "), r.to.name), err
	})
}

// copyPatience is how long the copy of the heartbeat's table, which is empty, may
// take to be made.
const copyPatience = time.Minute

// grantCopy lets the role that replicates read our tables: the heartbeat is copied
// as it, and it may have been granted the application's tables alone.
func (r *run) grantCopy(ctx context.Context, s Stream) error {
	role, err := text(ctx, r.from.control, "heartbeat", `SELECT pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_replication_slots s JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
WHERE s.slot_name = $1 AND NOT r.rolsuper AND (pg_catalog.has_schema_privilege(r.oid, pg_catalog.to_regnamespace('pgparity')::pg_catalog.oid, 'USAGE')
  AND pg_catalog.has_table_privilege(r.oid, pg_catalog.to_regclass('pgparity.heartbeat')::pg_catalog.oid, 'SELECT')) IS NOT TRUE`, s.Slot) // in a plan there is neither
	if err != nil || role == "" {
		return err
	}
	return r.sql(ctx, r.from, "heartbeat-grant", "its copy is read as the role that replicates", "GRANT USAGE ON SCHEMA pgparity TO "+role+"; GRANT SELECT ON ALL TABLES IN SCHEMA pgparity TO "+role)
}

// unprepare removes what prepare made. It is done by who gives a switch up for
// good, not between two attempts.
func (r *run) unprepare(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	if err := r.dropReverse(ctx); err != nil {
		return err
	}
	if err := r.dropHeartbeat(ctx); err != nil {
		return err
	}
	if r.direction == Rollback { // the switch stands as it stood
		return nil
	}
	if err := r.restore(ctx, r.to); err != nil {
		return err
	}
	for _, e := range []*end{r.from, r.to} {
		if err := r.dropLedger(ctx, e); err != nil {
			return err
		}
	}
	r.facts.Saved = nil
	return nil
}

func (r *run) dropHeartbeat(ctx context.Context) error {
	if r.strategy != Native || r.facts.Heartbeat == "" {
		return nil
	}
	published, err := text(ctx, r.from.control, "heartbeat", `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication_tables WHERE pubname = $1 AND schemaname = 'pgparity' AND tablename = 'heartbeat')`, r.facts.Heartbeat)
	if err != nil {
		return err
	}
	if published == "t" {
		if err := r.sql(ctx, r.from, "heartbeat-withdraw", "", "ALTER PUBLICATION "+postgres.Ident(r.facts.Heartbeat)+" DROP TABLE pgparity.heartbeat"); err != nil {
			return err
		}
	}
	carried, err := text(ctx, r.to.control, "heartbeat", `SELECT s.subname FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid WHERE r.srrelid = pg_catalog.to_regclass('pgparity.heartbeat') AND s.subenabled`)
	if err != nil || carried == "" {
		return err
	}
	return r.sql(ctx, r.to, "heartbeat-unsubscribe", "", "ALTER SUBSCRIPTION "+postgres.Ident(carried)+" REFRESH PUBLICATION WITH (copy_data = false)")
}

// restore gives a database the limit and the settings back that it had.
func (r *run) restore(ctx context.Context, e *end) error {
	saved, known := r.facts.Saved[e.name]
	if !known {
		return nil
	}
	now, err := readSettings(ctx, e)
	if err != nil {
		return err
	}
	if now.Limit != saved.Limit {
		if err := r.sql(ctx, e, "limit-as-it-was", "as it was before", limitTo(e.database, saved.Limit)); err != nil {
			return err
		}
	}
	if equal(now.ReadOnly, saved.ReadOnly) {
		return nil
	}
	return r.sql(ctx, e, "target-as-it-was", "as it was before", readOnlySQL(e.database, saved.ReadOnly))
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// readOnlySQL gives a database a setting of its own, or takes it away.
func readOnlySQL(database string, value *string) string {
	if value == nil {
		return "ALTER DATABASE " + database + " RESET default_transaction_read_only"
	}
	return "ALTER DATABASE " + database + " SET default_transaction_read_only = " + postgres.Literal(*value)
}

// sync waits until all is carried and in time, and has it verified.
func (r *run) sync(ctx context.Context) error {
	if err := r.healthy(ctx); err != nil {
		return err
	}
	if err := r.handOver(ctx); err != nil {
		return err
	}
	if err := r.verifyFull(ctx); err != nil {
		return err
	}
	if r.strategy == VerifyOnly { // what was written meanwhile is verified too, behind the fence
		return r.catchUp(ctx)
	}
	return inTurn(r.arrives, r.comeUp)(ctx)
}

// workerPatience is how long a worker that was started may take to run: a server up
// to 15 starts one in five seconds.
const workerPatience = 10 * time.Second

// workersUp waits until the streams that carry are read: they were started a moment
// ago, where a window was taken back. One that is not is found by who looks next.
func (r *run) workersUp(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, workerPatience)
	defer cancel()
	for _, s := range r.facts.Streams {
		read := "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = " + postgres.Literal(s.Slot)
		err := r.await(wait, Action{ID: "workers-up", On: r.from.name, Do: read, Why: "it is read"}, func(ctx context.Context) (bool, string, error) {
			active, err := text(ctx, r.from.control, "workers", read)
			return active == "t", "", err
		})
		if err != nil && wait.Err() == nil {
			return err
		}
	}
	return ctx.Err()
}

// healthy proves that the replication has nothing wrong with it.
func (r *run) healthy(ctx context.Context) error {
	if err := r.workersUp(ctx); err != nil {
		return err
	}
	return r.gate(ctx, Action{ID: "replication-healthy", On: r.to.name, Do: "SELECT … FROM pg_subscription, pg_stat_subscription, pg_subscription_rel", Why: "workers run, every table is carried, nothing failed"}, func(ctx context.Context) error {
		h, err := r.fence.Health(ctx)
		if err != nil {
			return err
		}
		for _, t := range h.Troubles {
			if t.Kind != fence.Partial {
				return fmt.Errorf("%s: %s", t.Side, t.Sentence)
			}
		}
		return r.carried(ctx)
	})
}

// carried proves that every table that is compared is carried.
func (r *run) carried(ctx context.Context) error {
	c, err := r.fence.Cover(ctx, r.carriedTables())
	if err != nil || len(c.Gaps) == 0 {
		return err
	}
	g := c.Gaps[0]
	return fmt.Errorf("%s: %s is not carried (%s), %d tables in all: what was written there would stay behind; add it to the publication, or leave it out (--exclude-table)", r.to.name, g.Table, g.Phase(), len(c.Gaps))
}

// carriedTables are those that are compared, but for those that the switch
// copies itself.
func (r *run) carriedTables() (tables []string) {
	for _, t := range r.pair.Tables {
		if t.Both() && t.Barred == "" && !r.delayed(t.Target.Schema+"."+t.Target.Name) {
			tables = append(tables, t.Target.Quoted)
		}
	}
	return tables
}

func (r *run) delayed(table string) bool {
	return slices.ContainsFunc(r.o.Delayed, func(d Delayed) bool { return d.Table == table })
}

// arrives measures how long a mark takes: bytes don't tell, as a long transaction
// is few of them.
func (r *run) arrives(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Budgets.Lag, fmt.Errorf("a mark did not arrive within %v: the replication lags by more than a window may wait", r.o.Budgets.Lag))
	defer cancel()
	return r.await(ctx, Action{ID: "lag", On: r.from.name, Do: "SELECT pg_catalog.pg_current_wal_insert_lsn()", Why: fmt.Sprintf("what is written now arrives within %v", r.o.Budgets.Lag)}, func(ctx context.Context) (bool, string, error) {
		mark, err := r.fence.Mark(ctx)
		if err != nil {
			return false, "", err
		}
		return true, "", r.fence.Wait(ctx, mark)
	})
}

// arm asks, looks once more, and has everything at hand that the window needs.
// From here on the guard watches.
func (r *run) arm(ctx context.Context) error {
	if r.strategy == VerifyOnly {
		return nil
	}
	r.facts.Poolers = nil
	for _, p := range r.o.Poolers {
		r.facts.Poolers = append(r.facts.Poolers, p.Name)
	}
	for _, part := range []func(context.Context) error{r.locked, r.stillVerified, r.sameTables, r.warm, r.shortenSlots, r.checkSequences, r.planTriggers, r.noLongTransactions, r.healthy, r.comeUp, r.catchUp, r.prepareGate,
		r.shortenSlots, r.advanceReverse, r.arrives, r.fingerprint, r.rememberHealth, r.startDowntime, r.writeThaw, r.startGuard} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	r.predictGate()
	return nil
}

// ask has a person say yes, who may take their time: no budget runs.
func (r *run) ask(ctx context.Context) error {
	if r.o.Confirm == nil || r.attempt > 1 {
		return nil
	}
	q := Question{What: fmt.Sprintf("Clients of %s (%s) will be kept out, and led to %s (%s).", r.from.db.Server().Database, r.from.name, r.to.db.Server().Database, r.to.name),
		Type: r.to.db.Server().Database, PredictedMS: r.result.PredictedMS}
	return r.gate(ctx, Action{ID: "confirm", On: "here", Do: "type " + q.Type, Why: "a person says yes"}, func(ctx context.Context) error {
		if err := r.o.Confirm(ctx, q); err != nil {
			return errGiveUp{fmt.Errorf("not confirmed: %w", err)}
		}
		return nil
	})
}

// warm makes every connection that the window needs.
func (r *run) warm(ctx context.Context) error {
	for _, e := range []*end{r.from, r.to} {
		if err := e.db.Warm(ctx, r.poolSize()); err != nil {
			return err
		}
	}
	return nil
}

// disarm ends what arm began.
func (r *run) disarm(ctx context.Context) error {
	r.releaseGuard()
	r.result.Outage = r.stopDowntime()
	return r.forgetThaw(ctx)
}

// thawFile is beside the journal, and the journal's own: others may lie there.
func (r *run) thawFile() string { return r.o.Journal + ".unfreeze.sql" }

// forgetThaw removes it: run behind the point of no return, it would have two
// databases take writes.
func (r *run) forgetThaw(ctx context.Context) error {
	return r.do(ctx, Action{ID: "unfreeze-gone", On: "here", Do: "remove " + r.thawFile(), Why: "nobody is to run it any more"}, func(context.Context) error { return removeFile(r.thawFile()) })
}

// writeThaw writes down, here and on the side that is switched to, the statements that open the
// source again: for whoever is left when this host is not.
func (r *run) writeThaw(ctx context.Context) error {
	settings, roles, letIn := r.thawSQL()
	statements := slices.Concat(settings, roles, letIn)
	script := fmt.Sprintf("-- Opens %s again, which run %s of pgparity cutover has closed. In another database of\n-- that server (%s), as its owner or a superuser. Not after the point of no return.\n%s;\n", r.from.name, r.id, r.o.maintenance(), strings.Join(statements, ";\n"))
	err := r.do(ctx, Action{ID: "unfreeze-file", On: "here", Do: "write " + r.thawFile(), Why: "for whoever finds the source closed"}, func(context.Context) error {
		return os.WriteFile(r.thawFile(), []byte(script), 0o600)
	})
	if err != nil {
		return err
	}
	return r.do(ctx, Action{ID: "unfreeze-copy", On: r.to.name, Do: "CREATE OR REPLACE VIEW pgparity.unfreeze AS SELECT … AS sql", Why: "it lies on the other server too, with the journal so far"}, func(ctx context.Context) error {
		if err := r.copyJournal(ctx, r.to); err != nil {
			return err
		}
		// A view, since FOR ALL TABLES carries what is in tables, and its removal later.
		return r.to.control.Exec(ctx, "cutover unfreeze", "CREATE OR REPLACE VIEW pgparity.unfreeze AS SELECT "+postgres.Literal(script)+"::pg_catalog.text AS sql")
	})
}
