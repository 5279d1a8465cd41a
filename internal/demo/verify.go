package demo

import (
	"context"
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/report"
)

// chunkRows makes chunks small enough for the shop's tables to have several:
// the report draws where in a table the trouble is.
const chunkRows = 2000

// verifyCommand stands above each report. The real one takes the URLs that
// --keep prints.
var verifyCommand = fmt.Sprintf("pgparity verify --source URL --target URL --chunk-rows %d", chunkRows)

// verifyClean verifies the pair as replication left it: it must match.
func (d *demo) verifyClean(ctx context.Context) (err error) {
	d.summary.Clean, err = d.verify(ctx, "Verifying", d.o.Check)
	if err != nil {
		return err
	}
	return judgeClean(d.summary.Clean)
}

// damage changes the target behind the replication's back.
func (d *demo) damage(ctx context.Context) error {
	d.say.step(fmt.Sprintf("Damaging the target in %d ways", len(damages)))
	var statements []string
	for _, x := range damages {
		statements = append(statements, x.sql)
	}
	if err := d.target.Exec(ctx, shopDB, statements...); err != nil {
		return err
	}
	d.say.done()
	d.say.damages(damages)
	return nil
}

// verifyDamaged verifies again: the report must name what was done, and
// nothing else. Its reports may show the values of people who are made up.
func (d *demo) verifyDamaged(ctx context.Context) (err error) {
	o := d.o.Check
	o.ShowValues = true
	d.summary.Damaged, err = d.verify(ctx, "Verifying again", o)
	if err != nil {
		return err
	}
	return judgeDamaged(d.summary.Damaged, damages)
}

func (d *demo) verify(ctx context.Context, title string, o checker.Options) (*checker.Result, error) {
	d.say.step(title)
	o.ChunkRows = chunkRows
	var rows int64
	o.OnEvent = func(e checker.Event) {
		rows += e.Rows
		d.say.progress(fmt.Sprintf("%d rows read", rows))
	}
	res, err := checker.Run(ctx, d.from, d.to, o)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil { // the result says unproven, and that is no news here
		return nil, context.Cause(ctx)
	}
	d.say.done()
	d.say.command(verifyCommand)
	d.say.lines("")
	if err := report.Write(d.o.Out, withoutValues(res), report.Text, d.o.Rendering); err != nil {
		return nil, err
	}
	d.say.lines("")
	return res, nil
}

// withoutValues is a copy of a result as it is without --show-values: whole
// rows fill a page, but not a terminal.
func withoutValues(r *checker.Result) *checker.Result {
	plain := *r
	plain.Tables = slices.Clone(r.Tables)
	for i := range plain.Tables {
		t := &plain.Tables[i]
		t.Findings = slices.Clone(t.Findings)
		for j := range t.Findings {
			t.Findings[j].Values = nil
		}
	}
	return &plain
}
