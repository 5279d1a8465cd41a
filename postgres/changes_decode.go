package postgres

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// epoch2000 is when the clock of the replication protocol began.
var epoch2000 = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func appendUint64(b []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(b, n) }

// errGarbled ends a stream that does not follow the protocol.
var errGarbled = errors.New("the server sent a change that can't be read")

// routed is a relation with its route.
type routed struct {
	Route
	columns int
	at      []int  // by column: its place in the key, or -1
	lacks   string // why no key can be taken from its rows
}

// take takes one message of the server.
func (c *Changes) take(msg pgproto3.BackendMessage) error {
	switch msg := msg.(type) {
	case *pgproto3.CopyData:
		return c.takeData(msg.Data)
	case *pgproto3.ErrorResponse:
		return c.wrap(pgconn.ErrorResponseToPgError(msg))
	case *pgproto3.CopyDone:
		return c.wrap(errors.New("the server ended the stream: it shuts down"))
	}
	return nil // notices, changed settings
}

func (c *Changes) takeData(b []byte) error {
	if len(b) == 0 {
		return c.wrap(errGarbled)
	}
	switch b[0] {
	case pglogrepl.PrimaryKeepaliveMessageByteID:
		m, err := pglogrepl.ParsePrimaryKeepaliveMessage(b[1:])
		if err != nil {
			return c.wrap(err)
		}
		if m.ReplyRequested {
			c.poked.Store(true)
		}
		return c.reach(LSN(m.ServerWALEnd), Change{Kind: Reached})
	case pglogrepl.XLogDataByteID:
		m, err := pglogrepl.ParseXLogData(b[1:])
		if err != nil || len(m.WALData) == 0 {
			return c.wrap(errors.Join(errGarbled, err))
		}
		return c.decode(m.WALData)
	}
	return nil
}

// reach hands over that all before at was read. A keepalive says where the server's reader
// is: what committed before was sent before.
func (c *Changes) reach(at LSN, e Change) error {
	c.reached = max(c.reached, at)
	e.LSN = at
	return c.put(e)
}

// decode takes one message of pgoutput.
func (c *Changes) decode(b []byte) error {
	switch b[0] {
	case 'I', 'U', 'D':
		return c.row(b)
	case 'B', 'C', 'R', 'T': // begin, commit, relation, truncate
		m, err := pglogrepl.Parse(b)
		if err != nil {
			return c.wrap(err)
		}
		return c.other(m)
	}
	return nil // origins, types, messages
}

func (c *Changes) other(m pglogrepl.Message) error {
	switch m := m.(type) {
	case *pglogrepl.BeginMessage:
		c.xid = m.Xid
	case *pglogrepl.CommitMessage:
		return c.reach(LSN(m.TransactionEndLSN), Change{Kind: Committed, XID: c.xid})
	case *pglogrepl.RelationMessage:
		c.relation(m)
	case *pglogrepl.TruncateMessage:
		for _, oid := range m.RelationIDs {
			r := c.relations[oid]
			if r == nil {
				return c.wrap(fmt.Errorf("%w: relation %d was not described", errGarbled, oid))
			}
			if r.Table == "" {
				continue
			}
			if err := c.put(Change{Kind: Truncated, Table: r.Table, XID: c.xid}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Changes) relation(m *pglogrepl.RelationMessage) {
	route := c.o.Route(Relation{OID: m.RelationID, Schema: m.Namespace, Name: m.RelationName})
	r := &routed{Route: route, columns: len(m.Columns), at: make([]int, len(m.Columns))}
	found := 0
	for i, col := range m.Columns {
		if r.at[i] = slices.Index(route.Key, col.Name); r.at[i] >= 0 {
			found++
		}
	}
	if found < len(route.Key) {
		r.lacks = "not all columns of its key are published"
	}
	c.relations[m.RelationID] = r
}

// row takes an insert, update or delete. Only the key is taken out of it.
func (c *Changes) row(b []byte) error {
	kind := b[0]
	if len(b) < 6 {
		return c.wrap(errGarbled)
	}
	r := c.relations[binary.BigEndian.Uint32(b[1:])]
	if r == nil {
		return c.wrap(fmt.Errorf("%w: its relation was not described", errGarbled))
	}
	if r.Table == "" {
		return nil
	}
	if r.lacks != "" {
		return c.put(Change{Kind: KeyUnknown, Table: r.Table, XID: c.xid, Why: r.lacks})
	}
	e, err := r.change(kind, b[5:])
	if err != nil {
		return c.wrap(err)
	}
	e.Table, e.XID = r.Table, c.xid
	return c.put(e)
}

// change reads the tuples of a row's change: an old one (its key, or all of it), a
// new one, or both.
func (r *routed) change(kind byte, b []byte) (Change, error) {
	var old, now []string
	var err error
	hadOld := false
	if b[0] == 'K' || b[0] == 'O' {
		hadOld = true
		if old, b, err = r.key(b[1:], nil); err != nil {
			return Change{}, err
		}
	}
	hasNew := len(b) > 0 && b[0] == 'N'
	if hasNew {
		if now, b, err = r.key(b[1:], old); err != nil {
			return Change{}, err
		}
	}
	switch {
	case len(b) > 0, kind == 'D' && !hadOld, kind != 'D' && !hasNew:
		return Change{}, errGarbled
	case hadOld && old == nil, hasNew && now == nil:
		return Change{Kind: KeyUnknown, Why: "a change does not show all columns of its key: its replica identity is another"}, nil
	}
	e := Change{Kind: RowChanged}
	if hasNew {
		e.Keys = append(e.Keys, now)
	}
	if hadOld && !slices.Equal(old, now) {
		e.Keys = append(e.Keys, old)
	}
	return e, nil
}

// key takes the key out of a tuple, and returns what follows it. An unchanged value that is
// stored out of line is not sent: it is old's. nil where a column is not there.
func (r *routed) key(b []byte, old []string) (key []string, rest []byte, err error) {
	if len(b) < 2 || int(binary.BigEndian.Uint16(b)) != r.columns {
		return nil, nil, errGarbled
	}
	b = b[2:]
	key = make([]string, len(r.Key))
	whole := true
	for i := range r.columns {
		if len(b) == 0 {
			return nil, nil, errGarbled
		}
		how, at := b[0], r.at[i]
		b = b[1:]
		switch how {
		case pglogrepl.TupleDataTypeText:
			if len(b) < 4 || uint64(len(b)-4) < uint64(binary.BigEndian.Uint32(b)) {
				return nil, nil, errGarbled
			}
			n := int(binary.BigEndian.Uint32(b))
			if at >= 0 {
				key[at] = string(b[4 : 4+n])
			}
			b = b[4+n:]
		case pglogrepl.TupleDataTypeToast:
			switch {
			case at >= 0 && old != nil:
				key[at] = old[at]
			case at >= 0:
				whole = false
			}
		case pglogrepl.TupleDataTypeNull:
			whole = whole && at < 0
		default:
			return nil, nil, errGarbled
		}
	}
	if !whole {
		return nil, b, nil
	}
	return key, b, nil
}
