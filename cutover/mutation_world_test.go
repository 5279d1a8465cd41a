package cutover

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// scene is where a trap is set: a pair of its own, and a switch that is whole or
// lacks something. What goes wrong it says, and does not fail: of a switch that
// lacks something that is what is wanted.
type scene struct {
	*arena
	t     *testing.T
	lacks []string // actions and steps
	wrong []string

	mu     sync.Mutex
	points map[string][]func()
	called []Moment // hooks
	onHook map[Moment]func()
	wires  [2]*wire
	later  sync.WaitGroup
	// patience is how long a command may take before it is interrupted.
	patience time.Duration
}

// stepID is how a step is called beside the actions.
func stepID(s State) string { return "step " + string(s) }

// brisk are the settings of the cluster that mutations switch to.
func brisk() map[string]string {
	settings := maps.Clone(roomy)
	settings["wal_writer_delay"] = "10ms"
	return settings
}

func mutationClusters(t *testing.T) (source, target *pgcluster.Cluster) {
	t.Helper()
	return pgcluster.SharedWith(t, "mutation 15", pgcluster.Options{Major: 15, Settings: roomy}), pgcluster.SharedWith(t, "mutation 18", pgcluster.Options{Major: 18, Settings: brisk()})
}

// build makes the pair: an arena with a trigger that is disabled on the target.
func (s *scene) build() {
	s.t.Helper()
	source, target := mutationClusters(s.t)
	s.arena = newArenaOn(s.t, source, target)
	for _, p := range []*place{s.source, s.target} {
		p.exec(s.t, `CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER noticed BEFORE INSERT ON tokens FOR EACH ROW EXECUTE PROCEDURE noop()`)
	}
	s.target.exec(s.t, `ALTER TABLE tokens DISABLE TRIGGER noticed`)
}

// overWires has the switch, and nothing else, reach both servers by ways that can be cut.
func (s *scene) overWires(o *Options) {
	s.wires = [2]*wire{newWire(s.t, s.source.url), newWire(s.t, s.target.url)}
	o.Source, o.Target, o.Reverse.Connection = s.wires[0].url(s.source.url), s.wires[1].url(s.target.url), s.target.url
}

// options are those of a switch that has little time, lacks what it lacks, and does
// not look ahead, which is a trap of its own.
func (s *scene) options() Options {
	o := script{Source: s.source.url, Target: s.target.url, Journal: filepath.Join(s.t.TempDir(), "j"),
		Budgets: Budgets{Window: 20 * time.Second, Grace: 300 * time.Millisecond, Freeze: 3 * time.Second, Drain: 3 * time.Second, Open: 4 * time.Second}}.options()
	s.mutate(&o)
	o.drop["preflight"] = true
	return o
}

// mutate leaves out what is to be left out.
func (s *scene) mutate(o *Options) {
	o.drop, o.dropStep = map[string]bool{}, map[State]bool{}
	for _, id := range s.lacks {
		if state, is := strings.CutPrefix(id, stepID("")); is {
			o.dropStep[State(state)] = true
		} else {
			o.drop[id] = true
		}
	}
	o.point = s.pass
}

// when has something done the first time that a switch comes to a point.
func (s *scene) when(point string, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.points == nil {
		s.points = map[string][]func(){}
	}
	s.points[point] = append(s.points[point], do)
}

func (s *scene) pass(point string) {
	s.mu.Lock()
	list := s.points[point]
	delete(s.points, point)
	s.mu.Unlock()
	for _, do := range list {
		do()
	}
}

// in does something after a while, which is not waited for. The test waits.
func (s *scene) in(d time.Duration, do func()) {
	s.later.Go(func() {
		rest(context.Background(), d)
		do()
	})
}

func (s *scene) expect(ok bool, format string, args ...any) bool {
	if !ok {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
	return ok
}

// do runs a command, which may not fail to begin.
func (s *scene) do(run command, o Options) *Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), s.patience)
	defer cancel()
	r, err := run(ctx, o)
	if s.expect(err == nil, "%v", err) {
		s.t.Logf("%s: %s %s %v", r.Command, r.Outcome, r.State, r.Reasons)
		return r
	}
	return &Result{}
}

// brief has a switch that lacks something be interrupted early.
func (s *scene) brief(d time.Duration) {
	if len(s.lacks) > 0 {
		s.patience = d
	}
}

// ends wants a command to have an outcome.
func (s *scene) ends(r *Result, want Outcome) bool {
	return s.expect(r.Outcome == want, "%s at %s, want %s: %s", r.Outcome, r.State, want, strings.Join(r.Reasons, "; "))
}

// noWindow wants a switch to be given up before the application could notice.
func (s *scene) noWindow() {
	s.when("journal begins FREEZING", func() { s.expect(false, "the window was begun") })
}

// hooks are one for each moment, which says that it was called.
func (s *scene) hooks() (list []Hook) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var said struct{ Moment Moment }
		if err := json.NewDecoder(req.Body).Decode(&said); err != nil {
			s.t.Error(err)
		}
		s.mu.Lock()
		s.called = append(s.called, said.Moment)
		do := s.onHook[said.Moment]
		s.mu.Unlock()
		if do != nil {
			do()
		}
	}))
	s.t.Cleanup(server.Close)
	for _, m := range []Moment{OnFreeze, OnThaw, OnStop, OnStart, OnRedirect, OnBack, OnLive, OnRemove} {
		list = append(list, Hook{Name: string(m), When: m, URL: server.URL})
	}
	return list
}

// were wants hooks to have been called since the last look.
func (s *scene) were(moments ...Moment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expect(slices.Equal(s.called, moments), "hooks were called for %q, want %q", s.called, moments)
	s.called = nil
}

// vigil is a guard that only says whether it lives.
type vigil struct{ dead bool }

func (v vigil) Alive() bool { return !v.dead }
func (vigil) Release()      {}

func (v vigil) start(context.Context, Guarding) (Guard, error) { return v, nil }

// takes tells whether a side takes a write of an ordinary client.
func (s *scene) takes(side int) bool { return s.tryOnce(s.t.Context(), s.client[side]) == nil }

// forced tells whether somebody may write who wants to.
func (s *scene) forced(url string) bool {
	conn, err := pgx.Connect(s.t.Context(), url)
	if err != nil {
		return false
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(s.t.Context(), "BEGIN READ WRITE; INSERT INTO tokens (id) VALUES (0); ROLLBACK", pgx.QueryExecModeSimpleProtocol)
	return err == nil
}

// execAll runs statements in a session, and gives the first error.
func execAll(ctx context.Context, conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// opened is a session in which statements were run.
func (s *scene) opened(url string, statements ...string) *pgx.Conn {
	s.t.Helper()
	conn := connect(s.t, url)
	if err := execAll(s.t.Context(), conn, statements...); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// stands is all that a switch changes on a side.
func (s *scene) stands(p *place) string {
	s.t.Helper()
	return howItStands(s.t, p) + "\ntriggers " + p.states(s.t)
}

// asBefore wants both sides to stand as they stood.
func (s *scene) asBefore(before [2]string) {
	s.t.Helper()
	for i, p := range []*place{s.source, s.target} {
		after := s.stands(p)
		s.expect(after == before[i], "the %s was\n%s\nand is\n%s", []string{"source", "target"}[i], before[i], after)
	}
}

func (s *scene) both() [2]string { return [2]string{s.stands(s.source), s.stands(s.target)} }

// soon waits for a condition, not for long.
func (s *scene) soon(holds func() bool) bool {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); rest(s.t.Context(), 20*time.Millisecond) {
		if holds() {
			return true
		}
	}
	return false
}

// stalled has the target's replication of stock stand still, until it is released.
func (s *scene) stalled() (release func()) {
	conn := s.opened(s.target.url, "BEGIN; LOCK TABLE stock IN SHARE MODE")
	return func() { _ = conn.Close(context.Background()) }
}

// crashes has a switch end at a point as if its process had been killed.
func (s *scene) crashes(o Options, at string) {
	s.t.Helper()
	crashed(s.t, Run, o, at)
}
