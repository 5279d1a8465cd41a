package preflight

// Package schema damages an object of every kind (TestDamages), and finds it.
func init() {
	for _, d := range schemaDetectors() {
		livesElsewhere[d.ID] = "schema: TestDamages"
	}
}
