package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// Changes is the change stream of one side: what a logical slot of the output plugin
// pgoutput sends. Of rows it keeps the columns of the key that is asked for, and
// nothing else.
//
// It reads ahead on its own, a bounded number of changes, and goes on telling the server
// that it is there however long its caller takes: what has not been taken waits on
// the server. Next is for one caller at a time, the rest is safe for concurrent use.
//
// Transactions come one after the other, each after it has committed (version 1 of the
// protocol): the server keeps a large one in its own files until then, not in memory here,
// and what is read of it is known to have committed.
type Changes struct {
	db   *DB // names the side; it has no pool
	conn *pgconn.PgConn
	o    ChangesOptions
	ctx  context.Context
	end  context.CancelFunc

	events chan Change
	wake   chan struct{}
	over   chan struct{} // closed when the reader has ended
	err    error         // why, valid then

	asked     atomic.Bool
	poked     atomic.Bool
	confirmed atomic.Uint64

	// Of the reader alone:
	sent      LSN    // the last confirmation
	reached   LSN    // all that committed before was received
	xid       uint32 // of the transaction that is being read
	relations map[uint32]*routed
}

// ChangesOptions says what to read.
type ChangesOptions struct {
	URL          string
	Slot         string
	Publications []string
	From         LSN // what committed before is not sent again; 0 for what the slot has confirmed
	// Route tells of which table a relation is. It is called by the reader, whenever the
	// server describes a relation.
	Route func(Relation) Route
}

// Relation is what the server says that it sends changes of.
type Relation struct {
	OID          uint32
	Schema, Name string
}

// Route is a relation's table, by a name of the caller's choice, and the columns of its key.
// No table: its changes are not wanted.
type Route struct {
	Table string
	Key   []string
}

// ChangeKind tells changes apart.
type ChangeKind int

// The kinds of change.
const (
	RowChanged ChangeKind = iota // a row of each of Keys was written or deleted
	Truncated                    // all rows of Table are gone
	KeyUnknown                   // a row of Table changed, and Why its key is not known
	Committed                    // all of the transaction was sent; LSN is the end of its commit
	Reached                      // all that committed before LSN was sent
)

// Change is one of them. Its transaction has committed, and may not be visible yet.
type Change struct {
	Kind  ChangeKind
	Table string
	Keys  [][]string // as the server prints them under the settings of a Session
	XID   uint32     // of the transaction, without its epoch
	LSN   LSN
	Why   string
}

const (
	readAhead   = 4096        // changes
	statusEvery = time.Second // how often the server is told that somebody is there
	// deadAfter is how long a walsender waits for somebody who is gone, where it can be asked
	// for: so long the slot can't be read by whoever comes next.
	deadAfter = "20s"
)

// ErrSlotActive says that another session reads from the slot.
var ErrSlotActive = errors.New("another session reads from the slot")

// OpenChanges connects to db's database by o.URL and begins to read. db has said which
// version it is. The caller closes what it gets.
func OpenChanges(ctx context.Context, db *DB, o ChangesOptions) (*Changes, error) {
	conn, named, err := connectReplication(ctx, db, o.URL)
	if err != nil {
		return nil, err
	}
	c := &Changes{db: named, conn: conn, o: o, events: make(chan Change, readAhead), wake: make(chan struct{}, 1), over: make(chan struct{}),
		relations: map[uint32]*routed{}}
	quoted := make([]string, len(o.Publications))
	for i, p := range o.Publications {
		quoted[i] = Ident(p)
	}
	args := []string{"proto_version '1'", "publication_names " + Literal(strings.Join(quoted, ","))}
	if err := pglogrepl.StartReplication(ctx, conn, o.Slot, pglogrepl.LSN(o.From), pglogrepl.StartReplicationOptions{PluginArgs: args}); err != nil {
		hangUp(conn)
		if hasCode(err, codeObjectInUse) {
			return nil, fmt.Errorf("%s: slot %s: %w", db.side, o.Slot, ErrSlotActive)
		}
		return nil, c.wrap(err)
	}
	c.ctx, c.end = context.WithCancel(context.WithoutCancel(ctx))
	go c.read()
	return c, nil
}

func (c *Changes) wrap(err error) error {
	return (&Session{db: c.db}).wrap("changes", err)
}

// Next gives the next change, and waits for one. The error is ctx's, or why the stream has
// ended: then a new one has to be opened.
func (c *Changes) Next(ctx context.Context) (Change, error) {
	select { // what is there comes before why nothing is
	case e, more := <-c.events:
		if more {
			return e, nil
		}
		return Change{}, c.err
	default:
	}
	select {
	case e, more := <-c.events:
		if more {
			return e, nil
		}
		return Change{}, c.err
	case <-ctx.Done():
		return Change{}, context.Cause(ctx)
	}
}

// Ask asks the server how far it has read its log: a Reached answers, after all that comes
// before.
func (c *Changes) Ask() {
	c.asked.Store(true)
	c.poke()
}

// Confirm tells the server that what committed before at need not be kept any more.
func (c *Changes) Confirm(at LSN) {
	c.confirmed.Store(uint64(at))
	c.poke()
}

// poke wakes the reader, wherever it waits.
func (c *Changes) poke() {
	c.poked.Store(true)
	select {
	case c.wake <- struct{}{}:
	default:
	}
	_ = c.conn.Conn().SetReadDeadline(time.Now())
}

// Close ends the stream and leaves the slot as it is. It takes a few seconds at most.
func (c *Changes) Close() {
	c.end()
	c.poke()
	impatient := time.AfterFunc(closePatience, func() { _ = c.conn.Conn().Close() })
	defer impatient.Stop()
	<-c.over
	hangUp(c.conn)
}

// read reads until the stream ends.
func (c *Changes) read() {
	defer close(c.over)
	defer close(c.events)
	c.err = c.readAll()
	if c.ctx.Err() != nil {
		c.err = errors.New("the stream was closed")
	}
}

func (c *Changes) readAll() error {
	var due time.Time
	for c.ctx.Err() == nil {
		if poked := c.poked.Swap(false); poked || !time.Now().Before(due) {
			if err := c.status(c.asked.Swap(false)); err != nil {
				return err
			}
			due = time.Now().Add(statusEvery)
			_ = c.conn.Conn().SetReadDeadline(due)
			if c.poked.Load() { // since: its deadline was overwritten
				continue
			}
		}
		msg, err := c.conn.ReceiveMessage(context.Background())
		var slow net.Error
		switch {
		case err != nil && errors.As(err, &slow) && slow.Timeout() && !c.conn.IsClosed():
			due = time.Time{}
			continue
		case err != nil:
			return c.wrap(err)
		}
		if err := c.take(msg); err != nil {
			return err
		}
	}
	return nil
}

// status tells the server that somebody is there, and what need not be kept.
//
// The place that is durable is told once, and taken back at once: who reports one may be
// counted as a synchronous standby (synchronous_standby_names = '*'). Commits would wait for
// somebody then who waits until they are visible.
func (c *Changes) status(ask bool) error {
	if at := LSN(c.confirmed.Load()); at > c.sent {
		if err := c.report(at, false); err != nil {
			return err
		}
		c.sent = at
	}
	return c.report(0, ask)
}

func (c *Changes) report(durable LSN, ask bool) error {
	b := []byte{pglogrepl.StandbyStatusUpdateByteID}
	for _, at := range []LSN{c.reached, durable, 0} {
		b = appendUint64(b, uint64(at))
	}
	b = appendUint64(b, uint64(time.Since(epoch2000).Microseconds()))
	if ask {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	message, err := (&pgproto3.CopyData{Data: b}).Encode(nil)
	if err == nil {
		err = c.conn.Frontend().SendUnbufferedEncodedCopyData(message)
	}
	if err != nil {
		return c.wrap(err)
	}
	return nil
}

// put hands a change over. While there is no room the server hears of us all the same.
func (c *Changes) put(e Change) error {
	select {
	case c.events <- e:
		return nil
	default:
	}
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case c.events <- e:
			return nil
		case <-tick.C:
		case <-c.wake:
			c.poked.Store(false)
		case <-c.ctx.Done():
			return nil
		}
		if err := c.status(c.asked.Swap(false)); err != nil {
			return err
		}
	}
}
