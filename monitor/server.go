package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// serving is the HTTP server at work.
type serving struct {
	server *http.Server
	done   chan struct{} // ends streams of events
	failed chan error    // it ended though nobody stopped it
}

// How long a request may take; streams of events set their own limits.
const (
	headerPatience   = 5 * time.Second
	requestPatience  = 30 * time.Second
	answerPatience   = 2 * time.Minute // a profile of 30 s is one
	idlePatience     = 2 * time.Minute
	shutdownPatience = 3 * time.Second
	maxHeader        = 64 << 10
)

// handler is what is served.
func (s *Service) handler(done <-chan struct{}) http.Handler {
	h := s.o.HTTP
	return NewHandler(s.board, Commands{Pass: s.TriggerPass, Pause: s.Pause, Resume: s.Resume, Recheck: s.Recheck},
		HandlerOptions{Token: h.Token, Secure: h.Secure, Hosts: h.Hosts, Pprof: h.Pprof, Version: s.o.Version, Ready: s.Ready, Done: done, Log: s.log})
}

// serve begins to listen; an address that can't be had is found out before any work.
func (s *Service) serve() (*serving, error) {
	v := &serving{done: make(chan struct{}), failed: make(chan error, 1)}
	h := s.o.HTTP
	if h.Listen == "" {
		return v, nil
	}
	l, err := net.Listen("tcp", h.Listen)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("listen on %s: %w: name another address (--listen)", h.Listen, err)
	}
	v.server = &http.Server{Handler: s.handler(v.done), ReadHeaderTimeout: headerPatience, ReadTimeout: requestPatience, WriteTimeout: answerPatience, IdleTimeout: idlePatience,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.log.Info("listening", keyAddress, l.Addr().String(), "tls", h.TLSCert != "")
	if h.listening != nil {
		h.listening <- l.Addr().String()
	}
	go func() {
		var err error
		if h.TLSCert != "" {
			err = v.server.ServeTLS(l, h.TLSCert, h.TLSKey)
		} else {
			err = v.server.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			v.failed <- fmt.Errorf("serve %s: %w", h.Listen, err)
		}
	}()
	return v, nil
}

// stop lets requests that are under way end.
func (v *serving) stop() {
	close(v.done)
	if v.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	if err := v.server.Shutdown(ctx); err != nil {
		_ = v.server.Close() // who is left has had the time
	}
}
