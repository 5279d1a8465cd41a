package monitor

import (
	"context"
	"sync"
)

// limit is how many may do something at a time. It may be changed while they do.
type limit struct {
	mu      sync.Mutex
	most    int
	taken   int
	waiting []chan struct{} // in the order in which they came
}

// take waits for a place. release gives it back.
func (l *limit) take(ctx context.Context) (release func(), err error) {
	l.mu.Lock()
	if l.taken < l.most && len(l.waiting) == 0 {
		l.taken++
		l.mu.Unlock()
		return l.release, nil
	}
	turn := make(chan struct{})
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case <-turn:
		return l.release, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.waiting {
		if w == turn {
			l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
			return nil, context.Cause(ctx)
		}
	}
	l.taken-- // it was given meanwhile
	l.next()
	return nil, context.Cause(ctx)
}

func (l *limit) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	l.next()
}

// set changes how many there may be; those that are too many go on.
func (l *limit) set(most int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = max(most, 1)
	l.next()
}

func (l *limit) next() {
	for l.taken < l.most && len(l.waiting) > 0 {
		l.taken++
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
	}
}
