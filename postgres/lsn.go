package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// LSN is a place in a server's write-ahead log: bytes since its beginning. 0
// is no place. LSNs of different clusters have nothing to do with each other.
type LSN uint64

// ParseLSN reads what the server prints, such as 16/B374D848.
func ParseLSN(text string) (LSN, error) {
	high, low, ok := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if !ok || errHigh != nil || errLow != nil {
		return 0, fmt.Errorf("%q is not a position in the write-ahead log", text)
	}
	return LSN(h<<32 | l), nil
}

// String prints as the server does.
func (l LSN) String() string { return fmt.Sprintf("%X/%X", uint64(l)>>32, uint32(l)) }

// lsn reads a pg_lsn column; 0 for NULL.
func lsn(r Row, i int) LSN {
	l, err := ParseLSN(r.Text(i))
	if err != nil {
		return 0 // the server prints no other
	}
	return l
}

// Headers of a page of the write-ahead log, in bytes: of the first page of a
// segment, and of every other.
const (
	segmentHeader = 40
	pageHeader    = 24
)

// reachable steps back over a page header. A position just behind one is where
// the next record will begin, and nothing but the header lies between the page's
// start and it: a log that ends with the page before has been read to its end.
// On an idle server nobody who follows it gets further than that.
func (l LSN) reachable(page, segment uint64) LSN {
	switch {
	case uint64(l)%segment == segmentHeader:
		return l - segmentHeader
	case uint64(l)%page == pageHeader:
		return l - pageHeader
	}
	return l
}

// WriteMark reads where the server inserts into its log, such that whoever has
// read the log so far has reached it: all that was visible to any statement
// before is in front of it. A server in recovery has none and refuses.
func (db *DB) WriteMark(ctx context.Context) (mark LSN, err error) {
	err = db.Read(ctx, "mark", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT pg_catalog.pg_current_wal_insert_lsn(), pg_catalog.current_setting('wal_block_size')::pg_catalog.int8,
  pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))`}, func(r Row) error {
			mark = lsn(r, 0).reachable(uint64(r.Int(1)), uint64(r.Int(2)))
			return nil
		})
	})
	return mark, err
}

// Flushed reads how far the log of a primary is on disk: nobody who follows it
// gets further.
func (db *DB) Flushed(ctx context.Context) (at LSN, err error) {
	err = db.Read(ctx, "mark", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: "SELECT pg_catalog.pg_current_wal_flush_lsn()"}, func(r Row) error {
			at = lsn(r, 0)
			return nil
		})
	})
	return at, err
}

// Replay is how far a standby has come.
type Replay struct {
	InRecovery bool
	LSN        LSN  // all before it is visible
	Paused     bool // by pg_wal_replay_pause
	Receiver   bool // a walreceiver runs
}

// ReadReplay reads how far replay has come. Not in recovery it says only that.
func (db *DB) ReadReplay(ctx context.Context) (p Replay, err error) {
	err = db.Read(ctx, "replay", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.pg_last_wal_replay_lsn(),
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_is_wal_replay_paused() END,
  EXISTS (SELECT FROM pg_catalog.pg_stat_wal_receiver w WHERE w.pid IS NOT NULL)`}, func(r Row) error {
			p = Replay{InRecovery: r.Bool(0), LSN: lsn(r, 1), Paused: r.Bool(2), Receiver: r.Bool(3)}
			return nil
		})
	})
	return p, err
}

// Timeline reads on which timeline the server writes or, in recovery, the
// latest that it is known to have replayed, which may lag.
func (db *DB) Timeline(ctx context.Context) (timeline int, err error) {
	sql := `SELECT ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::pg_catalog.bit(32)::pg_catalog.int4`
	if db.server.InRecovery {
		sql = `SELECT greatest(c.timeline_id, r.min_recovery_end_timeline) FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r`
	}
	err = db.Read(ctx, "timeline", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: sql}, func(r Row) error {
			timeline = int(r.Int(0))
			return nil
		})
	})
	return timeline, err
}
