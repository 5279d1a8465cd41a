package cutover

import (
	"fmt"
	"path/filepath"
	"testing"
)

// How far a switch is can be read while the run holds its journal, and no lock is taken for it.
func TestProgress(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cutover.jsonl")
	if p, err := ReadProgress(path); p != nil || err != nil {
		t.Fatalf("without a journal: %v %v", p, err)
	}
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	if p, err := ReadProgress(path); p != nil || err != nil {
		t.Fatalf("of an empty journal: %v %v", p, err)
	}
	put := func(run string, kind Kind, state State) {
		t.Helper()
		if err := j.append(Record{Run: run, Direction: Forward, Kind: kind, State: state}); err != nil {
			t.Fatal(err)
		}
	}
	look := func(want string) {
		t.Helper()
		p, err := ReadProgress(path)
		if err != nil || p == nil {
			t.Fatalf("%v %v", p, err)
		}
		got := fmt.Sprint(p.Run, " ", p.Direction, " ", p.State, " ", p.Outcome)
		for _, s := range p.Steps {
			got += fmt.Sprint(" ", s.State, " ", !s.ReachedAt.IsZero())
		}
		if got != want || p.StartedAt.IsZero() {
			t.Errorf("%s since %s, want %s", got, p.StartedAt, want)
		}
	}
	put("one", Begins, Preflighted)
	look("one forward INIT  PREFLIGHT false")
	put("one", Reached, Preflighted)
	put("one", Begins, Prepared)
	put("one", Failed, Prepared)
	put("one", Over, Aborted)
	look("one forward ABORTED aborted PREFLIGHT true PREPARED false")
	put("two", Begins, Freezing)
	put("two", Reached, Freezing)
	put("two", Undoes, Freezing)
	look("two forward FREEZING  FREEZING true ABORTING false")
	put("two", Undone, Armed)
	put("two", Begins, Freezing)
	put("two", Reached, Freezing)
	put("two", Begins, Live)
	put("two", Reached, Live)
	put("two", Over, Live)
	look("two forward LIVE done FREEZING true ABORTING true FREEZING true LIVE true")
}
