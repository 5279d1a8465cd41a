package postgres

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// closePatience is how long Close waits for goodbyes. The driver alone waits
// 15 seconds for a server that went silent, which is long after Ctrl-C.
const closePatience = 3 * time.Second

// dials keeps the network connections of a side, those that carry cancel
// requests included, so that all of them can be ended at once.
type dials struct {
	next   pgconn.DialFunc
	closed context.Context // done when nothing is to be waited for any more
	close  context.CancelFunc

	mu   sync.Mutex
	open map[*dialed]struct{}
}

func newDials(next pgconn.DialFunc) *dials {
	d := &dials{next: next, open: map[*dialed]struct{}{}}
	d.closed, d.close = context.WithCancel(context.Background())
	return d
}

// dialed is a network connection that is forgotten when it is closed.
type dialed struct {
	net.Conn
	of *dials
}

// Close closes the connection and forgets it.
func (c *dialed) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

// dial is a pgconn.DialFunc.
func (d *dials) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.closed, cancel)()
	conn, err := d.next(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c := &dialed{conn, d}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Err() != nil {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	d.open[c] = struct{}{}
	return c, nil
}

// closeAll ends every connection as it is, and every dial under way.
func (d *dials) closeAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.close()
	for c := range d.open {
		_ = c.Conn.Close() // who reads it forgets it
	}
}
