package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHeartbeatText(t *testing.T) {
	for text, want := range map[string]Heartbeat{
		"public.heartbeat.beat":           {Schema: "public", Table: "heartbeat", Column: "beat"},
		"public.hb.n=id:1":                {Schema: "public", Table: "hb", Column: "n", KeyColumn: "id", Key: "1"},
		`"My.Schema"."h""b".Beat`:         {Schema: "My.Schema", Table: `h"b`, Column: "Beat"},
		`a.b."c=d"="e:f":g:h=i, "j"`:      {Schema: "a", Table: "b", Column: "c=d", KeyColumn: "e:f", Key: `g:h=i, "j"`},
		"a b.ä.c=k: x ":                   {Schema: "a b", Table: "ä", Column: "c", KeyColumn: "k", Key: " x "},
		`"a"."b"."c"="k":postgres://u:p@`: {Schema: "a", Table: "b", Column: "c", KeyColumn: "k", Key: "postgres://u:p@"},
	} {
		pairs, err := Load(Input{Flags: flags(map[string][]string{"heartbeat": {text}})})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff([]Heartbeat{want}, pairs[0].Heartbeats); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for _, text := range []string{
		"a", "a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b.c=", "a.b.c=k", "a.b.c=k:", "a.b.c=:1", "a.b.c=k.l:1", "a.b.c:1",
		`"a.b.c`, `"a".b."`, `"".b.c`, `a"b.c.d`, `"a"b.c.d`, "a.b.c =k:1", "a. b.c", "a.b\x00.c", "a.b.\"c\x00\"", `a.b."c"d`,
	} {
		_, err := Load(Input{Flags: flags(map[string][]string{"heartbeat": {text}})})
		if err == nil || err.Error() != "--heartbeat: "+mustBeMarker {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Flags keep their commas, which a key may hold; a variable's are between
// markers.
func TestHeartbeatsInFlagsAndVariables(t *testing.T) {
	one, two := Heartbeat{Schema: "a", Table: "b", Column: "c", KeyColumn: "k", Key: "x,y"}, Heartbeat{Schema: "a", Table: "b", Column: "d"}
	pairs, err := Load(Input{Flags: flags(map[string][]string{"heartbeat": {"a.b.c=k:x,y", "a.b.d"}})})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Heartbeat{one, two}, pairs[0].Heartbeats); diff != "" {
		t.Error(diff)
	}
	one.Key = "x"
	pairs, err = Load(Input{Flags: sides, Environ: []string{"PGPARITY_HEARTBEAT=a.b.c=k:x, a.b.d"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Heartbeat{one, two}, pairs[0].Heartbeats); diff != "" {
		t.Error(diff)
	}
}

// Markers that are not used leave the hash of older versions as it is.
func TestHeartbeatsAreInTheHashOnlyWhereTheyAreSet(t *testing.T) {
	for _, o := range Options() {
		if o.late && (o.Key != "heartbeats" || o.show(Default()) != "") {
			t.Errorf("%s is left out of the hash where it is not set, and shows %q then", o.Key, o.show(Default()))
		}
	}
	p := Default()
	p.Heartbeats = []Heartbeat{{Schema: "a", Table: "b", Column: "c"}}
	struck := Default()
	struck.Heartbeats = []Heartbeat{{Schema: "a", Table: "b", Column: "c", Strike: true}}
	if p.OptionsHash() == struck.OptionsHash() || p.OptionsHash() == Default().OptionsHash() {
		t.Error("who changes the marker is not in the hash")
	}
	if plain := Default().OptionsHash(); plain != "807e06e9674b0fc9" {
		t.Errorf("the hash of the defaults is %s, not that of older versions", plain)
	}
}

// No mistake in a marker repeats what may be a misplaced secret.
func TestHeartbeatsDoNotRepeatSecrets(t *testing.T) {
	for _, yaml := range []string{
		canary, "[" + canary + "]", "[{" + canary + ": 1}]", "[{table: " + canary + ", column: c}]", "[{table: a.b, column: [" + canary + "]}]",
		"[{table: a.b, column: c, strike: " + canary + "}]", "[{table: a.b, column: c, key: {" + canary + ": 1}}]",
	} {
		_, err := Load(Input{ConfigPath: "c.yaml", Config: []byte("version: 1\npairs: [{name: a, source: host=a, target: host=b, heartbeats: " + yaml + "}]")})
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", yaml, err)
		}
	}
}
