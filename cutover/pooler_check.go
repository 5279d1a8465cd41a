package cutover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// checkPoolers makes sure, before anything is touched, that each pooler can be
// paused, leads to the side that is switched from, and can be led to the other.
// It makes the connections that the window uses, and remembers what stands in
// the files. Behind the point of no return nothing of that need be so any more:
// they are paused, or lead to the other side already.
func (r *run) checkPoolers(ctx context.Context) error {
	if r.passed() {
		return nil
	}
	for i, b := range r.bouncers() {
		if slices.ContainsFunc(r.o.Poolers[:i], func(p Pooler) bool { return p.Name == b.Name }) {
			return fmt.Errorf("two poolers are called %s: give each a name of its own", b.Name)
		}
		if len(b.Databases) == 0 {
			return fmt.Errorf("%s: say which of its entries lead to the %s", b.on(), r.from.name)
		}
		a := Action{ID: "pooler-ready", On: b.on(), Do: "SHOW DATABASES", Why: "it can be paused, and leads to the " + r.from.name}
		if err := r.gate(ctx, a, func(ctx context.Context) error { return r.checkPooler(ctx, b) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) checkPooler(ctx context.Context, b *bouncer) error {
	if err := b.open(ctx); err != nil {
		return err
	}
	list, err := b.console.databases(ctx)
	if err != nil {
		return err
	}
	for _, name := range b.Databases {
		i := slices.IndexFunc(list, func(d postgres.PooledDatabase) bool { return d.Name == name })
		switch {
		case i < 0:
			return fmt.Errorf("%s: it has no entry %s: name entries of its [databases] (one that * stands for cannot be led elsewhere alone)", b.on(), name)
		case list[i].Paused:
			return fmt.Errorf("%s: the entry %s is paused already: somebody is at work there, or has forgotten it; when nobody is, type on its console %s, and run again", b.on(), name, postgres.ResumeSQL(name))
		case list[i].Disabled:
			return fmt.Errorf("%s: the entry %s is disabled: type on its console ENABLE, or leave it out, and run again", b.on(), name)
		}
		if err := b.console.do(ctx, func(c *postgres.Console) error { return c.MayAdminister(ctx, name) }); err != nil {
			return err
		}
		if err := r.leadsThere(ctx, b, list[i]); err != nil {
			return err
		}
	}
	if err := r.noteSessions(ctx, b); err != nil {
		return err
	}
	return r.checkFile(ctx, b, list)
}

// leadsThere makes sure, as far as can be told, that an entry leads to the side
// that is switched from: its address and database are the same, or one of its
// connections is a session there.
func (r *run) leadsThere(ctx context.Context, b *bouncer, d postgres.PooledDatabase) error {
	is, err := postgres.AddressOf(r.from.db.Side(), r.from.url)
	if err != nil {
		return err
	}
	shall := led{is.Host, is.Port, r.from.db.Server().Database}
	if d.Database == shall.database {
		if d.Port == shall.port && sameHost(ctx, d.Host, shall.host) {
			return nil
		}
		if seen, err := r.seesSession(ctx, b, d.Name); err != nil || seen {
			return err
		}
	}
	return fmt.Errorf("%s: its entry %s leads to %v, and the %s is %v: correct what is wrong; where these are two names of one server, have a client connect through it (by its session it is seen then), and run again",
		b.on(), d.Name, leadsNow(d), r.from.name, shall)
}

// sameHost tells whether two hosts are known to be one.
func sameHost(ctx context.Context, a, b string) bool {
	if a == b {
		return true
	}
	of := func(host string) (list []netip.Addr) {
		if host == "" || strings.ContainsAny(host, "/,") {
			return nil
		}
		found, _ := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		for _, ip := range found {
			list = append(list, ip.Unmap())
		}
		return list
	}
	there := of(b)
	return slices.ContainsFunc(of(a), func(ip netip.Addr) bool { return slices.Contains(there, ip) })
}

// seesSession tells whether a connection of an entry is a session of the side
// that is switched from: the same process, and the same end of the connection.
// Process numbers alone are alike on many a server in a container.
func (r *run) seesSession(ctx context.Context, b *bouncer, entry string) (bool, error) {
	sessions, err := rows(ctx, r.from.control, "pooler", `SELECT pid, client_port FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() AND client_port IS NOT NULL`,
		func(row postgres.Row) [2]string { return [2]string{row.Text(0), row.Text(1)} })
	if err != nil {
		return false, err
	}
	var list []postgres.PooledServer
	err = b.console.do(ctx, func(c *postgres.Console) error {
		list, err = c.Servers(ctx)
		return err
	})
	return slices.ContainsFunc(list, func(s postgres.PooledServer) bool {
		local := [2]string{s.PID, "-1"} // through a Unix socket
		return s.Entry == entry && (slices.Contains(sessions, [2]string{s.PID, s.LocalPort}) || slices.Contains(sessions, local))
	}), err
}

// noteSessions warns of pools that lend a connection for as long as a client is
// connected: a PAUSE waits until it is not.
func (r *run) noteSessions(ctx context.Context, b *bouncer) error {
	var pools []postgres.Pool
	err := b.console.do(ctx, func(c *postgres.Console) (err error) {
		pools, err = c.Pools(ctx)
		return err
	})
	for _, p := range pools {
		if p.Mode == "session" && slices.Contains(b.Databases, p.Database) {
			r.note("%s: clients of %s have sessions (pool_mode): it can be paused only when all of them are gone", b.on(), p.Database)
		}
	}
	return err
}

// checkFile makes sure that the file can be replaced, is the one that the pooler
// has read, and has each entry; and remembers what stands there.
func (r *run) checkFile(ctx context.Context, b *bouncer, list []postgres.PooledDatabase) error {
	if b.File == "" {
		return nil
	}
	edits, err := r.edits(b.Pooler, r.direction == Rollback)
	if err != nil {
		return err
	}
	for _, f := range edits {
		is, err := leadsBy(f.Before)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(d postgres.PooledDatabase) bool { return d.Name == f.entry() })
		if now := leadsNow(list[i]); is != now {
			return fmt.Errorf("%s: %s leads %s to %v, and the PgBouncer leads it to %v: it is not its file, or has to be read first (RELOAD)", b.on(), b.File, f.entry(), is, now)
		}
	}
	if err := replaceable(b.File); err != nil {
		return fmt.Errorf("%s: %w", b.on(), err)
	}
	if err := r.isItsFile(ctx, b); err != nil || r.direction == Rollback {
		return err
	}
	r.remember(edits)
	return r.leadThere(ctx, b, edits)
}

// led is where an entry leads.
type led struct{ host, port, database string }

func (l led) String() string {
	switch {
	case l.host == "":
		return fmt.Sprintf("database %s at a Unix socket of its own choice, port %s", l.database, l.port)
	case strings.HasPrefix(l.host, "/"):
		return fmt.Sprintf("database %s at %s, port %s", l.database, l.host, l.port)
	}
	return fmt.Sprintf("database %s at %s", l.database, net.JoinHostPort(l.host, l.port))
}

// with gives it one setting of an entry.
func (l led) with(s setting) led {
	switch s.key {
	case "host":
		l.host = s.value
	case "port":
		l.port = s.value
	case "dbname":
		l.database = s.value
	}
	return l
}

func leadsNow(d postgres.PooledDatabase) led { return led{d.Host, d.Port, d.Database} }

// leadsBy reads a line of a file.
func leadsBy(line string) (led, error) {
	name, _, ok := entryName(line)
	if !ok {
		return led{}, errors.New("it is no entry")
	}
	e := &entry{text: line, name: name}
	l := led{port: "5432", database: name}
	err := e.parse()
	for _, s := range e.settings {
		l = l.with(s)
	}
	return l, err
}
