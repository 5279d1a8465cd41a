package cutover

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// A PAUSE closes what is logging in at the server as well, and PgBouncer takes that
// for a login that failed: after the RESUME its clients would wait for
// server_login_retry, 15 s by default, before it connects at all (1.18 does). So
// it waits for nothing while they are resumed, and has its setting again as soon as
// each entry is connected. Where this process dies in between the next RELOAD
// gives it back.

// connectPatience is how long an entry may take to connect, before its pooler gets
// its setting again all the same.
const connectPatience = 2 * time.Second

// hurryPoolers has poolers connect at once. One at which that fails is resumed
// all the same.
func (r *run) hurryPoolers(ctx context.Context, list []*bouncer) {
	var s sending
	for _, b := range list {
		a := Action{ID: "pool-hurry", On: b.on(), Do: postgres.LoginRetrySQL("0"), Why: "a login that PAUSE cut off counts as a failure, after which clients wait: for the moment they do not"}
		s.fail(b, r.do(ctx, a, func(ctx context.Context) error {
			s.begin(b, func() error { return b.hurry(ctx) })
			return nil
		}))
	}
	s.wg.Wait()
	r.notRetried(&s, list)
}

// calmPoolers gives them their setting again.
func (r *run) calmPoolers(ctx context.Context, list []*bouncer) {
	var s sending
	for _, b := range list {
		a := Action{ID: "pool-calm", On: b.on(), Do: postgres.LoginRetrySQL("…"), Why: "as it was before: each entry is connected"}
		s.fail(b, r.do(ctx, a, func(ctx context.Context) error {
			s.begin(b, func() error { return b.calm(ctx) })
			return nil
		}))
	}
	s.wg.Wait()
	r.notRetried(&s, list)
}

func (r *run) notRetried(s *sending, list []*bouncer) {
	for _, b := range list {
		if err := s.failed[b]; err != nil {
			r.note("%v: clients may have waited longer than they had to, for up to server_login_retry; RELOAD gives it the value that it is configured with", err)
		}
	}
}

// hurry has it connect at once after a login that failed.
func (b *bouncer) hurry(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, reloadAnswer, fmt.Errorf("no answer within %v", reloadAnswer))
	defer cancel()
	return b.console.do(ctx, func(c *postgres.Console) error {
		now, err := c.LoginRetry(ctx)
		if err != nil || now == "0" {
			return err
		}
		b.retry = now
		return c.SetLoginRetry(ctx, "0")
	})
}

// calm gives it its setting again, when those that wait for a server are served.
func (b *bouncer) calm(ctx context.Context) error {
	if b.retry == "" {
		return nil
	}
	served, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	// One that cannot connect is not helped by trying all the time.
	_ = poll(served, func(ctx context.Context) (bool, string, error) {
		waits := false
		err := b.console.do(ctx, func(c *postgres.Console) error {
			pools, err := c.Pools(ctx)
			waits = slices.ContainsFunc(pools, func(p postgres.Pool) bool {
				return slices.Contains(b.Databases, p.Database) && p.Waiting > 0 && p.Connected == 0
			})
			return err
		})
		return !waits, "", err
	})
	ctx, cancel = context.WithTimeoutCause(context.WithoutCancel(ctx), reloadAnswer, fmt.Errorf("no answer within %v", reloadAnswer))
	defer cancel()
	return b.console.do(ctx, func(c *postgres.Console) error {
		if err := c.SetLoginRetry(ctx, b.retry); err != nil {
			return err
		}
		b.retry = ""
		return nil
	})
}
