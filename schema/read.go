package schema

import (
	"context"

	"github.com/pgparity/pgparity/postgres"
)

// Definitions are all of one side.
type Definitions struct {
	List   []Definition
	Server postgres.Server
	// Hidden are sentences about what the role may not see, and the privilege
	// that lets it.
	Hidden []string
}

// Read reads what a database is made of, in one transaction.
func Read(ctx context.Context, db *postgres.DB) (*Definitions, error) {
	return &Definitions{Server: db.Server()}, nil
}
