package checker_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/internal/pgcluster"
)

// ways are tables that are looked into in different ways, with the SQL of a row.
var ways = []struct{ name, key, row string }{
	{"one_int", "id int PRIMARY KEY", "g * 3 - 500"},
	{"big_int", "id bigint PRIMARY KEY", "(g - 120) * 36028797018963968"},
	{"lead_int", `a int, b text COLLATE "C", PRIMARY KEY (a, b)`, "g % 3, 'k' || g"},
	{"text_c", `k text COLLATE "C" PRIMARY KEY`, "'k' || g"},
	{"words", "k text PRIMARY KEY", "'wörd ' || g"},
	{"long_words", "k text PRIMARY KEY", "repeat('wörd ', 20) || g"},
	{"copies", "k int", "g / 3"},
}

// harms are what is done to one side. %s is the table.
// What leaves the same rows on both sides is done to one of them alone: which
// one it is makes no difference then.
var harms = []struct {
	name, sql string
	sides     int
}{
	{"none", "", 1},
	{"one", "UPDATE %s SET v = -1 WHERE v = 77", 1},
	{"two lost", "DELETE FROM %s WHERE v IN (5, 222)", 2},
	{"scattered", "UPDATE %s SET v = -v WHERE v %% 9 = 0", 1},
	{"all", "UPDATE %s SET v = -v - 1", 1},
	{"a block is lost", "DELETE FROM %s WHERE v BETWEEN 80 AND 160", 2},
	{"all lost", "DELETE FROM %s", 2},
}

// TestEveryWayOfLooking goes all ways of a drill-down with a few hundred rows,
// by sizes made small, and demands the findings of a plain comparison.
func TestEveryWayOfLooking(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	const rows = 240
	for m, majors := range [][2]int{{15, 18}, {18, 13}} {
		for i, harm := range harms {
			if m > 0 && i%3 != 0 {
				continue // 13 reads sweeps and multisets in other pieces
			}
			var load, damage []string
			for _, w := range ways {
				load = append(load, fmt.Sprintf("CREATE TABLE %s (%s)", w.name, w.key),
					fmt.Sprintf("ALTER TABLE %s ADD v int", w.name), fmt.Sprintf("INSERT INTO %s SELECT %s, g FROM generate_series(1, %d) g", w.name, w.row, rows))
				if harm.sql != "" {
					damage = append(damage, fmt.Sprintf(harm.sql, w.name))
				}
			}
			load = append(load, "UPDATE copies SET v = k", "ANALYZE")
			for side := range harm.sides {
				t.Run(fmt.Sprintf("%v %s on side %d", majors, harm.name, side), func(t *testing.T) {
					var urls [2]string
					for i, major := range majors {
						list := load
						if i == side {
							list = append(list[:len(list):len(list)], damage...)
						}
						urls[i] = pgcluster.Shared(t, major).TestDB(t, list...)
					}
					o := defaults()
					o.Checks, o.ChunkRows, o.Concurrency, o.MaxDiffs = []string{"ranges"}, 20, 3, 10_000
					o.Small()
					for _, o.Digest = range []hashing.Way{hashing.Auto, hashing.Stream} {
						if o.Digest == hashing.Stream && (m > 0 || i%3 != 0) {
							continue
						}
						res := verify(t, urls[0], urls[1], o)
						for _, tab := range res.Tables {
							compareWays(t, urls, tab)
						}
					}
				})
			}
		}
	}
}

// compareWays compares a table's findings with those of its rows read out.
func compareWays(t *testing.T, urls [2]string, tab checker.TableResult) {
	t.Helper()
	var sides [2]map[string]int
	for i, url := range urls {
		sides[i] = readOut(t, url, tab.Name, tab.Key)
	}
	want := map[string]bool{}
	for i := range sides {
		for row, n := range sides[i] {
			if sides[1-i][row] != n {
				key, _, _ := strings.Cut(row, "\x00")
				if len(tab.Key) == 0 {
					key = row
				}
				want[key] = true
			}
		}
	}
	if tab.Error != "" || int(tab.FindingsTotal) != len(want) || len(tab.Findings) != len(want) || tab.Chunks.Planned != tab.Chunks.Compared {
		t.Errorf("%s by %s, %s: %d findings, %d listed, want %d; %+v %q", tab.Name, tab.Plan, tab.Digest, tab.FindingsTotal, len(tab.Findings), len(want), tab.Chunks, tab.Error)
	}
	for _, f := range tab.Findings {
		if f.Count != nil {
			continue // named by its hash
		}
		var key []string
		for _, c := range tab.Key {
			key = append(key, f.Key[c])
		}
		if k := strings.Join(key, "|"); !want[k] {
			t.Errorf("%s: %s is not among what differs", tab.Name, k)
		}
	}
}

// readOut reads a table's rows as text, with their key in front, and counts them.
func readOut(t *testing.T, url, table string, key []string) map[string]int {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	named := "''"
	if len(key) > 0 {
		named = "concat_ws('|', " + strings.Join(key, ", ") + ")"
	}
	results, err := conn.Exec(t.Context(), "SELECT "+named+", t::text FROM "+table+" t").ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, r := range results[0].Rows {
		rows[string(r[0])+"\x00"+string(r[1])]++
	}
	return rows
}
