package cutover

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func journalFile(t *testing.T) string {
	t.Helper()
	return filepath.Join(t.TempDir(), "j")
}

// written is a journal of some records, closed, and its bytes.
func written(t *testing.T, records ...Record) (string, []byte) {
	t.Helper()
	path := journalFile(t)
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	for _, rec := range records {
		if err := j.append(rec); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, text
}

// TestJournalTorn: a last line that was not written whole has not happened, however
// much of it is there, and the next record stands on a line of its own.
func TestJournalTorn(t *testing.T) {
	path, text := written(t, Record{Run: "a", Kind: Begins, State: Freezing}, Record{Run: "a", Kind: Reached, State: Freezing}, Record{Run: "a", Kind: Reached, State: PNR})
	last := strings.LastIndexByte(strings.TrimSuffix(string(text), "\n"), '\n') + 1
	for end := last; end < len(text); end++ {
		if err := os.WriteFile(path, text[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		if j, _, err := readJournal(path); err != nil || len(j.records) != 2 || j.torn != (end > last) {
			t.Fatalf("%d bytes of the last line: %d records, torn %v, %v", end-last, len(j.records), j.torn, err)
		}
		j, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if j.standing().passed() {
			t.Fatalf("%d bytes of the last line say that the point of no return was passed", end-last)
		}
		err = j.append(Record{Run: "a", Kind: Undoes, State: Aborting})
		j.close()
		if err != nil {
			t.Fatal(err)
		}
		if j, _, err = readJournal(path); err != nil || len(j.records) != 3 || j.records[2].Kind != Undoes || j.torn {
			t.Fatalf("%d bytes of the last line, and one more record: %+v, %v", end-last, j.records, err)
		}
	}
}

// TestJournalForeign: a file that is something else is refused, and left as it is.
func TestJournalForeign(t *testing.T) {
	_, text := written(t, Record{Run: "a", Kind: Begins, State: Prepared})
	for name, content := range map[string]string{
		"text":                     "to be or not to be",
		"text of lines":            "to be\nor not\n",
		"JSON of another kind":     `{"n":1,"name":"x"}` + "\n",
		"JSON, not ended":          `{"name":"x"}`,
		"a list":                   "[1,2]\n",
		"a number":                 "7",
		"bytes":                    "\x00\x01\x02",
		"a journal, and then text": string(text) + "to be",
		"a journal with a hole":    string(text[:20]) + "\n" + string(text),
	} {
		path := journalFile(t)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := openJournal(path)
		if err == nil || !strings.Contains(err.Error(), "is no record of a cutover") {
			t.Errorf("%s: %v", name, err)
		}
		j.close()
		if now, _ := os.ReadFile(path); string(now) != content {
			t.Errorf("%s: it is %q now", name, now)
		}
	}
}

// TestJournalHeld: who has it open is the only one.
func TestJournalHeld(t *testing.T) {
	path := journalFile(t)
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openJournal(path); !errors.Is(err, errHeld) {
		t.Errorf("opened twice: %v", err)
	}
	if _, held, err := readJournal(path); err != nil || !held {
		t.Errorf("read: held %v, %v", held, err)
	}
	j.close()
	if _, held, err := readJournal(path); err != nil || held {
		t.Errorf("read afterwards: held %v, %v", held, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

// TestJournalUnwritable: what could not be written is not there, and what follows is.
func TestJournalUnwritable(t *testing.T) {
	path, before := written(t, Record{Run: "a", Kind: Begins, State: Prepared})
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	whole := j.file
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	j.file = readOnly
	if err := j.append(Record{Run: "a", Kind: Reached, State: PNR}); err == nil {
		t.Fatal("a record was written to a file that may only be read")
	}
	j.file = whole
	if now, _ := os.ReadFile(path); string(now) != string(before) || len(j.records) != 1 {
		t.Errorf("%d records, %s", len(j.records), now)
	}
	if err := j.append(Record{Run: "a", Kind: Reached, State: Prepared}); err != nil {
		t.Fatal(err)
	}
	if j, _, err := readJournal(path); err != nil || len(j.records) != 2 || j.records[1].N != 2 {
		t.Errorf("%+v %v", j.records, err)
	}
}

// TestStanding is what each journal means.
func TestStanding(t *testing.T) {
	type entry struct {
		run   string
		d     Direction
		kind  Kind
		state State
	}
	f := func(run string, kind Kind, s State) entry { return entry{run, Forward, kind, s} }
	b := func(run string, kind Kind, s State) entry { return entry{run, Rollback, kind, s} }
	switched := []entry{f("1", Begins, Prepared), f("1", Reached, PNR), f("1", Reached, Live), f("1", Over, Live)}
	back := append(append([]entry{}, switched...), b("2", Begins, Prepared), b("2", Reached, PNR), b("2", Reached, Live), b("2", Over, Live))
	with := func(list []entry, more ...entry) []entry { return append(append([]entry{}, list...), more...) }
	for _, c := range []struct {
		name                               string
		records                            []entry
		last                               State
		led                                Direction
		over, exposed, passed, switched, f bool // f: finalising
	}{
		{name: "nothing", last: Init},
		{name: "looking", records: []entry{f("1", Begins, Preflighted)}, last: Preflighted},
		{name: "prepared", records: []entry{f("1", Begins, Prepared), f("1", Reached, Prepared)}, last: Prepared},
		{name: "arming", records: []entry{f("1", Reached, Synced), f("1", Begins, Armed)}, last: Armed},
		{name: "armed", records: []entry{f("1", Reached, Armed)}, last: Armed},
		{name: "freezing", records: []entry{f("1", Reached, Armed), f("1", Begins, Freezing)}, last: Freezing, exposed: true},
		{name: "could not freeze", records: []entry{f("1", Begins, Freezing), f("1", Failed, Freezing)}, last: Freezing, exposed: true},
		{name: "taking back", records: []entry{f("1", Begins, Freezing), f("1", Failed, Freezing), f("1", Undoes, Aborting)}, last: Freezing, exposed: true},
		{name: "taken back", records: []entry{f("1", Begins, Freezing), f("1", Undoes, Aborting), f("1", Undone, Synced)}, last: Synced},
		{name: "given up", records: []entry{f("1", Begins, Freezing), f("1", Undoes, Aborting), f("1", Undone, Synced), f("1", Over, Aborted)}, last: Aborted, over: true},
		{name: "at the point", records: []entry{f("1", Reached, ReverseReady), f("1", Begins, PNR)}, last: PNR, exposed: true},
		{name: "behind it", records: []entry{f("1", Begins, PNR), f("1", Reached, PNR)}, last: PNR, passed: true},
		{name: "behind it, where that was not known to be on the disk", records: []entry{f("1", Reached, PNR), f("1", Undoes, Aborting)}, last: PNR, exposed: true},
		{name: "opening", records: []entry{f("1", Reached, PNR), f("1", Begins, TargetOpen), f("1", Failed, TargetOpen)}, last: TargetOpen, passed: true},
		{name: "there, but not said so", records: []entry{f("1", Reached, PNR), f("1", Reached, Live)}, last: Live, passed: true},
		{name: "switched", records: switched, last: Live, led: Forward, over: true, passed: true, switched: true},
		{name: "another run has taken it up", records: []entry{f("1", Begins, Freezing), f("2", Undoes, Aborting)}, last: Init, exposed: true},
		{name: "and gone on", records: []entry{f("1", Begins, Freezing), f("2", Undoes, Aborting), f("2", Undone, Synced), f("2", Begins, Prepared)}, last: Prepared},
		{name: "rolling back", records: with(switched, b("2", Begins, Freezing)), last: Freezing, led: Forward, exposed: true},
		{name: "rollback given up", records: with(switched, b("2", Begins, Freezing), b("2", Undoes, Aborting), b("2", Undone, Synced), b("2", Over, Aborted)), last: Aborted, led: Forward, over: true, switched: true},
		{name: "rolled back", records: back, last: Live, led: Rollback, over: true, passed: true},
		{name: "and forward again", records: with(back, f("3", Begins, Freezing)), last: Freezing, led: Rollback, exposed: true},
		{name: "which was given up", records: with(back, f("3", Begins, Freezing), f("3", Undone, Synced), f("3", Over, Aborted)), last: Aborted, led: Rollback, over: true},
		{name: "a rollback whose beginning is lost", records: []entry{b("2", Begins, Freezing)}, last: Freezing, led: Forward, exposed: true},
		{name: "finalising", records: with(switched, f("1", Begins, Stabilising)), last: Stabilising, led: Forward, over: true, passed: true, switched: true},
		{name: "could not be finalised", records: with(switched, f("1", Begins, Stabilising), f("1", Failed, Stabilising)), last: Stabilising, led: Forward, over: true, passed: true, switched: true},
		{name: "removing the way back", records: with(switched, f("1", Reached, Stabilising), f("1", Begins, Finalised)), last: Finalised, led: Forward, over: true, passed: true, switched: true, f: true},
		{name: "finalised", records: with(switched, f("1", Reached, Finalised), f("1", Over, Finalised)), last: Finalised, led: Forward, over: true, passed: true, switched: true, f: true},
		{name: "verified only", records: []entry{f("1", Begins, Drained), f("1", Reached, Verified), f("1", Over, Verified)}, last: Verified, over: true},
	} {
		j := &journal{}
		for _, e := range c.records {
			j.records = append(j.records, Record{Run: e.run, Direction: e.d, Kind: e.kind, State: e.state})
		}
		s := j.standing()
		if s.last() != c.last || s.Led != c.led || s.Over != c.over || s.exposed() != c.exposed || s.passed() != c.passed || s.switched() != c.switched || s.finalising() != c.f {
			t.Errorf("%s: last %s, led %q, over %v, exposed %v, passed %v, switched %v, finalising %v; want %+v", c.name, s.last(), s.Led, s.Over, s.exposed(), s.passed(), s.switched(), s.finalising(), c)
		}
	}
}
