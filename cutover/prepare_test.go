package cutover

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
)

// rejoin reads both catalogs again, for what a test changed since.
func rejoin(t *testing.T, r *run) (*pairing.Pair, error) {
	t.Helper()
	from, err := r.from.db.ReadCatalog(t.Context())
	if err != nil {
		return nil, err
	}
	to, err := r.to.db.ReadCatalog(t.Context())
	if err != nil {
		return nil, err
	}
	return pairing.Join(from, to, r.o.Verify.Pairing)
}

// role makes a role without privileges on both clusters, of a name of its own.
func (w *world) role(t *testing.T, name string) string {
	t.Helper()
	role := fmt.Sprintf("%s_%d", name, worlds.Add(1))
	for _, p := range []*place{w.source, w.target} {
		p.exec(t, "CREATE ROLE "+postgres.Ident(role)+" LOGIN PASSWORD 'secret'")
		t.Cleanup(func() {
			for _, sql := range []string{"DROP OWNED BY ", "DROP ROLE "} {
				if _, err := p.conn.Exec(context.Background(), sql+postgres.Ident(role)); err != nil {
					t.Errorf("%s: %v", sql, err)
				}
			}
		})
	}
	return role
}

// forRole is the place's URL for a role.
func (p *place) forRole(role string) string {
	u, err := url.Parse(p.url)
	if err != nil {
		panic(err)
	}
	return p.cluster.UserURL(role, "secret", strings.TrimPrefix(u.Path, "/"))
}
