package monitor

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/follow"
)

// child starts this program as something else, and gives the lines that it prints.
func child(t *testing.T, what string, environ ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), append(environ, "PGPARITY_TEST_CHILD="+what)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd, bufio.NewScanner(out)
}

// storeChild writes one thing after the other, and prints what is written when it is.
func storeChild() int {
	ctx := context.Background()
	st, err := openStore(ctx, os.Getenv("STATE"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	from, _ := strconv.Atoi(os.Getenv("FROM"))
	for i := from; ; i++ {
		at := time.Now()
		_, err := st.see(ctx, "p", "pass", at, []sighting{{object: "public.t", kind: "missing", key: []KeyPart{{"id", strconv.Itoa(i)}}}})
		if err == nil {
			err = st.keepFollow(ctx, "p", &follow.State{Slot: "s", Through: strconv.Itoa(i)})
		}
		if err == nil {
			err = st.addSample(ctx, "p", Sample{At: at})
		}
		if err == nil {
			err = st.addRun(ctx, "p", Run{Kind: "quick", StartedAt: at, FinishedAt: at})
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(i)
	}
}

// What was written is there after a kill -9 at any moment, and the file is whole.
func TestTheStoreSurvivesAKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	last := 0
	for round := range 8 {
		cmd, out := child(t, "store", "STATE="+path, "FROM="+strconv.Itoa(last+1))
		for out.Scan() {
			n, err := strconv.Atoi(out.Text())
			if err != nil {
				t.Fatal(out.Text())
			}
			last = n
			if rand.N(12) == 0 {
				break
			}
		}
		// Somewhere in the next writes.
		rest(t.Context(), rand.N(4*time.Millisecond))
		_ = cmd.Process.Kill()
		for out.Scan() {
			if n, err := strconv.Atoi(out.Text()); err == nil {
				last = n
			}
		}
		_ = cmd.Wait()
		st, err := openStore(t.Context(), path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkStore(t, st, last)
		_, state, _ := st.pair(t.Context(), "p")
		st.close()
		if n, err := strconv.Atoi(state.Through); err == nil && n > last { // written, and not printed any more
			last = n
		}
	}
	if last < 20 {
		t.Errorf("only %d were written: nothing is proved", last)
	}
}

func checkStore(t *testing.T, st *store, last int) {
	t.Helper()
	var integrity string
	if err := st.firm.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Fatalf("the file is damaged: %s %v", integrity, err)
	}
	list, err := st.findings(t.Context(), "p", 0)
	if err != nil || len(list) < last || len(list) > last+1 {
		t.Fatalf("%d findings of %d are there: %v", len(list), last, err)
	}
	_, state, err := st.pair(t.Context(), "p")
	if n, _ := strconv.Atoi(state.Through); err != nil || n < last || n > last+1 {
		t.Fatalf("followed up to %q, and %d was written: %v", state.Through, last, err)
	}
}

// monitorChild watches one pair.
func monitorChild() int {
	g := New(Options{State: os.Getenv("STATE"), pace: hurry, Load: func() (Settings, error) {
		w := &world{source: &place{url: os.Getenv("SOURCE")}, target: &place{url: os.Getenv("TARGET")}}
		return Settings{Passes: 1, Keep: time.Hour, Pairs: []Pair{w.pair("shop")}}, nil
	}})
	go func() {
		changed, _ := g.Board().Listen()
		for range changed {
			s, _ := g.Board().Pair("shop")
			fmt.Println(s.Verdict, len(open(s)), len(s.Findings))
		}
	}()
	if err := g.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return 1
}

// A monitor that was killed knows afterwards what it had found, with when it first had, and what
// heals then is marked so.
func TestAKilledMonitorRemembers(t *testing.T) {
	long(t)
	w := newWorld(t)
	state := t.TempDir() + "/state.db"
	w.target.exec(t, "DELETE FROM orders WHERE id = 42")
	cmd, out := child(t, "monitor", "STATE="+state, "SOURCE="+w.source.url, "TARGET="+w.target.url)
	for out.Scan() && !strings.HasPrefix(out.Text(), "mismatch 1 ") {
		continue
	}
	killed := time.Now()
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	g := begin(t, state, nil, w.pair("shop"))
	s := g.until(t, "shop", "it is watched", func(s Status) bool { return s.Activity == Resting && !s.LastSuccess.IsZero() })
	if f := open(s); len(f) != 1 || f[0].Key[0].Value != "42" || !f[0].FirstSeen.Before(killed) {
		t.Fatalf("after the kill (%s) is known: %+v", killed, f)
	}
	id := open(s)[0].ID
	w.target.exec(t, "INSERT INTO orders VALUES (42, 63.0, 'order 42')")
	s = g.until(t, "shop", "it has healed", matches)
	if len(s.Findings) != 1 || s.Findings[0].ID != id || s.Findings[0].HealedAt.Before(killed) {
		t.Errorf("healed: %+v", s.Findings)
	}
}
