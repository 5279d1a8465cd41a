package cutover

import (
	"context"
	"errors"
	"sync"

	"github.com/pgparity/pgparity/postgres"
)

// console is a connection that is made when it is needed, and kept. A pooler may
// have been started anew in between, or have ended an idle client.
type console struct {
	of   Pooler
	mu   sync.Mutex
	conn *postgres.Console
}

// do runs fn on the connection, and once more on a new one where the old one
// turned out to be dead. fn has to be idempotent.
func (c *console) do(ctx context.Context, fn func(*postgres.Console) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		kept := c.conn != nil && !c.conn.Closed()
		if !kept {
			conn, err := postgres.OpenConsole(ctx, c.of.Name, c.of.Admin)
			if err != nil {
				return err
			}
			c.conn = conn
		}
		err := fn(c.conn)
		if err == nil || !kept || !c.conn.Closed() || ctx.Err() != nil {
			return err
		}
	}
}

func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// databases lists the entries.
func (c *console) databases(ctx context.Context) (list []postgres.PooledDatabase, err error) {
	err = c.do(ctx, func(c *postgres.Console) error {
		list, err = c.Databases(ctx)
		return err
	})
	return list, err
}

// sending are effects at several poolers that go on at the same time, so that
// the slowest decides. Each is begun by an action of its own; the action that
// waits for all has their errors.
type sending struct {
	wg     sync.WaitGroup
	mu     sync.Mutex
	failed map[*bouncer]error
}

func (s *sending) begin(b *bouncer, effect func() error) {
	s.wg.Go(func() { s.fail(b, effect()) })
}

func (s *sending) fail(b *bouncer, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = map[*bouncer]error{}
	}
	s.failed[b] = errors.Join(s.failed[b], err)
}

// wait returns when all have ended.
func (s *sending) wait(of []*bouncer) error {
	s.wg.Wait()
	var errs []error
	for _, b := range of {
		errs = append(errs, s.failed[b])
	}
	return errors.Join(errs...)
}
