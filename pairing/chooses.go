package pairing

// Chooses tells whether a filter asks for a table, by its unquoted names.
func (f Filter) Chooses(schema, name string) bool {
	chosen, _ := f.chosen(schema, name)
	return chosen
}
