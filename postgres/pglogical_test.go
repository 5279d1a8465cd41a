package postgres

import "testing"

// TestListsLibrary: whether a server's list of plugins lets pglogical's in.
func TestListsLibrary(t *testing.T) {
	for setting, want := range map[string]bool{
		"pgoutput, test_decoding":      false,
		"":                             false,
		"pgoutput,my_pglogical_output": false,
		"pgoutput, test_decoding, pglogical_output": true,
		`pgoutput,"pglogical_output"`:               true,
		"$libdir/pglogical_output.so":               true,
		"*":                                         true,
	} {
		if got := listsLibrary(setting, "pglogical_output"); got != want {
			t.Errorf("%q: lets it in: %t, want %t", setting, got, want)
		}
	}
}

// TestPglogicalState: only pglogical's ready is ready, and every progress of a
// copy has words.
func TestPglogicalState(t *testing.T) {
	for letter, want := range map[string]string{
		"":  "in no subscription",
		"i": "waits for its copy", "s": "waits for its copy", "d": "is being copied", "c": "is being copied",
		"w": "is copied, not finished", "u": "catches up after its copy", "y": "catches up after its copy", "r": "ready", "?": "in the unknown state ?",
	} {
		state := TableState{State: pglogicalState(letter)}
		if state.Phase() != want || state.Ready() != (letter == "r") {
			t.Errorf("%q is told as %q, ready %t; want %q", letter, state.Phase(), state.Ready(), want)
		}
	}
}
