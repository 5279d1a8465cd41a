package soak_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// stock is a table of the load. A row goes by its n, whatever its key is.
type stock struct {
	name    string
	keys    string // the key's columns, "" where there is none
	key     string // their values, in terms of n
	ddl     []string
	rows    int  // n is below it
	toasted bool // big is stored out of line
	// truncated: TRUNCATE is among its changes.
	truncated bool
	plans     []string // that it may be compared by
}

const (
	// body are the columns that all tables have beside their key's.
	body = "n int NOT NULL, v int NOT NULL, note text, big text"
	// Every tenth n is left alone by the load: those are the damaged ones.
	moves = "n % 10 <> 9"
	// filled tells which rows there are at first. Of those that are left alone
	// the digit before the last tells what they are for (see reserve).
	filled = "CASE WHEN n % 10 = 9 THEN n / 10 % 10 IN (0, 1, 2, 3, 6, 8) ELSE n % 3 > 0 END"
)

// stocks are the tables that a source of a major version has: most of `rows`
// rows, the one of the big transactions of `big`.
func stocks(major, rows, big int) []*stock {
	list := []*stock{
		{name: "items", keys: "id", key: "n", rows: big, plans: []string{"ranges", "sweep"}, ddl: []string{
			"CREATE TABLE items (id int PRIMARY KEY, " + body + ") WITH (fillfactor = 80)", "CREATE INDEX ON items (v)", "CREATE INDEX ON items (n)"}},
		{name: "tags", keys: "name", key: "to_char(n::bigint * 7919 % 1000003, 'FM0000000') || '-ä' || n", rows: rows, plans: []string{"sweep"}, ddl: []string{
			"CREATE TABLE tags (name text PRIMARY KEY, " + body + ")", "CREATE INDEX ON tags (n)"}},
		{name: "refs", keys: "id", key: "md5(n::text)::uuid", rows: rows, toasted: true, plans: []string{"ranges", "sweep"}, ddl: []string{
			"CREATE TABLE refs (id uuid PRIMARY KEY, " + body + ")", "CREATE INDEX ON refs (n)", "ALTER TABLE refs ALTER big SET STORAGE EXTERNAL"}},
		{name: "lines", keys: "a, b", key: "n / 50, (n % 50)::smallint", rows: rows, plans: []string{"ranges", "sweep"}, ddl: []string{
			"CREATE TABLE lines (a int, b smallint, " + body + ", PRIMARY KEY (a, b)) WITH (fillfactor = 70)", "CREATE INDEX ON lines (n)"}},
		{name: "wide", keys: "id", key: "n::bigint * 1000003", rows: rows / 2, toasted: true, plans: []string{"ranges", "sweep"}, ddl: []string{
			"CREATE TABLE wide (id bigint PRIMARY KEY, " + body + ")", "CREATE INDEX ON wide (n)", "ALTER TABLE wide ALTER big SET STORAGE EXTERNAL"}},
		{name: "events", rows: rows / 2, plans: []string{"multiset"}, ddl: []string{
			"CREATE TABLE events (" + body + ")", "CREATE INDEX ON events (n)", "ALTER TABLE events REPLICA IDENTITY FULL"}},
		{name: "flushed", keys: "id", key: "n", rows: rows / 2, truncated: major >= 11, plans: []string{"ranges", "sweep"}, ddl: []string{ // 10 publishes no TRUNCATE
			"CREATE TABLE flushed (id int PRIMARY KEY, " + body + ")", "CREATE INDEX ON flushed (n)"}},
	}
	if major >= 11 { // before, a partitioned table has no key
		list = append(list, &stock{name: "parts", keys: "id", key: "n", rows: rows, plans: []string{"ranges", "sweep"}, ddl: []string{
			"CREATE TABLE parts (id int PRIMARY KEY, " + body + ") PARTITION BY RANGE (id)", "CREATE INDEX ON parts (n)",
			fmt.Sprintf("CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (%d)", rows/3),
			fmt.Sprintf("CREATE TABLE parts_middle PARTITION OF parts FOR VALUES FROM (%d) TO (%d)", rows/3, 2*rows/3),
			fmt.Sprintf("CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (%d) TO (MAXVALUE)", 2*rows/3)}})
	}
	return list
}

// definitions make and fill the table.
func (s *stock) definitions() []string {
	return append(append([]string{}, s.ddl...), s.insert(0, s.rows-1, filled, "first"))
}

// insert makes the rows from a to b that a condition lets.
func (s *stock) insert(a, b int, where, note string) string {
	big := "NULL"
	if s.toasted {
		big = "repeat(md5('" + note + "' || n), 80)" // over 2 kB, and so out of line
	}
	conflict := ""
	if s.keys != "" {
		conflict = " ON CONFLICT DO NOTHING"
	}
	return fmt.Sprintf("INSERT INTO %s (%s, v, note, big) SELECT %s, n, '%s ' || n, %s FROM generate_series(%d, %d) n WHERE %s%s",
		s.name, s.columns(), s.values(), note, big, a, b, where, conflict)
}

func (s *stock) columns() string { return strings.TrimPrefix(s.keys+", n", ", ") }
func (s *stock) values() string  { return strings.TrimPrefix(s.key+", n", ", ") }

// rekey gives the row `from` the key of `to`, and changes its columns as set says.
func (s *stock) rekey(from, to int, set string) string {
	return fmt.Sprintf("UPDATE %s SET (%s) = (SELECT %s FROM generate_series(%d, %[4]d) n), %s WHERE n = %d AND NOT EXISTS (SELECT FROM %[1]s o WHERE o.n = %[4]d)",
		s.name, s.columns(), s.values(), to, set, from)
}

// hot is how many rows get half of all changes.
const hot = 40

// draw is an n that the load may write.
func (s *stock) draw(r *rand.Rand) int {
	n := r.IntN(s.rows / 10)
	if r.IntN(2) == 0 {
		n = r.IntN(hot/9+1) * (s.rows / 10 / (hot/9 + 1)) // all over the table
	}
	return n*10 + r.IntN(9)
}

// change is something that a transaction does to one table.
type change struct {
	name   string
	weight int
	fits   func(*stock) bool
	sql    func(s *stock, r *rand.Rand) string
}

func everywhere(*stock) bool { return true }

var changes = []change{
	{"insert", 15, everywhere, func(s *stock, r *rand.Rand) string {
		n := s.draw(r)
		return s.insert(n, n+r.IntN(10), moves, word(r))
	}},
	{"update a column", 20, everywhere, func(s *stock, r *rand.Rand) string {
		return fmt.Sprintf("UPDATE %s SET note = '%s' WHERE n = %d", s.name, word(r), s.draw(r))
	}},
	{"update an indexed column", 15, everywhere, func(s *stock, r *rand.Rand) string {
		return fmt.Sprintf("UPDATE %s SET v = v + %d WHERE n = %d", s.name, r.IntN(9), s.draw(r)) // by 0, too
	}},
	{"update several", 5, everywhere, func(s *stock, r *rand.Rand) string {
		n := s.draw(r)
		return fmt.Sprintf("UPDATE %s SET v = v + 1, note = nullif('%s', note) WHERE n BETWEEN %d AND %d AND %s", s.name, word(r), n, n+r.IntN(30), moves)
	}},
	{"update out of line", 10, func(s *stock) bool { return s.toasted }, func(s *stock, r *rand.Rand) string {
		return fmt.Sprintf("UPDATE %s SET big = repeat(md5('%s'), %d) WHERE n = %d", s.name, word(r), 60+r.IntN(80), s.draw(r))
	}},
	{"out of line to short and NULL", 3, func(s *stock) bool { return s.toasted }, func(s *stock, r *rand.Rand) string {
		return fmt.Sprintf("UPDATE %s SET big = %s WHERE n = %d", s.name, []string{"NULL", "''", "'short'"}[r.IntN(3)], s.draw(r))
	}},
	{"delete", 8, everywhere, func(s *stock, r *rand.Rand) string {
		return fmt.Sprintf("DELETE FROM %s WHERE n = %d", s.name, s.draw(r))
	}},
	{"toggle", 10, everywhere, func(s *stock, r *rand.Rand) string {
		n := s.draw(r)
		return fmt.Sprintf("DELETE FROM %s WHERE n = %d; %s", s.name, n, s.insert(n, n, moves, word(r)))
	}},
	{"another key", 8, everywhere, func(s *stock, r *rand.Rand) string {
		return s.rekey(s.draw(r), s.draw(r), "v = v + 1")
	}},
	{"there and back", 4, everywhere, func(s *stock, r *rand.Rand) string {
		from, to := s.draw(r), s.draw(r)
		return s.rekey(from, to, "v = v + 1") + "; " + s.rekey(to, from, "note = note")
	}},
	{"truncate and fill", 3, func(s *stock) bool { return s.truncated }, func(s *stock, r *rand.Rand) string {
		return "TRUNCATE " + s.name + "; " + s.insert(0, r.IntN(s.rows), moves, word(r))
	}},
	{"truncate", 2, func(s *stock) bool { return s.truncated }, func(s *stock, _ *rand.Rand) string {
		return "TRUNCATE " + s.name
	}},
}

func word(r *rand.Rand) string { return fmt.Sprintf("w%x", r.Uint32N(1<<16)) }

// ending is how a transaction goes on and ends.
type ending struct {
	name   string
	weight int
	// wrap gives the statements up to where the session may rest, and the rest.
	wrap func(body, more, id string) (sql, then string)
}

var endings = []ending{
	{"commit", 50, func(body, _, _ string) (string, string) { return "BEGIN; " + body + "; COMMIT", "" }},
	{"commit asynchronously", 20, func(body, _, _ string) (string, string) {
		return "BEGIN; SET LOCAL synchronous_commit = off; " + body + "; COMMIT", ""
	}},
	{"rollback", 5, func(body, _, _ string) (string, string) { return "BEGIN; " + body + "; ROLLBACK", "" }},
	{"roll back to a savepoint", 8, func(body, more, _ string) (string, string) {
		return "BEGIN; SAVEPOINT a; " + more + "; ROLLBACK TO a; " + body + "; COMMIT", ""
	}},
	{"release a savepoint", 8, func(body, more, _ string) (string, string) {
		return "BEGIN; " + body + "; SAVEPOINT a; " + more + "; RELEASE a; COMMIT", ""
	}},
	{"commit after a rest", 5, func(body, _, _ string) (string, string) { return "BEGIN; " + body, "COMMIT" }},
	{"commit prepared", 6, func(body, _, id string) (string, string) {
		return "BEGIN; " + body + "; PREPARE TRANSACTION '" + id + "'", "COMMIT PREPARED '" + id + "'"
	}},
	{"roll back prepared", 3, func(body, _, id string) (string, string) {
		return "BEGIN; " + body + "; PREPARE TRANSACTION '" + id + "'", "ROLLBACK PREPARED '" + id + "'"
	}},
}

// pick draws one by weight.
func pick[T any](r *rand.Rand, list []T, weight func(T) int) T {
	sum := 0
	for _, e := range list {
		sum += weight(e)
	}
	left := r.IntN(sum)
	for _, e := range list {
		if left -= weight(e); left < 0 {
			return e
		}
	}
	return list[len(list)-1]
}
