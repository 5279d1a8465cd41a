package schema

// Compare gives the differences between two sides, ordered by object and kind.
// chosen says which tables are looked at, by report name; nil is all, and then
// what belongs to no table is compared as well.
func Compare(source, target *Definitions, chosen func(table string) bool) []Difference {
	return nil
}

// Kind is one sort of fact.
type Kind struct {
	Name     string
	Severity Severity // of a difference
	About    string   // what it is, for the list of hazards
}

// Kinds are all that are compared.
func Kinds() []Kind { return nil }
