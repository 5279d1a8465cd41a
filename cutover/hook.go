package cutover

import (
	"context"
	"time"
)

// Moment is when a hook is called.
type Moment string

// The moments.
const (
	OnFreeze   Moment = "freeze"   // before clients are kept out; undone by thaw
	OnThaw     Moment = "thaw"     // when a window is given up
	OnStop     Moment = "stop"     // a tool's replication is stopped, when it has drained; undone by start
	OnStart    Moment = "start"    // it is started again, when a window is given up
	OnRedirect Moment = "redirect" // the application is led to the target; a rollback calls back
	OnBack     Moment = "back"
	OnLive     Moment = "live"   // the application writes to the target
	OnRemove   Moment = "remove" // at the end, when the tool is not needed any more
)

// Hook is a program or an HTTP request of the operator's.
type Hook struct {
	Name    string
	When    Moment
	Exec    []string // program and arguments; no shell
	Method  string   // of HTTP; "" is POST
	URL     string
	Headers map[string]string // may hold secrets: never printed
	Body    string
	Timeout time.Duration
	Retries int
}

func (r *run) callHooks(ctx context.Context, when Moment) error { return nil }

// arrived proves that the application's connection leads to an end, and can write.
func (r *run) arrived(ctx context.Context, e *end) error { return nil }
