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

// redirectPoolers leads the entries of poolers to the side that is switched to,
// and lets their clients go on: to what Target says; in a rollback to what stood
// in the files before. A pooler at which that fails keeps its clients waiting,
// and the others do not wait for it. Those whose configuration a hook changes are
// left to releasePoolers.
func (r *run) redirectPoolers(ctx context.Context) error {
	return r.leadPoolers(ctx, r.hooked(false))
}

// releasePoolers has read what hooks have changed, and lets the clients of those
// poolers go on. It is called behind the hooks.
func (r *run) releasePoolers(ctx context.Context) error {
	return r.leadPoolers(ctx, r.hooked(true))
}

// hooked are the poolers whose configuration a hook changes, or the others.
func (r *run) hooked(yes bool) []*bouncer {
	when := OnRedirect
	if r.direction == Rollback {
		when = OnBack
	}
	called := slices.ContainsFunc(r.o.Hooks, func(h Hook) bool { return h.When == when })
	return slices.DeleteFunc(slices.Clone(r.bouncers()), func(b *bouncer) bool { return (called && b.File == "") != yes })
}

// leadPoolers edits, has read, sees that it was, and lets clients go on. Each part
// is idempotent:
//
//  1. A file is edited after what stood there is in the journal; a line that is so
//     already is left, and does not replace what is remembered.
//  2. RELOAD, and what it brought is looked at: PgBouncer keeps what it had when it
//     cannot read its file, and an old one does not say so.
//  3. A paused entry has no connection to the old server. One that is not (this is
//     done again, and it was resumed) loses those that it has, as they become free.
func (r *run) leadPoolers(ctx context.Context, list []*bouncer) error {
	if len(list) == 0 {
		return nil
	}
	back := r.direction == Rollback
	var s sending
	edits := map[*bouncer][]EditedFile{}
	for _, b := range list {
		err := error(nil)
		if edits[b], err = r.edits(b.Pooler, back); err == nil {
			err = r.edit(ctx, b, edits[b], back)
		}
		s.fail(b, err)
	}
	for _, b := range s.good(list) {
		s.fail(b, r.do(ctx, Action{ID: "pool-reload", On: b.on(), Do: postgres.ReloadSQL, Why: "its configuration is read again"}, func(context.Context) error {
			s.begin(b, func() error {
				ctx, cancel := context.WithTimeoutCause(ctx, reloadAnswer, fmt.Errorf("no answer within %v", reloadAnswer))
				defer cancel()
				return b.console.do(ctx, func(c *postgres.Console) error { return c.Reload(ctx) })
			})
			return nil
		}))
	}
	s.wg.Wait()
	looked := false
	lead := Action{ID: "pools-lead", On: all(list), Do: "SHOW DATABASES", Wait: true, Why: "each entry leads there"}
	err := r.do(ctx, lead, func(ctx context.Context) error {
		looked = true
		good := s.good(list)
		for _, b := range good {
			s.begin(b, func() error { return b.leads(ctx, edits[b]) })
		}
		return s.wait(good)
	})
	if !looked {
		s.fail(nil, err)
	}
	for _, b := range s.good(list) {
		s.fail(b, r.reconnectPooler(ctx, b))
	}
	s.fail(nil, r.letGo(ctx, s.good(list)))
	return s.wait(slices.Concat(list, []*bouncer{nil}))
}

// good are those at which nothing has failed yet.
func (s *sending) good(list []*bouncer) (good []*bouncer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range list {
		if s.failed[b] == nil {
			good = append(good, b)
		}
	}
	return good
}

// edit puts lines into a pooler's file.
func (r *run) edit(ctx context.Context, b *bouncer, edits []EditedFile, back bool) error {
	if len(edits) == 0 {
		return nil
	}
	if !back && !r.exec.dry() && r.remember(edits) { // on the disk before the file is touched
		if err := r.write(Begins, Redirected, ""); err != nil {
			return err
		}
	}
	lines := make([]string, len(edits))
	for i, f := range edits {
		lines[i] = masked(f.After)
	}
	why := "where the entries lead; all else in the file stays"
	return r.do(ctx, Action{ID: "pool-edit", On: b.on(), Do: "in " + b.File + ": " + strings.Join(lines, "\n"), Why: why}, func(context.Context) error {
		if err := writeEdits(b.File, edits); err != nil {
			return fmt.Errorf("%s: %w", b.on(), err)
		}
		return nil
	})
}

// leads waits until a pooler says that its entries lead where they shall.
func (b *bouncer) leads(ctx context.Context, edits []EditedFile) error {
	answer, cancel := context.WithTimeout(ctx, reloadAnswer)
	defer cancel()
	until := time.Now().Add(reloadPatience)
	return poll(answer, func(ctx context.Context) (bool, string, error) {
		list, err := b.console.databases(ctx)
		if err != nil {
			return false, "", err
		}
		b.flows = nil
		for _, d := range list {
			if !slices.Contains(b.Databases, d.Name) {
				continue
			}
			if shall := wrong(d, edits); shall != "" {
				why := fmt.Sprintf("%s: after RELOAD %s leads to %v, and not to %s: has the PgBouncer read its file? Its log says why not; run again then", b.on(), d.Name, leadsNow(d), shall)
				if time.Now().After(until) {
					return false, "", errors.New(why)
				}
				return false, why, nil
			}
			if !d.Paused {
				b.flows = append(b.flows, d.Name)
			}
		}
		return true, "", nil
	})
}

// wrong says where an entry shall lead, "" where it does. Of one that a hook
// edits that is not known.
func wrong(d postgres.PooledDatabase, edits []EditedFile) string {
	for _, f := range edits {
		if f.entry() != d.Name {
			continue
		}
		if shall, err := leadsBy(f.After); err == nil && shall != leadsNow(d) {
			return shall.String()
		}
	}
	return ""
}

// reconnectPooler closes connections to the old server where an entry is not paused.
func (r *run) reconnectPooler(ctx context.Context, b *bouncer) error {
	for _, name := range b.Databases {
		a := Action{ID: "pool-reconnect", On: b.on(), Do: postgres.ReconnectSQL(name), Why: "only where it is not paused: connections to the old server are not used again"}
		err := r.do(ctx, a, func(ctx context.Context) error {
			if !slices.Contains(b.flows, name) {
				return nil
			}
			return b.console.do(ctx, func(c *postgres.Console) error { return c.Reconnect(ctx, name) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}
