package main

import (
	"context"
	"fmt"
	"os"
)

// growthName stands for all sizes where workloads are asked for.
const growthName = "growth"

// growthSteps are how many times growthRows the narrow table has.
var growthSteps = []int{1, 4, 16}

const growthRows = 500_000

// measureGrowth lets verify take turns on the narrow table in several sizes,
// each in a database of its own. The sizes come back as workloads.
func measureGrowth(ctx context.Context, b *bed, o options) ([]measured, error) {
	var sizes []workload
	var dbs []string
	var contenders []contender
	for _, times := range growthSteps {
		w := narrow
		w.name, w.rows = fmt.Sprintf("%s, %s × %d", growthName, narrow.name, times), growthRows*times
		w = w.scaled(o.scale)
		db := fmt.Sprintf("%s_x%d", database, times)
		fmt.Fprintf(os.Stderr, "%v: loading on both servers\n", w)
		if err := b.load(ctx, db, w); err != nil {
			return nil, err
		}
		sizes, dbs = append(sizes, w), append(dbs, db)
		contenders = append(contenders, contender{name: "verify", what: judgedCommand, run: verify(b.ends(db, db), match, judged...)})
	}
	lines, err := takeTurns(ctx, b, "growth", contenders, o.rounds)
	if err != nil {
		return nil, err
	}
	var all []measured
	for i, w := range sizes {
		all = append(all, measured{Workload: w.name, Rows: w.total(), What: w.String(), Times: lines[i : i+1]})
	}
	return all, b.drop(ctx, dbs...)
}
