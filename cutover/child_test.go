package cutover

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/preflight"
)

// parts are what this program can play as a process of its own, by its first
// argument.
var parts = map[string]func() int{"play-run": playRun, "play-guard": playGuard}

// playGuard is the guard, as the command starts it.
func playGuard() int {
	err := Watch(context.Background(), os.Stdin, os.Stdout, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// guarded has a switch start this program as its guard.
func guarded(ctx context.Context, g Guarding) (Guard, error) {
	return Spawn(os.Args[0], "play-guard")(ctx, g)
}

// script is what a run in a process of its own is to do.
type script struct {
	Source, Target, Journal string
	Command                 string // run, rollback
	Guard                   bool
	Preflight               bool // else it is left out: it takes longer than all the rest
	Budgets                 Budgets
	// At is the point at which it does something to itself, "" for none: a
	// name and how often it was passed before, as in before lock#1.
	At string
	// What: kill, stop (until it is continued), hang (for ever), full (the file
	// system takes no further byte of the journal).
	What string
	// After delays a kill, so that it comes while the action is under way.
	After time.Duration
}

// options are those of a switch as the tests make it.
func (s script) options() Options {
	o := Options{
		Pair: "test", Source: s.Source, Target: s.Target, Journal: s.Journal,
		Verify:    checker.Options{Checks: []string{"sequences", "counts", "last", "ranges"}, Last: 1000, Settle: 10 * time.Second, Budget: 2 * time.Second, MaxDiffs: 100},
		Preflight: preflight.Options{Margin: 1000, LongTransaction: 5 * time.Second, Budget: 2 * time.Second},
		MaxAge:    time.Hour, Budgets: s.Budgets, Attempts: 1, TerminateStragglers: true,
	}
	if !s.Preflight {
		o.drop = map[string]bool{"preflight": true}
	}
	return o
}

// playRun is a switch. It says on its output when it is about to do to itself what
// the script says, and what came of it.
func playRun() int {
	var s script
	if err := json.NewDecoder(os.Stdin).Decode(&s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	o := s.options()
	if s.Guard {
		o.StartGuard = func(ctx context.Context, g Guarding) (Guard, error) {
			started, err := guarded(ctx, g)
			if err == nil {
				fmt.Println("guard", started.(*process).cmd.Process.Pid)
			}
			return started, err
		}
	}
	named := naming()
	o.point = func(id string) {
		if named(id) != s.At {
			return
		}
		switch s.What {
		case "kill":
			if s.After == 0 {
				die()
			}
			time.AfterFunc(s.After, die)
		case "stop":
			fmt.Println("at", s.At)
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		case "hang":
			fmt.Println("at", s.At)
			select {}
		case "full":
			fillUp(s.Journal)
		}
	}
	command := Run
	if s.Command == "rollback" {
		command = RollBack
	}
	result, err := command(context.Background(), o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	text, _ := json.Marshal(result)
	fmt.Println("result", string(text))
	return 0
}

func die() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }

// fillUp has the file system take three bytes more of a file, and then none.
func fillUp(file string) {
	signal.Ignore(syscall.SIGXFSZ)
	info, err := os.Stat(file)
	if err == nil {
		limit := uint64(info.Size()) + 3
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	if err != nil {
		panic(err)
	}
}

// naming gives each point a name of its own: an action may be taken several times.
func naming() func(id string) string {
	var mu sync.Mutex
	passed := map[string]int{}
	return func(id string) string {
		mu.Lock()
		defer mu.Unlock()
		passed[id]++
		return id + "#" + strconv.Itoa(passed[id])
	}
}

// child is a process that plays.
type child struct {
	cmd   *exec.Cmd
	lines chan string   // of its output
	ended chan struct{} // it is gone
}

// play starts a run as a process. The test ends it.
func play(t *testing.T, s script) *child {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(os.Args[0], "play-run"), lines: make(chan string, 100), ended: make(chan struct{})}
	c.cmd.Stdin = strings.NewReader(string(text))
	var complaints strings.Builder
	c.cmd.Stderr = &complaints
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		in := bufio.NewScanner(out)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			c.lines <- in.Text()
		}
		close(c.lines)
		_ = c.cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		for range c.lines { // what it still said
		}
		<-c.ended
		if t.Failed() && complaints.Len() > 0 {
			t.Logf("the process said: %s", &complaints)
		}
	})
	return c
}

// says waits for a line that begins with a word, and gives the rest of it; "" where
// the process ended without.
func (c *child) says(t *testing.T, word string) string {
	t.Helper()
	patience := time.After(time.Minute)
	for {
		select {
		case line, more := <-c.lines:
			if rest, found := strings.CutPrefix(line, word+" "); found {
				return rest
			}
			if !more {
				return ""
			}
		case <-patience:
			t.Fatalf("waited a minute in vain for the process to say %q", word)
		}
	}
}

// result waits for what came of the run.
func (c *child) result(t *testing.T) *Result {
	t.Helper()
	var r Result
	if text := c.says(t, "result"); text == "" {
		t.Fatal("the process ended without a result")
	} else if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	return &r
}
