package postgres

import (
	"context"
	"net"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// Rows that come here whole may take hundreds of megabytes each, in one message
// that the driver holds in one piece. EachWide keeps one of them from each side
// in memory, and that one once:
//
//  1. Before a statement is sent that may yield large rows, it takes room, of
//     which there is a fixed amount for each side of the process.
//  2. When a row was seen, its values are forgotten: the driver would hold them
//     until the next row on that connection, which may be of another statement.
//  3. The driver lets go of the message itself just before it asks the network
//     for the next one. There (dialed.Read) the memory is given back, before
//     the driver makes room for the next row.

const (
	// roomBytes is how much memory the large rows of one side may take together;
	// a row that takes more has all of it.
	roomBytes = 32 << 20
	// roomFactor is what a row takes here in proportion to its size: buffers up
	// to 32 MiB are of powers of two, and are kept for a while.
	roomFactor = 4
	// largeRow is from how many bytes on a row is worth a collection.
	largeRow = 8 << 20
)

// rooms are those of the process, as its memory is.
var rooms = map[Side]*semaphore.Weighted{Source: semaphore.NewWeighted(roomBytes), Target: semaphore.NewWeighted(roomBytes)}

// EachWide is Each for rows of up to widest bytes, about: it waits until there
// is memory for them. fn must not read anything else by EachWide.
func (s *Session) EachWide(ctx context.Context, st Statement, widest int64, fn func(Row) error) error {
	room := rooms[s.db.side]
	if n := min(roomFactor*widest, roomBytes); n > 0 && room != nil {
		if err := room.Acquire(ctx, n); err != nil {
			return err
		}
		defer room.Release(n)
	}
	return s.Each(ctx, st, func(r Row) error {
		err := fn(r)
		size := 0
		for _, v := range r.values {
			size += len(v)
		}
		clear(r.values)
		if size >= largeRow {
			if c := dialedOf(s.conn.Conn()); c != nil {
				littered.Store(c)
			}
		}
		return err
	})
}

// Side tells which end of the pair this is.
func (s *Session) Side() Side { return s.db.side }

// littered is the connection whose driver is about to let go of a large row.
// With several at once the others' memory is left to the collector.
var littered atomic.Pointer[dialed]

// Read reads from the network, and gives a large row's memory back first.
func (c *dialed) Read(b []byte) (int, error) {
	if littered.Load() == c && littered.CompareAndSwap(c, nil) {
		debug.FreeOSMemory()
	}
	return c.Conn.Read(b)
}

// dialedOf finds the network connection below TLS.
func dialedOf(conn any) *dialed {
	for {
		switch c := conn.(type) {
		case *dialed:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
