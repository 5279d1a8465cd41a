package cutover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// What is found out about a pooler's file behind the point of no return is an
// outage: so it is looked for before, as far as it can be seen from here.

// isItsFile makes sure that the file that is to be edited is one that the PgBouncer
// reads: a copy has the same entries, and nobody would notice.
func (r *run) isItsFile(ctx context.Context, b *bouncer) error {
	var main string
	err := b.console.do(ctx, func(c *postgres.Console) (err error) {
		main, err = c.ConfigFile(ctx)
		return err
	})
	if err != nil {
		return err
	}
	file, err := os.Stat(b.File)
	if err != nil {
		return fmt.Errorf("%s: %w", b.on(), err)
	}
	switch reads, err := includes(main, file, maxIncludes); {
	case err != nil:
		r.note("%s: that it reads %s could not be seen: %v", b.on(), b.File, err)
	case !reads:
		return fmt.Errorf("%s: it reads %s, which is not %s, and does not include it: an edit would lead nobody anywhere; give the file in which it reads its entries (cutover.poolers, file)", b.on(), main, b.File)
	}
	return nil
}

// maxIncludes is how deep files that include others are followed, as PgBouncer
// does.
const maxIncludes = 10

// includes tells whether a PgBouncer's configuration file is wanted, or includes it.
// An error says why that cannot be told.
func includes(path string, wanted fs.FileInfo, depth int) (bool, error) {
	if !filepath.IsAbs(path) {
		return false, fmt.Errorf("%s is relative to where it was started", path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	if os.SameFile(info, wanted) {
		return true, nil
	}
	if depth == 0 {
		return false, fmt.Errorf("%s includes too much", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	var unknown error
	for line := range strings.Lines(string(text)) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "%include ")
		if !ok {
			continue
		}
		found, err := includes(strings.TrimSpace(name), wanted, depth-1)
		if found {
			return true, nil
		}
		unknown = errors.Join(unknown, err)
	}
	return false, unknown
}

// peekPatience bounds the look at what an address leads to.
const peekPatience = 3 * time.Second

// leadThere makes sure, as far as it can be told from here, that what entries are
// to be given is the side that is switched to. A pooler may know servers by names
// of its own: what does not answer here is only noted.
func (r *run) leadThere(ctx context.Context, b *bouncer, edits []EditedFile) error {
	is, err := postgres.AddressOf(r.to.db.Side(), r.to.url)
	if err != nil {
		return err
	}
	was, err := postgres.AddressOf(r.from.db.Side(), r.from.url)
	if err != nil {
		return err
	}
	server := r.to.db.Server()
	seen := map[led]bool{}
	for _, f := range edits {
		shall, err := leadsBy(f.After)
		if err != nil || seen[shall] {
			continue
		}
		seen[shall] = true
		if shall.database != server.Database {
			return fmt.Errorf("%s: target would lead %s to %v, and the %s is database %s: correct target (dbname)", b.on(), f.entry(), shall, r.to.name, server.Database)
		}
		if shall.port == is.Port && sameHost(ctx, shall.host, is.Host) {
			continue
		}
		if shall.port == was.Port && sameHost(ctx, shall.host, was.Host) {
			return fmt.Errorf("%s: target would lead %s to %v, which is the %s: correct target (host, port)", b.on(), f.entry(), shall, r.from.name)
		}
		switch found, err := r.peek(ctx, shall); {
		case err != nil:
			r.note("%s: %s will be led to %v; that this is the %s could not be seen from here (%v): make sure that the pooler reaches it by that", b.on(), f.entry(), shall, r.to.name, err)
		case found.SystemID != server.SystemID:
			return fmt.Errorf("%s: target would lead %s to %v, and that is another server than the %s (%v): correct target (host, port)", b.on(), f.entry(), shall, r.to.name, led{is.Host, is.Port, server.Database})
		}
	}
	return nil
}

// peek looks what an address leads to, as the role of the side that is switched to.
func (r *run) peek(ctx context.Context, at led) (postgres.Server, error) {
	ctx, cancel := context.WithTimeout(ctx, peekPatience)
	defer cancel()
	db, err := postgres.Open(ctx, postgres.Options{Side: r.to.db.Side(), URL: r.to.url, Host: at.host, Port: at.port, MaxConns: 1, Run: r.id, Application: r.calls(), Primary: true})
	if err != nil {
		return postgres.Server{}, err
	}
	defer db.Close()
	return db.Server(), nil
}
