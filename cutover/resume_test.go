package cutover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type command func(context.Context, Options) (*Result, error)

// crashed runs a command that ends at a point as a process does that is killed:
// nothing is taken back, and its connections are gone.
func crashed(t *testing.T, run command, o Options, at string) {
	t.Helper()
	o.point = func(id string) {
		if id == at {
			panic(errCrash)
		}
	}
	ended := ""
	defer func() {
		if p, _ := recover().(error); !errors.Is(p, errCrash) {
			t.Fatalf("it was to crash at %q, and did not: %v%s", at, p, ended)
		}
	}()
	r, err := run(t.Context(), o)
	if ended = fmt.Sprint(err); r != nil {
		ended = fmt.Sprint(r.Outcome, r.State, r.Reasons)
	}
}

var errCrash = errors.New("crash")

// refused wants a command to do nothing but to say why.
func (s *stage) refused(t *testing.T, what string, run command, o Options, says string) {
	t.Helper()
	before := howItStands(t, s.source) + howItStands(t, s.target)
	r, err := run(t.Context(), o)
	said := ""
	switch {
	case err != nil && r == nil:
		said = err.Error()
		if !errors.As(err, new(*OperatorError)) {
			t.Errorf("%s: %T is no operator's error: %v", what, err, err)
		}
	case err == nil && r.Outcome == Unproven:
		said = strings.Join(r.Reasons, "\n")
	default:
		t.Errorf("%s: %+v %v", what, r, err)
	}
	if !strings.Contains(said, says) {
		t.Errorf("%s: it says %q, and not %q", what, said, says)
	}
	if after := howItStands(t, s.source) + howItStands(t, s.target); after != before {
		t.Errorf("%s: before:\n%s\nafterwards:\n%s", what, before, after)
	}
}

// TestContradictions: where databases and journal do not say the same, nothing is
// done. When a person has mended it, the run goes on.
func TestContradictions(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, c := range []struct {
		name, at string
		no       bool // no way back
		meddle   func(t *testing.T, s *stage, journal string)
		says     string
		mend     func(t *testing.T, s *stage, journal string)
	}{
		{name: "the source was opened behind the point of no return", at: "journal reached PNR",
			meddle: func(t *testing.T, s *stage, _ string) {
				setReadOnly(t, s.source, "RESET default_transaction_read_only")
			},
			says: "the point of no return was passed (PNR), and the source can be written to",
			mend: func(t *testing.T, s *stage, _ string) {
				setReadOnly(t, s.source, "SET default_transaction_read_only = on")
			}},
		{name: "the target was closed when it was open", at: "journal reached TARGET_OPEN",
			meddle: func(t *testing.T, s *stage, _ string) {
				setReadOnly(t, s.target, "SET default_transaction_read_only = on")
			},
			says: "the target was opened (TARGET_OPEN), and is read only now",
			mend: func(t *testing.T, s *stage, _ string) {
				setReadOnly(t, s.target, "RESET default_transaction_read_only")
			}},
		{name: "the way back was started too early", at: "journal reached VERIFIED",
			meddle: func(t *testing.T, s *stage, _ string) {
				slot := s.target.ask(t, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() AND slot_name NOT LIKE '%ahead'")
				asSuperuser(t, s.source, "ALTER SUBSCRIPTION pgparity_reverse SET (slot_name = '"+slot+"')", "ALTER SUBSCRIPTION pgparity_reverse ENABLE")
			},
			says: "the point of no return was not passed (VERIFIED), and the way back is started",
			mend: func(t *testing.T, s *stage, _ string) {
				asSuperuser(t, s.source, "ALTER SUBSCRIPTION pgparity_reverse DISABLE", "ALTER SUBSCRIPTION pgparity_reverse SET (slot_name = NONE)")
			}},
		{name: "the journal is an old copy", at: "journal reached TARGET_OPEN", no: true, meddle: func(t *testing.T, _ *stage, journal string) {
			text, err := os.ReadFile(journal)
			if err == nil {
				i := strings.Index(string(text), `"kind":"begins","state":"FREEZING"`)
				old := text[:strings.LastIndexByte(string(text[:i]), '\n')+1]
				err = errors.Join(os.WriteFile(journal+".right", text, 0o600), os.WriteFile(journal, old, 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, says: "the target is open while the source is read only", mend: func(t *testing.T, _ *stage, journal string) {
			if err := os.Rename(journal+".right", journal); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "the journal is of another switch of the pair", at: "journal reached VERIFIED", meddle: func(t *testing.T, _ *stage, journal string) {
			text, err := os.ReadFile(journal)
			if err == nil {
				err = errors.Join(os.WriteFile(journal+".right", text, 0o600), os.WriteFile(journal, []byte(`{"n":1,"run":"other","direction":"forward","kind":"over","state":"ABORTED"}`+"\n"), 0o600))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, says: "the journal does not know it", mend: func(t *testing.T, _ *stage, journal string) {
			if err := os.Rename(journal+".right", journal); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			o := s.options(t)
			o.Reverse.Off = c.no
			crashed(t, Run, o, c.at)
			c.meddle(t, s, o.Journal)
			for name, run := range map[string]command{"run": Run, "abort": Abort} {
				s.refused(t, name, run, o, c.says)
			}
			c.mend(t, s, o.Journal)
			r, err := Run(t.Context(), o)
			succeed(t, r, err)
			s.opens(t, 1)
			s.refuses(t, 0, 0)
		})
	}
}

// setReadOnly changes a database's own setting by hand.
func setReadOnly(t *testing.T, p *place, how string) {
	t.Helper()
	asSuperuser(t, p, "ALTER DATABASE "+database(t, p)+" "+how)
}

// TestLostJournal: without the journal the databases say how far it had come.
func TestLostJournal(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	turn := make(chan struct{}, atOnce)
	random := draw(t)
	for _, c := range []struct {
		at   string
		no   bool // no way back
		goes bool // the point of no return is passed: abort is refused
	}{
		{at: "after ledger"},
		{at: "journal reached PREPARED"},
		{at: "after freeze-limit"},
		{at: "journal reached REVERSE_READY"},
		{at: "journal reached PNR"}, // nothing was opened: it can be taken back still
		{at: "after reverse-start", goes: true},
		{at: "after open", no: true, goes: true},
		{at: "journal reached TARGET_OPEN", goes: true},
		{at: "after detach", goes: true},
		{at: "journal reached LIVE", goes: true},
	} {
		commands := map[string]command{"run": Run, "abort": Abort}
		if c.at == "journal reached PREPARED" { // nothing but the ledger says what to take back
			delete(commands, "run")
		} else if !everything() { // one of them
			delete(commands, []string{"run", "abort"}[random.IntN(2)])
		}
		for name, run := range commands {
			t.Run(name+" "+c.at, func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				s := newStage(t)
				before := howItStands(t, s.source) + howItStands(t, s.target)
				o := s.options(t)
				o.Reverse.Off = c.no
				crashed(t, Run, o, c.at)
				if err := os.Remove(o.Journal); err != nil {
					t.Fatal(err)
				}
				if name == "abort" && c.goes {
					s.refused(t, name, run, o, "the point of no return was passed")
					return
				}
				r, err := run(t.Context(), o)
				succeed(t, r, err)
				if name == "run" {
					s.opens(t, 1)
					s.refuses(t, 0, 0)
					return
				}
				s.opens(t, 0)
				if after := howItStands(t, s.source) + howItStands(t, s.target); after != before {
					t.Errorf("before:\n%s\nafterwards:\n%s", before, after)
				}
			})
		}
	}
}

// TestLife takes a pair through its life, with the commands that are none of it
// asked in between: those do nothing.
func TestLife(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	do := func(what string, run command) {
		t.Helper()
		r, err := run(t.Context(), o)
		t.Log(what)
		succeed(t, r, err)
	}
	stands := func(side int) {
		t.Helper()
		s.opens(t, side)
		s.refuses(t, 1-side, 0)
	}
	s.refused(t, "rollback of nothing", RollBack, o, "there is no switch to roll back")
	s.refused(t, "finalize of nothing", Finalize, o, "there is no switch to finalise")
	crashed(t, Run, o, "journal reached DRAINED")
	s.refused(t, "rollback of a run that has not ended", RollBack, o, "there is no switch to roll back")
	s.refused(t, "finalize of a run that has not ended", Finalize, o, "there is no switch to finalise")
	do("abort", Abort)
	do("abort again", Abort)
	do("run", Run)
	stands(1)
	do("run again", Run)
	s.refused(t, "abort of a switch", Abort, o, "the switch went through")
	s.refused(t, "rehearsal of a switch", func(ctx context.Context, o Options) (*Result, error) { return Rehearse(ctx, o, false) }, o, "was made already")
	stands(1)

	// A rollback that is given up leaves the switch as it stood.
	failing := o
	failing.point = func(id string) {
		if id == "after end-clients" {
			asSuperuser(t, s.target, "CREATE TABLE IF NOT EXISTS made_in_the_window ()")
		}
	}
	r, err := RollBack(t.Context(), failing)
	if err != nil || r.Outcome != AbortedRun {
		t.Fatalf("%+v %v", r, err)
	}
	asSuperuser(t, s.target, "DROP TABLE made_in_the_window")
	stands(1)
	do("run after a rollback that was given up", Run)
	s.refused(t, "abort after a rollback that was given up", Abort, o, "the switch went through")
	stands(1)
	crashed(t, RollBack, o, "journal reached REVERSE_READY")
	do("abort of a rollback", Abort)
	stands(1)
	crashed(t, RollBack, o, "journal reached PREPARED")
	do("rollback", RollBack)
	stands(0)
	do("rollback again", RollBack)
	s.refused(t, "abort of a rollback that went through", Abort, o, "was led back")
	stands(0)
	if slots := s.source.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"); slots != "1" {
		t.Errorf("%s slots are on the source, want the one that carries", slots)
	}

	do("run after a rollback", Run)
	stands(1)
	crashed(t, Finalize, o, "journal reached STABILISING")
	do("run when it was to be finalised", Run)
	stands(1)
	crashed(t, Finalize, o, "after drop-slot")
	s.refused(t, "rollback without a way back", RollBack, o, "there is no way back any more")
	s.refused(t, "abort when it was to be finalised", Abort, o, "the switch went through")
	do("finalize", Finalize)
	stands(1)
	s.refused(t, "run of what is finalised", Run, o, "is finalised")
	s.refused(t, "finalize of what is finalised", Finalize, o, "there is no switch to finalise")
	s.refused(t, "abort of what is finalised", Abort, o, "the switch went through")
	o.Journal = filepath.Join(t.TempDir(), "new")
	s.refused(t, "run of a switched pair with a new journal", Run, o, "the target is open while the source is read only")
	stands(1)
	for i, p := range []*place{s.source, s.target} {
		if left := howItStands(t, p); strings.Contains(left, "slot") || strings.Contains(left, "subscription") || strings.Contains(left, "schema") {
			t.Errorf("side %d: left behind:\n%s", i, left)
		}
	}
}

// TestWrongPair: a journal is of one pair.
func TestWrongPair(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s, other := newStage(t), newStage(t)
	o := s.options(t)
	crashed(t, Run, o, "journal reached PREPARED")
	wrong := other.options(t)
	wrong.Journal = o.Journal
	other.refused(t, "run", Run, wrong, "is of another pair: its ")
	other.refused(t, "abort", Abort, wrong, "is of another pair: its ")
	r, err := Abort(t.Context(), o)
	succeed(t, r, err)
}

// TestTwoRuns: one at a time, whatever journal it keeps.
func TestTwoRuns(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	first := s.options(t)
	first.point = func(id string) {
		if id != "before drained" {
			return
		}
		for _, journal := range []string{first.Journal, filepath.Join(t.TempDir(), "another")} {
			second := first
			second.Journal, second.point = journal, nil
			for name, run := range map[string]command{"run": Run, "abort": Abort} {
				_, err := run(t.Context(), second)
				if held, locked := errors.Is(err, errHeld), errors.As(err, new(errTwoRuns)); held != (journal == first.Journal) || locked == held {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	r, err := Run(t.Context(), first)
	succeed(t, r, err)
}

// TestJournalFull: when the file system is full the window is taken back, and
// what could not be written does not stand in the way of what is.
func TestJournalFull(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	for _, at := range []string{"journal reached FROZEN#1", "after no-return#2"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			a := newArena(t)
			s := a.script(journalFile(t))
			s.At, s.What = at, "full"
			r := play(t, s).result(t)
			if r.Outcome != AbortedRun || !strings.Contains(strings.Join(r.Reasons, ""), "file too large") {
				t.Errorf("%s: %v", r.Outcome, r.Reasons)
			}
			a.opens(t, 0)
			j, _, err := readJournal(s.Journal)
			if err != nil || j.torn {
				t.Fatalf("torn %v, %v", j.torn, err)
			}
			again, err := Run(t.Context(), s.options())
			succeed(t, again, err)
			a.opens(t, 1)
			a.refuses(t, 0, 0)
		})
	}
}

// TestAsItWas: what closing changes is given back exactly, be the switch given up or
// rolled back, and holds against what roles have of their own.
func TestAsItWas(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	for _, p := range []*place{s.source, s.target} {
		for _, role := range []string{"cutover_off", "cutover_here", "cutover_both", "cutover_on"} {
			makeRole(t, p.cluster, role, "")
		}
		db := database(t, p)
		p.exec(t, "ALTER DATABASE "+db+" CONNECTION LIMIT 77", "ALTER DATABASE "+db+" SET default_transaction_read_only = 'off'", "ALTER DATABASE "+db+" SET work_mem = '5MB'",
			"ALTER ROLE cutover_off SET default_transaction_read_only = off", "ALTER ROLE cutover_here IN DATABASE "+db+" SET default_transaction_read_only = 'no'",
			"ALTER ROLE cutover_both SET default_transaction_read_only = off", "ALTER ROLE cutover_both IN DATABASE "+db+" SET default_transaction_read_only = 'true'",
			"ALTER ROLE cutover_on IN DATABASE "+db+" SET default_transaction_read_only = on", "GRANT ALL ON ALL TABLES IN SCHEMA public TO cutover_off, cutover_here")
	}
	var before [2]string
	stand := func() [2]string { return [2]string{howItStands(t, s.source), howItStands(t, s.target)} }
	before = stand()
	f := fault{at: "after end-clients", do: func(t *testing.T, s *stage) {
		for _, role := range []string{"cutover_off", "cutover_here"} { // as if the limit let them in
			sees := s.source.ask(t, `SELECT string_agg(c, '') FROM pg_db_role_setting s, unnest(setconfig) c WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND setrole = '`+role+`'::regrole`)
			if sees != "default_transaction_read_only=on" {
				t.Errorf("role %s has %q while the source is closed", role, sees)
			}
		}
		if on := s.source.ask(t, "SELECT current_setting('default_transaction_read_only')"); on != "on" {
			t.Errorf("a superuser who connects can write by accident")
		}
		asSuperuser(t, s.source, "CREATE TABLE made_in_the_window ()")
	}, says: "definitions have changed"}
	aborts(t, s, f)
	asSuperuser(t, s.source, "DROP TABLE made_in_the_window")
	o := s.options(t)
	old := connect(t, s.client[1]) // it would stay read only
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
	if err := old.Ping(t.Context()); err == nil {
		t.Error("a session that was connected to the target while it was read only was not ended")
	}
	for _, p := range []*place{s.source, s.target} {
		if n := p.ask(t, "SELECT count(*) FROM pgparity.cutover_journal WHERE n = 0 AND run = '"+r.Run+"'"); n != "1" {
			t.Errorf("%s rows say that the point of no return was passed, want one", n)
		}
	}
	for _, role := range []string{"cutover_off", "cutover_here", clientRole} {
		if err := s.tryOnce(t.Context(), as(t, s.target.url, role)); err != nil {
			t.Errorf("role %s on the target: %v", role, err)
		}
	}
	r, err = RollBack(t.Context(), o)
	succeed(t, r, err)
	settings := func(all string) string {
		var list []string
		for line := range strings.Lines(all) {
			if strings.HasPrefix(line, "limit") || strings.HasPrefix(line, "setting") {
				list = append(list, line)
			}
		}
		return strings.Join(list, "")
	}
	if after := stand(); settings(after[0]) != settings(before[0]) {
		t.Errorf("after a rollback the source was\n%s\nand is\n%s", settings(before[0]), settings(after[0]))
	}
	if err := s.tryOnce(t.Context(), as(t, s.source.url, "cutover_off")); err != nil {
		t.Error(err)
	}
}

// TestUnfreeze: what is written down for whoever is left opens the source, here and
// on the target's server.
func TestUnfreeze(t *testing.T) {
	long(t)
	slow(t)
	t.Parallel()
	s := newStage(t)
	o := s.options(t)
	crashed(t, Run, o, "journal reached DRAINED")
	s.refuses(t, 0, 0)
	script, err := os.ReadFile(o.Journal + ".unfreeze.sql")
	if err != nil {
		t.Fatal(err)
	}
	if there := s.target.ask(t, "SELECT sql FROM pgparity.unfreeze"); there != string(script) {
		t.Errorf("the target has %q, and the file is %q", there, script)
	}
	for statement := range strings.SplitSeq(strings.TrimSpace(string(script)), ";\n") {
		if err := s.source.cluster.Exec(t.Context(), "postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	s.opens(t, 0)
	r, err := Run(t.Context(), o)
	succeed(t, r, err)
}
