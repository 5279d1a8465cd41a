package soak_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/postgres"
)

// copier is a home-made replication: it reads what a slot decodes and makes it
// again on the target, one transaction after the other.
type copier struct {
	source, target *pgx.Conn
	slot           string
	lose           func(change string) bool // changes that it forgets
}

// datum is a column as test_decoding prints it: name[type]:value.
var datum = regexp.MustCompile(`("(?:[^"]|"")+"|\w+)\[([^\]]*)\]:('(?:[^']|'')*'|[^ ]+)`)

// statement turns a line of test_decoding into SQL, "" for one that changes nothing.
func statement(line string) string {
	rest, ok := strings.CutPrefix(line, "table ")
	if !ok {
		return ""
	}
	table, rest, _ := strings.Cut(rest, ": ")
	op, rest, _ := strings.Cut(rest, ": ")
	before, after, moved := strings.Cut(strings.TrimPrefix(rest, "old-key: "), " new-tuple: ")
	if !moved {
		after = before
	}
	var names, values, sets []string
	for _, d := range datum.FindAllStringSubmatch(after, -1) {
		names, values, sets = append(names, d[1]), append(values, d[3]), append(sets, d[1]+" = "+d[3])
	}
	key := datum.FindStringSubmatch(before) // each key of the shop is the first column
	switch op {
	case "INSERT":
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(names, ", "), strings.Join(values, ", "))
	case "UPDATE":
		return fmt.Sprintf("UPDATE %s SET %s WHERE %s = %s", table, strings.Join(sets, ", "), key[1], key[3])
	case "DELETE":
		return fmt.Sprintf("DELETE FROM %s WHERE %s = %s", table, key[1], key[3])
	}
	return ""
}

// once copies what was committed since it was called last.
func (c *copier) once(ctx context.Context) error {
	rows, err := c.source.Query(ctx, "SELECT data FROM pg_logical_slot_get_changes($1, NULL, NULL, 'include-xids', '0')", c.slot)
	if err != nil {
		return err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	var batch []string
	for _, l := range lines {
		if s := statement(l); l == "BEGIN" || l == "COMMIT" || s != "" && !c.lose(l) {
			batch = append(batch, l)
			if s != "" {
				batch[len(batch)-1] = s
			}
		}
		if l == "COMMIT" {
			if _, err := c.target.Exec(ctx, strings.Join(batch, ";"), pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			batch = nil
		}
	}
	return nil
}

// copied is a pair that a copier replicates until the test ends.
func copied(t *testing.T, source, target int, lose func(change string) bool, sql ...string) *pair {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	p := &pair{source: newEnd(t, server(t, source), sql...), target: newEnd(t, server(t, target), sql...)}
	slot := fmt.Sprintf("copier_%d", names.Add(1))
	p.source.exec(t, "SELECT pg_create_logical_replication_slot('"+slot+"', 'test_decoding')")
	c := &copier{connect(t, p.source.url), connect(t, p.target.url), slot, lose}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			if err := c.once(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("copier: %v", err)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return p
}

// TestHeartbeat: a tool that nobody knows is waited for by a marker, be it
// struck by the run or by somebody else. Its load is a match, and what it loses
// is found. Without the marker nothing is judged.
func TestHeartbeat(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	lost := make(chan struct{}) // closed once it loses the changes of an order
	var once sync.Once
	p := copied(t, 15, 18, func(change string) bool {
		lose := strings.HasPrefix(change, "table public.orders: UPDATE: id[bigint]:3950 ")
		if lose {
			once.Do(func() { close(lost) })
		}
		return lose
	}, append(shop, "CREATE TABLE beats (who text PRIMARY KEY, n bigint NOT NULL)", "INSERT INTO beats VALUES ('struck', 0), ('passive', 0), ('still', 0)")...)
	busy(t, p.source.url, -1, 100)
	repeat(t, p.source.url, 50, func() string { return "UPDATE beats SET n = n + 1 WHERE who = 'passive'" })
	beat := func(who string) func(*checker.Options) {
		return func(o *checker.Options) {
			o.Heartbeats = []fence.Heartbeat{{Beat: postgres.Beat{Table: "public.beats", Column: "n", KeyColumn: "who", Key: who}, Strike: who == "struck"}}
		}
	}
	for _, who := range []string{"passive", "struck"} {
		res := p.verify(t, beat(who))
		matches(t, res)
		if res.Replication.Kind != "heartbeat" {
			t.Errorf("%+v", res.Replication)
		}
	}
	unproven(t, p.verify(t, beat("still"), patience(time.Second)), "nobody changes the heartbeat in public.beats")
	source, target := open(t, postgres.Source, p.source.url), open(t, postgres.Target, p.target.url)
	defer source.Close()
	defer target.Close()
	if res, err := checker.Run(t.Context(), source, target, checker.Options{Checks: []string{"ranges"}, Settle: time.Second}); err == nil {
		t.Errorf("it was judged without a marker: %s", toldBriefly(res))
	} else if !strings.Contains(err.Error(), "is taken by no subscription of the target") {
		t.Error(err)
	}
	p.source.exec(t, "UPDATE orders SET state = state + 1 WHERE id = 3950")
	<-lost
	for _, who := range []string{"passive", "struck"} {
		finds(t, p.verify(t, beat(who)), "orders different 3950")
	}
}
