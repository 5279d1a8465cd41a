package cutover

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// The guard is another process that opens the source again when the run has died
// before the point of no return. It waits for the lock on the journal, which the
// run holds for its life: so it acts only when the run lives no more, and a run
// that was merely stopped costs an outage, never two databases that take writes.

// Guarding is all that a guard has to know. It holds secrets: it travels by a
// pipe, not by the command line.
type Guarding struct {
	Journal     string    `json:"journal"`
	Run         string    `json:"run"`
	Direction   Direction `json:"direction"`
	Source      string    `json:"source"`
	Target      string    `json:"target"`
	Maintenance string    `json:"maintenance"`
	Poolers     []Pooler  `json:"poolers"`
	Hooks       []Hook    `json:"hooks"`
}

// Guard is a guard process that waits.
type Guard interface {
	// Alive tells whether it still waits.
	Alive() bool
	// Release lets it go: the run has ended, one way or another.
	Release()
}

// probes are a test's ways in.
type probes struct {
	drop     map[string]bool // actions that are left out, by id
	dropStep map[State]bool  // steps of which nothing is done
	point    func(id string) // called before and after each action
	forward  time.Duration   // how often the slots of the way back are moved ahead, 0 for what is usual
}

// guardReady is what a guard says on its output once it waits.
const guardReady = "pgparity guard waits"

// guardPatience is how long a guard tries to open the source again. A side that
// is away longer is opened by `pgparity cutover abort`.
const guardPatience = 10 * time.Minute

// guardStart bounds the start of a guard.
const guardStart = 10 * time.Second

func (r *run) startGuard(ctx context.Context) error {
	if r.o.StartGuard == nil {
		r.note("no guard was started: if this process dies in the window, the source stays closed until `pgparity cutover abort` is run")
		return nil
	}
	return r.do(ctx, Action{ID: "guard", On: "here", Do: "pgparity cutover guard", Why: "opens the source again if this process dies before the point of no return"}, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, guardStart)
		defer cancel()
		g, err := r.o.StartGuard(ctx, Guarding{Journal: r.o.Journal, Run: r.id, Direction: r.direction, Source: r.o.Source, Target: r.o.Target, Maintenance: r.o.Maintenance, Poolers: r.o.Poolers, Hooks: r.o.Hooks})
		if err != nil {
			return fmt.Errorf("the guard: %w", err)
		}
		r.guard = g
		return nil
	})
}

// guardLives is a gate: the window begins under its eyes.
func (r *run) guardLives(ctx context.Context) error {
	if r.o.StartGuard == nil {
		return nil
	}
	return r.gate(ctx, Action{ID: "guard-lives", On: "here", Do: "the guard waits", Why: "the window begins under its eyes"}, func(context.Context) error {
		if r.guard == nil || !r.guard.Alive() {
			return errors.New("the guard has ended: its log lies beside the journal")
		}
		return nil
	})
}

func (r *run) releaseGuard() {
	if r.guard != nil && !r.leaveGuard {
		r.guard.Release()
		r.guard = nil
	}
}

// Spawn gives Options.StartGuard: program is started with args as a process of
// its own session, reads a Guarding from its input, and is to call Watch. Its log
// is a file beside the journal.
func Spawn(program string, args ...string) func(context.Context, Guarding) (Guard, error) {
	return func(ctx context.Context, g Guarding) (Guard, error) {
		config, err := json.Marshal(g)
		if err != nil {
			return nil, err
		}
		log, err := os.OpenFile(g.Journal+".guard.log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		cmd := exec.Command(program, args...) // not bound to ctx: it outlives the run
		cmd.Stdin, cmd.Stderr = strings.NewReader(string(config)), log
		cmd.SysProcAttr = ownSession()
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		p := &process{cmd: cmd, ended: make(chan struct{})}
		ready := make(chan error, 1)
		go func() {
			line, _ := bufio.NewReader(out).ReadString('\n')
			if strings.TrimSpace(line) != guardReady {
				ready <- fmt.Errorf("it did not come up: %s", strings.TrimSpace(line+" (see "+log.Name()+")"))
			} else {
				ready <- nil
			}
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			close(p.ended)
		}()
		select {
		case err = <-ready:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if err != nil {
			p.Release()
			return nil, err
		}
		return p, nil
	}
}

// process is a guard that Spawn started.
type process struct {
	cmd   *exec.Cmd
	once  sync.Once
	ended chan struct{}
}

// Alive tells whether the process runs.
func (p *process) Alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Release ends the process, and waits until it is gone.
func (p *process) Release() {
	p.once.Do(func() { _ = p.cmd.Process.Kill() })
	<-p.ended
}

// Watch is the guard: it reads a Guarding from in, says on out that it waits, and
// returns when the run has ended: by itself, or, where it died before the point
// of no return, when what it had done is taken back. log tells what it does.
func Watch(ctx context.Context, in io.Reader, out io.Writer, log func(format string, args ...any)) error {
	var g Guarding
	if err := json.NewDecoder(in).Decode(&g); err != nil {
		return fmt.Errorf("guard: what to guard: %w", err)
	}
	o := Options{Source: g.Source, Target: g.Target, Maintenance: g.Maintenance, Journal: g.Journal, Poolers: g.Poolers, Hooks: g.Hooks, Budgets: DefaultBudgets(), Attempts: 1}
	r, err := newRun(o, "guard", g.Direction)
	if err != nil {
		return err
	}
	r.id = g.Run
	r.from, r.to = &end{name: "source", url: g.Source}, &end{name: "target", url: g.Target}
	if g.Direction == Rollback {
		r.from, r.to = r.to, r.from
	}
	// Connected before it is needed: the database it opens may be the only one
	// that is left.
	if r.from.maintenance, err = r.openGuard(ctx, r.from, o.maintenance()); err != nil {
		return err
	}
	defer func() {
		if r.from.maintenance != nil {
			r.from.maintenance.Close()
		}
	}()
	if _, err := fmt.Fprintln(out, guardReady); err != nil {
		return err
	}
	f, err := os.OpenFile(g.Journal, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := lockFile(f, true); err != nil {
		return err
	}
	r.journal = &journal{path: g.Journal, file: f}
	if err := r.journal.read(); err != nil {
		return err
	}
	s := r.journal.standing()
	if !s.exposed() || s.Direction != g.Direction {
		what := "nothing to do"
		if s.passed() && !s.Over {
			what = "behind the point of no return only `pgparity cutover run` leads on"
			if s.Direction == Rollback {
				what = "behind the point of no return only `pgparity cutover rollback` leads on"
			}
		}
		log("run %s has ended (%s): %s", g.Run, s.last(), what)
		return nil
	}
	// It may be another run, which took this one up, and died before it had a guard
	// of its own.
	r.id = s.Run
	return r.rescue(ctx, s, log)
}

// guardApplication is what a guard's sessions call themselves.
func guardApplication(run string) string { return "pgparity guard " + run }

func (r *run) openGuard(ctx context.Context, e *end, database string) (*postgres.Control, error) {
	return postgres.OpenControl(ctx, postgres.Options{Side: r.sideOf(e), URL: e.url, Run: r.id, Application: guardApplication(r.id), Database: database, Primary: true})
}

// rescue takes back what a dead run did in its window.
func (r *run) rescue(ctx context.Context, s standing, log func(string, ...any)) error {
	// Whoever told it to end told the run as well, and that one is dead.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), guardPatience)
	defer cancel()
	log("run %s died at %s: opening the %s again", s.Run, s.last(), r.from.name)
	if err := r.journal.append(Record{Run: r.id, Direction: r.direction, Kind: Undoes, State: Aborting, By: "guard", Message: "the run died at " + string(s.last()), Facts: &s.Facts}); err != nil {
		log("the journal could not be written, which does not stop it: %v", err)
	}
	r.facts, r.strategy, r.begun = s.Facts, s.Facts.Strategy, s.last()
	if s.Undoing {
		r.begun = PNR
	}
	r.from.database = postgres.Ident(s.Facts.database(r.from.name))
	if err := r.thaw(ctx); err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	log("the %s is open again", r.from.name)
	// The rest: the replication goes on, and what was noted is taken back.
	err := poll(ctx, func(ctx context.Context) (bool, string, error) {
		err := r.takeRestBack(ctx)
		return err == nil, fmt.Sprint(err), nil
	})
	if err != nil {
		return fmt.Errorf("guard: %w", err)
	}
	log("what run %s had done in its window is taken back; what it had prepared is left for the next one, or for `pgparity cutover abort`", s.Run)
	return r.journal.append(Record{Run: r.id, Direction: r.direction, Kind: Undone, State: Synced, By: "guard", Facts: &r.facts})
}

// takeRestBack is what a window's undo is besides thaw.
func (r *run) takeRestBack(ctx context.Context) (err error) {
	for _, e := range []*end{r.from, r.to} {
		if e.control != nil {
			e.control.Close()
		}
		if e.control, err = r.openGuard(ctx, e, ""); err != nil {
			return err
		}
		defer e.control.Close()
	}
	if err := r.endDead(ctx, r.to); err != nil {
		return err
	}
	_, err = r.undo(ctx, func(s step) bool { return window(s) && s.state != Freezing && s.state != Armed })
	return err
}

// endDead ends what a dead run has left on a server: a statement of its may be
// under way there still.
func (r *run) endDead(ctx context.Context, e *end) error {
	return poll(ctx, func(ctx context.Context) (bool, string, error) {
		left, err := rows(ctx, e.control, "dead", `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE application_name = $1`, func(row postgres.Row) bool { return row.Bool(0) }, application(r.id))
		return len(left) == 0, fmt.Sprintf("%s: %d sessions of the dead run do not end", e.name, len(left)), err
	})
}

// database is a side's database, from what was remembered of it.
func (f Facts) database(side string) string {
	_, name, _ := strings.Cut(f.Systems[side], "/")
	return name
}
