package preflight

import (
	"context"
	"fmt"
	"math/big"
	"slices"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// goesOn is the value that the target's sequence will go on from: its own next,
// or the source's, where that is further and a cutover sets it. A sequence that
// is behind with nothing to set it is told of as such, and not asked for here.
func (f *facts) goesOn(s standing, bothWrite bool) (next int64, asked bool) {
	switch {
	case s.order() >= 0 || bothWrite:
		return pairing.NextValue(s.target, s.Target)
	case f.rowsOnly():
		return pairing.NextValue(s.source, s.Target)
	}
	return 0, false
}

// collision is a value that the target's sequence will give and that its column
// has. The source's lookups are nil where the source could not be asked.
type collision struct {
	standing
	target *lookup
	own    *lookup // for what the source's sequence gives next
	same   *lookup // for the target's value
	// bothWrite: nobody sets the target's sequence.
	bothWrite bool
}

// collisions are the columns of the target that are wrong. Of these alone the
// source is asked: what is wrong on both sides was so before. last says whether
// wrong asks for the columns' last values.
func (f *facts) collisions(ctx context.Context, asked func(standing, postgres.Feed) bool, wrong func(*lookup) bool, last bool) ([]*collision, error) {
	bothWrite, err := f.bothWrite(ctx)
	if err != nil {
		return nil, err
	}
	standings := map[uint32]standing{}
	list, err := f.lookups(ctx, postgres.Target, func(s standing, of postgres.Feed) (int64, bool) {
		standings[s.Target.OID] = s
		if !asked(s, of) {
			return 0, false
		}
		return f.goesOn(s, bothWrite)
	})
	if err == nil {
		err = f.lookUp(ctx, postgres.Target, list, last)
	}
	if err != nil {
		return nil, err
	}
	var found []*collision
	suspects := map[uint32][]*collision{} // by the source's sequence
	for _, l := range list {
		if wrong(l) {
			c := &collision{standing: standings[l.sequence], target: l, bothWrite: bothWrite}
			found = append(found, c)
			suspects[c.Source.OID] = append(suspects[c.Source.OID], c)
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	if !last {
		var ends []*lookup
		for _, c := range found {
			ends = append(ends, c.target)
		}
		if err := f.lookUp(ctx, postgres.Target, ends, true); err != nil {
			return nil, err
		}
	}
	return found, f.askSource(ctx, suspects)
}

// askSource fills in what the source has.
func (f *facts) askSource(ctx context.Context, suspects map[uint32][]*collision) error {
	var all []*lookup
	for _, own := range []bool{true, false} {
		list, err := f.lookups(ctx, postgres.Source, func(s standing, of postgres.Feed) (int64, bool) {
			for _, c := range suspects[s.Source.OID] {
				switch {
				case !c.target.feed.Same(of):
				case own:
					return pairing.NextValue(s.source, s.Source)
				default:
					return c.target.next, true
				}
			}
			return 0, false
		})
		if err != nil {
			return err
		}
		for _, l := range list {
			for _, c := range suspects[l.sequence] {
				switch {
				case !c.target.feed.Same(l.feed):
				case own:
					c.own = l
				default:
					c.same = l
				}
			}
		}
		all = append(all, list...)
	}
	return f.lookUp(ctx, postgres.Source, all, true)
}

// foreign tells whether a row of the target alone has the value: none that the
// source has, nor one that the source had and whose end is on its way.
func (f *facts) foreign(ctx context.Context, c *collision) (bool, error) {
	if c.same == nil || c.same.taken {
		return false, nil
	}
	if !f.arrived(ctx) {
		return true, nil // a stream that stands still brings no end
	}
	again := *c.target
	err := f.lookUp(ctx, postgres.Target, []*lookup{&again}, false)
	return again.taken, err
}

func sequencesColliding(ctx context.Context, f *facts) ([]Hazard, error) {
	list, err := f.collisions(ctx, func(standing, postgres.Feed) bool { return true }, func(l *lookup) bool { return l.taken }, false)
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, c := range list {
		h, bad, err := f.judgeCollision(ctx, c)
		if err != nil {
			return nil, err
		}
		if bad {
			h.Object, h.Fix = c.Target.Quoted, past(c.standing, list)
			found = worst(found, h)
		}
	}
	return found, nil
}

// worst adds a hazard, unless its object has one that is as bad: a sequence of
// several columns is told of once.
func worst(found []Hazard, h Hazard) []Hazard {
	i := slices.IndexFunc(found, func(other Hazard) bool { return other.Object == h.Object })
	switch {
	case i < 0:
		return append(found, h)
	case rank(h.Severity) < rank(found[i].Severity):
		found[i] = h
	}
	return found
}

// judgeCollision says what becomes of a value that is taken on the target. Where
// rows are replicated, a row that both sides have may have come since the
// sequences were read.
func (f *facts) judgeCollision(ctx context.Context, c *collision) (Hazard, bool, error) {
	value, column := c.target.next, c.target.feed.Name
	h := Hazard{Severity: schema.Block, Sentence: fmt.Sprintf("its next value %d is already in %s: the next insert collides with that row", value, column)}
	switch {
	case c.bothWrite:
		return h, true, nil
	case c.own != nil && c.own.taken && c.order() >= 0:
		h.Severity = schema.Info
		h.Sentence += fmt.Sprintf(", as it does on the source, where that is %d", c.own.next)
		return h, true, nil
	case !f.rowsOnly():
		return h, true, nil
	}
	foreign, err := f.foreign(ctx, c)
	switch {
	case err != nil:
		return h, false, err
	case foreign && c.order() < 0:
		h.Sentence = fmt.Sprintf("a cutover sets its next value to the source's, %d, which a row of the target alone has in %s: the next insert collides with that row", value, column)
	case foreign:
		h.Sentence += ", which the source does not have, so a cutover does not set the sequence past it"
	case c.order() < 0:
		return h, false, nil // it has come since
	default:
		h.Severity = schema.Warn
		h.Sentence += ", unless a cutover sets the sequence past it"
	}
	return h, true, nil
}

// past sets a sequence behind what the columns have that are wrong, "" where the
// furthest value is none of the sequence.
func past(s standing, list []*collision) string {
	var end *big.Int
	for _, c := range list {
		l := c.target
		if l.sequence == s.Target.OID && l.behindColumn() && (end == nil || l.last.Cmp(end) != 0 && l.last.Cmp(end) > 0 != l.down) {
			end = l.last
		}
	}
	if end == nil || end.Cmp(big.NewInt(s.Target.Min)) < 0 || end.Cmp(big.NewInt(s.Target.Max)) > 0 {
		return ""
	}
	return fmt.Sprintf("SELECT pg_catalog.setval(%s, %d)", postgres.Literal(s.Target.Quoted), end)
}

// sequencesByDefault looks at the columns that take values from a sequence which
// they don't own: what sets sequences by their owners passes them by.
func sequencesByDefault(ctx context.Context, f *facts) ([]Hazard, error) {
	list, err := f.collisions(ctx, func(s standing, of postgres.Feed) bool { return s.order() >= 0 && !of.Owns(s.Target) },
		func(l *lookup) bool { return l.behindColumn() && !l.taken }, true) // what collides at once is told by sequence-collides
	if err != nil {
		return nil, err
	}
	var found []Hazard
	for _, c := range list {
		h := Hazard{Object: c.Target.Quoted, Severity: schema.Warn, Fix: past(c.standing, list),
			Sentence: fmt.Sprintf("its next value is %d, and %s has %d: inserts collide as soon as they get there", c.target.next, c.target.feed.Name, c.target.last)}
		if c.own != nil && c.own.behindColumn() {
			h.Severity = schema.Info
			h.Sentence += fmt.Sprintf(", as they do on the source, where that is %d", c.own.last)
		}
		found = worst(found, h)
	}
	return found, nil
}
