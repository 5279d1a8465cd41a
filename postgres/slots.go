package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Slot is a replication slot.
type Slot struct {
	Name      string
	Plugin    string // of a logical slot: pgoutput, pglogical_output, …
	Logical   bool
	Database  string // of a logical slot
	Active    bool
	PID       int    // of the walsender that serves it, 0 for none
	Client    string // what its reader calls itself (application_name)
	Confirmed LSN    // confirmed_flush_lsn: what its reader has made durable
	// WALStatus is reserved, extended, unreserved or lost from 13 on, else "".
	WALStatus string
	// Invalid is why the slot can't be used any more, "" where it can.
	Invalid string
}

// Slots are a server's replication slots, of all its databases, and what it had
// inserted into its log after they were read: where it is a standby, replayed.
type Slots struct {
	All []Slot
	LSN LSN
}

// ReadSlots reads all slots. Everybody may.
func (db *DB) ReadSlots(ctx context.Context) (*Slots, error) {
	slots := &Slots{}
	err := db.Read(ctx, "slots", func(ctx context.Context, s *Session) error {
		err := s.Each(ctx, db.statement("slots"), func(r Row) error {
			slots.All = append(slots.All, Slot{Name: r.Text(0), Plugin: r.Text(1), Logical: r.Bool(2), Database: r.Text(3), Active: r.Bool(4),
				PID: int(r.Int(5)), Client: r.Text(6), Confirmed: lsn(r, 7), WALStatus: r.Text(8), Invalid: r.Text(9)})
			return nil
		})
		if err != nil {
			return err
		}
		return s.Each(ctx, Statement{SQL: `SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
  ELSE pg_catalog.pg_current_wal_insert_lsn() END`}, func(r Row) error {
			slots.LSN = lsn(r, 0)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return slots, nil
}

// Slot finds a slot by name, or nil.
func (s *Slots) Slot(name string) *Slot {
	for i := range s.All {
		if s.All[i].Name == name {
			return &s.All[i]
		}
	}
	return nil
}

// Publication is what a publication lets through.
type Publication struct {
	Name string
	// Withheld are the operations that it does not publish: insert, update,
	// delete, truncate. Version 10 has no truncate that could be.
	Withheld []string
	Filtered []string // tables with a row filter, as quote_ident prints them
	Narrowed []string // tables with a column list
	Tables   []string // all that it publishes, partitions or their roots
}

// ReadPublications reads the publications of the given names.
func (db *DB) ReadPublications(ctx context.Context, names []string) ([]Publication, error) {
	var list []Publication
	st := db.statement("publications")
	st.Args = []string{TextArray(names)}
	err := db.Read(ctx, "publications", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, st, func(r Row) error {
			p := Publication{Name: r.Text(0)}
			for i, to := range []*[]string{&p.Withheld, &p.Filtered, &p.Narrowed, &p.Tables} {
				values, err := ParseTextArray(r.Bytes(1 + i))
				if err != nil {
					return fmt.Errorf("%s: read publications: %w", db.side, err)
				}
				*to = texts(values)
			}
			list = append(list, p)
			return nil
		})
	})
	return list, err
}

// texts are the elements of an array that holds no NULL.
func texts(values []*string) []string {
	var list []string
	for _, v := range values {
		if v != nil {
			list = append(list, *v)
		}
	}
	return list
}

// Writer is a transaction that holds a lock of those that writing takes.
type Writer struct {
	Transaction string // its virtual id
	PID         int    // 0: prepared, held by no session
	Waits       string // wait event, such as SyncRep, as far as the role may see it
}

// String names the writer for whoever has to look after it.
func (w Writer) String() string {
	switch {
	case w.PID == 0:
		return "prepared transaction " + strings.TrimPrefix(w.Transaction, "-1/")
	case w.Waits != "":
		return "session " + strconv.Itoa(w.PID) + " (waits for " + w.Waits + ")"
	}
	return "session " + strconv.Itoa(w.PID)
}

// ReadWriters reads which transactions, prepared ones too, hold a lock that
// writing takes on any of the tables or their partitions. A transaction lets
// go of its locks only when its changes can be seen. Tables are given as
// quote_ident prints them; one that does not exist has no writers. No privilege
// is needed.
func (db *DB) ReadWriters(ctx context.Context, tables []string) ([]Writer, error) {
	var list []Writer
	st := db.statement("writers")
	st.Args = []string{TextArray(tables)}
	err := db.Read(ctx, "writers", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, st, func(r Row) error {
			list = append(list, Writer{Transaction: r.Text(0), PID: int(r.Int(1)), Waits: r.Text(2)})
			return nil
		})
	})
	return list, err
}

// Tools are traces of replication tools that bring their own machinery.
type Tools struct {
	Pglogical bool // the extension is installed
	Bucardo   int  // tables with a bucardo delta table
}

// ReadTools looks for them in the catalog. No privilege is needed.
func (db *DB) ReadTools(ctx context.Context) (t Tools, err error) {
	err = db.Read(ctx, "tools", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, Statement{SQL: `SELECT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extname = 'pglogical'),
  (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = 'bucardo' AND c.relkind = 'r' AND c.relname LIKE 'delta\_%')`}, func(r Row) error {
			t = Tools{Pglogical: r.Bool(0), Bucardo: int(r.Int(1))}
			return nil
		})
	})
	return t, err
}
