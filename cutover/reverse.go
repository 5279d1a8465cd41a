package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// The way back: a stream from to to from, prepared while the application writes
// to from, and started when it writes to to. Its subscription is made without a
// slot, so that it carries nothing, and whoever looks for what replicates the pair
// is told so; it is given its slot at the moment it is started.
//
// A slot takes its time to be made, so one is made beforehand and moved ahead in the
// window. Where it was moved to it forgets when its server crashes before the next
// checkpoint, and would then carry back what came from there: so what is used is a
// copy, which is on the disk when it is made. Below 12 there are no copies, and below
// 11 a slot cannot be moved: there it is made in the window, when there is nothing
// left to be carried.

// reverseName is the name of the publication and subscription that lead back.
const reverseName = "pgparity_reverse"

// findStreams reads which subscriptions carry from → to.
func (r *run) findStreams(ctx context.Context) error {
	subs, err := r.to.db.ReadSubscriptions(ctx)
	if err != nil {
		return err
	}
	r.facts.Streams = nil
	for _, f := range r.detection.Forward {
		if f.Kind != fence.KindLogical {
			continue
		}
		if s := subs.Named(f.Name); s != nil {
			r.facts.Streams = append(r.facts.Streams, Stream{Subscription: s.Name, Slot: s.Slot, Publications: s.Publications, Own: s.Name == reverseName})
		}
	}
	return nil
}

// prepareReverse makes what the way back needs.
func (r *run) prepareReverse(ctx context.Context) error {
	switch {
	case r.strategy != Native:
		return nil
	case r.direction == Rollback: // the way back is the one that was there before
		return r.prepareOldWay(ctx)
	case r.o.Reverse.Off: // an earlier run may have made one
		return r.dropReverse(ctx)
	}
	slot, err := r.reverseSlot(ctx)
	if err != nil {
		return err
	}
	r.facts.Reverse = []Stream{{Subscription: reverseName, Slot: slot, Publications: []string{reverseName}, Own: true}}
	for _, part := range []func(context.Context) error{r.dropOldReverse, r.publishBack, r.makeSlots, r.subscribeBack, r.seesTables} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dropOldReverse removes what an earlier run left of the way back, but for its
// slot: it may be of other tables, and lead elsewhere.
func (r *run) dropOldReverse(ctx context.Context) error {
	own := r.facts.Reverse[0]
	now, err := readStream(ctx, r.from, own.Subscription)
	if err != nil {
		return err
	}
	if now.enabled {
		return errContradiction{fmt.Sprintf("subscription %s on the %s is enabled, and no run has started it: find out who did; DROP SUBSCRIPTION it where nothing needs it, and run again", own.Subscription, r.from.name)}
	}
	if err := r.dropSubscription(ctx, r.from, own); err != nil {
		return err
	}
	return r.dropPublication(ctx, r.to)
}

// prepareOldWay gives the subscriptions that carried the switch new slots: what
// the old ones stood for was carried long ago.
func (r *run) prepareOldWay(ctx context.Context) error {
	for i, s := range r.facts.Reverse {
		// One that a rollback made that was given up stands for nothing any more, and
		// keeps the log.
		if err := errors.Join(r.dropSlot(ctx, r.to, s.Slot), r.dropSlot(ctx, r.to, s.ahead())); err != nil {
			return err
		}
		r.facts.Reverse[i].Slot = slotName(s.Subscription + "_" + r.id)
	}
	if err := r.foretell(ctx); err != nil { // their names are known from nowhere else
		return err
	}
	return r.makeSlots(ctx)
}

// slotName makes a name of what slots may be called: lower case letters, digits
// and underscores, 63 at most.
func slotName(text string) string {
	name := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' {
			return c
		}
		return '_'
	}, strings.ToLower(text))
	return name[max(0, len(name)-63):]
}

// reverseSlot names the slot: slots are the server's, so its database's number
// is part of it.
func (r *run) reverseSlot(ctx context.Context) (string, error) {
	oid, err := text(ctx, r.to.control, "reverse", "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()")
	return slotName(reverseName + "_" + oid), err
}

// publishBack publishes on to what the switch's subscriptions have there. Of our own
// tables, which a publication of all tables has, the heartbeat alone: each side's
// rows of the others are its own.
func (r *run) publishBack(ctx context.Context) error {
	tables, roots, err := r.carriedThere(ctx)
	if err != nil {
		return err
	}
	if r.exec.dry() && len(tables) == 0 {
		tables = []string{"…"}
	}
	if err := r.sameIdentities(ctx); err != nil {
		return err
	}
	with, err := r.publishedOperations(ctx)
	if err != nil {
		return err
	}
	if roots {
		with = append(with, "publish_via_partition_root = true")
	}
	options := ""
	if len(with) > 0 {
		options = " WITH (" + strings.Join(with, ", ") + ")"
	}
	return r.sql(ctx, r.to, "reverse-publish", "what is written there later travels back", "CREATE PUBLICATION "+reverseName+" FOR TABLE "+strings.Join(tables, ", ")+options)
}

// carriedThere are the tables of to that the switch's subscriptions write to, quoted;
// roots tells that one is the root of partitions.
func (r *run) carriedThere(ctx context.Context) (tables []string, roots bool, err error) {
	names := make([]string, len(r.facts.Streams))
	for i, s := range r.facts.Streams {
		names[i] = s.Subscription
	}
	tables, err = rows(ctx, r.to.control, "reverse", `SELECT DISTINCT pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind = 'p'
FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid JOIN pg_catalog.pg_class c ON c.oid = r.srrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE s.subname = ANY ($1::pg_catalog.text[]) AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  AND (n.nspname <> 'pgparity' OR c.relname = 'heartbeat') ORDER BY 1`, func(row postgres.Row) string {
		roots = roots || row.Bool(1)
		return row.Text(0)
	}, postgres.TextArray(names))
	return tables, roots, err
}

// publishedOperations has the way back carry what the way there does: a table that
// is published without updates may be updated without an identity. A server of 10
// knows no truncation.
func (r *run) publishedOperations(ctx context.Context) ([]string, error) {
	features, err := r.from.db.ReadFeatures(ctx)
	if err != nil {
		return nil, err
	}
	var publications []string
	for _, s := range r.facts.Streams {
		publications = append(publications, s.Publications...)
	}
	var list []string
	all := true
	err = r.from.control.Each(ctx, "cutover reverse", postgres.Statement{SQL: features.Fill(`SELECT coalesce(bool_or(pubinsert), true), coalesce(bool_or(pubupdate), true), coalesce(bool_or(pubdelete), true), {{pg_publication.pubtruncate ? coalesce(bool_or(pubtruncate), true) : false}}
FROM pg_catalog.pg_publication WHERE pubname = ANY ($1::pg_catalog.text[])`), Args: []string{postgres.TextArray(publications)}}, func(row postgres.Row) error {
		for i, operation := range []string{"insert", "update", "delete", "truncate"} {
			if row.Bool(i) {
				list = append(list, operation)
			}
			all = all && row.Bool(i)
		}
		return nil
	})
	if err != nil || all {
		return nil, err
	}
	return []string{"publish = '" + strings.Join(list, ", ") + "'"}, nil
}

// lackingSQL reads the tables without an identity: published with updates, they
// refuse every UPDATE of the application.
const lackingSQL = `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgparity')
AND (c.relreplident = 'n' OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
  OR c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident))`

// sameIdentities makes sure that the way back refuses nothing that the way there
// allowed.
func (r *run) sameIdentities(ctx context.Context) error {
	lacking := map[string]map[string]bool{}
	for _, e := range []*end{r.from, r.to} {
		list, err := rows(ctx, e.control, "reverse", lackingSQL, func(row postgres.Row) string { return row.Text(0) })
		if err != nil {
			return err
		}
		lacking[e.name] = map[string]bool{}
		for _, t := range list {
			lacking[e.name][t] = true
		}
	}
	for _, t := range r.pair.Tables {
		if t.Both() && lacking[r.to.name][t.Target.Quoted] && !lacking[r.from.name][t.Source.Quoted] {
			return fmt.Errorf("%s: %s has no replica identity, as it has on the %s: the way back would make each UPDATE and DELETE of it fail; run there: ALTER TABLE %[2]s REPLICA IDENTITY FULL (or give it its primary key), or do without a way back (reverse: off)", r.to.name, t.Target.Quoted, r.from.name)
		}
	}
	return nil
}

// movable and copyable tell what can be done with a slot of to.
func (r *run) movable() bool  { return r.to.db.Server().Major() >= 11 }
func (r *run) copyable() bool { return r.to.db.Server().Major() >= 12 }

// ahead is the slot that is moved ahead, and that the stream's is a copy of.
func (s Stream) ahead() string { return slotName(s.Slot + "_ahead") }

// moved is the slot that is moved ahead: where there are no copies, the stream's.
func (r *run) moved(s Stream) string {
	if r.copyable() {
		return s.ahead()
	}
	return s.Slot
}

// makeSlots makes the slots of the way back, where they can be moved ahead later.
func (r *run) makeSlots(ctx context.Context) error {
	if !r.movable() {
		return nil
	}
	for _, s := range r.facts.Reverse {
		if err := r.makeSlot(ctx, r.moved(s)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) makeSlot(ctx context.Context, slot string) error {
	there, err := text(ctx, r.to.control, "reverse", `SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)`, slot)
	if err != nil || there == "t" {
		return err
	}
	err = r.sql(ctx, r.to, "reverse-slot", "waits for every transaction that is under way there", "SELECT pg_catalog.pg_create_logical_replication_slot("+postgres.Literal(slot)+", 'pgoutput')")
	if postgres.HasCode(err, "53400") || postgres.HasCode(err, "55000") {
		err = fmt.Errorf("%w; the way back needs wal_level = logical there and two slots that are free (max_replication_slots); or do without: reverse: off", err)
	}
	return err
}

// subscribeBack makes the subscription of the way back on from: it carries nothing
// yet.
func (r *run) subscribeBack(ctx context.Context) error {
	conninfo := r.o.Reverse.Connection
	if conninfo == "" {
		conninfo = r.o.Target
	}
	origin := ""
	if r.from.db.Server().Major() >= 16 && r.to.db.Server().Major() >= 16 {
		origin = ", origin = none"
	}
	shown := fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION %%s PUBLICATION %[1]s WITH (enabled = false, create_slot = false, slot_name = NONE, copy_data = false%s)", reverseName, origin)
	statement := fmt.Sprintf(shown, postgres.Literal(conninfo))
	a := Action{ID: "reverse-subscribe", On: r.from.name, Do: fmt.Sprintf(shown, "'"+postgres.Redacted(conninfo)+"'"), Why: "it carries nothing until it has a slot"}
	return r.do(ctx, a, func(ctx context.Context) error {
		// A superuser keeps the password out of the server's log; the RESET keeps it out
		// of pg_stat_activity, which shows a session's last statement.
		_ = r.from.control.Exec(ctx, "cutover quiet", "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'")
		err := r.from.control.Exec(ctx, "cutover reverse-subscribe", statement, conninfo, postgres.Password(conninfo))
		_ = r.from.control.Exec(ctx, "cutover quiet", "RESET log_statement; RESET log_min_duration_statement; RESET log_min_error_statement")
		if postgres.HasCode(err, "42601") { // what it says quotes parts of the string, and may quote the password
			return fmt.Errorf("%s: its server does not understand the connection string of the way back (cutover.reverse.connection): write it as postgres://user@host:5432/dbname with special characters percent-encoded, or as \"host=… dbname=… user=…\"", r.from.name)
		}
		if err != nil {
			return fmt.Errorf("%w; the way back needs a subscription on the %s: a superuser up to 15, pg_create_subscription from 16 on, and a connection from that server to the %s (cutover.reverse.connection); or do without: reverse: off", err, r.from.name, r.to.name)
		}
		return nil
	})
}

// seesTables makes sure that the subscription of the way back has found the tables
// that are published for it: one that was led to another database carries nothing,
// and nothing complains.
func (r *run) seesTables(ctx context.Context) error {
	read := `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid
JOIN pg_catalog.pg_class c ON c.oid = r.srrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE s.subname = ` + postgres.Literal(reverseName) + ` AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`
	a := Action{ID: "reverse-sees", On: r.from.name, Do: read, Why: "it has found each table that is published for it, and may write to it"}
	return r.gate(ctx, a, func(ctx context.Context) error {
		seen, err := rows(ctx, r.from.control, "reverse", read, func(row postgres.Row) string { return strings.Clone(row.Text(0)) })
		if err != nil {
			return err
		}
		published, err := rows(ctx, r.to.control, "reverse", `SELECT pg_catalog.format('%I.%I', schemaname, tablename) FROM pg_catalog.pg_publication_tables WHERE pubname = $1`,
			func(row postgres.Row) string { return strings.Clone(row.Text(0)) }, reverseName)
		if err != nil {
			return err
		}
		for _, t := range published {
			if !slices.Contains(seen, t) {
				return fmt.Errorf("%s: the subscription of the way back has not found %s, which the %s publishes: its connection leads to another database; correct it (cutover.reverse.connection), or do without: reverse: off", r.from.name, t, r.to.name)
			}
		}
		return r.writesBack(ctx)
	})
}

// strangersSQL reads the tables that a subscription may not write to: from 16 on it
// takes the role of each one's owner for that.
const strangersSQL = `SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)), pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.subowner))
FROM pg_catalog.pg_subscription_rel r JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid JOIN pg_catalog.pg_class c ON c.oid = r.srrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AND NOT pg_catalog.pg_has_role(s.subowner, c.relowner, 'SET')
ORDER BY 1`

// writesBack proves that: else the first row of such a table would stop the way back
// for good, and nobody would hear of it.
func (r *run) writesBack(ctx context.Context) error {
	features, err := r.from.db.ReadFeatures(ctx)
	if err != nil || !features.Has("pg_subscription.subrunasowner") { // its owner is a superuser
		return err
	}
	list, err := rows(ctx, r.from.control, "reverse", strangersSQL, func(row postgres.Row) [3]string {
		return [3]string{row.Text(0), row.Text(1), row.Text(2)}
	}, reverseName)
	if err != nil || len(list) == 0 {
		return err
	}
	t := list[0]
	return fmt.Errorf("%s: the way back may not write to %s (%d tables in all), which belongs to %s: run there: GRANT %[4]s TO %[5]s; or do without: reverse: off", r.from.name, t[0], len(list), t[1], t[2])
}

// advanceReverse moves the slots of the way back to the end of the log, and copies
// them: what lies before was applied from from, and is not to travel back. Done
// shortly before the window it has little to read in it, and shows that there is
// room for the copies.
func (r *run) advanceReverse(ctx context.Context) error {
	if !r.movable() {
		return nil
	}
	for _, s := range r.facts.Reverse {
		if err := r.sql(ctx, r.to, "reverse-advance", "what came from there does not travel back", "SELECT pg_catalog.pg_replication_slot_advance("+postgres.Literal(r.moved(s))+", pg_catalog.pg_current_wal_lsn())"); err != nil {
			return err
		}
		if !r.copyable() {
			continue
		}
		anew := fmt.Sprintf("SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = %s; SELECT pg_catalog.pg_copy_logical_replication_slot(%s, %[1]s)", postgres.Literal(s.Slot), postgres.Literal(s.ahead()))
		if err := r.sql(ctx, r.to, "reverse-copy", "a copy is on the disk, and where a slot was moved to is not", anew); err != nil {
			return err
		}
	}
	return nil
}

// aimReverse has the slots of the way back begin now, with nothing applied any
// more, and proves it.
func (r *run) aimReverse(ctx context.Context) error {
	if len(r.facts.Reverse) == 0 {
		return nil
	}
	// A slot is moved no further than to what is on the disk, and what was applied
	// may not be there yet: a commit of ours, which lies behind it, sees to that.
	if err := r.sql(ctx, r.to, "reverse-flush", "all that was applied is on the disk", "UPDATE pgparity.cutover SET run = run WHERE side = "+postgres.Literal(r.to.name)); err != nil {
		return err
	}
	lsn, err := text(ctx, r.to.control, "reverse", "SELECT pg_catalog.pg_current_wal_flush_lsn()")
	if err != nil {
		return err
	}
	if !r.movable() { // one that is made now begins behind that, and not one of an attempt before
		for _, s := range r.facts.Reverse {
			if err := errors.Join(r.dropSlot(ctx, r.to, s.Slot), r.makeSlot(ctx, s.Slot)); err != nil {
				return err
			}
		}
	}
	if err := r.advanceReverse(ctx); err != nil {
		return err
	}
	for _, s := range r.facts.Reverse {
		read := fmt.Sprintf("SELECT confirmed_flush_lsn >= %s FROM pg_catalog.pg_replication_slots WHERE slot_name = %s", postgres.Literal(lsn), postgres.Literal(s.Slot))
		err := r.gate(ctx, Action{ID: "reverse-aimed", On: r.to.name, Do: read, Why: "the way back begins here"}, func(ctx context.Context) error {
			ok, err := text(ctx, r.to.control, "reverse", read)
			if err == nil && ok != "t" {
				err = fmt.Errorf("%s: slot %q of the way back does not begin at %s: it would carry back what came from there", r.to.name, s.Slot, lsn)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// startReverse starts the way back: its subscriptions are given their slots. What
// carried the switch and is the tool's own goes first: two streams in a ring
// would carry each change round and round.
func (r *run) startReverse(ctx context.Context) error {
	for _, s := range r.facts.Streams {
		if s.Own {
			if err := r.dropSubscription(ctx, r.to, s); err != nil {
				return err
			}
		}
	}
	for _, s := range r.facts.Reverse {
		now, err := readStream(ctx, r.from, s.Subscription)
		if err != nil {
			return err
		}
		if now.enabled && now.slot == s.Slot {
			continue
		}
		name := postgres.Ident(s.Subscription)
		if now.slot != s.Slot {
			if err := r.sql(ctx, r.from, "reverse-attach", "", "ALTER SUBSCRIPTION "+name+" SET (slot_name = "+postgres.Literal(s.Slot)+")"); err != nil {
				return err
			}
		}
		if err := r.sql(ctx, r.from, "reverse-start", "what is written to the other side comes back, while this one stays closed", "ALTER SUBSCRIPTION "+name+" ENABLE"); err != nil {
			return err
		}
	}
	return nil
}

// attached is how a subscription stands.
type attached struct {
	there, enabled bool
	slot           string
}

func readStream(ctx context.Context, e *end, subscription string) (a attached, err error) {
	err = e.control.Each(ctx, "cutover streams", postgres.Statement{SQL: `SELECT subenabled, coalesce(subslotname::pg_catalog.text, '') FROM pg_catalog.pg_subscription WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
		Args: []string{subscription}}, func(row postgres.Row) error {
		a = attached{true, row.Bool(0), row.Text(1)}
		return nil
	})
	return a, err
}

// detach stops a subscription and takes its slot from it, which stays on the
// other server.
func (r *run) detach(ctx context.Context, e *end, s Stream) error {
	now, err := readStream(ctx, e, s.Subscription)
	if err != nil || !now.there {
		return err
	}
	name := postgres.Ident(s.Subscription)
	if now.enabled {
		if err := r.sql(ctx, e, "detach-stop", "", "ALTER SUBSCRIPTION "+name+" DISABLE"); err != nil {
			return err
		}
	}
	if now.slot == "" {
		return nil
	}
	return r.sql(ctx, e, "detach", "its slot is removed on its own", "ALTER SUBSCRIPTION "+name+" SET (slot_name = NONE)")
}

func (r *run) dropSubscription(ctx context.Context, e *end, s Stream) error {
	if err := r.detach(ctx, e, s); err != nil {
		return err
	}
	now, err := readStream(ctx, e, s.Subscription)
	if err != nil || !now.there {
		return err
	}
	return r.sql(ctx, e, "drop-subscription", "", "DROP SUBSCRIPTION "+postgres.Ident(s.Subscription))
}

// dropSlot removes a slot that nobody reads: it would keep its server's log.
func (r *run) dropSlot(ctx context.Context, e *end, slot string) error {
	there, err := text(ctx, e.control, "slots", `SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)`, slot)
	if err != nil || there != "t" {
		return err
	}
	read := "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = " + postgres.Literal(slot)
	err = r.await(ctx, Action{ID: "slot-free", On: e.name, Do: read, Why: "nobody reads it"}, func(ctx context.Context) (bool, string, error) {
		active, err := text(ctx, e.control, "slots", read)
		return active != "t", fmt.Sprintf("%s: slot %q is read still", e.name, slot), err
	})
	if err != nil {
		return err
	}
	return r.sql(ctx, e, "drop-slot", "it would keep the server's log until the disk is full", "SELECT pg_catalog.pg_drop_replication_slot("+postgres.Literal(slot)+")")
}

// dropReverse removes the way back. One that was made, and not written down before
// its run died, is known by its name.
func (r *run) dropReverse(ctx context.Context) error {
	list := r.facts.Reverse
	if r.direction == Forward && len(list) == 0 {
		slot, err := r.reverseSlot(ctx)
		if err != nil {
			return err
		}
		list = []Stream{{Subscription: reverseName, Slot: slot, Own: true}}
	}
	var errs []error
	for _, s := range list {
		if !s.Own { // it was there before: it loses its new slot alone
			errs = append(errs, r.detach(ctx, r.from, s), r.dropSlot(ctx, r.to, s.Slot), r.dropSlot(ctx, r.to, s.ahead()))
			continue
		}
		errs = append(errs, r.dropSubscription(ctx, r.from, s), r.dropSlot(ctx, r.to, s.Slot), r.dropSlot(ctx, r.to, s.ahead()), r.dropPublication(ctx, r.to))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if r.direction == Forward {
		r.facts.Reverse = nil
	}
	return nil
}

func (r *run) dropPublication(ctx context.Context, e *end) error {
	there, err := text(ctx, e.control, "reverse", `SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1)`, reverseName)
	if err != nil || there != "t" {
		return err
	}
	return r.sql(ctx, e, "drop-publication", "", "DROP PUBLICATION "+reverseName)
}
