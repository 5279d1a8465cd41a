package preflight

import (
	"context"
	"fmt"
	"strconv"

	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// room is what a server has of a thing, and how much of it is taken.
type room struct {
	setting    string // what bounds it
	used, most int64
}

func (r room) free() int64 { return r.most - r.used }

// full says how much is taken, and what to raise.
func (r room) full() string {
	if r.used > r.most { // an origin that nothing uses at the moment takes no place
		return fmt.Sprintf("there are %d, and places for %d: drop what is not used, or raise %s, which needs a restart", r.used, r.most, r.setting)
	}
	return fmt.Sprintf("%d of %d are taken: raise %s, which needs a restart", r.used, r.most, r.setting)
}

// rooms are a server's, by what they are for.
type rooms struct {
	logical                                               bool // wal_level
	slots, senders, workers, processes, prepared, origins room
	syncWorkers                                           int64
}

// readRooms asks for all in one row. Nothing of it needs a privilege: the
// settings are open, as are how many walsenders, workers and slots there are.
// Up to 17 origins are bounded by max_replication_slots.
const readRooms = `SELECT pg_catalog.current_setting('wal_level'),
  (SELECT count(*) FROM pg_catalog.pg_replication_slots), pg_catalog.current_setting('max_replication_slots'),
  (SELECT count(*) FROM pg_catalog.pg_stat_replication), pg_catalog.current_setting('max_wal_senders'),
  (SELECT count(w.pid) FROM pg_catalog.pg_stat_subscription w), pg_catalog.current_setting('max_logical_replication_workers'),
  pg_catalog.current_setting('max_worker_processes'),
  (SELECT count(*) FROM pg_catalog.pg_prepared_xacts), pg_catalog.current_setting('max_prepared_transactions'),
  (SELECT count(*) FROM pg_catalog.pg_replication_origin), pg_catalog.current_setting('{{setting max_active_replication_origins ? max_active_replication_origins : max_replication_slots}}'),
  '{{setting max_active_replication_origins ? max_active_replication_origins : max_replication_slots}}',
  pg_catalog.current_setting('max_sync_workers_per_subscription')`

// rooms reads them on the server that writes a side.
func (f *facts) rooms(ctx context.Context, side postgres.Side, id string) (rooms, error) {
	db, err := f.primaryOf(side)
	if err != nil {
		return rooms{}, err
	}
	var r rooms
	err = readEach(ctx, db, "preflight "+id, postgres.Statement{SQL: f.features[side].Fill(readRooms)}, nil, func(row postgres.Row) error {
		r = rooms{logical: row.Text(0) == "logical",
			slots:       room{"max_replication_slots", row.Int(1), row.Int(2)},
			senders:     room{"max_wal_senders", row.Int(3), row.Int(4)},
			workers:     room{"max_logical_replication_workers", row.Int(5), row.Int(6)},
			processes:   room{"max_worker_processes", 0, row.Int(7)},
			prepared:    room{"max_prepared_transactions", row.Int(8), row.Int(9)},
			origins:     room{row.Text(12), row.Int(10), row.Int(11)},
			syncWorkers: row.Int(13)}
		return nil
	})
	return r, err
}

// starved tells whether the stream lacks something that it has to get now, and
// a free place may be what it lacks.
func (f *facts) starved() bool {
	return f.has(fence.NotReady, fence.WorkerDown, fence.SlotInactive, fence.SlotMissing)
}

// now is how bad it is that nothing is free on the way forward.
func (f *facts) now() schema.Severity {
	if f.starved() {
		return schema.Block
	}
	return schema.Warn
}

// logicalWay is a When for what logical replication needs.
func logicalWay(f *facts) string {
	if f.mayBeNative() {
		return ""
	}
	return "native logical replication does not carry the pair, and need not"
}

// forward and back say what a side's room is for: forward is replication as it
// is, back the one that a rollback needs, made before the switch.
const back = "the way back, which a rollback needs, cannot be prepared: "

// capacity makes a detector that judges one room on both sides: the near one
// serves the way forward, on the other side the same is for the way back.
func capacity(id, about string, of func(rooms) room, near postgres.Side, forward string) Detector {
	return Detector{ID: id, Severity: schema.Warn, AtWorst: schema.Block, About: about, When: logicalWay,
		Find: func(ctx context.Context, f *facts) (found []Hazard, _ error) {
			for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
				all, err := f.rooms(ctx, side, id)
				if err != nil {
					return nil, err
				}
				r := of(all)
				if r.free() > 0 {
					continue
				}
				h := Hazard{Side: side, Object: "setting " + r.setting, Severity: f.now(), Sentence: forward + r.full()}
				if side != near {
					h.Severity, h.Sentence = schema.Warn, back+r.full()
				}
				found = append(found, h)
			}
			return found, nil
		}}
}

// capacityDetectors look at what the servers have room for.
var capacityDetectors = []Detector{
	{
		ID: "wal-level", Severity: schema.Warn, When: logicalWay,
		About: "servers whose log cannot be decoded",
		Find: func(ctx context.Context, f *facts) (found []Hazard, _ error) {
			for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
				r, err := f.rooms(ctx, side, "wal-level")
				if err != nil {
					return nil, err
				}
				h := Hazard{Side: side, Object: "setting wal_level", Fix: "ALTER SYSTEM SET wal_level = 'logical'",
					Sentence: "no subscription can follow this server before wal_level is logical, which needs a restart"}
				if side == postgres.Target {
					h.Sentence = back + "wal_level has to be logical, which needs a restart"
				}
				if !r.logical {
					found = append(found, h)
				}
			}
			return found, nil
		},
	},
	capacity("capacity-slots", "replication slots that are left", func(r rooms) room { return r.slots }, postgres.Source,
		"no slot is free, and a subscription and each copy of a table need one: "),
	capacity("capacity-senders", "walsenders that are left", func(r rooms) room { return r.senders }, postgres.Source,
		"no walsender is free, and a subscription that connects anew and each copy of a table need one: "),
	capacity("capacity-origins", "replication origins that are left", func(r rooms) room { return r.origins }, postgres.Target,
		"no replication origin is free, and a subscription and each copy of a table need one: "),
	capacity("capacity-workers", "workers of logical replication that are left", func(r rooms) room { return r.workers }, postgres.Target,
		"no worker of logical replication is free, and a subscription and each copy of a table need one: "),
	{
		ID: "capacity-processes", Severity: schema.Warn, When: logicalWay,
		About: "settings under which workers cannot start",
		Find:  tightProcesses,
	},
	{
		ID: "capacity-prepared", Severity: schema.Block, Side: postgres.Target, Needs: []string{"pg_subscription.subtwophasestate"}, When: onlyNative, Primary: true,
		About: "prepared transactions that the target has room for",
		Args:  func(f *facts) []string { return []string{postgres.TextArray(f.subscriptions)} },
		SQL: `SELECT 'subscription ' || pg_catalog.quote_ident(s.subname::pg_catalog.text),
  'it prepares transactions on the target as the source does, and there is no room for one: the first that comes stops it; raise max_prepared_transactions, which needs a restart'
FROM pg_catalog.pg_subscription s
WHERE s.subdbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  AND s.subname = ANY ($1::pg_catalog.text[]) AND s.subtwophasestate <> 'd'
  AND (SELECT count(*) FROM pg_catalog.pg_prepared_xacts) >= pg_catalog.current_setting('max_prepared_transactions')::pg_catalog.int8`,
	},
}

// tightProcesses compares the settings that bound workers with each other. Beside
// the workers of logical replication one process launches them.
func tightProcesses(ctx context.Context, f *facts) (found []Hazard, _ error) {
	for _, side := range []postgres.Side{postgres.Source, postgres.Target} {
		r, err := f.rooms(ctx, side, "capacity-processes")
		if err != nil {
			return nil, err
		}
		if r.processes.most <= r.workers.most {
			found = append(found, Hazard{Side: side, Object: "setting max_worker_processes",
				Sentence: fmt.Sprintf("it allows %d processes for all purposes, and max_logical_replication_workers %d workers: some cannot start; raise it to %d at least, which needs a restart",
					r.processes.most, r.workers.most, r.workers.most+1),
				Fix: "ALTER SYSTEM SET max_worker_processes = " + strconv.FormatInt(r.workers.most+4, 10)})
		}
		if side == postgres.Target && r.syncWorkers == 0 {
			found = append(found, Hazard{Side: side, Object: "setting max_sync_workers_per_subscription", Severity: f.now(),
				Sentence: "it is 0: no table that is new to a subscription is ever copied", Fix: "ALTER SYSTEM SET max_sync_workers_per_subscription = 2"})
		}
	}
	return found, nil
}
