package preflight

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/internal/pgcluster"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

func init() {
	for _, id := range []string{"slot-wal-status", "slot-failover", "slot-other", "slot-leftover"} {
		livesElsewhere[id] = "TestSlots"
	}
	livesElsewhere["decoding-spill"] = "TestSpill"
}

// quiet is a cluster of a major that no test uses which runs beside others:
// slots, workers, horizons and prepared transactions are the whole cluster's.
// It has little room. Tests on it are not parallel.
func quiet(t *testing.T, major int) *pgcluster.Cluster {
	t.Helper()
	settings := map[string]string{"autovacuum": "off", "max_replication_slots": "6", "max_wal_senders": "5", "max_logical_replication_workers": "3",
		"max_prepared_transactions": "2", "max_wal_size": "32MB", "autovacuum_freeze_max_age": "100000", "max_worker_processes": "16"}
	if major >= 13 {
		settings["logical_decoding_work_mem"] = "64kB"
		settings["max_slot_wal_keep_size"] = "96MB"
	}
	return pgcluster.SharedWith(t, "quiet "+strconv.Itoa(major), pgcluster.Options{Major: major, Settings: settings})
}

// found checks what a detector finds, and gives it.
func (w *world) found(t *testing.T, id string, want ...string) []Hazard {
	t.Helper()
	hazards := w.look(t, id, defaults())
	if diff := cmp.Diff(append([]string{}, want...), names(hazards)); diff != "" {
		t.Errorf("%s (-want +found):\n%s", id, diff)
	}
	for _, h := range hazards {
		if h.Sentence == "" || h.Severity == "" {
			t.Errorf("says nothing: %+v", h)
		}
	}
	return hazards
}

// segments makes the source write so many segments of log, of 16 MB each.
func (w *world) segments(t *testing.T, n int) {
	t.Helper()
	for range n {
		w.source.exec(t, "SELECT pg_logical_emit_message(false, 'test', 'x')", "SELECT pg_switch_wal()")
	}
}

func TestSlots(t *testing.T) {
	slow(t)
	for _, majors := range [][2]int{{10, 18}, {15, 18}, {18, 15}} {
		t.Run(strconv.Itoa(majors[0]), func(t *testing.T) {
			w := newWorld(t, quiet(t, majors[0]), quiet(t, majors[1]), orders)
			name := w.replicate(t, "")
			other := quiet(t, majors[0]).TestDB(t)
			ids := []string{"slot-wal-status", "slot-failover", "slot-other", "slot-leftover"}
			for _, id := range ids {
				w.found(t, id)
			}

			make := func(slot, plugin string) {
				w.source.exec(t, fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', '%s')", slot, plugin))
			}
			make("debezium", "test_decoding")
			make("pg_16400_sync_16390_7000", "pgoutput") // left by a copy that is over
			elsewhere := connect(t, other)
			if _, err := elsewhere.Exec(t.Context(), "SELECT pg_create_logical_replication_slot('elsewhere', 'pgoutput')"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = elsewhere.Exec(context.Background(), "SELECT pg_drop_replication_slot('elsewhere')") })
			w.found(t, "slot-other", "source slot debezium")
			for _, h := range w.found(t, "slot-leftover", "source slot pg_16400_sync_16390_7000") {
				w.source.exec(t, h.Fix)
			}
			w.found(t, "slot-leftover")

			// Beyond what checkpoints keep, all that nothing reads are in the way.
			w.segments(t, 4)
			until(t, "the subscription has passed that", func() bool {
				return w.source.ask(t, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) < 16000000 FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "true"
			})
			for _, h := range w.found(t, "slot-leftover", "source slot debezium", "source slot elsewhere") {
				if h.Fix != "" {
					t.Errorf("drops what a consumer may come back for: %+v", h)
				}
			}
			w.source.exec(t, "SELECT pg_drop_replication_slot('debezium')")
			if majors[0] >= 13 {
				testWALStatus(t, w)
			}

			stop := follow(t, w)
			want := "source slot " + name
			found := w.found(t, "slot-failover", want)
			if advice := strings.Contains(found[0].Sentence, "failover = true"); advice != (majors[0] >= 17) {
				t.Errorf("of %d: %s", majors[0], found[0].Sentence)
			}
			if majors[0] >= 17 && majors[1] >= 17 {
				w.target.exec(t, "ALTER SUBSCRIPTION "+name+" DISABLE")
				until(t, "the slot is free", func() bool {
					return w.source.ask(t, "SELECT active FROM pg_replication_slots WHERE slot_name = '"+name+"'") == "false"
				})
				w.target.exec(t, "ALTER SUBSCRIPTION "+name+" SET (failover = true)", "ALTER SUBSCRIPTION "+name+" ENABLE")
				w.found(t, "slot-failover")
			}
			stop()
		})
	}
}

// testWALStatus lets a slot that others read come near its end, and lose its log.
func testWALStatus(t *testing.T, w *world) {
	t.Helper()
	w.source.exec(t, "SELECT pg_create_logical_replication_slot('slow', 'pgoutput')")
	status := func() string {
		return w.source.ask(t, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'slow'")
	}
	w.found(t, "slot-wal-status")
	near := "SELECT safe_wal_size < 96 * 1024 * 1024 / 4 FROM pg_replication_slots WHERE slot_name = 'slow'"
	for range 8 {
		if w.source.ask(t, near) == "true" {
			break
		}
		w.segments(t, 1)
	}
	found := w.look(t, "slot-wal-status", defaults())
	if !strings.Contains(strings.Join(names(found), ","), "source slot slow") || !strings.Contains(found[0].Sentence, "after another") {
		t.Errorf("nearly used up: %+v", found)
	}
	w.segments(t, 8)
	w.source.exec(t, "CHECKPOINT")
	until(t, "its log is gone", func() bool { return status() == "lost" })
	for _, h := range w.look(t, "slot-wal-status", defaults()) {
		if h.Object == "slot slow" && (h.Severity != schema.Warn || !strings.Contains(h.Sentence, "cannot be used any more")) {
			t.Errorf("lost: %+v", h)
		}
	}
	// Where nothing is known of the stream, it may be the one that feeds the target.
	f := w.facts(t, defaults())
	f.fence = nil
	hazards, _ := detect(t, f, "slot-wal-status")
	lost := 0
	for _, h := range hazards {
		if h.Object == "slot slow" && h.Severity == schema.Block {
			lost++
		}
	}
	if lost != 1 {
		t.Errorf("lost, and perhaps ours: %+v", hazards)
	}
	w.source.exec(t, "SELECT pg_drop_replication_slot('slow')")
	// The one in another database lost its log as well, and is not ours to tell.
	w.found(t, "slot-wal-status")
}

// follow connects to the source as a standby does, until stop is called.
func follow(t *testing.T, w *world) (stop func()) {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), w.source.cluster.URL("postgres")+"&replication=true&application_name=standby1")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended, from := make(chan struct{}), w.source.ask(t, "pg_current_wal_flush_lsn()")
	go func() {
		defer close(ended)
		// It sends log until the connection ends; nobody reads it.
		_, _ = conn.Exec(ctx, "START_REPLICATION PHYSICAL "+from).ReadAll()
	}()
	stop = func() { cancel(); <-ended; _ = conn.Close(context.Background()) }
	t.Cleanup(stop)
	until(t, "the standby follows", func() bool {
		return w.source.ask(t, "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'standby1'") == "1"
	})
	return stop
}

// TestSpill: a transaction that is larger than decoding may keep in memory.
func TestSpill(t *testing.T) {
	slow(t)
	w := newWorld(t, quiet(t, 15), quiet(t, 18), orders)
	name := w.replicate(t, " WITH (streaming = off)") // of 18 on it streams, instead
	w.found(t, "decoding-spill")
	w.source.exec(t, "INSERT INTO orders SELECT n, repeat('x', 500) FROM generate_series(1, 3000) n")
	until(t, "that is counted", func() bool {
		return w.source.ask(t, "SELECT spill_bytes > 0 FROM pg_stat_replication_slots WHERE slot_name = '"+name+"'") == "true"
	})
	w.found(t, "decoding-spill", "source slot "+name)
}

// room of a server that is used up.
func init() {
	for _, id := range []string{"wal-level", "capacity-slots", "capacity-senders", "capacity-origins", "capacity-workers", "capacity-processes", "capacity-prepared"} {
		livesElsewhere[id] = "TestCapacity"
	}
}

func TestCapacity(t *testing.T) {
	slow(t)
	for _, majors := range [][2]int{{10, 18}, {18, 15}} {
		t.Run(strconv.Itoa(majors[0]), func(t *testing.T) {
			w := newWorld(t, quiet(t, majors[0]), quiet(t, majors[1]), orders)
			w.replicate(t, "")
			for _, id := range []string{"wal-level", "capacity-slots", "capacity-senders", "capacity-origins", "capacity-workers", "capacity-processes"} {
				w.found(t, id)
			}
			for side, e := range map[postgres.Side]*end{postgres.Source: w.source, postgres.Target: w.target} {
				until(t, "the copy's worker is gone", func() bool { return e.ask(t, "SELECT count(*) FROM pg_replication_slots WHERE temporary") == "0" })
				var taken []string
				for i := 0; e.ask(t, "SELECT count(*) < current_setting('max_replication_slots')::int FROM pg_replication_slots") == "true"; i++ {
					slot := fmt.Sprintf("fill_%s_%d", side, i)
					e.exec(t, "SELECT pg_create_physical_replication_slot('"+slot+"')")
					taken = append(taken, slot)
				}
				found := w.found(t, "capacity-slots", string(side)+" setting max_replication_slots")
				if found[0].Severity != schema.Warn || strings.Contains(found[0].Sentence, "way back") != (side == postgres.Target) {
					t.Errorf("all is copied already: %+v", found)
				}
				for _, slot := range taken {
					e.exec(t, "SELECT pg_drop_replication_slot('"+slot+"')")
				}
				w.found(t, "capacity-slots")
				var origins []string
				setting := "max_replication_slots"
				if e.cluster.Major() >= 18 {
					setting = "max_active_replication_origins"
				}
				for i := 0; e.ask(t, "SELECT count(*) < current_setting('"+setting+"')::int FROM pg_replication_origin") == "true"; i++ {
					origins = append(origins, fmt.Sprintf("fill_%d", i))
					e.exec(t, fmt.Sprintf("SELECT pg_replication_origin_create('fill_%d')", i))
				}
				w.found(t, "capacity-origins", string(side)+" setting "+setting)
				for _, o := range origins {
					e.exec(t, "SELECT pg_replication_origin_drop('"+o+"')")
				}
			}
			var standbys []*pgconn.PgConn
			for w.source.ask(t, "SELECT count(*) < current_setting('max_wal_senders')::int FROM pg_stat_replication") == "true" {
				conn, err := pgconn.Connect(t.Context(), w.source.cluster.URL("postgres")+"&replication=true")
				if err != nil {
					t.Fatal(err)
				}
				standbys = append(standbys, conn)
				if _, err := conn.Exec(t.Context(), "IDENTIFY_SYSTEM").ReadAll(); err != nil {
					t.Fatal(err)
				}
			}
			w.found(t, "capacity-senders", "source setting max_wal_senders")
			for _, conn := range standbys {
				_ = conn.Close(context.Background())
			}
		})
	}
	t.Run("starved", testStarved)
	t.Run("processes", testProcesses)
}

// testStarved: what is not free and is needed now blocks.
func testStarved(t *testing.T) {
	w := newWorld(t, quiet(t, 15), quiet(t, 18), orders)
	name := w.replicate(t, " WITH (two_phase = true)")
	w.found(t, "capacity-prepared")
	var more []string
	for range 2 { // as many subscriptions as there are workers
		more = append(more, w.replicate(t, " WITH (copy_data = false)"))
	}
	until(t, "all workers run", func() bool { return w.target.ask(t, "SELECT count(pid) FROM pg_stat_subscription") == "3" })
	if found := w.found(t, "capacity-workers", "target setting max_logical_replication_workers"); found[0].Severity != schema.Warn {
		t.Errorf("all run: %+v", found)
	}
	w.source.exec(t, "CREATE TABLE late (id int PRIMARY KEY)")
	w.target.exec(t, "CREATE TABLE late (id int PRIMARY KEY)", "ALTER SUBSCRIPTION "+more[0]+" REFRESH PUBLICATION")
	if found := w.found(t, "capacity-workers", "target setting max_logical_replication_workers"); found[0].Severity != schema.Block {
		t.Errorf("a table waits for a worker: %+v", found)
	}
	w.target.exec(t, "DROP SUBSCRIPTION "+more[0], "DROP SUBSCRIPTION "+more[1])

	for i := range 2 {
		w.target.exec(t, fmt.Sprintf("BEGIN; INSERT INTO orders VALUES (%d); PREPARE TRANSACTION 'mine %d'", 1000+i, i))
	}
	w.found(t, "capacity-prepared", "target subscription "+name)
	w.target.exec(t, "ROLLBACK PREPARED 'mine 0'", "ROLLBACK PREPARED 'mine 1'")
}

// testProcesses: settings under which nothing can be set up.
func testProcesses(t *testing.T) {
	poor := pgcluster.SharedWith(t, "poor 18", pgcluster.Options{Major: 18, Settings: map[string]string{"wal_level": "replica", "max_worker_processes": "4",
		"max_logical_replication_workers": "4", "max_sync_workers_per_subscription": "0"}})
	w := newWorld(t, pgcluster.Shared(t, 15), poor, orders)
	w.found(t, "wal-level", "target setting wal_level")
	w.found(t, "capacity-processes", "target setting max_sync_workers_per_subscription", "target setting max_worker_processes")
	w = newWorld(t, poor, pgcluster.Shared(t, 15), orders)
	w.found(t, "wal-level", "source setting wal_level")
	w.found(t, "capacity-processes", "source setting max_worker_processes")
}
