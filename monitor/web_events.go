package monitor

import (
	"fmt"
	"net/http"
	"time"
)

// maxStreams bounds how many pages are kept live: each holds a connection. Further ones are
// told to try again, and are read as they are.
const maxStreams = 200

// patience is how long a reader may take for an event of some bytes; one who takes longer has gone.
const patience = 10 * time.Second

// events tells a page that the board has changed (event board), at most once in h.pace, and that all
// is well while it has not (event beat). An event has nothing in it but the time: what there is to see is asked for.
func (h *web) events(w http.ResponseWriter, r *http.Request) {
	defer h.streams.Add(-1)
	if h.streams.Add(1) > maxStreams {
		w.Header().Set("Retry-After", "30")
		plain(w, http.StatusServiceUnavailable, "too many pages are live already")
		return
	}
	changed, stop := h.board.Listen()
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy that collects would make it late
	out := http.NewResponseController(w)
	send := func(event string) bool {
		// A writer without deadlines is one of a test. The server's own is for answers that end.
		_ = out.SetWriteDeadline(time.Now().Add(patience))
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, h.now().UTC().Format(time.RFC3339Nano))
		return err == nil && out.Flush() == nil
	}
	if _, err := fmt.Fprint(w, "retry: 2000\n\n"); err != nil {
		return
	}
	// The first at once: something may have changed since the page was made.
	next, waiting := time.NewTimer(0), true
	defer next.Stop()
	beat := time.NewTicker(h.pulse)
	defer beat.Stop()
	var last time.Time
	for {
		alive := true
		select {
		case <-r.Context().Done():
			return
		case <-h.Done: // nil blocks
			return
		case <-changed:
			if !waiting {
				waiting = true
				next.Reset(max(time.Until(last.Add(h.pace)), 0))
			}
		case <-next.C:
			waiting, last = false, time.Now()
			alive = send("board")
		case <-beat.C:
			alive = send("beat")
		}
		if !alive {
			return
		}
	}
}
