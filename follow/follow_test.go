package follow

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const shop = `CREATE TABLE plain(id bigint PRIMARY KEY, v int, big text);
ALTER TABLE plain ALTER big SET STORAGE EXTERNAL;
CREATE TABLE named(a text, "B b" date, c numeric(8,2), v bytea, PRIMARY KEY (a, "B b"));
CREATE TABLE whole(id int PRIMARY KEY, v float8); ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE other(id int PRIMARY KEY, code text NOT NULL, v int); CREATE UNIQUE INDEX other_code ON other(code); ALTER TABLE other REPLICA IDENTITY USING INDEX other_code;
INSERT INTO plain SELECT i, i, repeat(md5(i::text), 200) FROM generate_series(1, 50) i;
INSERT INTO named SELECT 'k, ' || i, date '2024-01-01' + i, i, 'x' FROM generate_series(1, 50) i;
INSERT INTO whole SELECT i, i FROM generate_series(1, 50) i;
INSERT INTO other SELECT i, 'c' || i, i FROM generate_series(1, 50) i`

// shopSQL is the source's; the target is empty, and gets it by replication.
func shopWorld(t *testing.T, source, target int) *world {
	t.Helper()
	parts := strings.SplitAfter(shop, "REPLICA IDENTITY USING INDEX other_code;")
	w := newWorld(t, source, target, "", parts[0])
	w.source.exec(t, parts[1])
	f := w.stream.Fence
	m, err := f.Mark(t.Context())
	if err == nil {
		err = f.Wait(t.Context(), m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// versions are the pairs that each kind of change is followed on.
var versions = [][2]int{{15, 18}, {10, 13}, {18, 15}, {13, 10}}

// TestChanges: every kind of change is followed by its key, and what the target does not
// have of it is found.
func TestChanges(t *testing.T) {
	for _, v := range versions {
		t.Run(fmt.Sprintf("%d to %d", v[0], v[1]), func(t *testing.T) {
			w := shopWorld(t, v[0], v[1])
			refused := w.begin(t, State{}, true)
			if len(refused) != 1 || refused[0].Table != "public.other" || !strings.Contains(refused[0].Why, "replica identity") {
				t.Fatalf("refused: %v", refused)
			}
			w.pass(t)
			w.source.exec(t,
				"INSERT INTO plain VALUES (100, 1, 'x')", "UPDATE plain SET v = -1 WHERE id <= 3", "DELETE FROM plain WHERE id = 5",
				"UPDATE plain SET id = 200 WHERE id = 6", "UPDATE named SET a = 'moved' WHERE a = 'k, 7'", "DELETE FROM named WHERE a = 'k, 8'",
				"UPDATE whole SET v = 1e-7 WHERE id = 9", "DELETE FROM whole WHERE id = 10", "UPDATE whole SET id = 300 WHERE id = 11", "UPDATE other SET v = 0")
			s := w.step(t)
			clean(t, s)
			// Inserted, 3 updated, deleted, moved (2); moved (2), deleted; updated, deleted, moved (2).
			if s.Keys != 7+3+4 {
				t.Errorf("%d keys: %+v", s.Keys, s)
			}
			if at := w.watermark(t, "public.plain"); at < s.Through {
				t.Errorf("watermark %s, through %s", at, s.Through)
			}
			// Damage that replication does not mend, then changes of those very rows.
			w.target.exec(t, "DELETE FROM plain WHERE id = 1", "UPDATE plain SET big = 'damaged' WHERE id = 2", "DELETE FROM named WHERE a = 'moved'",
				"INSERT INTO whole VALUES (10, 7)", "DELETE FROM whole WHERE id = 12")
			clean(t, w.step(t))
			w.source.exec(t, "UPDATE plain SET v = -5 WHERE id <= 3", "UPDATE named SET c = 0 WHERE a = 'moved'", "UPDATE whole SET v = 3 WHERE id = 12")
			s = w.step(t)
			wantWords(t, words(s.Findings), "different public.plain id=2", `missing public.named B b=2024-01-08 a=moved`, "missing public.plain id=1", "missing public.whole id=12")
			if len(s.Dirty) > 0 || s.Total != 4 {
				t.Errorf("%+v", s)
			}
			clean(t, w.step(t))
		})
	}
}

// TestDirty: what changes content without a change of a row, or of all of them, makes the
// table dirty until a pass that begins afterwards.
func TestDirty(t *testing.T) {
	const sql = `CREATE TYPE mood AS ENUM ('ok', 'sad');
CREATE TABLE a(id int PRIMARY KEY, m mood); CREATE TABLE b(id int PRIMARY KEY, v int); CREATE TABLE c(id int PRIMARY KEY, v mood[]); CREATE TABLE d(id int PRIMARY KEY, v int)`
	for name, c := range map[string]struct {
		sql       string
		dirty     string
		redefined bool
	}{
		"truncate":    {"TRUNCATE b", "public.b", false},
		"rename":      {"ALTER TYPE mood RENAME VALUE 'sad' TO 'glad'", "public.a public.c", true},
		"add default": {"ALTER TABLE b ADD w int DEFAULT 5", "public.b", true},
		"swap":        {"ALTER TABLE b RENAME TO bb; ALTER TABLE d RENAME TO b; ALTER TABLE bb RENAME TO d", "public.b public.d", true},
		"retype":      {"ALTER TABLE b ALTER v TYPE bigint", "public.b", true},
		"withdrawn":   {"ALTER PUBLICATION {{pub}} DROP TABLE b", "public.b", true},
		"rewrite":     {"VACUUM FULL b", "public.b", false},
		"grant":       {"GRANT SELECT ON b TO public; ANALYZE b; CREATE INDEX ON b(v); VACUUM b", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 15, 18, "", sql)
			w.follow(t)
			w.source.exec(t, "INSERT INTO b SELECT i FROM generate_series(1, 10) i")
			clean(t, w.step(t))
			at, when, err := w.f.Now(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range strings.Split(strings.ReplaceAll(c.sql, "{{pub}}", w.name), "; ") {
				w.source.exec(t, s)
			}
			if c.redefined {
				for _, s := range strings.Split(c.sql, "; ") { // the target follows; a publication it has none
					_, _ = w.target.conn.Exec(t.Context(), s, pgx.QueryExecModeSimpleProtocol)
				}
			}
			s := w.step(t)
			var dirty []string
			for _, n := range w.f.f.names() {
				if w.f.State().Tables[n].Dirty != "" {
					dirty = append(dirty, n)
				}
			}
			if strings.Join(dirty, " ") != c.dirty || s.Redefined != c.redefined || len(s.Dirty) != len(dirty) {
				t.Fatalf("dirty: %q (%+v)", dirty, s)
			}
			if c.dirty == "" {
				clean(t, s)
				return
			}
			before := w.watermark(t, dirty[0])
			w.source.exec(t, "INSERT INTO d(id) VALUES (100)")
			w.step(t)
			if w.watermark(t, dirty[0]) != before {
				t.Error("the watermark of a dirty table moved on")
			}
			err = w.f.Passed(t.Context(), dirty, at, when)
			want := ErrTooEarly
			if c.redefined {
				want = ErrRedefined
			}
			if !errors.Is(err, want) {
				t.Errorf("a pass that began before: %v, want %v", err, want)
			}
			if c.redefined {
				w.close()
				if name != "retype" {
					return // the columns are the same
				}
				if _, _, _, err := Begin(t.Context(), w.source.db, w.target.db, w.pair, w.stream, w.keptState(), w.options); !errors.Is(err, ErrRedefined) {
					t.Fatalf("with the old catalogs: %v", err)
				}
			}
		})
	}
}

// TestRedefined: after a change of definition the follower is begun again with the new
// catalogs, and compares the new column too.
func TestRedefined(t *testing.T) {
	w := newWorld(t, 15, 18, "", "CREATE TABLE b(id int PRIMARY KEY, v int); CREATE TABLE d(id int PRIMARY KEY)")
	w.follow(t)
	w.target.exec(t, "ALTER TABLE b ADD w int DEFAULT 5")
	w.source.exec(t, "ALTER TABLE b ADD w int DEFAULT 5", "INSERT INTO b SELECT i FROM generate_series(1, 10) i")
	if s := w.step(t); !s.Redefined {
		t.Fatalf("%+v", s)
	}
	w.close()
	w.read(t)
	w.begin(t, w.keptState(), false)
	if ts := w.f.State().Tables["public.b"]; ts.Dirty == "" || ts.LSN == "" {
		t.Errorf("%+v", ts)
	}
	w.pass(t)
	if ts := w.f.State().Tables["public.b"]; ts.Dirty != "" || ts.Since != "" {
		t.Errorf("%+v", ts)
	}
	w.target.exec(t, "DELETE FROM b WHERE id = 3")
	w.source.exec(t, "UPDATE b SET w = 6 WHERE id = 3", "INSERT INTO b VALUES (11, 1, 1)")
	s := w.step(t)
	wantWords(t, words(s.Findings), "missing public.b id=3")
}

// TestPartitions: leaves are their root's, also one that is added later.
func TestPartitions(t *testing.T) {
	const sql = `CREATE TABLE p(id int, at date, v int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`
	for _, tables := range []string{"p", "ALL TABLES", "p WITH (publish_via_partition_root = true)"} {
		t.Run(tables, func(t *testing.T) {
			w := newWorld(t, 15, 18, tables, sql)
			w.follow(t)
			w.source.exec(t, "INSERT INTO p SELECT i, date '2024-06-01' + i * 30, i FROM generate_series(0, 15) i")
			s := w.step(t)
			if clean(t, s); s.Keys != 16 {
				t.Errorf("%+v", s)
			}
			w.target.exec(t, "DELETE FROM p WHERE id = 15")
			w.source.exec(t, "UPDATE p SET v = 0 WHERE id = 15", "UPDATE p SET at = '2025-12-01' WHERE id = 1")
			s = w.step(t)
			wantWords(t, words(s.Findings), "missing public.p at=2025-08-25 id=15")
			w.target.exec(t, "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')")
			w.source.exec(t, "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')", "INSERT INTO p VALUES (99, '2026-02-02', 1)")
			if s = w.step(t); !s.Redefined || len(s.Dirty) != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestIdle: an idle source does not show an old watermark.
func TestIdle(t *testing.T) {
	w := newWorld(t, 15, 18, "", "CREATE TABLE b(id int PRIMARY KEY)")
	w.follow(t)
	w.source.exec(t, "SELECT pg_switch_wal()")
	for range 3 {
		began := time.Now()
		s, err := w.f.Step(t.Context(), 50*time.Millisecond)
		if err != nil || !s.Idle {
			t.Fatalf("%+v, %v", s, err)
		}
		if age := time.Since(w.f.State().Tables["public.b"].At); age > time.Since(began) {
			t.Errorf("age %s", age)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("took %s", took)
		}
	}
	// A change ends the wait.
	defer time.AfterFunc(100*time.Millisecond, func() { _, _ = w.source.conn.Exec(t.Context(), "INSERT INTO b VALUES (1)") }).Stop()
	began := time.Now()
	s, err := w.f.Step(t.Context(), 20*time.Second)
	if err != nil || s.Keys != 1 || time.Since(began) > 10*time.Second {
		t.Errorf("%+v, %v after %s", s, err, time.Since(began))
	}
}

// TestRecheckKeys: single keys, as of findings that are open, are each told to be what they
// are.
func TestRecheckKeys(t *testing.T) {
	w := newWorld(t, 15, 18, "", "CREATE TABLE b(id int PRIMARY KEY, v int)")
	w.follow(t)
	w.source.exec(t, "INSERT INTO b SELECT i, i FROM generate_series(1, 12000) i")
	clean(t, w.step(t))
	w.target.exec(t, "DELETE FROM b WHERE id = 1", "UPDATE b SET v = 0 WHERE id = 2", "INSERT INTO b VALUES (-1, 1)")
	var keys [][]string
	for i := -1; i <= 12000; i++ { // 0 is on neither side
		keys = append(keys, []string{fmt.Sprint(i)})
	}
	r, err := w.f.f.window.Recheck(t.Context(), w.f.f.tables["public.b"].WindowTable, w.stream, keys)
	if err != nil {
		t.Fatal(err)
	}
	wantWords(t, words(r.Findings), "different public.b id=2", "extra public.b id=-1", "missing public.b id=1")
	if len(r.Confirmed) != 3 || r.Total != 3 || len(r.Equal) != 12002-3 || len(r.Open) > 0 || r.Stalled != nil || r.Rounds == 0 {
		t.Errorf("%d confirmed, %d equal, %d open, %d rounds, %v", len(r.Confirmed), len(r.Equal), len(r.Open), r.Rounds, r.Stalled)
	}
	// The target does not apply: nothing is said of any row.
	w.target.exec(t, "BEGIN; LOCK TABLE b IN EXCLUSIVE MODE")
	w.source.exec(t, "UPDATE b SET v = 7 WHERE id = 5")
	r, err = w.f.f.window.Recheck(t.Context(), w.f.f.tables["public.b"].WindowTable, w.stream, keys[:10])
	if err != nil || r.Stalled == nil || len(r.Open) != 10 || r.Total > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	w.target.exec(t, "COMMIT")
}
