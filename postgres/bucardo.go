package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Bucardo is what Bucardo has left in a database that it takes changes from.
// What a sync is beyond that stands in Bucardo's control database, which may be
// anywhere.
type Bucardo struct {
	Deltas int  // delta tables
	Hidden bool // the role may not read all of them: Tables is nil
	Role   string
	// Sessions are those that Bucardo's processes have in this database now.
	Sessions []BucardoSession
	Tables   []BucardoTable
}

// BucardoSession is a session of one of Bucardo's processes.
type BucardoSession struct {
	PID  int
	Name string // what it calls itself, such as bucardo KID (orders) (PID 4711)
}

// BucardoTable is a table whose changes triggers note in its delta table: the
// key, and when the transaction began (txntime). Once such a transaction has been
// carried to all databases of a group, a row of the track table says so.
type BucardoTable struct {
	Table   string // as quote_ident prints it
	OID     uint32
	Delta   string   // as quote_ident prints it; "" where there is none
	Track   string   // likewise
	Targets []string // the groups it is carried to: 'dbgroup <name>'
	Syncs   []string
	Trigger string   // how the delta trigger fires (tgenabled); "" for none
	Deaf    []string // syncs that are not told of a TRUNCATE
	version string   // of all that was read
}

// What a TableState of Bucardo's has in place of a subscription's name, and its
// states beside "" and r.
const (
	bucardoName     = "bucardo"
	stateNoTrigger  = "no trigger"
	stateTriggerOff = "trigger off"
)

// State is how the table stands: that of a TableState.
func (t BucardoTable) State() string {
	switch {
	case t.Delta == "" || t.Track == "" || len(t.Targets) == 0:
		return ""
	case t.Trigger == "":
		return stateNoTrigger
	case t.Trigger != "O" && t.Trigger != "A":
		return stateTriggerOff
	}
	return "r"
}

// ReadBucardo reads what Bucardo takes from this database. group keeps those
// targets alone that are this group; "" keeps all.
func (db *DB) ReadBucardo(ctx context.Context, group string) (*Bucardo, error) {
	var b *Bucardo
	err := db.Read(ctx, "bucardo", func(ctx context.Context, s *Session) (err error) {
		b, err = s.bucardo(ctx, group)
		return err
	})
	return b, err
}

func (s *Session) bucardo(ctx context.Context, group string) (*Bucardo, error) {
	b := &Bucardo{}
	says := 0
	err := s.Each(ctx, s.db.statement("bucardo_access"), func(r Row) error {
		b.Role, b.Hidden, b.Deltas, says = r.Text(0), r.Bool(1), int(r.Int(2)), int(r.Int(3))
		sessions, err := ParseTextArray(r.Bytes(4))
		for _, text := range texts(sessions) {
			session := BucardoSession{}
			pid, name, _ := strings.Cut(text, " ")
			session.Name = name
			_, err = fmt.Sscan(pid, &session.PID)
			b.Sessions = append(b.Sessions, session)
		}
		return err
	})
	if err != nil || b.Hidden || b.Deltas == 0 || says < 3 {
		return b, err
	}
	err = s.Each(ctx, s.db.statement("bucardo_tables"), func(r Row) error {
		t := BucardoTable{Table: r.Text(0), OID: uint32(r.Int(1)), Delta: r.Text(2), Track: r.Text(3), Trigger: r.Text(6), version: r.Text(8)}
		for i, to := range map[int]*[]string{4: &t.Targets, 5: &t.Syncs, 7: &t.Deaf} {
			values, err := ParseTextArray(r.Bytes(i))
			if err != nil {
				return fmt.Errorf("%s: read bucardo: %w", s.db.side, err)
			}
			*to = texts(values)
		}
		if group != "" {
			t.Targets = slices.DeleteFunc(t.Targets, func(target string) bool { return target != BucardoTarget(group) })
		}
		b.Tables = append(b.Tables, t)
		return nil
	})
	return b, err
}

// BucardoTarget is how Bucardo writes a group of databases down as a target.
func BucardoTarget(group string) string { return "dbgroup " + group }

// ErrBucardoHidden says that the role may not read what Bucardo carries.
var ErrBucardoHidden = errors.New("the role may not read what Bucardo carries")

// ReadBucardoStates reads how tables, named as quote_ident prints them, are
// carried: each relation that holds their rows. Tables that don't exist are left
// out. The error is ErrBucardoHidden where that may not be read.
func (db *DB) ReadBucardoStates(ctx context.Context, tables []string, group string) ([]TableState, error) {
	var list []TableState
	leaves := db.statement("bucardo_leaves")
	leaves.Args = []string{TextArray(tables)}
	err := db.Read(ctx, "bucardo", func(ctx context.Context, s *Session) error {
		b, err := s.bucardo(ctx, group)
		if err != nil {
			return err
		}
		if b.Hidden {
			return ErrBucardoHidden
		}
		byOID := map[uint32]BucardoTable{}
		for _, t := range b.Tables {
			byOID[t.OID] = t
		}
		return s.Each(ctx, leaves, func(r Row) error {
			t := byOID[uint32(r.Int(2))]
			list = append(list, TableState{Table: r.Text(0), Leaf: r.Text(1), Subscription: bucardoName, State: t.State(), Version: t.version})
			return nil
		})
	})
	return list, err
}

// BucardoPending are transactions that changed a table and were not carried to a
// group when it was read.
type BucardoPending struct {
	Table, Delta, Track, Target string
	// Times are the transactions' txntime, oldest first.
	Times []string
	// Until is set, and Times empty, where they are too many to be listed: all
	// of a txntime up to this one.
	Until  string
	Oldest string
}

// Limits of one statement about pending transactions. Each table costs locks on
// its delta and track table and on their indexes.
const (
	pendingTables = 50
	pendingTimes  = 10000
)

// ReadBucardoPending reads which transactions are visible in the delta tables
// and have not been carried: of each table and target that has any. It reads in
// several snapshots, all of them taken after the call.
func (db *DB) ReadBucardoPending(ctx context.Context, tables []BucardoTable) ([]BucardoPending, error) {
	var all []BucardoPending
	for _, t := range tables {
		for _, target := range t.Targets {
			if t.Delta != "" && t.Track != "" {
				all = append(all, BucardoPending{Table: t.Table, Delta: t.Delta, Track: t.Track, Target: target})
			}
		}
	}
	return db.eachPending(ctx, all, func(p BucardoPending, arg func(string) string) string {
		return "SELECT DISTINCT d.txntime FROM " + p.Delta + " d WHERE NOT EXISTS (SELECT FROM " + p.Track + " t WHERE t.target = " +
			arg(p.Target) + " AND t.txntime = d.txntime) ORDER BY 1 LIMIT " + fmt.Sprint(pendingTimes+1)
	})
}

// ReadBucardoLeft reads which of the transactions have not been carried yet.
// One that left the delta table was carried, or a TRUNCATE took it away.
func (db *DB) ReadBucardoLeft(ctx context.Context, pending []BucardoPending) ([]BucardoPending, error) {
	return db.eachPending(ctx, pending, func(p BucardoPending, arg func(string) string) string {
		untracked := "NOT EXISTS (SELECT FROM " + p.Track + " t WHERE t.target = " + arg(p.Target) + " AND t.txntime = m.txntime)"
		if p.Until != "" {
			return "SELECT DISTINCT m.txntime FROM " + p.Delta + " m WHERE m.txntime <= " + arg(p.Until) + "::pg_catalog.timestamptz AND " +
				untracked + " ORDER BY 1 LIMIT " + fmt.Sprint(pendingTimes+1)
		}
		return "SELECT m.txntime FROM pg_catalog.unnest(" + arg(TextArray(p.Times)) + "::pg_catalog.timestamptz[]) m(txntime) WHERE " +
			"EXISTS (SELECT FROM " + p.Delta + " d WHERE d.txntime = m.txntime) AND " + untracked + " ORDER BY 1"
	})
}

// eachPending asks for txntimes, a batch of tables a transaction.
func (db *DB) eachPending(ctx context.Context, all []BucardoPending, query func(BucardoPending, func(string) string) string) ([]BucardoPending, error) {
	var left []BucardoPending
	for batch := range slices.Chunk(all, pendingTables) {
		st := Statement{}
		arg := func(value string) string {
			st.Args = append(st.Args, value)
			return fmt.Sprintf("$%d", len(st.Args))
		}
		parts := make([]string, len(batch))
		for i, p := range batch {
			parts[i] = fmt.Sprintf("SELECT %d, pg_catalog.array_agg(p.txntime ORDER BY p.txntime) FROM (%s) p HAVING count(*) > 0", i, query(p, arg))
		}
		st.SQL = strings.Join(parts, "\nUNION ALL ")
		found, err := db.pendingOf(ctx, st, batch)
		for hasCode(err, codeLockNotAvailable) && ctx.Err() == nil {
			found, err = db.pendingOf(ctx, st, batch)
		}
		if err != nil {
			return nil, err
		}
		left = append(left, found...)
	}
	return left, nil
}

// pendingOf runs one batch's statement. A TRUNCATE of several followed tables
// locks their delta tables one after the other, and this statement may hold one
// that it wants and want one that it holds: so it gives up before the server
// would look for a deadlock, whose victim might be the application.
func (db *DB) pendingOf(ctx context.Context, st Statement, batch []BucardoPending) ([]BucardoPending, error) {
	var found []BucardoPending
	err := db.Read(ctx, "bucardo", func(ctx context.Context, s *Session) error {
		err := s.Each(ctx, st, func(r Row) error {
			values, err := ParseTextArray(r.Bytes(1))
			if err != nil {
				return fmt.Errorf("%s: read bucardo: %w", db.side, err)
			}
			p := batch[r.Int(0)]
			p.Times = texts(values)
			found = append(found, p)
			return nil
		})
		for i := 0; err == nil && i < len(found); i++ {
			err = s.bound(ctx, &found[i])
		}
		return err
	}, "lock_timeout = '200ms'")
	return found, err
}

// bound puts a limit in place of a list that is too long. The limit is read
// after the list, so it includes the list's.
func (s *Session) bound(ctx context.Context, p *BucardoPending) error {
	p.Oldest = p.Times[0]
	if p.Until != "" || len(p.Times) <= pendingTimes {
		if p.Until != "" {
			p.Times = nil
		}
		return nil
	}
	p.Times = nil
	return s.Each(ctx, Statement{SQL: "SELECT pg_catalog.max(d.txntime) FROM " + p.Delta + " d"}, func(r Row) error {
		p.Until = r.Text(0)
		return nil
	})
}

// BucardoTruncate is a TRUNCATE that has not been replicated yet.
type BucardoTruncate struct{ Table, Sync, At string }

// ReadBucardoTruncates reads those that are visible.
func (db *DB) ReadBucardoTruncates(ctx context.Context) ([]BucardoTruncate, error) {
	var list []BucardoTruncate
	err := db.Read(ctx, "bucardo", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, db.statement("bucardo_truncates"), func(r Row) error {
			list = append(list, BucardoTruncate{r.Text(0), r.Text(1), r.Text(2)})
			return nil
		})
	})
	return list, err
}

// ReadBucardoCopying reads which transactions of Bucardo have written to this
// database and are not over. No privilege is needed.
func (db *DB) ReadBucardoCopying(ctx context.Context) ([]Writer, error) {
	var list []Writer
	err := db.Read(ctx, "bucardo", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, db.statement("bucardo_copying"), func(r Row) error {
			list = append(list, Writer{Transaction: r.Text(0), PID: int(r.Int(1)), Waits: r.Text(2)})
			return nil
		})
	})
	return list, err
}
