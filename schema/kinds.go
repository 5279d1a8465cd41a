package schema

import "slices"

// Kind is one sort of fact.
type Kind struct {
	Name     string
	Severity Severity // the worst that a difference of it can be
	About    string   // what it is, for the list of hazards
}

// Kinds are all that are compared.
func Kinds() []Kind {
	list := make([]Kind, len(kinds))
	for i, k := range kinds {
		list[i] = Kind{Name: k.name, Severity: worst(k.lacks, k.extra, k.differs), About: k.about}
	}
	return list
}

func worst(list ...Severity) Severity {
	return []Severity{Block, Warn, Info}[slices.Min([]int{rank(list[0]), rank(list[1]), rank(list[2])})]
}

func rank(s Severity) int { return slices.Index([]Severity{Block, Warn, Info}, s) }

// kind is how a kind is compared and told. What a severity rests on:
//
//   - block: the target lacks it, or has it otherwise than what was written for
//     the source relies on: queries fail, rows are refused, or wrong ones taken.
//   - warn: both work, not alike.
//   - info: nothing depends on it.
type kind struct {
	name  string
	about string
	// head: it tells that the object is there at all; other facts about an
	// object that one side lacks go without saying.
	head bool
	// parsed: the text is SQL, of which versions print the same otherwise.
	parsed bool

	lacks, extra, differs Severity // the target lacks it, has it alone, has another

	then string // what follows where the target lacks it, or has another
	also string // what follows where the target alone has it, "" for nothing
}

// kinds, in the order of the reports. judge (severity.go) weighs some further.
var kinds = []kind{
	{"table", "tables", true, false, Block, Info, Block, "its rows have nowhere to go, and queries of it fail", ""},
	{"partition", "partitions and their bounds", true, true, Block, Info, Block, "rows that belong there are refused, or go to another partition", ""},
	{"partition_key", "what tables are partitioned by", false, true, Warn, Warn, Warn, "queries are planned otherwise, and partitions cannot be matched", "partitions cannot be matched"},
	{"persistence", "logged and unlogged tables", false, false, Warn, Warn, Block, "an unlogged table is empty after a crash, and no replica has its rows", ""},
	{"inherits", "inheritance of tables", false, true, Block, Warn, Block, "queries of the parent see other rows", "queries of the parent see other rows"},
	{"row_security", "row security of tables", false, false, Block, Warn, Block, "policies hide other rows than before", "policies hide rows that the source shows"},
	{"replica_identity", "replica identities", false, true, Info, Info, Info, "what replicates from the target later identifies rows otherwise", ""},
	{"foreign_table", "servers and options of foreign tables", false, false, Warn, Warn, Warn, "it reads from elsewhere", ""},
	{"storage_method", "access methods of tables", false, false, Warn, Warn, Warn, "its rows are stored otherwise", "its rows are stored otherwise"},
	{"column", "columns", true, false, Block, Info, Warn, "its values have nowhere to go, and queries of it fail", ""},
	{"column_order", "the order of columns", false, true, Warn, Warn, Warn, "INSERT and COPY without a list of columns put values elsewhere, and SELECT * gives them in another order", ""},
	{"column_type", "types of columns", false, true, Block, Block, Block, "values may not fit, or be taken otherwise", ""},
	{"column_collation", "collations of columns", false, true, Warn, Warn, Warn, "text sorts and compares otherwise", "text sorts and compares otherwise"},
	{"not_null", "columns that may hold NULL", false, false, Block, Block, Block, "NULL is taken on one side and refused on the other", "NULL is taken on one side and refused on the other"},
	{"default", "defaults of columns", false, true, Block, Warn, Warn, "rows that are inserted without a value get another", "rows that are inserted without a value get one"},
	{"identity", "identity columns", false, false, Block, Warn, Warn, "inserts get no number, or must not bring their own", "inserts must not bring their own number"},
	{"generated", "generated columns", false, true, Block, Block, Block, "the column is not computed as on the source", "replication cannot write a column that the target computes"},
	{"foreign_column", "options of foreign tables' columns", false, false, Warn, Warn, Warn, "it reads from elsewhere", ""},
	{"constraint", "constraints", true, true, Block, Block, Block, "rows that the source refuses are taken, and ON CONFLICT may fail", "rows that the source takes are refused"},
	{"constraint_valid", "constraints that are not valid or enforced", false, false, Block, Info, Block, "rows that break it may be there", ""},
	{"constraint_triggers", "foreign keys whose triggers are disabled", false, false, Block, Warn, Block, "the foreign key is not checked as on the source", ""},
	{"index", "indexes", true, true, Block, Info, Warn, "queries that it serves read the whole table", ""},
	{"index_valid", "indexes that are not valid", false, false, Block, Info, Block, "an index that is not valid serves no query", ""},
	{"trigger", "triggers", true, true, Block, Warn, Block, "writes do not do what they do on the source", "writes do more than on the source"},
	{"trigger_enabled", "when triggers fire", false, false, Block, Block, Block, "writes do not do what they do on the source", ""},
	{"rule", "rules", true, true, Block, Warn, Block, "statements are not rewritten as on the source", "statements are rewritten that are not on the source"},
	{"rule_enabled", "when rules act", false, false, Block, Block, Block, "statements are not rewritten as on the source", ""},
	{"policy", "policies of row security", true, true, Block, Warn, Block, "other rows are shown, or may be written", "other rows are shown, or may be written"},
	{"event_trigger", "event triggers", true, true, Block, Warn, Block, "DDL does not do what it does on the source", "DDL does more than on the source"},
	{"event_trigger_enabled", "when event triggers fire", false, false, Block, Block, Block, "DDL does not do what it does on the source", ""},
	{"view", "views", true, true, Block, Info, Block, "queries of it fail, or give other rows", ""},
	{"materialized_view", "materialised views", true, true, Block, Info, Block, "queries of it fail, or give other rows", ""},
	{"materialized_view_populated", "materialised views that were never filled", false, false, Block, Info, Block, "one that is not populated cannot be read: REFRESH MATERIALIZED VIEW fills it", ""},
	{"sequence", "sequences as they are defined", true, false, Block, Info, Warn, "it gives out other values, or what draws from it fails", ""},
	{"sequence_owned_by", "columns that own sequences", false, true, Warn, Warn, Warn, "dropping the column leaves the sequence behind, and tools do not find it", "dropping the column drops the sequence"},
	{"function", "functions, procedures and aggregates", true, true, Block, Info, Block, "calls of it fail, or give something else", ""},
	{"function_body", "what functions do", false, true, Block, Block, Block, "it does something else", ""},
	{"function_attributes", "how functions run", false, false, Block, Block, Block, "it is planned, or runs with privileges, otherwise", ""},
	{"function_planning", "costs and support functions of functions", false, true, Info, Info, Info, "queries may be planned otherwise", ""},
	{"function_settings", "settings of functions", false, false, Warn, Warn, Warn, "it runs with other settings", "it runs with other settings"},
	{"type", "types", true, true, Block, Info, Block, "columns and functions of that type differ or fail", ""},
	{"enum_labels", "labels of enums and their order", false, false, Block, Block, Block, "values are refused, or sort otherwise", ""},
	{"type_attributes", "attributes of composite types", false, true, Block, Block, Block, "values do not fit", ""},
	{"domain_constraint", "checks of domains", true, true, Block, Block, Block, "values that the source refuses are taken", "values that the source takes are refused"},
	{"domain_default", "defaults of domains", false, true, Block, Warn, Warn, "rows that are inserted without a value get another", "rows that are inserted without a value get one"},
	{"domain_not_null", "domains that may be NULL", false, false, Block, Block, Block, "NULL is taken on one side and refused on the other", ""},
	{"collation", "collations of the user's own", true, false, Block, Info, Block, "text sorts and compares otherwise", ""},
	{"operator", "operators", true, true, Block, Info, Block, "expressions with it fail, or give something else", ""},
	{"operator_family", "operator families", true, true, Block, Info, Block, "indexes find other rows, or cannot be made", ""},
	{"operator_class", "operator classes", true, true, Block, Info, Block, "indexes find other rows, or cannot be made", ""},
	{"cast", "casts", true, true, Block, Warn, Block, "values are not converted as on the source", "values are converted that are not on the source"},
	{"transform", "transforms of types for languages", true, false, Block, Info, Block, "functions of that language get values otherwise", ""},
	{"conversion", "conversions of encodings", true, false, Block, Info, Block, "text is not converted as on the source", ""},
	{"text_search_configuration", "text search configurations", true, true, Block, Info, Block, "searches find other rows, or fail", ""},
	{"text_search_dictionary", "text search dictionaries", true, false, Block, Info, Block, "searches find other rows, or fail", ""},
	{"text_search_parser", "text search parsers", true, false, Block, Info, Block, "searches find other rows, or fail", ""},
	{"text_search_template", "text search templates", true, false, Block, Info, Block, "dictionaries that rest on it cannot be made", ""},
	{"language", "languages", true, true, Block, Info, Block, "functions in it fail", ""},
	{"access_method", "access methods", true, true, Block, Info, Block, "what is stored by it cannot be made", ""},
	{"foreign_data_wrapper", "foreign-data wrappers", true, false, Block, Info, Warn, "servers that rest on it cannot be reached", ""},
	{"foreign_server", "foreign servers", true, false, Block, Info, Warn, "its foreign tables fail, or read from elsewhere", ""},
	{"user_mapping", "user mappings", true, false, Block, Info, Warn, "the role cannot log in to the foreign server", ""},
	{"user_mapping_options", "which options user mappings have", false, false, Warn, Warn, Warn, "the role may not get in to the foreign server", ""},
	{"extension", "extensions", true, false, Block, Info, Warn, "what rests on it fails", ""},
	{"extension_version", "versions of extensions", false, false, Warn, Warn, Warn, "it may behave otherwise: ALTER EXTENSION … UPDATE", ""},
	{"extension_schema", "schemas of extensions", false, true, Warn, Warn, Warn, "names that are not qualified may not find its functions", ""},
	{"extension_config", "configuration tables of extensions", false, true, Warn, Warn, Warn, "a dump carries other rows of the extension's tables", ""},
	{"schema", "schemas", true, false, Block, Info, Warn, "what belongs there cannot be made", ""},
	{"statistics", "extended statistics", true, true, Info, Info, Info, "queries may be planned otherwise", ""},
	{"publication", "publications", true, false, Info, Info, Info, "what subscribes to it does not find it here", ""},
	{"publication_content", "what publications publish", false, true, Info, Info, Info, "other changes go to what subscribes to it", "other changes go to what subscribes to it"},
	{"role", "roles and their attributes", true, false, Block, Info, Block, "it cannot log in, or may do other things", ""},
	{"password", "roles that have a password", false, false, Block, Info, Warn, "the role cannot log in by password", ""},
	{"membership", "memberships of roles", false, false, Block, Warn, Warn, "the role lacks what it may do through the other", "the role may do more than on the source"},
	{"owner", "owners", false, true, Block, Block, Block, "other roles may alter it, or act as its owner", ""},
	{"privilege", "privileges", false, false, Block, Warn, Block, "statements of the roles that lack it are refused", "roles may do more than on the source"},
	{"default_privileges", "default privileges", false, false, Warn, Warn, Warn, "objects to come get other privileges", "objects to come get other privileges"},
	{"setting", "settings of the database and its roles", false, false, Warn, Warn, Warn, "sessions run with other settings", "sessions run with other settings"},
	{"database_encoding", "the database's encoding", false, false, Warn, Warn, Warn, "characters may not fit, and bytes differ", ""},
	{"database_locale", "the database's locale", false, false, Warn, Warn, Warn, "text sorts and compares otherwise", ""},
	{"database_connection_limit", "the database's connection limit", false, false, Warn, Warn, Warn, "other numbers of clients get in", ""},
	{"security_label", "security labels", false, false, Warn, Warn, Warn, "what guards or masks by labels treats it otherwise", "what guards or masks by labels treats it otherwise"},
	{"comment", "comments", false, false, Info, Info, Info, "", ""},
}

// kindNamed finds a kind.
var kindNamed = func() map[string]*kind {
	m := map[string]*kind{}
	for i := range kinds {
		m[kinds[i].name] = &kinds[i]
	}
	return m
}()
