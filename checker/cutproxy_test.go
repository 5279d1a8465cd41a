package checker_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// cutProxy stands in front of a real server and breaks the connection at an
// exact place: after so many of the server's messages, and so many bytes of
// the next one. (Toxiproxy counts bytes per connection and closes politely;
// what is needed here is one place in a whole run, and several ways to fail.)
type cutProxy struct {
	listener net.Listener
	upstream string

	mu       sync.Mutex
	cut      cut
	messages int   // of the server, over all connections
	sizes    []int // of each of them
	begun    int   // how many messages there were when the client last began a transaction
	sent     int   // bytes of the client, over all connections
	struck   bool
	closed   bool
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

// cut says where and how a connection breaks. The zero value never does.
type cut struct {
	how     how
	message int // the server's message that doesn't arrive whole, from 0
	offset  int // how many bytes of it arrive
	sent    int // byClient: how many of the client's bytes arrive
	// gone: from the cut on the server is not there any more. Otherwise the
	// next connection works, as after a failover or a firewall's idle timeout.
	gone bool
}

type how int

const (
	never     how = iota
	hangUp        // both ends see the connection closed
	reset         // the client sees a TCP reset
	halfClose     // the server's direction ends, the client's stays open
	stall         // nothing moves any more, and nobody says so
	garbage       // bytes that are no message, as from a confused middlebox
	byClient      // counted in the client's bytes: the server never gets all of a request
)

func (h how) String() string {
	return [...]string{"never", "hang up", "reset", "half close", "stall", "garbage", "by client"}[h]
}

// newCutProxy serves the server that a URL names until the test ends.
func newCutProxy(t *testing.T, serverURL string, c cut) *cutProxy {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &cutProxy{listener: ln, upstream: u.Host, cut: c, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// url is how the same database is reached through the proxy.
func (p *cutProxy) url(serverURL string) string {
	u, _ := url.Parse(serverURL) // parsed once already
	u.Host = p.listener.Addr().String()
	return u.String()
}

// hasStruck tells whether the connection was broken, so that no test passes
// because nothing happened.
func (p *cutProxy) hasStruck() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.struck
}

func (p *cutProxy) close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *cutProxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.upstream)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{p, client, server, make(chan struct{})}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		refused := p.closed || p.struck && p.cut.gone && p.cut.how != stall
		p.mu.Unlock()
		if refused {
			l.end()
			continue
		}
		p.wg.Go(l.fromServer)
		p.wg.Go(l.fromClient)
	}
}

// link is one connection through the proxy.
type link struct {
	*cutProxy
	client, server net.Conn
	left           chan struct{} // closed when the client is gone
}

// fromServer passes whole messages on until the one to cut.
func (l *link) fromServer() {
	defer l.end()
	in := bufio.NewReaderSize(l.server, 64<<10)
	for {
		head := make([]byte, 5)
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		message := make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
		copy(message, head)
		if _, err := io.ReadFull(in, message[5:]); err != nil {
			return
		}
		due, lost := l.next(len(message))
		if due {
			_, _ = l.client.Write(message[:min(l.cut.offset, len(message))])
		}
		if due || lost {
			l.strike()
			return
		}
		if _, err := l.client.Write(message); err != nil {
			return
		}
	}
}

// next counts a message of the server. It is due to be cut, or lost with all
// that comes after the cut.
func (p *cutProxy) next(size int) (due, lost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	due = p.cut.how != never && p.cut.how != byClient && !p.struck && p.messages == p.cut.message
	lost = p.struck && p.cut.gone
	p.struck = p.struck || due
	if !due && !lost {
		p.messages++
		p.sizes = append(p.sizes, size)
	}
	return due, lost
}

// strike breaks the client's connection.
func (l *link) strike() {
	tcp := l.client.(*net.TCPConn)
	switch l.cut.how {
	case reset:
		_ = tcp.SetLinger(0)
	case halfClose:
		_ = tcp.CloseWrite()
		<-l.left
	case stall:
		<-l.left
	case never, hangUp, byClient: // the end of the link is all there is to it
	case garbage:
		_, _ = tcp.Write([]byte("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n"))
	}
}

func (l *link) fromClient() {
	defer l.end()
	defer close(l.left)
	buf := make([]byte, 64<<10)
	for {
		n, err := l.client.Read(buf)
		if err != nil {
			return
		}
		n, last := l.request(buf[:n])
		if _, err := l.server.Write(buf[:n]); err != nil || last {
			return
		}
	}
}

// request counts the client's bytes and tells how many of them pass.
func (p *cutProxy) request(b []byte) (n int, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = len(b)
	if bytes.Contains(b, []byte("BEGIN ISOLATION LEVEL")) {
		p.begun = p.messages
	}
	if p.cut.how == byClient && !p.struck && p.sent+n > p.cut.sent {
		n, p.struck, last = p.cut.sent-p.sent, true, true
	}
	p.sent += n
	return n, last
}

func (l *link) end() {
	_, _ = l.client.Close(), l.server.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, l.client)
	delete(l.conns, l.server)
}
