package monitor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/pgparity/pgparity/follow"
	"github.com/pgparity/pgparity/postgres"
)

// Service watches all pairs of a configuration. It is safe for concurrent use.
type Service struct {
	o     Options
	pace  pace
	log   *slog.Logger
	board *Board
	store *store

	passLimit, checkLimit limit
	courier               *courier

	mu       sync.Mutex // guards what follows
	pairs    map[string]*watch
	settings Settings
	begun    bool
	ending   bool
}

// watch is a watcher at work.
type watch struct {
	*watcher
	stop context.CancelCauseFunc
	done chan struct{}
}

// leavePatience is how long the removal of a slot may take, while which a reload waits.
const leavePatience = 5 * time.Second

// quickAtOnce bounds quick checks over all pairs.
const quickAtOnce = 4

// New has not begun anything.
func New(o Options) *Service {
	s := &Service{o: o, pace: o.pace, log: o.Log, board: NewBoard(), pairs: map[string]*watch{}}
	if s.pace == (pace{}) {
		s.pace = usualPace
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.passLimit.most, s.checkLimit.most = 1, quickAtOnce
	return s
}

// Board is what is known of all pairs.
func (s *Service) Board() *Board { return s.board }

// Run watches until ctx is done: then it ends within 10 s, and returns nil. Else the error is what keeps
// it from beginning: the configuration, the state file, the address. To be called once.
func (s *Service) Run(ctx context.Context) (err error) {
	settings, err := s.o.Load()
	if err != nil {
		return err
	}
	if s.store, err = openStore(ctx, s.o.State); err != nil {
		return err
	}
	defer s.store.close()
	serving, err := s.serve()
	if err != nil {
		return err
	}
	s.courier = newCourier(s)
	work, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	var side sync.WaitGroup
	side.Go(func() { s.courier.run(work) })
	side.Go(func() { s.tidying(work) })
	if err := s.apply(work, settings); err != nil {
		s.stopAll()
		stop(err)
		serving.stop()
		side.Wait()
		return err
	}
	s.warnOfStrays(ctx)
	s.log.Info("watching", keyPairs, len(settings.Pairs))
	for err == nil && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case err = <-serving.failed:
		case <-s.o.Reload:
			s.reload(work)
		}
	}
	s.log.Info("ending")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		serving.stop()
		s.stopAll()
		stop(errEnding)
		side.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(s.pace.drain):
		return errors.Join(err, fmt.Errorf("not all had ended after %s; what is known is in the state file", s.pace.drain))
	}
	return err
}

// apply begins to watch the pairs of a configuration, and leaves those that are watched already as they
// were.
func (s *Service) apply(ctx context.Context, now Settings) error {
	s.passLimit.set(now.Passes)
	s.courier.use(now.Webhooks)
	s.mu.Lock()
	var over []*watch
	for name, w := range s.pairs {
		i := slices.IndexFunc(now.Pairs, func(p Pair) bool { return p.Name == name })
		if i < 0 || !reflect.DeepEqual(now.Pairs[i].Same, w.o.Same) {
			over = append(over, w)
			delete(s.pairs, name)
		}
	}
	s.mu.Unlock()
	for _, w := range over {
		w.stop(errEnding)
	}
	for _, w := range over {
		<-w.done
		i := slices.IndexFunc(now.Pairs, func(p Pair) bool { return p.Name == w.o.Name })
		if i < 0 || now.Pairs[i].SourceURL != w.o.SourceURL || !now.Pairs[i].Follow {
			s.leave(ctx, w)
		}
	}
	var names []string
	for _, p := range now.Pairs {
		names = append(names, p.Name)
	}
	s.board.Keep(names)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range now.Pairs {
		if s.pairs[p.Name] != nil {
			continue
		}
		w, err := newWatcher(ctx, s, p)
		if err != nil {
			return err
		}
		watching, stop := context.WithCancelCause(ctx)
		one := &watch{watcher: w, stop: stop, done: make(chan struct{})}
		s.pairs[p.Name] = one
		go func() {
			defer close(one.done)
			w.run(watching)
		}()
	}
	s.settings, s.begun = now, true
	return nil
}

// leave removes what following has made on the source of a pair that is not followed any more: a
// slot that nobody reads fills a disk.
func (s *Service) leave(ctx context.Context, w *watch) {
	ctx, cancel := context.WithTimeout(ctx, leavePatience)
	defer cancel()
	_, state, err := s.store.pair(ctx, w.o.Name)
	if err == nil && state.Slot != "" {
		err = s.drop(ctx, w.o, state)
	}
	if err != nil {
		w.log.Warn("the slot that changes were followed by could not be removed: `pgparity monitor --cleanup` does, or SELECT pg_drop_replication_slot on the source", keySlot, state.Slot, keyError, err)
	}
}

// drop removes slot and publication, and forgets that they were there.
func (s *Service) drop(ctx context.Context, p Pair, state follow.State) error {
	sides, err := p.Open(ctx)
	if err != nil {
		return err
	}
	defer sides.Close()
	if err := follow.Drop(ctx, sides.Source, p.SourceURL, state); err != nil {
		return err
	}
	s.log.Info("no longer followed: the slot is removed", keyPair, p.Name, keySlot, state.Slot)
	return s.store.keepFollow(ctx, p.Name, nil)
}

// warnOfStrays tells of slots of pairs that the configuration does not have any more.
func (s *Service) warnOfStrays(ctx context.Context) {
	known, err := s.store.pairs(ctx)
	if err != nil {
		s.log.Warn("slots left behind could not be looked for", keyError, err)
		return
	}
	for name, state := range known {
		if _, known := s.watch(name); !known && state.Slot != "" {
			s.log.Warn("the pair is gone from the configuration, and the slot that it was followed by may still hold back log: remove it on that source with SELECT pg_drop_replication_slot", keyPair, name, keySlot, state.Slot)
		}
	}
}

// reload takes in the configuration anew; one with mistakes changes nothing.
func (s *Service) reload(ctx context.Context) {
	now, err := s.o.Load()
	if err == nil {
		err = s.apply(ctx, now)
	}
	if err != nil {
		s.log.Error("the configuration was not taken over: the one before stays", keyError, err)
		return
	}
	s.log.Info("configuration taken over", keyPairs, len(now.Pairs))
}

func (s *Service) stopAll() {
	s.mu.Lock()
	s.ending = true
	all := make([]*watch, 0, len(s.pairs))
	for _, w := range s.pairs {
		all = append(all, w)
	}
	s.mu.Unlock()
	for _, w := range all {
		w.stop(errEnding)
	}
	for _, w := range all {
		<-w.done
	}
}

// tidying removes what is older than is kept.
func (s *Service) tidying(ctx context.Context) {
	t := time.NewTicker(10 * time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			s.mu.Lock()
			keep := s.settings.Keep
			s.mu.Unlock()
			if err := s.store.tidy(ctx, time.Now(), keep); err != nil && ctx.Err() == nil {
				s.log.Warn("history was not thinned", keyError, err)
			}
		}
	}
}

// checkpoint is the file of the checkpoints of a pair's full pass.
func (s *Service) checkpoint(pair string) string {
	return filepath.Join(filepath.Dir(s.o.State), filepath.Base(s.o.State)+"."+pair+".pass")
}

func (s *Service) watch(pair string) (*watch, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.pairs[pair]
	return w, w != nil
}

// order gives a command to a pair.
func (s *Service) order(pair string, do func(*watch) error) error {
	w, known := s.watch(pair)
	if !known {
		return fmt.Errorf("pair %s is %w", pair, ErrNotKnown)
	}
	return do(w)
}

// TriggerPass has a full pass of a pair begin as soon as its turn comes.
func (s *Service) TriggerPass(_ context.Context, pair string) error {
	return s.order(pair, func(w *watch) error { return w.trigger() })
}

// Pause stops passes and checks of a pair, over restarts too. What is followed is followed all the
// same, since a slot that nobody reads holds back log.
func (s *Service) Pause(ctx context.Context, pair string) error {
	return s.order(pair, func(w *watch) error { return w.pause(ctx, true) })
}

// Resume lets a pair that was paused go on.
func (s *Service) Resume(ctx context.Context, pair string) error {
	return s.order(pair, func(w *watch) error { return w.pause(ctx, false) })
}

// Recheck has the row of a finding read again at once.
func (s *Service) Recheck(_ context.Context, pair string, finding int64) error {
	return s.order(pair, func(w *watch) error { return w.recheckNow(finding) })
}

// Ready tells whether all pairs were begun.
func (s *Service) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun && !s.ending
}

// Cleanup removes the slots and publications that following has made, of all pairs of the
// configuration or of those that are named. No monitor may run on the state. say is told what was done, pair by pair.
func Cleanup(ctx context.Context, o Options, names []string, say func(format string, args ...any)) error {
	settings, err := o.Load()
	if err != nil {
		return err
	}
	s := New(o)
	if s.store, err = openStore(ctx, o.State); err != nil {
		return err
	}
	defer s.store.close()
	known, err := s.store.pairs(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range settings.Pairs {
		if len(names) > 0 && !slices.Contains(names, p.Name) {
			continue
		}
		state := known[p.Name]
		delete(known, p.Name)
		if state.Slot == "" {
			say("%s: it was not followed", p.Name)
			continue
		}
		if err := s.drop(ctx, p, state); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Name, err))
			continue
		}
		say("%s: slot %s is removed", p.Name, state.Slot)
	}
	for name, state := range known {
		if state.Slot != "" && len(names) == 0 {
			say("%s: the configuration does not have it any more: where slot %s is still there, remove it on its source with SELECT pg_drop_replication_slot(%s)", name, state.Slot, postgres.Literal(state.Slot))
		}
	}
	return errors.Join(errs...)
}
