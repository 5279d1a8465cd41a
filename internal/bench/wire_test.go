package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// server listens until the test ends and gives every connection to serve.
func server(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			go func() {
				serve(c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// echo answers with what it reads, to the end.
func echo(c *net.TCPConn) { _, _ = io.Copy(c, c) }

func proxied(t *testing.T, to string, delay time.Duration) (*proxy, *net.TCPConn) {
	t.Helper()
	p, err := startProxy(t.Context(), to, delay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	c, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return p, c.(*net.TCPConn)
}

// TestProxyCounts: what arrives is what was sent, and the counts are exact for
// each direction once the proxy is closed, whoever ends first.
func TestProxyCounts(t *testing.T) {
	const question, answer = 100_003, 3_000_017 // more than a piece
	to := server(t, func(c *net.TCPConn) {
		if got, err := io.ReadAll(c); len(got) != question || err != nil {
			t.Errorf("the server read %d bytes, %v", len(got), err)
		}
		_, _ = c.Write(bytes.Repeat([]byte{7}, answer))
	})
	p, c := proxied(t, to, 0)
	if _, err := c.Write(make([]byte, question)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{7}, answer)) {
		t.Errorf("the client read %d bytes, %v; want %d", len(got), err, answer)
	}
	_ = c.Close()
	p.close()
	if up, down := p.up.Load(), p.down.Load(); up != question || down != answer {
		t.Errorf("counted %d up and %d down, want %d and %d", up, down, question, answer)
	}
}

// TestProxyDelay: the first answer takes the round trip of the connection and
// its own, the next one its own.
func TestProxyDelay(t *testing.T) {
	const delay = 40 * time.Millisecond
	to := server(t, echo)
	began := time.Now()
	_, c := proxied(t, to, delay)
	for i, want := range []time.Duration{4 * delay, 2 * delay} {
		if _, err := c.Write([]byte("?")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < want || took > want+10*delay {
			t.Errorf("answer %d took %v, want %v", i, took, want)
		}
		began = time.Now()
	}
}

// TestProxyDelayKeepsBandwidth: a delay is paid once, not for each piece.
func TestProxyDelayKeepsBandwidth(t *testing.T) {
	const delay, size = 50 * time.Millisecond, 16 << 20 // 512 pieces and more
	_, c := proxied(t, server(t, echo), delay)
	began := time.Now()
	go func() {
		_, _ = c.Write(make([]byte, size))
		_ = c.CloseWrite()
	}()
	n, err := io.Copy(io.Discard, c)
	if took := time.Since(began); n != size || err != nil || took < 4*delay || took > 20*delay {
		t.Errorf("%d bytes came back after %v (%v), want %d after about %v", n, took, err, size, 4*delay)
	}
}

// TestProxyEnds: a proxy whose run was cancelled leaves nothing behind, though
// neither peer has ended.
func TestProxyEnds(t *testing.T) {
	served, ended := make(chan struct{}), make(chan int, 1)
	to := server(t, func(c *net.TCPConn) {
		close(served)
		b, _ := io.ReadAll(c) // ends in an error or not, as the system cuts it
		ended <- len(b)
	})
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	p, err := startProxy(ctx, to, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("?")); err != nil { // on its way for two hours
		t.Fatal(err)
	}
	<-served // a cancel before the proxy has dialled would leave nobody to end
	cancel()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the client's connection is still open")
	}
	p.close()
	if n := <-ended; n != 0 {
		t.Errorf("%d bytes arrived before they were due", n)
	}
}

// TestProxyWithoutServer: a client of a server that is gone sees its end.
func TestProxyWithoutServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, c := proxied(t, l.Addr().String(), 0)
	if n, err := c.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes", n)
	}
}
