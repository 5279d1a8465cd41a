package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// proxy passes TCP connections on to a server, as a wire of some length: it
// counts what goes by, and lets every byte arrive later than it was sent.
type proxy struct {
	server   string // host:port
	delay    time.Duration
	listener *net.TCPListener
	ctx      context.Context // of its connections
	cut      context.CancelFunc
	open     sync.WaitGroup

	up, down atomic.Int64 // bytes to the server, and from it
}

// underway is how many pieces a direction of a connection holds: with pieces
// of pieceSize, enough for some GB a second over tens of milliseconds.
const (
	underway  = 2048
	pieceSize = 32 << 10
)

// piece is bytes on their way; none are the end of the stream.
type piece struct {
	bytes []byte
	due   time.Time
}

// startProxy listens on a free port of the loopback; delay is each way, half
// of a round trip. The caller closes it.
func startProxy(ctx context.Context, server string, delay time.Duration) (*proxy, error) {
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &proxy{server: server, delay: delay, listener: listener}
	p.ctx, p.cut = context.WithCancel(ctx)
	p.open.Go(p.accept)
	return p, nil
}

// close takes no more connections and waits for the end of those there are;
// after some patience it cuts them. The counts are complete then.
func (p *proxy) close() {
	_ = p.listener.Close() // accept ends with it
	patience := time.AfterFunc(2*time.Second, p.cut)
	p.open.Wait()
	patience.Stop()
	p.cut()
}

// through is a server's URL with the proxy in its place.
func (p *proxy) through(serverURL string) (string, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return "", fmt.Errorf("proxy: %w", err)
	}
	u.Host = p.listener.Addr().String()
	return u.String(), nil
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.AcceptTCP()
		if err != nil {
			return // closed; any other reason shows as a refused client
		}
		p.open.Go(func() { p.serve(client) })
	}
}

// serve passes one connection on until both sides have ended, or one of them
// fails: then both are cut.
func (p *proxy) serve(client *net.TCPConn) {
	defer func() { _ = client.Close() }()
	accepted := time.Now()
	conn, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", p.server)
	if err != nil {
		return // the client sees its end
	}
	server := conn.(*net.TCPConn)
	defer func() { _ = server.Close() }()
	g, ctx := errgroup.WithContext(p.ctx)
	defer context.AfterFunc(ctx, func() {
		_ = client.Close() // a blocked read ends
		_ = server.Close()
	})()
	up, down := make(chan piece, underway), make(chan piece, underway)
	// A client knows that it is connected one round trip after it asked; here
	// it learns it at once, so what it sends counts as sent after that time.
	connected := accepted.Add(2 * p.delay)
	g.Go(func() error { return p.take(ctx, client, up, &p.up, connected) })
	g.Go(func() error { return give(ctx, server, up) })
	g.Go(func() error { return p.take(ctx, server, down, &p.down, accepted) })
	g.Go(func() error { return give(ctx, client, down) })
	_ = g.Wait() // what failed was seen by the peers
}

// take reads a sender until its end. It does not wait for pieces to arrive,
// so that bandwidth is what it is without the delay.
func (p *proxy) take(ctx context.Context, from *net.TCPConn, wire chan<- piece, count *atomic.Int64, notBefore time.Time) error {
	buf := make([]byte, pieceSize)
	for {
		n, err := from.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		count.Add(int64(n))
		sent := time.Now()
		if sent.Before(notBefore) {
			sent = notBefore
		}
		select {
		case wire <- piece{bytes.Clone(buf[:n]), sent.Add(p.delay)}:
		case <-ctx.Done():
			return ctx.Err()
		}
		if n == 0 {
			return nil
		}
	}
}

// give lets the pieces arrive when they are due, the end of the stream too.
func give(ctx context.Context, to *net.TCPConn, wire <-chan piece) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var p piece
		select {
		case p = <-wire:
		case <-ctx.Done():
			return ctx.Err()
		}
		timer.Reset(time.Until(p.due)) // at once where that is past
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if len(p.bytes) == 0 {
			return to.CloseWrite()
		}
		if _, err := to.Write(p.bytes); err != nil {
			return err
		}
	}
}
