package soak_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// wire is a network between a subscriber and its source, which can be cut.
type wire struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup

	mu    sync.Mutex
	moves *sync.Cond // state or closed changed
	state wireState
	conns map[net.Conn]bool
}

type wireState int

const (
	wireOpen   wireState = iota
	wireSilent           // nothing moves, and nobody says so
	wireCut              // connections are closed, and new ones too
	wireGone             // for good
)

func newWire(t *testing.T, c *pgcluster.Cluster) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: fmt.Sprintf("%s:%d", c.Host(), c.Port()), conns: map[net.Conn]bool{}}
	w.moves = sync.NewCond(&w.mu)
	w.wg.Go(w.accept)
	t.Cleanup(func() {
		w.set(wireGone)
		_ = l.Close()
		w.wg.Wait()
	})
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

func (w *wire) set(s wireState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
	w.moves.Broadcast()
	if s == wireCut || s == wireGone {
		for c := range w.conns {
			_ = c.Close()
		}
	}
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial("tcp", w.to)
		if err != nil {
			_ = near.Close()
			continue
		}
		w.mu.Lock()
		refused := w.state >= wireCut
		if !refused {
			w.conns[near], w.conns[far] = true, true
		}
		w.mu.Unlock()
		if refused {
			_, _ = near.Close(), far.Close()
			continue
		}
		w.wg.Go(func() { w.carry(near, far) })
		w.wg.Go(func() { w.carry(far, near) })
	}
}

// carry passes bytes on, but none that come while nothing moves.
func (w *wire) carry(from, to net.Conn) {
	defer func() {
		_, _ = from.Close(), to.Close()
		w.mu.Lock()
		delete(w.conns, from)
		w.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) || n == 0 {
			return
		}
		w.mu.Lock()
		for w.state == wireSilent {
			w.moves.Wait()
		}
		w.mu.Unlock()
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
