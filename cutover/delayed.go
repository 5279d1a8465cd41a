package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// Delayed is a table that the replication does not carry, and the switch copies:
// rows are added to it, and neither changed nor removed.
type Delayed struct {
	Table  string // schema.table, unquoted
	Column string // grows with each row; "" is the key, which then has one column
	After  bool   // the rest is copied when the target is live, and not in the window
}

// copied is a delayed table at work.
type copied struct {
	Delayed
	table   *pairing.Table
	column  *pairing.Column
	columns string          // to be copied, quoted, as a list
	digest  *hashing.Digest // tells what is there already
	replica bool            // triggers and foreign keys of the side that is written may be passed by
}

// checkDelayed proves that each delayed table can be copied as it is said.
func (r *run) checkDelayed(ctx context.Context) error {
	if len(r.o.Delayed) == 0 || r.strategy == VerifyOnly {
		return nil
	}
	list, err := r.copies(ctx)
	if err != nil {
		return err
	}
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.table.Name
	}
	r.note("rows of %s are taken to be added alone, behind those that are there: a row that is changed or removed once it was copied stays on the %s as it was", few(names), r.to.name)
	return r.gate(ctx, Action{ID: "delayed-tables", On: r.to.name, Do: "SELECT … FROM pg_catalog.pg_subscription_rel, pg_publication_tables, pg_trigger", Why: "nothing carries them, and rows can be written to them"}, func(ctx context.Context) error {
		for _, c := range list {
			for _, check := range []func(context.Context, *copied) error{r.uncarried, r.writable} {
				if err := check(ctx, c); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// copies are the delayed tables, found once.
func (r *run) copies(ctx context.Context) ([]*copied, error) {
	if r.prepared.copies != nil || len(r.o.Delayed) == 0 {
		return r.prepared.copies, nil
	}
	replica, err := r.passesTriggers(ctx)
	if err != nil {
		return nil, err
	}
	var list []*copied
	var tables []*pairing.Table
	for _, d := range r.o.Delayed {
		c, err := r.findDelayed(d)
		if err != nil {
			return nil, err
		}
		c.replica = replica
		list, tables = append(list, c), append(tables, c.table)
	}
	agreement, err := hashing.Agree(ctx, r.from.db, r.to.db, tables, hashing.Auto)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		c.digest = agreement.Digest(c.table)
	}
	r.prepared.copies = list
	return list, nil
}

// passesTriggers tells whether the role may have its session pass by triggers
// and foreign keys, as a superuser may.
func (r *run) passesTriggers(ctx context.Context) (bool, error) {
	_, err := text(ctx, r.to.control, "delayed", "SELECT pg_catalog.set_config('session_replication_role', 'replica', true)")
	if postgres.HasCode(err, "42501") {
		return false, nil
	}
	return err == nil, err
}

// findDelayed finds the table and the column by which it grows.
func (r *run) findDelayed(d Delayed) (*copied, error) {
	wrong := func(format string, args ...any) (*copied, error) {
		return nil, fmt.Errorf("delayed table "+d.Table+": "+format, args...)
	}
	i := slices.IndexFunc(r.pair.Tables, func(t *pairing.Table) bool {
		return t.Source != nil && relation{t.Source.Schema, t.Source.Name}.String() == d.Table
	})
	if i < 0 {
		return wrong("there is no such table on the %s, or it is left out: write it as schema.table, unquoted, a partitioned one by its root", r.from.name)
	}
	c := &copied{Delayed: d, table: r.pair.Tables[i]}
	switch t := c.table; {
	case t.Target == nil:
		return wrong("the %s does not have it: create it there", r.to.name)
	case !slices.Contains([]byte("rp"), t.Source.Kind) || !slices.Contains([]byte("rp"), t.Target.Kind):
		return wrong("it is no table on both sides")
	case len(t.Incomparable) > 0:
		return wrong("%s", t.Incomparable[0])
	}
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		if on := c.table.On(side); !on.CanSelect || on.RowSecurity {
			return wrong("%s: the role may not read all of it: GRANT SELECT, and BYPASSRLS where it has row security", r.endOf(side).name)
		}
	}
	if err := c.sameColumns(); err != nil {
		return wrong("%w", err)
	}
	if err := c.findColumn(); err != nil {
		return wrong("%w", err)
	}
	return c, nil
}

// endOf is the end that a pool's side belongs to.
func (r *run) endOf(side postgres.Side) *end {
	if side == postgres.Target {
		return r.to
	}
	return r.from
}

// sameColumns makes the list of what is copied: all that the written side does
// not compute.
func (c *copied) sameColumns() error {
	paired := map[string]bool{}
	var names []string
	for _, col := range c.table.Columns {
		paired[col.Name] = true
		if col.Target.Generated == 0 {
			names = append(names, postgres.Ident(col.Name))
		}
	}
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		for _, col := range c.table.On(side).Columns {
			if !paired[col.Name] && col.Generated == 0 {
				return fmt.Errorf("only one side has column %s, or with another type: make both alike", col.Quoted)
			}
		}
	}
	c.columns = strings.Join(names, ", ")
	return nil
}

// growing are the types whose values both servers order alike, whatever they
// were built with; text is, where it is ordered by bytes.
var growing = []string{"int2", "int4", "int8", "numeric", "oid", "date", "timestamp", "timestamptz", "uuid"}

// findColumn finds the column by which rows come one behind the other.
func (c *copied) findColumn() error {
	name := c.Column
	if name == "" {
		if c.table.Key == nil || len(c.table.Key.Columns) != 1 {
			return errors.New("its key is not one column: name the column that grows with each row (column)")
		}
		name = c.table.Key.Columns[0].Name
	}
	i := slices.IndexFunc(c.table.Columns, func(col *pairing.Column) bool { return col.Name == name })
	if i < 0 {
		return fmt.Errorf("both sides have no column %s", postgres.Ident(name))
	}
	c.column = c.table.Columns[i]
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		t, col := c.table.On(side), c.table.On(side).Column(name)
		typ := col.Type.Underlying()
		bytewise := slices.Contains([]string{"text", "varchar"}, typ.Name) && col.ByteOrder
		switch {
		case !col.NotNull:
			return fmt.Errorf("column %s may be NULL: rows without it would be passed by (SET NOT NULL on both sides)", col.Quoted)
		case !t.LedBy(name):
			return fmt.Errorf("no index leads with column %s on both sides: CREATE INDEX CONCURRENTLY ON %s (%s)", col.Quoted, t.Quoted, col.Quoted)
		case !typ.BuiltIn || !slices.Contains(growing, typ.Name) && !bytewise:
			return fmt.Errorf("column %s is of type %s, which the servers may order differently: name another one that grows with each row", col.Quoted, col.TypeText)
		}
	}
	return nil
}

// treeSQL begins a statement about a table, what it is a partition of, and its own
// partitions.
const treeSQL = `WITH RECURSIVE up(oid) AS (
  SELECT $1::pg_catalog.oid UNION ALL SELECT i.inhparent FROM up JOIN pg_catalog.pg_class c ON c.oid = up.oid AND c.relispartition JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid
), down(oid) AS (
  SELECT $1::pg_catalog.oid UNION ALL SELECT i.inhrelid FROM down JOIN pg_catalog.pg_inherits i ON i.inhparent = down.oid JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
), tree AS (SELECT oid FROM up UNION SELECT oid FROM down)
`

// uncarried proves that no replication writes to the table: it and the switch
// would write every row twice.
func (r *run) uncarried(ctx context.Context, c *copied) error {
	by, err := text(ctx, r.to.control, "delayed", treeSQL+`SELECT pg_catalog.string_agg(DISTINCT s.subname, ', ') FROM tree JOIN pg_catalog.pg_subscription_rel r ON r.srrelid = tree.oid JOIN pg_catalog.pg_subscription s ON s.oid = r.srsubid`, fmt.Sprint(c.table.Target.OID))
	if err != nil {
		return err
	}
	if by != "" {
		return fmt.Errorf("delayed table %s: subscription %s carries it already: take it out of the list, or of the publication", c.table.Name, by)
	}
	subs, err := r.to.db.ReadSubscriptions(ctx)
	if err != nil {
		return err
	}
	var publications []string
	for _, f := range r.detection.Forward {
		if s := subs.Named(f.Name); f.Kind == fence.KindLogical && s != nil {
			publications = append(publications, s.Publications...)
		}
	}
	in, err := text(ctx, r.from.control, "delayed", treeSQL+`SELECT pg_catalog.string_agg(DISTINCT p.pubname, ', ') FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_publication_tables p ON p.schemaname = n.nspname AND p.tablename = c.relname WHERE p.pubname = ANY ($2::pg_catalog.text[])`, fmt.Sprint(c.table.Source.OID), postgres.TextArray(publications))
	if err != nil {
		return err
	}
	if in != "" {
		return fmt.Errorf("delayed table %s: publication %s has it, and the next REFRESH PUBLICATION carries it: take it out of the publication, or out of the list", c.table.Name, in)
	}
	name := c.table.Target.Quoted
	cover, err := r.fence.Cover(ctx, []string{name})
	if err != nil {
		return err
	}
	if cover.Version(name) != "" && !slices.ContainsFunc(cover.Gaps, func(g postgres.TableState) bool { return g.State == "" }) {
		return fmt.Errorf("delayed table %s: the replication carries it already: take it out of the list", c.table.Name)
	}
	return nil
}

// writable proves that rows can be written, and that writing them sets nothing
// else going.
func (r *run) writable(ctx context.Context, c *copied) error {
	may, err := text(ctx, r.to.control, "delayed", `SELECT pg_catalog.has_table_privilege($1::pg_catalog.oid, 'INSERT')`, fmt.Sprint(c.table.Target.OID))
	if err != nil {
		return err
	}
	if may != "t" {
		return fmt.Errorf("delayed table %s: %s: the role may not write to it: GRANT INSERT ON %s TO %s", c.table.Name, r.to.name, c.table.Target.Quoted, postgres.Ident(r.to.db.Server().User))
	}
	fire := "{O,A}"
	if c.replica {
		fire = "{R,A}"
	}
	names, err := text(ctx, r.to.control, "delayed", treeSQL+`SELECT pg_catalog.string_agg(DISTINCT t.tgname, ', ') FROM tree JOIN pg_catalog.pg_trigger t ON t.tgrelid = tree.oid WHERE NOT t.tgisinternal AND t.tgenabled::pg_catalog.text = ANY ($2::pg_catalog.text[])`, fmt.Sprint(c.table.Target.OID), fire)
	if err != nil || names == "" {
		return err
	}
	todo := "run as a superuser, or have it let the role set session_replication_role; or disable them until the switch"
	if c.replica {
		todo = "they fire for replicated rows too: disable them until the switch"
	}
	return fmt.Errorf("delayed table %s: %s: triggers %s would fire for each row that is copied: %s", c.table.Name, r.to.name, names, todo)
}
