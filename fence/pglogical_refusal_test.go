package fence

import (
	"strings"
	"testing"

	"github.com/pgparity/pgparity/postgres"
)

// TestRefusal: a server that doesn't let pglogical's plugin in is named with the
// setting, and the slot's state with it. Not every server has the setting, so
// this is of the judgement alone.
func TestRefusal(t *testing.T) {
	s := link{subscription: "shop", slot: "pgl_shop"}
	for _, c := range []struct {
		what    string
		slot    *postgres.Slot
		refused bool
		want    TroubleKind
	}{
		{"let in", &postgres.Slot{}, false, ""},
		{"no slot", nil, true, SlotInactive},
		{"nobody reads", &postgres.Slot{Name: "pgl_shop"}, true, SlotInactive},
		{"read since before", &postgres.Slot{Name: "pgl_shop", Active: true}, true, SlotAtRisk},
	} {
		got := refusal(postgres.Source, s, c.slot, c.refused)
		switch {
		case c.want == "" && got == nil:
		case got == nil || got.Kind != c.want || got.Subject != "pgl_shop" || !strings.Contains(got.Sentence, "output_plugin_libraries leaves out pglogical_output"):
			t.Errorf("%s: told as %+v, want %q", c.what, got, c.want)
		}
	}
}
