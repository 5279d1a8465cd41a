package postgres

import (
	"context"
	"fmt"
	"regexp"
)

// Features are the names that a server's own catalogs have: what differs
// between versions, and between a version and what a provider made of it, is
// asked for by name rather than concluded from a number.
type Features struct{ names map[string]bool }

// Has tells whether there is a column of a system catalog or view
// (pg_publication.pubtruncate), such a relation (pg_stat_subscription_stats), a
// function of pg_catalog (pg_partition_root()) or a setting (setting wal_level).
func (f Features) Has(name string) bool { return f.names[name] }

// conditional is {{name ? with : without}} in a statement.
var conditional = regexp.MustCompile(`(?s)\{\{([^{}?]+?) \? (.*?) : (.*?)\}\}`)

// Fill resolves each {{name ? with : without}} of a statement: with where the
// server Has the name, else without. Comment lines are left out.
func (f Features) Fill(sql string) string {
	return conditional.ReplaceAllStringFunc(comments.ReplaceAllString(sql, ""), func(m string) string {
		part := conditional.FindStringSubmatch(m)
		if f.Has(part[1]) {
			return part[2]
		}
		return part[3]
	})
}

// ReadFeatures reads them, once: they stay what they are as long as a server
// runs, and another one is refused (recognise). No privilege is needed.
func (db *DB) ReadFeatures(ctx context.Context) (Features, error) {
	db.mu.Lock()
	known := db.features
	db.mu.Unlock()
	if known.names != nil {
		return known, nil
	}
	f := Features{names: map[string]bool{}}
	err := db.Read(ctx, "features", func(ctx context.Context, s *Session) error {
		return s.Each(ctx, db.statement("features"), func(r Row) error {
			f.names[r.Text(0)] = true
			return nil
		})
	})
	if err != nil {
		return Features{}, fmt.Errorf("features: %w", err)
	}
	db.mu.Lock()
	db.features = f
	db.mu.Unlock()
	return f, nil
}
