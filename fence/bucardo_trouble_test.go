package fence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/fence"
)

// bucardoCover: what is in no sync, and what triggers don't note, is named.
func bucardoCover(t *testing.T, p *pair) {
	f := p.fence(t)
	tables := []string{"public.a", "public.c", "public.root", `public."OddName"`}
	phases := func() string {
		t.Helper()
		c, err := f.Cover(t.Context(), tables)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, g := range c.Gaps {
			list = append(list, g.Leaf+" "+g.Phase())
		}
		return strings.Join(list, "; ")
	}
	before, err := f.Cover(t.Context(), tables)
	if err != nil {
		t.Fatal(err)
	}
	if got := phases(); got != "public.c in no sync of Bucardo" {
		t.Fatalf("gaps: %s", got)
	}
	p.source.exec(t, "ALTER TABLE a DISABLE TRIGGER bucardo_delta", "ALTER TABLE leaf ENABLE REPLICA TRIGGER bucardo_delta")
	if got := phases(); !strings.Contains(got, "public.a has its trigger bucardo_delta disabled") || !strings.Contains(got, "public.leaf has its trigger") {
		t.Errorf("gaps: %s", got)
	}
	if x := trouble(t, f, fence.NotReady); x == nil || len(x.Tables) != 2 {
		t.Errorf("health tells %+v", x)
	} else {
		contains(t, x.Sentence, "public.a", "ENABLE TRIGGER bucardo_delta")
	}
	p.source.exec(t, "ALTER TABLE a ENABLE TRIGGER bucardo_delta", "ALTER TABLE leaf ENABLE TRIGGER bucardo_delta")
	if got := phases(); got != "public.c in no sync of Bucardo" {
		t.Errorf("gaps: %s", got)
	}
	if now, err := f.Cover(t.Context(), tables); err != nil || now.Same(before) {
		t.Errorf("a trigger was off in between, and the covers are the same (%v)", err)
	}
	healthy(t, f)
	p.source.exec(t, `ALTER TABLE "OddName" DISABLE TRIGGER bucardo_note_trunc_orders`)
	if x := trouble(t, f, fence.Partial); x == nil || len(x.Tables) != 1 {
		t.Errorf("health tells %+v", x)
	} else {
		contains(t, x.Sentence, "TRUNCATE", `"OddName"`)
	}
	p.source.exec(t, `ALTER TABLE "OddName" ENABLE TRIGGER bucardo_note_trunc_orders`)
	p.source.exec(t, `INSERT INTO "OddName" VALUES (1)`)
	pass(t, f)
	if got := p.target.ask(t, `SELECT count(*) FROM "OddName"`); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
}

// bucardoGroups: all groups are waited for, unless one is named.
func bucardoGroups(t *testing.T, p *pair) {
	p.source.exec(t, "INSERT INTO bucardo.bucardo_delta_targets VALUES ('a'::regclass, 'dbgroup ghost')")
	defer p.source.exec(t, "DELETE FROM bucardo.bucardo_delta_targets WHERE target = 'dbgroup ghost'")
	p.source.exec(t, "INSERT INTO a VALUES (7, 1)")
	d := p.detect(t)
	contains(t, strings.Join(d.Forward[0].Evidence, "\n"), "ghost, shop", "all are waited for")
	f := made(t)(d.Fence())
	m := mark(t, f)
	until(t, "the row has come to shop", func() bool {
		return p.source.ask(t, "SELECT count(*) FROM bucardo.track_public_a WHERE txntime = (SELECT txntime FROM bucardo.delta_public_a WHERE w = 7)") == "1"
	})
	s := stalls(t, f, m, 300*time.Millisecond)
	contains(t, s.Error(), "ghost", "public.a", "bucardo_delta_targets")
	if strings.Contains(s.Error(), `group "shop"`) {
		t.Errorf("the group that was served is named: %v", s)
	}
	named := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, BucardoGroup: "shop"})
	contains(t, strings.Join(named.Forward[0].Evidence, "\n"), "which was named")
	pass(t, made(t)(named.Fence()))
	if got := p.target.ask(t, "SELECT count(*) FROM a WHERE w = 7"); got != "1" {
		t.Errorf("behind the fence the target has %s rows, want 1", got)
	}
	_, err := detect(t, fence.Options{Source: p.source.db, Target: p.target.db, BucardoGroup: "nobody"}).Fence()
	if !errors.Is(err, fence.ErrUnknown) {
		t.Errorf("a group was named that is none, and the error is %v", err)
	}
	contains(t, err.Error(), "nobody")
}

// bucardoPrivileges: a role that may not read the tables is told what to grant,
// and that is enough.
func bucardoPrivileges(t *testing.T, p *pair) {
	role := fmt.Sprintf("judge_%d", names.Add(1))
	p.source.exec(t, "CREATE ROLE "+role+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() { // once its sessions are closed
		if _, err := p.source.conn.Exec(context.Background(), "DROP OWNED BY "+role+"; DROP ROLE "+role); err != nil {
			t.Error(err)
		}
	})
	blind := openDB(t, p.source.db.Side(), p.source.cluster.UserURL(role, "secret", p.source.name))
	d := detect(t, fence.Options{Source: blind, Target: p.target.db})
	if len(d.Forward) != 1 {
		t.Fatalf("%+v", d)
	}
	f := made(t)(d.Fence())
	s := stalls(t, f, mark(t, f), 10*time.Second)
	if !has(s, fence.NoPrivilege) || errors.Is(s, context.DeadlineExceeded) {
		t.Errorf("told as %v", s)
	}
	if _, err := f.Cover(t.Context(), []string{"public.a"}); err == nil {
		t.Error("a role that may read nothing covers a table")
	} else {
		contains(t, err.Error(), "GRANT USAGE ON SCHEMA bucardo TO "+role)
	}
	x := trouble(t, f, fence.NoPrivilege)
	if x == nil || !x.Blocking {
		t.Fatalf("health tells %+v", x)
	}
	_, grants, _ := strings.Cut(x.Sentence, "database: ")
	p.source.exec(t, strings.Split(grants, "; ")...)
	pass(t, f)
	healthy(t, f)
	if c, err := f.Cover(t.Context(), []string{"public.a", "public.leaf"}); err != nil || len(c.Gaps) != 0 {
		t.Errorf("gaps %v, %v", c.Gaps, err)
	}
}

// bucardoStopped: what will not come is said, by whom it does not, and a mark of
// more transactions than are listed holds as well.
func bucardoStopped(t *testing.T, p *pair) {
	d := p.detect(t)
	contains(t, strings.Join(d.Forward[0].Evidence, "\n"), "no session of Bucardo")
	f := made(t)(d.Fence())
	p.source.exec(t, "INSERT INTO a VALUES (8, 1)")
	s := stalls(t, f, mark(t, f), 300*time.Millisecond)
	if !errors.Is(s, context.DeadlineExceeded) || s.Troubles[0].Kind != fence.WorkerDown || !has(s, fence.Behind) {
		t.Errorf("told as %+v", s.Troubles)
	}
	contains(t, s.Error(), "no session of Bucardo", "bucardo start", "public.a", `"shop"`)
	p.source.exec(t, "INSERT INTO bucardo.delta_public_b SELECT 9, g, now() + g * interval '1 us' FROM generate_series(1, 10100) g")
	m := mark(t, f)
	contains(t, stalls(t, f, m, 300*time.Millisecond).Error(), "very many transactions on public.b")
	carried := func(table, until string) {
		t.Helper()
		p.source.exec(t, "INSERT INTO bucardo.track_public_"+table+" SELECT DISTINCT txntime, 'dbgroup shop' FROM bucardo.delta_public_"+table+" d WHERE "+until+
			" AND NOT EXISTS (SELECT FROM bucardo.track_public_"+table+" t WHERE t.txntime = d.txntime)")
	}
	carried("a", "true")
	carried("b", "d.txntime < (SELECT max(txntime) FROM bucardo.delta_public_b)")
	s = stalls(t, f, m, 300*time.Millisecond)
	if tables := s.Troubles[len(s.Troubles)-1].Tables; !slices.ContainsFunc(tables, tableIs("public.b")) || slices.ContainsFunc(tables, tableIs("public.a")) {
		t.Errorf("left are %+v", tables)
	}
	carried("b", "true")
	p.source.exec(t, "INSERT INTO b VALUES (8, 2)") // after the mark
	if err := waits(t, f, m, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if s := stalls(t, f, mark(t, f), 300*time.Millisecond); !has(s, fence.Behind) {
		t.Errorf("told as %v", s)
	}
}

// bucardoDeadlock: an application that truncates several tables in the other
// order than that in which a mark reads them is not made to fail.
func bucardoDeadlock(t *testing.T, p *pair) {
	f := p.fence(t)
	app := connect(t, p.source.cluster.URL(p.source.name))
	for _, sql := range []string{"SET deadlock_timeout = '500ms'", "BEGIN", "TRUNCATE b"} {
		if _, err := app.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := f.Mark(t.Context())
		done <- err
	}()
	until(t, "the mark waits for b", func() bool {
		return p.source.ask(t, "SELECT count(*) FROM pg_locks WHERE relation = 'bucardo.delta_public_b'::regclass AND NOT granted") == "1"
	})
	_, err := app.Exec(t.Context(), "TRUNCATE a")
	if err != nil {
		t.Errorf("the application fails: %v", err)
	}
	if _, err := app.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
