package checker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/fence"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// sequenceCases are sequences as both sides hold them: the definition and,
// after a bar, the setval arguments. A side that lacks it says "-".
var sequenceCases = []struct {
	name, source, target string
	finding              string
	verdict              checker.Verdict
}{
	{"same", "| 10, true", "| 10, true", "", checker.Match},
	{"behind", "| 10, true", "| 5, true", "behind", checker.Mismatch},
	{"never_called", "| 1, true", "| 1, false", "behind", checker.Mismatch},
	{"ahead", "| 10, true", "| 1000, true", "ahead", checker.Match},
	{"next_is_the_same", "| 9, true", "| 10, false", "", checker.Match},
	{"down_behind", "INCREMENT -1 | -10, true", "INCREMENT -1 | -5, true", "behind", checker.Mismatch},
	{"down_ahead", "INCREMENT -1 | -5, true", "INCREMENT -1 | -10, true", "ahead", checker.Match},
	{"increment", "INCREMENT 2 | 10, true", "INCREMENT 3 | 10, true", "definition", checker.Mismatch},
	{"type", "AS integer | 10, true", "AS bigint | 10, true", "definition", checker.Mismatch},
	{"cycles", "MAXVALUE 100 CYCLE | 10, true", "MAXVALUE 100 | 10, true", "definition", checker.Mismatch},
	{"missing", "| 10, true", "-", "missing", checker.Mismatch},
	{"extra", "-", "| 10, true", "extra", checker.Match},
	{"exhausted", "| 9223372036854775807, true", "| 9223372036854775807, true", "", checker.Match},
	{"exhausted_only_there", "| 9223372036854775807, true", "| 9223372036854775807, false", "behind", checker.Mismatch},
	{"lowest", "INCREMENT -1 | -9223372036854775808, true", "INCREMENT -1 | -9223372036854775808, true", "", checker.Match},
	{"Mixed \"Case\".$1", "| 3, true", "| 2, true", "behind", checker.Mismatch},
}

func sequenceSQL(side func(i int) string) []string {
	var list []string
	for i, c := range sequenceCases {
		if definition, at, ok := strings.Cut(side(i), "|"); ok {
			list = append(list, fmt.Sprintf("CREATE SEQUENCE %s %s", ident(c.name), definition),
				fmt.Sprintf("SELECT setval('%s', %s)", strings.ReplaceAll(ident(c.name), "'", "''"), at))
		}
	}
	return list
}

func onlySequences() checker.Options {
	o := defaults()
	o.Checks = []string{"sequences"}
	o.Replication = fence.KindStill // one test has a subscription from nowhere
	return o
}

func bySequence(res *checker.Result) map[string]checker.SequenceResult {
	m := map[string]checker.SequenceResult{}
	for _, q := range res.Sequences {
		m[q.Name] = q
	}
	return m
}

func TestSequences(t *testing.T) {
	source := pgcluster.Shared(t, 15).TestDB(t, sequenceSQL(func(i int) string { return sequenceCases[i].source })...)
	target := pgcluster.Shared(t, 18).TestDB(t, sequenceSQL(func(i int) string { return sequenceCases[i].target })...)
	check := func(t *testing.T, o checker.Options, mayBeNoted func(finding string) checker.Verdict) {
		got := bySequence(verify(t, source, target, o))
		for _, c := range sequenceCases {
			q, want := got[reportName("public", c.name)], c.verdict
			if v := mayBeNoted(c.finding); v != checker.Unproven {
				want = v
			}
			if q.Finding != c.finding || q.Verdict != want || (q.Detail == "") != (c.finding == "") {
				t.Errorf("%s: got %q, %s, %q; want %q, %s", c.name, q.Finding, q.Verdict, q.Detail, c.finding, want)
			}
		}
	}
	t.Run("at rest", func(t *testing.T) {
		check(t, onlySequences(), func(string) checker.Verdict { return checker.Unproven })
	})
	t.Run("strict", func(t *testing.T) {
		o := onlySequences()
		o.Strict = true
		check(t, o, func(finding string) checker.Verdict {
			if finding == "ahead" || finding == "extra" {
				return checker.Mismatch
			}
			return checker.Unproven
		})
	})
	t.Run("under logical replication", func(t *testing.T) {
		conn := connect(t, target)
		must(t, conn, "CREATE SUBSCRIPTION parity_seq CONNECTION 'host=127.0.0.1 port=1 dbname=none connect_timeout=1' PUBLICATION none WITH (connect = false, slot_name = 'nowhere')",
			"ALTER SUBSCRIPTION parity_seq ENABLE")
		defer must(t, conn, "ALTER SUBSCRIPTION parity_seq DISABLE", "ALTER SUBSCRIPTION parity_seq SET (slot_name = NONE)", "DROP SUBSCRIPTION parity_seq")
		check(t, onlySequences(), func(finding string) checker.Verdict {
			if finding == "behind" { // it does not carry sequences
				return checker.Match
			}
			return checker.Unproven
		})
	})
}

// TestSequenceCollides looks for the next value in the column that the
// sequence feeds.
func TestSequenceCollides(t *testing.T) {
	both := []string{
		"CREATE TABLE serial (id serial PRIMARY KEY)", "INSERT INTO serial SELECT FROM generate_series(1, 5)",
		"CREATE TABLE wraps (id integer PRIMARY KEY)", "CREATE SEQUENCE wraps_id MAXVALUE 9 CYCLE OWNED BY wraps.id", "SELECT setval('wraps_id', 9)",
		"CREATE TABLE full_up (id smallint PRIMARY KEY)", "CREATE SEQUENCE full_up_id AS smallint OWNED BY full_up.id", "SELECT setval('full_up_id', 32767)",
		"CREATE TABLE words (id text PRIMARY KEY)", "CREATE SEQUENCE words_id OWNED BY words.id", "INSERT INTO words VALUES ('1')",
		"CREATE TABLE small (id smallint PRIMARY KEY)", "CREATE SEQUENCE small_id AS bigint OWNED BY small.id", "SELECT setval('small_id', 40000)",
		"CREATE TABLE equal_rows (id serial PRIMARY KEY)", "INSERT INTO equal_rows SELECT FROM generate_series(1, 5)", "INSERT INTO equal_rows VALUES (6)",
	}
	source := pgcluster.Shared(t, 15).TestDB(t, both...)
	target := pgcluster.Shared(t, 18).TestDB(t, append(both, "INSERT INTO serial VALUES (6)", "INSERT INTO wraps VALUES (1)", "INSERT INTO full_up VALUES (-32768), (1)")...)
	got := bySequence(verify(t, source, target, onlySequences()))
	for name, want := range map[string]string{"serial_id_seq": "collides", "wraps_id": "collides", "full_up_id": "", "words_id": "", "small_id": "", "equal_rows_id_seq": ""} {
		verdict := checker.Match
		if want != "" {
			verdict = checker.Mismatch
		}
		if q := got["public."+name]; q.Finding != want || q.Verdict != verdict {
			t.Errorf("%s: got %q, %s (%s); want %q", name, q.Finding, q.Verdict, q.Detail, want)
		}
	}
	if d := got["public.serial_id_seq"].Detail; !strings.Contains(d, "6") || !strings.Contains(d, "public.serial.id") {
		t.Errorf("the detail %q names neither the value nor the column", d)
	}
}

// TestSequenceWithoutPrivilege leaves the one sequence unproven, and judges
// the others.
func TestSequenceWithoutPrivilege(t *testing.T) {
	cluster := pgcluster.Shared(t, 15)
	readers(t, cluster)
	both := []string{"CREATE SEQUENCE open_seq", "CREATE SEQUENCE closed_seq", "GRANT SELECT ON open_seq TO reader"}
	source := cluster.TestDB(t, both...)
	target := cluster.TestDB(t, append(both, "GRANT SELECT ON closed_seq TO reader")...)
	res := verify(t, as(cluster, "reader", source), as(cluster, "reader", target), onlySequences())
	got := bySequence(res)
	if q := got["public.open_seq"]; q.Verdict != checker.Match {
		t.Errorf("open_seq: %+v, want a match", q)
	}
	q := got["public.closed_seq"]
	if q.Verdict != checker.Unproven || !strings.Contains(q.Detail, "source") || q.Source != nil || q.Target == nil {
		t.Errorf("closed_seq: %+v, want unproven, naming the source, with the target's state", q)
	}
	if res.Verdict != checker.Unproven || len(res.Coverage.Skipped) != 1 {
		t.Errorf("%s, skipped %v; want unproven with the one sequence", res.Verdict, res.Coverage.Skipped)
	}
}

// TestThousandsOfSequences takes no time that grows with the square of their
// number, as one statement for all of them does before version 18.
func TestThousandsOfSequences(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	const n = 3000
	create := fmt.Sprintf("DO $$ BEGIN FOR i IN 1..%d LOOP EXECUTE format('CREATE SEQUENCE s%%s', i); END LOOP; END $$", n)
	source := pgcluster.Shared(t, 15).TestDB(t, create, "SELECT setval('s1234', 7)")
	target := pgcluster.Shared(t, 18).TestDB(t, create)
	start := time.Now()
	res := verify(t, source, target, onlySequences())
	took := time.Since(start)
	t.Logf("%d sequences in %s", n, took)
	if took > 8*time.Second {
		t.Errorf("%d sequences took %s", n, took)
	}
	var found []string
	for _, q := range res.Sequences {
		if q.Finding != "" {
			found = append(found, q.Name+" "+q.Finding)
		}
	}
	if len(res.Sequences) != n || len(found) != 1 || found[0] != "public.s1234 behind" {
		t.Errorf("%d sequences, found %q; reasons %q", len(res.Sequences), found, res.Reasons[:min(3, len(res.Reasons))])
	}
}
