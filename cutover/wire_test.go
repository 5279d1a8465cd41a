package cutover

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// wire is the way to a server, which can be cut, stalled and mended.
type wire struct {
	listener net.Listener
	upstream string

	mu      sync.Mutex
	cut     bool
	running *sync.Cond // broadcast when it is mended
	stalled bool
	closed  bool
	conns   map[net.Conn]bool
	wg      sync.WaitGroup
}

// newWire leads to the server that a URL names, until the test ends.
func newWire(t *testing.T, serverURL string) *wire {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: ln, upstream: u.Host, conns: map[net.Conn]bool{}}
	w.running = sync.NewCond(&w.mu)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		w.mu.Lock()
		w.closed, w.stalled = true, false
		w.drop()
		w.running.Broadcast()
		w.mu.Unlock()
		w.wg.Wait()
	})
	return w
}

// url leads to the same database through the wire.
func (w *wire) url(serverURL string) string {
	u, _ := url.Parse(serverURL) // parsed once already
	u.Host = w.listener.Addr().String()
	return u.String()
}

// sever ends all connections, and every new one.
func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	w.drop()
}

// stall has nothing move any more, and nobody say so.
func (w *wire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalled = true
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut, w.stalled = false, false
	w.running.Broadcast()
}

// drop closes all connections. The caller holds the lock.
func (w *wire) drop() {
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", w.upstream)
		w.mu.Lock()
		if err != nil || w.cut || w.closed {
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
		} else {
			w.conns[client], w.conns[server] = true, true
			w.wg.Go(func() { w.pass(server, client) })
			w.wg.Go(func() { w.pass(client, server) })
		}
		w.mu.Unlock()
	}
}

// pass moves bytes one way, and ends both connections when one has ended.
func (w *wire) pass(to, from net.Conn) {
	_, _ = io.Copy(gated{w, to}, from)
	_, _ = to.Close(), from.Close()
	w.mu.Lock()
	delete(w.conns, to)
	delete(w.conns, from)
	w.mu.Unlock()
}

// gated writes as soon as nothing is stalled.
type gated struct {
	w    *wire
	conn net.Conn
}

func (g gated) Write(b []byte) (int, error) {
	g.w.mu.Lock()
	for g.w.stalled {
		g.w.running.Wait()
	}
	g.w.mu.Unlock()
	return g.conn.Write(b)
}
