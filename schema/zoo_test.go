package schema_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
	"github.com/pgparity/pgparity/testdata/zoo"
)

// compareZoos gives the differences of two databases.
func compareZoos(t *testing.T, source, target string) []schema.Difference {
	t.Helper()
	var sides [2]*schema.Definitions
	for i, side := range []postgres.Side{postgres.Source, postgres.Target} {
		db, err := postgres.Open(t.Context(), postgres.Options{Side: side, URL: []string{source, target}[i], MaxConns: 2, Run: "zoo", StatementTimeout: 20 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		if sides[i], err = schema.Read(t.Context(), db); err != nil {
			t.Fatal(err)
		}
	}
	return schema.Compare(sides[0], sides[1], nil)
}

// What a dump brings to a newer version means the same there: nothing differs.
func TestZooAfterDumpAndRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes seconds; run without -short")
	}
	for _, majors := range [][2]int{{10, 18}, {13, 15}, {15, 18}, {10, 13}, {11, 17}, {12, 16}, {14, 18}} {
		t.Run(fmt.Sprintf("%d to %d", majors[0], majors[1]), func(t *testing.T) {
			source, target := zoo.Pair(t, majors[0], majors[1])
			for _, d := range compareZoos(t, source, target) {
				t.Errorf("%s %s\nsource: %s\ntarget: %s", d.Kind, d.Object, d.Source, d.Target)
			}
		})
	}
}

// The same statements mean the same on both sides; pg_dump 15 reads none of these
// versions, whose own things no dump above has.
func TestZooMadeTwice(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes seconds; run without -short")
	}
	for _, major := range []int{16, 17, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			for _, d := range compareZoos(t, zoo.New(t, major), zoo.New(t, major)) {
				t.Errorf("%s %s\nsource: %s\ntarget: %s", d.Kind, d.Object, d.Source, d.Target)
			}
		})
	}
}

// damage is done to a zoo of the target after the restore; found is how the
// difference is told, "kind object".
type damage struct{ sql, found string }

// damages are one of nearly each kind, of which none hides or brings another.
var damages = []damage{
	{"DROP TABLE zoo.nobody_home", "table zoo.nobody_home"},
	{"DROP TABLE zoo.sales_2021", "partition zoo.sales_2021"},
	{"ALTER TABLE zoo.fast SET LOGGED", "persistence zoo.fast"},
	{"ALTER TABLE zoo.child NO INHERIT zoo.other_base", "inherits zoo.child"},
	{"ALTER TABLE zoo.forced NO FORCE ROW LEVEL SECURITY", "row_security zoo.forced"},
	{"ALTER TABLE zoo.full_identity REPLICA IDENTITY DEFAULT", "replica_identity zoo.full_identity"},
	{"ALTER FOREIGN TABLE zoo.abroad OPTIONS (SET schema_name 'elsewhere')", "foreign_table zoo.abroad"},
	{"ALTER FOREIGN TABLE zoo.abroad ALTER id OPTIONS (SET column_name 'other')", "foreign_column zoo.abroad.id"},
	{"ALTER TABLE zoo.dropped_column DROP last", "column zoo.dropped_column.last"},
	{"ALTER TABLE zoo.stored ALTER v TYPE varchar(10000)", "column_type zoo.stored.v"},
	{`ALTER TABLE zoo.texts ALTER n TYPE text COLLATE "C"`, "column_collation zoo.texts.n"},
	{"ALTER TABLE zoo.typed ALTER v DROP NOT NULL", "not_null zoo.typed.v"},
	{"ALTER TABLE north.animals ALTER name SET DEFAULT 'fox'", "default north.animals.name"},
	{"ALTER TABLE zoo.numbered ALTER by_default SET GENERATED ALWAYS", "identity zoo.numbered.by_default"},
	{"ALTER TABLE zoo.generated ALTER gross DROP EXPRESSION", "generated zoo.generated.gross"},
	{`ALTER TABLE zoo.plain DROP CONSTRAINT "label's size"`, `constraint zoo.plain constraint "label's size"`},
	{"ALTER TABLE zoo.booked DROP CONSTRAINT later", "constraint zoo.booked constraint later"},
	{"ALTER TABLE zoo.doubtful VALIDATE CONSTRAINT plain_is", "constraint_valid zoo.doubtful constraint plain_is"},
	{"ALTER TABLE zoo.tree DISABLE TRIGGER ALL", "constraint_triggers zoo.tree constraint tree_parent_fkey"},
	{"DROP INDEX south.by_name", "index south.animals index by_name"},
	{"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zoo.by_brin'::regclass", "index_valid zoo.indexed index by_brin"},
	{`DROP TRIGGER "Odd ""trigger""" ON zoo.guarded`, `trigger zoo.guarded trigger "Odd ""trigger"""`},
	{"ALTER TABLE zoo.guarded ENABLE TRIGGER on_replica", "trigger_enabled zoo.guarded trigger on_replica"},
	{"DROP RULE never ON zoo.ruled", "rule zoo.ruled rule never"},
	{"ALTER TABLE zoo.ruled ENABLE RULE off_rule", "rule_enabled zoo.ruled rule off_rule"},
	{`ALTER POLICY "only small" ON zoo.guarded USING (w < 999)`, `policy zoo.guarded policy "only small"`},
	{"DROP EVENT TRIGGER zoo_always", "event_trigger event trigger zoo_always"},
	{"ALTER EVENT TRIGGER zoo_off ENABLE", "event_trigger_enabled event trigger zoo_off"},
	{"CREATE OR REPLACE VIEW zoo.v_checked AS SELECT id, label FROM zoo.plain WHERE id > 6 WITH LOCAL CHECK OPTION", "view zoo.v_checked"},
	{"ALTER VIEW zoo.v_barrier RESET (security_barrier)", "view zoo.v_barrier"},
	{"DROP MATERIALIZED VIEW zoo.m_of_m", "materialized_view zoo.m_of_m"},
	{"REFRESH MATERIALIZED VIEW zoo.m_empty", "materialized_view_populated zoo.m_empty"},
	{"ALTER SEQUENCE zoo.downwards NO CYCLE", "sequence zoo.downwards"},
	{"ALTER SEQUENCE zoo.numbered_small_seq OWNED BY NONE", "sequence_owned_by zoo.numbered_small_seq"},
	{"DROP FUNCTION south.speak(integer)", "function function south.speak(integer)"},
	{"CREATE OR REPLACE FUNCTION north.speak(integer) RETURNS text LANGUAGE sql AS 'SELECT $1::text '", "function_body function north.speak(integer)"},
	{"ALTER FUNCTION zoo.sum_of(numeric[]) IMMUTABLE", "function_attributes function zoo.sum_of(numeric[])"},
	{"ALTER FUNCTION zoo.twice(integer, text) RESET work_mem", "function_settings function zoo.twice(integer, text)"},
	{"DROP TYPE zoo.shell", "type type zoo.shell"},
	{"ALTER TYPE north.animal ADD VALUE 'owl' BEFORE 'fox'", "enum_labels type north.animal"},
	{"ALTER TYPE zoo.blank ADD ATTRIBUTE a integer", "type_attributes type zoo.blank"},
	{`ALTER DOMAIN zoo.words DROP CONSTRAINT words_check`, "domain_constraint type zoo.words constraint words_check"},
	{"ALTER DOMAIN zoo.small SET DEFAULT 4", "domain_default type zoo.small"},
	{"ALTER DOMAIN zoo.small DROP NOT NULL", "domain_not_null type zoo.small"},
	{"ALTER TABLE zoo.texts DROP b", "column zoo.texts.b"},
	{"DROP COLLATION zoo.bytes", "collation collation zoo.bytes"},
	{"DROP OPERATOR zoo.!# (NONE, integer)", "operator operator zoo.!#(NONE,integer)"},
	{"ALTER OPERATOR FAMILY zoo.ints USING btree ADD OPERATOR 1 > (integer, bigint)", "operator_family operator family zoo.ints for btree"},
	{"DROP CAST (zoo.mood AS bytea)", "cast cast (zoo.mood AS bytea)"},
	{"DROP CONVERSION zoo.from_latin", "conversion conversion zoo.from_latin"},
	{"DROP FUNCTION zoo.spoken()", "function function zoo.spoken()"},
	{"DROP LANGUAGE zoo_speech", "language language zoo_speech"},
	{"ALTER TEXT SEARCH CONFIGURATION zoo.tongue DROP MAPPING FOR int", "text_search_configuration text search configuration zoo.tongue"},
	{"ALTER TEXT SEARCH DICTIONARY zoo.stems (STOPWORDS = english)", "text_search_dictionary text search dictionary zoo.stems"},
	{"DROP TEXT SEARCH CONFIGURATION zoo.own_parser", "text_search_configuration text search configuration zoo.own_parser"},
	{"DROP TEXT SEARCH PARSER zoo.plain", "text_search_parser text search parser zoo.plain"},
	{"DROP TABLE zoo.other_method", "table zoo.other_method"},
	{"DROP ACCESS METHOD zoo_heap", "access_method access method zoo_heap"},
	{"ALTER FOREIGN DATA WRAPPER nowhere OPTIONS (SET keeper 'one')", "foreign_data_wrapper foreign-data wrapper nowhere"},
	{"ALTER SERVER nothing OPTIONS (SET host 'another')", "foreign_server server nothing"},
	{"DROP USER MAPPING FOR PUBLIC SERVER nothing", "user_mapping server nothing user mapping PUBLIC"},
	{"ALTER USER MAPPING FOR zoo_reader SERVER nothing OPTIONS (DROP password)", "user_mapping_options server nothing user mapping zoo_reader"},
	{"DROP EXTENSION btree_gin", "extension extension btree_gin"},
	{"ALTER EXTENSION btree_gist SET SCHEMA public", "extension_schema extension btree_gist"},
	{"DROP SCHEMA empty", "schema schema empty"},
	{"DROP STATISTICS zoo.common", "statistics statistics zoo.common"},
	{"ALTER PUBLICATION zoo_some SET (publish = 'insert')", "publication publication zoo_some"},
	{"ALTER TABLE zoo.tree OWNER TO zoo_writer", "owner zoo.tree"},
	{"REVOKE UPDATE (label) ON zoo.plain FROM zoo_writer", "privilege zoo.plain.label"},
	{"ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA zoo REVOKE SELECT ON TABLES FROM zoo_reader", "default_privileges default privileges of zoo_owner in schema zoo on tables"},
	{"DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''6MB''', current_database()); END$$", "setting database setting work_mem"},
	{"COMMENT ON COLUMN zoo.v_simple.twice IS NULL", "comment zoo.v_simple.twice"},
	{"COMMENT ON FUNCTION zoo.twice(integer) IS 'n and n'", "comment function zoo.twice(integer)"},
}

// Each damage after the restore is found, with its own kind and object, and
// nothing else is.
func TestZooDamaged(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes seconds; run without -short")
	}
	source, target := zoo.Pair(t, 15, 18)
	name := target[strings.LastIndex(target, "/")+1 : strings.Index(target, "?")]
	var want []string
	for _, d := range damages {
		if err := zoo.Cluster(t, 18).Exec(t.Context(), name, d.sql); err != nil {
			t.Errorf("%s: %v", d.sql, err)
		}
		want = append(want, d.found)
	}
	got := []string{}
	for _, d := range compareZoos(t, source, target) {
		got = append(got, d.Kind+" "+d.Object)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +found):\n%s", diff)
	}
}
