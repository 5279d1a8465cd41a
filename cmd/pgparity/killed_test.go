package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// TestKilled kills verify (SIGKILL) every few steps and starts it again with
// the same --resume file, until it comes to its end: the report is that of a run
// at one go, and the file holds no password.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: needs servers; run without -short")
	}
	made := []string{
		`CREATE TABLE ranged (id bigint PRIMARY KEY, a int, b text)`,
		`INSERT INTO ranged SELECT g, g % 97, 'row ' || g FROM generate_series(1, 20000) g`,
		`CREATE TABLE swept (id text PRIMARY KEY, b text)`,
		`INSERT INTO swept SELECT 'k' || g, repeat('x', 100) FROM generate_series(1, 20000) g`,
		`CREATE TABLE heap (a int, b text)`,
		`INSERT INTO heap SELECT g / 3, repeat('y', 100) FROM generate_series(1, 20000) g`,
		`ANALYZE`,
	}
	damage := []string{
		`UPDATE ranged SET b = 'other' WHERE id IN (7, 9000, 19990)`, `DELETE FROM swept WHERE id = 'k4000'`,
		`UPDATE heap SET a = -1 WHERE a = 1500`,
	}
	source := asReader(t, pgcluster.Shared(t, 15), made...)
	target := asReader(t, pgcluster.Shared(t, 18), append(slices.Clone(made), damage...)...)
	dir := t.TempDir()
	file := filepath.Join(dir, "journal")
	args := []string{"verify", "--source", source, "--target", target, "--chunk-rows", "500", "--concurrency", "1", "--max-diffs", "1000", "--output", "json"}
	want, code := verdictOf(t, exec.Command("pgparity", append(args, "--progress", "none")...))
	if code != exitMismatch {
		t.Fatalf("exit code %d", code)
	}
	args = append(args, "--resume", file, "--progress", "json")
	kills := 0
	for ; ; kills++ {
		if kills > 100 {
			t.Fatal("it gets nowhere")
		}
		cmd := exec.Command("pgparity", args...)
		out, killed := killAfter(t, cmd, 15)
		if !killed {
			got := comparable(t, out)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after %d kills: %s", kills, diff)
			}
			if code := cmd.ProcessState.ExitCode(); code != exitMismatch {
				t.Errorf("exit code %d", code)
			}
			if !bytes.Contains(out, []byte("first started ")) {
				t.Errorf("the report does not say that the run was resumed: %.500s", out)
			}
			break
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte(canary)) {
			t.Fatal("the file holds the password")
		}
	}
	if kills < 5 {
		t.Errorf("only %d kills", kills)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file of a run that came to its end is there: %v", err)
	}
}

// asReader makes a database and returns its URL for a role that logs in with the
// canary.
func asReader(t *testing.T, c *pgcluster.Cluster, sql ...string) string {
	t.Helper()
	dsn := c.TestDB(t, sql...)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	const role = "killed_reader"
	if err := c.Exec(t.Context(), name, `CREATE ROLE `+role+` LOGIN PASSWORD '`+canary+`'`, `GRANT SELECT ON ALL TABLES IN SCHEMA public TO `+role); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = c.Exec(ctx, name, `DROP OWNED BY `+role)
		_ = c.Exec(ctx, name, `DROP ROLE `+role)
	})
	return c.UserURL(role, canary, name)
}

// killAfter runs a command and kills it after so many steps of its work, on
// which it tells on stderr.
func killAfter(t *testing.T, cmd *exec.Cmd, steps int) (stdout []byte, killed bool) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		var e struct {
			Event string
			Rows  int64
		}
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			t.Errorf("stderr: %s", lines.Text())
		}
		if e.Event == "chunk_started" || e.Event == "piece_done" {
			if steps--; steps == 0 {
				killed = cmd.Process.Kill() == nil
			}
		}
	}
	_ = cmd.Wait() // its code is in ProcessState
	return out.Bytes(), killed && cmd.ProcessState.ExitCode() < 0
}

// verdictOf runs a command to its end.
func verdictOf(t *testing.T, cmd *exec.Cmd) (any, int) {
	t.Helper()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return comparable(t, out), cmd.ProcessState.ExitCode()
}

// comparable is a JSON report without what differs between any two runs.
func comparable(t *testing.T, report []byte) any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(report, &doc); err != nil {
		t.Fatalf("%v: %.300s", err, report)
	}
	for _, key := range []string{"started_at", "finished_at", "as_of_lsn", "notes"} {
		delete(doc, key)
	}
	for _, table := range doc["tables"].([]any) {
		findings := table.(map[string]any)["findings"].([]any)
		hash := func(f any) any { return f.(map[string]any)["key"].(map[string]any)["row_hash"] }
		if len(findings) > 0 && hash(findings[0]) != nil { // of the run's seeds, and in their order
			for _, f := range findings {
				delete(f.(map[string]any), "key")
			}
			slices.SortFunc(findings, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	return doc
}
