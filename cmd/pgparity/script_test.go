package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// canary is the password of every role that a script makes. It must be in no
// output of any command.
const canary = "s3cret-CANARY-p4ss"

// suite stops the clusters after the last test; testscript.Main exits.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if err := pgcluster.StopShared(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"pgparity": main})
}

// TestScripts runs testdata/script/*.txtar. Each reads as documentation of
// the command line; those that need servers begin with a [short] skip.
// Beside testscript's own commands they use:
//
//	createdb NAME MAJOR [FILE]…   a new database; $NAME is its URL, $NAME_DB its name, $NAME_HOST host:port
//	                              MAJOR-own: of a server of preflight's own, for roles are all databases'
//	sql NAME STATEMENT|FILE…      runs statements in it as its superuser
//	login VAR NAME ROLE           lets the role log in with the canary as its password; $VAR is its URL
//	exits CODE COMMAND…           runs a command, which must exit with just that code
//	start NAME COMMAND…           runs one in the background, with $FROM and $TO in its environment
//	interrupt NAME                sends it SIGINT
//	pause NAME                    sends it SIGUSR1
//	awaits NAME TEXT              waits until its stderr holds the text
//	finish NAME CODE              waits for its end; its output is stdout.NAME and stderr.NAME
//	until NAME QUERY              waits until the query is true
//	lock NAME TABLE               holds an exclusive lock to the end of the script
//	contains FILE TEXT            the file holds the text, letter by letter
func TestScripts(t *testing.T) {
	b := &bench{t: t, clusters: map[string]*pgcluster.Cluster{}}
	if !testing.Short() {
		for _, major := range []int{10, 15, 18} {
			b.clusters[strconv.Itoa(major)] = pgcluster.Shared(t, major)
		}
		for _, major := range []int{15, 18} {
			b.clusters[fmt.Sprintf("%d-own", major)] = pgcluster.SharedWith(t, fmt.Sprintf("own %d", major), pgcluster.Options{Major: major})
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Values[stateKey{}] = &state{databases: map[string]database{}, running: map[string]*process{}}
			env.Setenv("CANARY", canary)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"createdb": b.createdb, "sql": runSQL, "login": login, "exits": exits,
			"start": start, "interrupt": interrupt, "pause": pauseRun, "awaits": awaits, "finish": finish,
			"until": until, "lock": lock, "contains": contains,
		},
	})
}

// bench holds what all scripts share.
type bench struct {
	t        *testing.T
	clusters map[string]*pgcluster.Cluster
}

type (
	stateKey struct{}
	state    struct {
		databases map[string]database
		running   map[string]*process
	}
	database struct {
		cluster   *pgcluster.Cluster
		url, name string
	}
	process struct {
		cmd            *exec.Cmd
		stdout, stderr buffer
		done           chan error
	}
)

func stateOf(ts *testscript.TestScript) *state { return ts.Value(stateKey{}).(*state) }

func (b *bench) createdb(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: createdb NAME MAJOR [FILE]…")
	}
	c := b.clusters[args[1]]
	if c == nil {
		ts.Fatalf("no server of major version %s here", args[1])
	}
	dsn := c.TestDB(b.t)
	u, err := url.Parse(dsn)
	ts.Check(err)
	stateOf(ts).databases[args[0]] = database{c, dsn, strings.TrimPrefix(u.Path, "/")}
	ts.Setenv(args[0], dsn)
	ts.Setenv(args[0]+"_DB", strings.TrimPrefix(u.Path, "/"))
	ts.Setenv(args[0]+"_HOST", u.Host)
	for _, file := range args[2:] {
		execSQL(ts, args[0], ts.ReadFile(file))
	}
}

func find(ts *testscript.TestScript, name string) database {
	db, ok := stateOf(ts).databases[name]
	if !ok {
		ts.Fatalf("no database %s: createdb it first", name)
	}
	return db
}

func runSQL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: sql NAME STATEMENT|FILE…")
	}
	for _, s := range args[1:] {
		if !strings.Contains(s, " ") {
			s = ts.ReadFile(s)
		}
		execSQL(ts, args[0], s)
	}
}

func execSQL(ts *testscript.TestScript, name, sql string) {
	db := find(ts, name)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ts.Check(db.cluster.Exec(ctx, db.name, sql))
}

func login(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: login VAR NAME ROLE")
	}
	db, role := find(ts, args[1]), args[2]
	execSQL(ts, args[1], "ALTER ROLE "+pgx.Identifier{role}.Sanitize()+" LOGIN PASSWORD '"+canary+"'")
	ts.Setenv(args[0], db.cluster.UserURL(role, canary, db.name))
	cluster := db.cluster
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		// Roles belong to the cluster, and their privileges to the database.
		_ = cluster.Exec(ctx, db.name, "DROP OWNED BY "+pgx.Identifier{role}.Sanitize())
		_ = cluster.Exec(ctx, db.name, "DROP ROLE "+pgx.Identifier{role}.Sanitize())
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	checkCode(ts, args[0], err)
	guard(ts, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

func checkCode(ts *testscript.TestScript, want string, err error) {
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// guard fails when a secret came out.
func guard(ts *testscript.TestScript, outputs ...string) {
	for _, out := range outputs {
		if strings.Contains(out, canary) {
			ts.Fatalf("the output holds the password")
		}
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start NAME COMMAND…")
	}
	path, err := exec.LookPath(args[1])
	ts.Check(err)
	p := &process{cmd: exec.Command(path, args[2:]...), done: make(chan error, 1)}
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = append(os.Environ(), "HOME="+ts.Getenv("HOME"), "FROM="+ts.Getenv("FROM"), "TO="+ts.Getenv("TO"))
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	ts.Check(p.cmd.Start())
	go func() { p.done <- p.cmd.Wait() }()
	stateOf(ts).running[args[0]] = p
	ts.Defer(func() { _ = p.cmd.Process.Kill() })
}

func running(ts *testscript.TestScript, name string) *process {
	p := stateOf(ts).running[name]
	if p == nil {
		ts.Fatalf("nothing was started as %s", name)
	}
	return p
}

func interrupt(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(running(ts, args[0]).cmd.Process.Signal(syscall.SIGINT))
}

func awaits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: awaits NAME TEXT")
	}
	p := running(ts, args[0])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !strings.Contains(p.stderr.String(), args[1]) {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s did not say %q: %s", args[0], args[1], p.stderr.String())
		}
	}
}

func finish(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: finish NAME CODE")
	}
	p := running(ts, args[0])
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case err := <-p.done:
		checkOutput(ts, args[0], p)
		checkCode(ts, args[1], err)
	case <-timer.C:
		ts.Fatalf("%s did not end", args[0])
	}
}

func checkOutput(ts *testscript.TestScript, name string, p *process) {
	ts.Logf("[stdout]\n%s[stderr]\n%s", p.stdout.String(), p.stderr.String())
	guard(ts, p.stdout.String(), p.stderr.String())
	ts.Check(os.WriteFile(ts.MkAbs("stdout."+name), []byte(p.stdout.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("stderr."+name), []byte(p.stderr.String()), 0o600))
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until NAME QUERY")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, find(ts, args[0]).url)
	ts.Check(err)
	defer conn.Close(context.WithoutCancel(ctx))
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		var ok bool
		if err := conn.QueryRow(ctx, args[1]).Scan(&ok); err != nil {
			ts.Fatalf("until: %v", err)
		}
		if ok {
			return
		}
		<-tick.C
	}
}

func lock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lock NAME TABLE")
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, find(ts, args[0]).url)
	ts.Check(err)
	ts.Defer(func() { _ = conn.Close(ctx) })
	_, err = conn.Exec(ctx, "BEGIN; LOCK TABLE "+args[1]+" IN ACCESS EXCLUSIVE MODE")
	ts.Check(err)
}

func contains(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: contains FILE TEXT")
	}
	text := ts.ReadFile(args[0])
	if strings.Contains(text, args[1]) == neg {
		ts.Fatalf("%s contains %q: %v", args[0], args[1], !neg)
	}
}
