package demo

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pgparity/pgparity/report"
)

const (
	htmlName = "demo-report.html"
	jsonName = "demo-report.json"
)

// prepareDir makes the folder that was asked for: a mistake in its name should
// not wait for the end.
func (d *demo) prepareDir() error {
	if d.o.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(d.o.Dir, 0o755); err != nil {
		return fmt.Errorf("reports: %w; give another folder with --dir", err)
	}
	for _, name := range []string{htmlName, jsonName} {
		if err := report.Prepare(filepath.Join(d.o.Dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// writeReports writes the second result as a page for people and as JSON for
// programs.
func (d *demo) writeReports(context.Context) error {
	d.say.step("Writing the reports")
	dir := d.o.Dir
	var err error
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pgparity-demo-"); err != nil {
			return fmt.Errorf("reports: %w; give a folder with --dir", err)
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return fmt.Errorf("reports: %w", err)
	}
	d.summary.HTML, d.summary.JSON = filepath.Join(dir, htmlName), filepath.Join(dir, jsonName)
	if err := report.WriteFile(d.summary.HTML, d.summary.Damaged, report.HTML, report.Options{}); err != nil {
		return err
	}
	if err := report.WriteFile(d.summary.JSON, d.summary.Damaged, report.JSON, report.Options{}); err != nil {
		return err
	}
	d.say.done()
	d.say.remark(d.summary.JSON, d.summary.HTML, "They hold the values, too (--show-values). To look at the page, open",
		(&url.URL{Scheme: "file", Path: d.summary.HTML}).String())
	return nil
}

// farewell says what was proved.
func (d *demo) farewell(took time.Duration) {
	var findings int64
	for _, t := range d.summary.Damaged.Tables {
		findings += t.FindingsTotal
	}
	d.say.lines("",
		fmt.Sprintf("All %d damages were found: %d rows, one sequence, nothing more.", len(damages), findings),
		fmt.Sprintf("The whole demo took %.0f s.", took.Seconds()))
}

// keep leaves the servers to the reader until ctx is done.
func (d *demo) keep(ctx context.Context) {
	source, target := d.source.URL(shopDB), d.target.URL(shopDB)
	d.say.lines("", "The servers stay until Ctrl-C. Paste into another terminal:", "",
		"  export PGPARITY_SOURCE='"+source+"'",
		"  export PGPARITY_TARGET='"+target+"'", "",
		"  pgparity verify",
		"  pgparity verify --table orders --table 'event*' --digest stream",
		"  pgparity plan",
		"  pgparity show public.orders 777",
		`  psql "$PGPARITY_SOURCE" -c 'UPDATE orders SET total = total WHERE id = 777'`,
		`  psql "$PGPARITY_TARGET" -c 'TRUNCATE reviews'`, "",
		"What is written on the source is replicated: the UPDATE repairs order 777.")
	<-ctx.Done()
	d.say.lines("", "Stopping the servers.")
}

// damages lists what was done: where, and what.
func (s *narrator) damages(list []damage) {
	last := ""
	for _, x := range list {
		table := strings.Trim(strings.TrimPrefix(x.table, "public."), `"`)
		if table == last {
			table = ""
		} else {
			last = table
		}
		s.remark(fmt.Sprintf("%-12s %s", table, x.what))
	}
}
