package preflight

import "context"

// lagWatch is how the replication's lag went while it was watched.
type lagWatch struct{}

// watch looks at the replication's health, and again after Options.Measure.
func (f *facts) watch(ctx context.Context) error { return nil }
