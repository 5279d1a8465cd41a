package cutover

import "context"

// Pooler is a PgBouncer in front of the source.
type Pooler struct {
	Name string
	// Admin is the connection string of its admin console (database pgbouncer).
	Admin string
	// Databases are the names of its entries that lead to the source.
	Databases []string
	// File is its configuration file, or one that it includes, in which the entries
	// stand; "" where a hook at Redirect changes it.
	File string
	// Target is what the entries are given in File: host=… port=… dbname=…. What it
	// does not name stays.
	Target string
}

func (r *run) pausePoolers(ctx context.Context) error    { return nil }
func (r *run) resumePoolers(ctx context.Context) error   { return nil }
func (r *run) redirectPoolers(ctx context.Context) error { return nil }
func (r *run) checkPoolers(ctx context.Context) error    { return nil }
func (r *run) closePoolers()                             {}
