package cutover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// Pooler is a PgBouncer in front of the source.
type Pooler struct {
	Name string
	// Admin is the connection string of its admin console (database pgbouncer).
	Admin string
	// Databases are the names of its entries that lead to the source.
	Databases []string
	// File is its configuration file, or one that it includes, in which the entries
	// stand; "" where a hook at Redirect changes it.
	File string
	// Target is what the entries are given in File: host=… port=… dbname=…. What it
	// does not name stays.
	Target string
}

// How long a switch waits for a pooler, where what it waits for takes no longer
// than an answer.
const (
	resumePatience = 5 * time.Second // for RESUME, after a PAUSE that failed
	holderPatience = 500 * time.Millisecond
	reloadAnswer   = time.Second            // for RELOAD: the others' clients wait as long
	reloadPatience = 250 * time.Millisecond // for what it brings, which is there when it answers
)

// poolers are a run's, with their connections.
type poolers struct{ list []*bouncer }

// bouncer is a pooler with the connections to its console. PAUSE keeps one
// busy until it is done, so each entry has its own, beside one for all else.
type bouncer struct {
	Pooler
	console console
	pausing []console // by entry
	sent    []bool    // by entry: PAUSE was said
	flows   []string  // entries that were seen not to be paused
	retry   string    // its server_login_retry, where that is another one for the moment
}

func newBouncer(p Pooler) *bouncer {
	b := &bouncer{Pooler: p, console: console{of: p}, pausing: make([]console, len(p.Databases)), sent: make([]bool, len(p.Databases))}
	for i := range b.pausing {
		b.pausing[i].of = p
	}
	return b
}

// on is where an action at it has its effect.
func (b *bouncer) on() string { return "pooler " + b.Name }

func (b *bouncer) close() {
	b.console.close()
	for i := range b.pausing {
		b.pausing[i].close()
	}
}

// open makes all connections.
func (b *bouncer) open(ctx context.Context) error {
	nothing := func(*postgres.Console) error { return nil }
	err := b.console.do(ctx, nothing)
	for i := range b.pausing {
		if err == nil { // the others' would be the same
			err = b.pausing[i].do(ctx, nothing)
		}
	}
	return err
}

// bouncers are the run's poolers.
func (r *run) bouncers() []*bouncer {
	if r.poolers.list == nil {
		for _, p := range r.o.Poolers {
			r.poolers.list = append(r.poolers.list, newBouncer(p))
		}
	}
	return r.poolers.list
}

// closePoolers ends all connections.
func (r *run) closePoolers() {
	for _, b := range r.poolers.list {
		b.close()
	}
	r.poolers.list = nil
}

// all names poolers, as where an action has its effect.
func all(list []*bouncer) string {
	var names []string
	for _, b := range list {
		names = append(names, b.on())
	}
	return strings.Join(names, ", ")
}

// pausePoolers keeps the clients of all poolers waiting, at the same time, and
// returns when none of them has a transaction open. Where one cannot be paused
// before ctx ends, all are resumed.
func (r *run) pausePoolers(ctx context.Context) error {
	list := r.bouncers()
	err := r.pause(ctx, list)
	if err == nil {
		return nil
	}
	resume, cancel := context.WithTimeout(context.WithoutCancel(ctx), resumePatience)
	defer cancel()
	touched := slices.DeleteFunc(slices.Clone(list), func(b *bouncer) bool { return !slices.Contains(b.sent, true) })
	return errors.Join(err, r.letGo(resume, touched))
}

func (r *run) pause(ctx context.Context, list []*bouncer) error {
	if len(list) == 0 {
		return nil
	}
	// Each PAUSE is cut as soon as one of them has failed.
	cut, cancel := context.WithCancel(ctx)
	defer cancel()
	var s sending
	for _, b := range list {
		for i, name := range b.Databases {
			a := Action{ID: "pool-pause", On: b.on(), Do: postgres.PauseSQL(name), Why: "clients wait and lose nothing: transactions end, new ones are held back"}
			s.fail(b, r.do(ctx, a, func(context.Context) error {
				s.begin(b, func() error {
					err := b.pause(cut, i)
					if err == nil || cut.Err() != nil && ctx.Err() == nil { // another one has failed
						return nil
					}
					defer cancel()
					return b.whyNotPaused(ctx, name, err)
				})
				return nil
			}))
		}
	}
	waited := false
	a := Action{ID: "pools-paused", On: all(list), Do: "SHOW DATABASES", Wait: true, Why: "each PAUSE has returned, and paused is 1: no transaction is open there"}
	err := r.do(ctx, a, func(ctx context.Context) error {
		waited = true
		if err := s.wait(list); err != nil {
			return err
		}
		for _, b := range list {
			s.begin(b, func() error { return b.isPaused(ctx) })
		}
		return s.wait(list)
	})
	if !waited {
		cancel()
		err = errors.Join(err, s.wait(list)) // none is left behind
	}
	return err
}

// pause pauses one entry.
func (b *bouncer) pause(ctx context.Context, i int) error {
	return b.pausing[i].do(ctx, func(c *postgres.Console) error {
		b.sent[i] = true
		return c.Pause(ctx, b.Databases[i])
	})
}

// isPaused proves that all its entries are paused.
func (b *bouncer) isPaused(ctx context.Context) error {
	list, err := b.console.databases(ctx)
	if err != nil {
		return err
	}
	for _, d := range list {
		if slices.Contains(b.Databases, d.Name) && !d.Paused {
			return fmt.Errorf("%s: %s is not paused: somebody else resumed it", b.on(), d.Name)
		}
	}
	return nil
}

// whyNotPaused says who holds up a PAUSE.
func (b *bouncer) whyNotPaused(ctx context.Context, name string, err error) error {
	if ctx.Err() == nil {
		return err
	}
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), holderPatience)
	defer cancel()
	var holders []string
	_ = b.console.do(look, func(c *postgres.Console) error {
		list, err := c.Servers(look)
		for _, s := range list {
			if s.Entry == name && s.Client != "" {
				holders = append(holders, fmt.Sprintf("user %s at %s (%s), backend %s, since %s", s.User, s.Client, s.Application, s.PID, s.Since))
			}
		}
		return err
	})
	held := "who holds it up could not be seen: look into SHOW SERVERS on its console"
	if n := len(holders); n > 0 {
		held = fmt.Sprintf("%s has a transaction open (or its pool mode is session, and it is connected): let it end, or end it, and run again", holders[0])
		if n > 1 {
			held = fmt.Sprintf("%d clients, the first: %s", n, held)
		}
	}
	return fmt.Errorf("%s: PAUSE of %s: %w: %s", b.on(), name, context.Cause(ctx), held)
}

// resumePoolers lets all clients go on. Where nothing is paused it does nothing.
func (r *run) resumePoolers(ctx context.Context) error { return r.letGo(ctx, r.bouncers()) }

func (r *run) letGo(ctx context.Context, list []*bouncer) error {
	if len(list) == 0 {
		return nil
	}
	r.hurryPoolers(ctx, list)
	var s sending
	for _, b := range list {
		for _, name := range b.Databases {
			a := Action{ID: "pool-resume", On: b.on(), Do: postgres.ResumeSQL(name), Why: "clients go on"}
			s.fail(b, r.do(ctx, a, func(ctx context.Context) error {
				s.begin(b, func() error { return b.resume(ctx, name) })
				return nil
			}))
		}
	}
	err := r.do(ctx, Action{ID: "pools-resumed", On: all(list), Do: "SHOW DATABASES", Wait: true, Why: "nothing is paused any more"}, func(context.Context) error {
		return s.wait(list)
	})
	r.calmPoolers(ctx, list)
	return err
}

func (b *bouncer) resume(ctx context.Context, name string) error {
	err := b.console.do(ctx, func(c *postgres.Console) error { return c.Resume(ctx, name) })
	if err != nil {
		return fmt.Errorf("%w: its clients may be waiting still: type on its console %s", err, postgres.ResumeSQL(name))
	}
	return nil
}
