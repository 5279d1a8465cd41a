package postgres

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
)

// tuple is one as pgoutput sends it; nil is NULL, "\x00" an unchanged value stored out of line.
func tuple(values ...any) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(len(values)))
	for _, v := range values {
		switch v {
		case nil:
			b = append(b, 'n')
		case "\x00":
			b = append(b, 'u')
		default:
			b = append(b, 't')
			b = binary.BigEndian.AppendUint32(b, uint32(len(v.(string))))
			b = append(b, v.(string)...)
		}
	}
	return b
}

func with(kind byte, tuple []byte) []byte { return append([]byte{kind}, tuple...) }

// TestDecodeRow: whatever a change shows of a row, its keys come out, or that they can't.
func TestDecodeRow(t *testing.T) {
	r := &routed{Route: Route{Table: "t", Key: []string{"b", "a"}}, columns: 3, at: []int{1, -1, 0}}
	for name, c := range map[string]struct {
		kind byte
		b    []byte
		want [][]string // nil: not known
		err  bool
	}{
		"insert":                 {'I', with('N', tuple("1", "x", "2")), [][]string{{"2", "1"}}, false},
		"update":                 {'U', with('N', tuple("1", "\x00", "2")), [][]string{{"2", "1"}}, false},
		"empty value":            {'U', with('N', tuple("", nil, "2")), [][]string{{"2", ""}}, false},
		"key change":             {'U', append(with('K', tuple("1", nil, "2")), with('N', tuple("3", "x", "2"))...), [][]string{{"2", "3"}, {"2", "1"}}, false},
		"full, no key change":    {'U', append(with('O', tuple("1", "y", "2")), with('N', tuple("1", "x", "2"))...), [][]string{{"2", "1"}}, false},
		"key out of line, old":   {'U', append(with('O', tuple("1", "y", "2")), with('N', tuple("\x00", "x", "3"))...), [][]string{{"3", "1"}, {"2", "1"}}, false},
		"key out of line, alone": {'U', with('N', tuple("\x00", "x", "2")), nil, false},
		"delete":                 {'D', with('K', tuple("1", nil, "2")), [][]string{{"2", "1"}}, false},
		"delete, other identity": {'D', with('K', tuple(nil, "x", "2")), nil, false},
		"delete with a new row":  {'D', with('N', tuple("1", "x", "2")), nil, true},
		"insert with an old row": {'I', with('K', tuple("1", "x", "2")), nil, true},
		"other columns":          {'I', with('N', tuple("1", "x")), nil, true},
		"something behind":       {'I', append(with('N', tuple("1", "x", "2")), 0), [][]string{{"2", "1"}}, true},
	} {
		e, err := r.change(c.kind, c.b)
		if c.err != errors.Is(err, errGarbled) {
			t.Errorf("%s: %v", name, err)
		}
		if kind := e.Kind == KeyUnknown; !c.err && (kind != (c.want == nil) || !slices.EqualFunc(e.Keys, c.want, slices.Equal)) {
			t.Errorf("%s: %+v", name, e)
		}
		for cut := 1; cut < len(c.b); cut++ { // what is cut off is an error, not a panic, and no other key
			if e, err := r.change(c.kind, c.b[:cut]); err == nil && e.Kind == RowChanged && !slices.ContainsFunc(e.Keys, func(k []string) bool {
				return slices.ContainsFunc(c.want, func(w []string) bool { return slices.Equal(k, w) })
			}) {
				t.Errorf("%s, cut at %d: %+v", name, cut, e)
			}
		}
	}
}
