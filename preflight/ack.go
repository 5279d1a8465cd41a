package preflight

import (
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/schema"
)

// Ack is a hazard that somebody has taken note of: all of an id, or those of
// the objects that match.
type Ack struct {
	ID     string
	Object string // a glob in which * stands for any text; "" is all
}

// ParseAck reads id[:object]. A colon with nothing behind it, as an empty variable
// leaves it, is no acknowledgement of everything.
func ParseAck(text string) (Ack, error) {
	id, object, limited := strings.Cut(text, ":")
	if limited && object == "" {
		return Ack{}, fmt.Errorf("%q names no object: leave the colon out for all of them", text)
	}
	for _, d := range Detectors() {
		if d.ID == id {
			return Ack{ID: id, Object: object}, nil
		}
	}
	return Ack{}, fmt.Errorf("unknown hazard %q", id)
}

// String is as it is given.
func (a Ack) String() string {
	if a.Object == "" {
		return a.ID
	}
	return a.ID + ":" + a.Object
}

// covers tells whether an acknowledgement is about an object of an id.
func (a Ack) covers(id, object string) bool {
	if a.ID != id {
		return false
	}
	if a.Object == "" || a.Object == object {
		return true
	}
	return like(a.Object, object)
}

// like tells whether a text is a glob's, in which * alone means something: names
// have brackets, backslashes and question marks of their own.
func like(glob, text string) bool {
	parts := strings.Split(glob, "*")
	if len(parts) == 1 {
		return glob == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, last)
}

// acknowledge marks the warnings, and what could not be looked at, that
// somebody has taken note of. It gives a sentence for each acknowledgement that
// had nothing to say.
func acknowledge(r *Result, acks []Ack) (notes []string) {
	for _, a := range acks {
		found, blocked := false, false
		for i := range r.Hazards {
			h := &r.Hazards[i]
			if !a.covers(h.ID, h.Object) {
				continue
			}
			found = true
			if h.Severity == schema.Block {
				blocked = true
			} else {
				h.Acknowledged = true
			}
		}
		for i := range r.Unknown {
			if u := &r.Unknown[i]; a.covers(u.ID, "") {
				u.Acknowledged, found = true, true
			}
		}
		switch {
		case blocked:
			notes = append(notes, fmt.Sprintf("%s is acknowledged, but it blocks: only what is mended goes away", a))
		case !found:
			notes = append(notes, fmt.Sprintf("%s is acknowledged, and was not found: take the acknowledgement out", a))
		}
	}
	return notes
}
