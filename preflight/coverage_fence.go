package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// askFence asks the fence which tables it carries, and the tools' own catalogs
// what they hold back of them.
func (c *carriage) askFence(ctx context.Context, f *facts) error {
	stream, err := f.carrier(ctx)
	if err != nil {
		return fmt.Errorf("which tables are carried is not known: %w", err)
	}
	names := make([]string, len(c.tables))
	for i, p := range c.tables {
		names[i] = p.name
	}
	cover, err := stream.Cover(ctx, names)
	if err != nil {
		return err
	}
	held, err := f.heldBack(ctx)
	if err != nil {
		return err
	}
	triggers := f.carries(fence.KindBucardo) && len(f.detection.Forward) == 1
	for _, p := range c.tables {
		p.gaps = cover.Of(p.name).Gaps
		for _, l := range p.leaves {
			l.unlogged = l.unlogged && !triggers // they notice what is in no log
			if h, ok := held[l.name]; ok {
				p.held.add(h)
			}
		}
	}
	return nil
}

// carrier is the fence of what carries the tables: a heartbeat's knows nothing of
// tables.
func (f *facts) carrier(ctx context.Context) (fence.Fence, error) {
	if f.o.Fence.Kind != fence.KindHeartbeat && len(f.o.Fence.Heartbeats) == 0 {
		return f.fence, f.unclear
	}
	o := f.o.Fence
	o.Kind, o.Heartbeats = fence.Auto, nil
	d, err := fence.Detect(ctx, o)
	if err != nil {
		return nil, err
	}
	return d.Fence()
}

func (w *withholding) add(other withholding) {
	for _, o := range other.operations {
		if !slices.Contains(w.operations, o) {
			w.operations = append(w.operations, o)
		}
	}
	w.filtered, w.limited = w.filtered || other.filtered, w.limited || other.limited
}

// heldBack is what tools do not send of the tables that they carry, by the
// source's report names.
func (f *facts) heldBack(ctx context.Context) (map[string]withholding, error) {
	held := map[string]withholding{}
	if f.carries(fence.KindPglogical) {
		if err := f.heldByPglogical(ctx, held); err != nil {
			return nil, err
		}
	}
	if f.carries(fence.KindBucardo) {
		state, err := f.live(postgres.Source).ReadBucardo(ctx, f.o.Fence.BucardoGroup)
		if err != nil {
			return nil, err
		}
		for _, t := range state.Tables {
			if len(t.Deaf) > 0 {
				held[t.Table] = withholding{operations: []string{"truncate"}}
			}
		}
	}
	return held, nil
}

func (f *facts) heldByPglogical(ctx context.Context, held map[string]withholding) error {
	subs, err := f.live(postgres.Target).ReadPglogicalSubscriptions(ctx)
	if err != nil {
		return err
	}
	var sets []string
	for _, found := range f.detection.Forward {
		if s := subs.Named(found.Name); found.Kind == fence.KindPglogical && s != nil {
			sets = append(sets, s.Sets...)
		}
	}
	if len(sets) == 0 {
		return nil
	}
	members, err := f.live(postgres.Source).ReadPglogicalMembers(ctx, sets)
	for _, m := range members {
		held[m.Table] = withholding{m.Withheld, m.Filtered, m.Narrowed}
	}
	return err
}

// addition says how a table is added to what a tool carries: a sentence's end,
// and the command where it is one.
func (f *facts) addition(table string) (how, fix string) {
	var kinds []fence.Kind
	for _, found := range f.detection.Forward {
		if !slices.Contains(kinds, found.Kind) {
			kinds = append(kinds, found.Kind)
		}
	}
	if len(kinds) != 1 || f.o.Fence.Via != nil {
		return "add it to what carries the other tables", ""
	}
	switch kinds[0] {
	case fence.KindPglogical:
		return "add it to a replication set of the subscription", fmt.Sprintf("SELECT pglogical.replication_set_add_table('default', %s, true)", postgres.Literal(table))
	case fence.KindBucardo:
		return "add it to Bucardo, and to the relgroup of a sync", "bucardo add table " + shellWord(table)
	default:
		return "add it to what carries the other tables", ""
	}
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return strings.ContainsRune(" \t\n\"'\\$&;|<>()*?`!#~[]{}", r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
