package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// measured is one workload's figures.
type measured struct {
	Workload string    `json:"workload"` // its name
	Rows     int       `json:"rows"`     // of all its tables
	What     string    `json:"what"`
	Times    []line    `json:"times"`
	Traffic  []traffic `json:"traffic"`
}

// line is one contender's figures.
type line struct {
	Name   string          `json:"name"`
	What   string          `json:"what"`
	Took   []time.Duration `json:"took_ns"` // a round each
	Memory int64           `json:"client_peak_bytes,omitempty"`
}

// median is that of a contender, 0 where it did not run.
func (m measured) median(name string) time.Duration {
	for _, l := range m.Times {
		if l.Name == name {
			return l.median()
		}
	}
	return 0
}

func (l line) median() time.Duration {
	if len(l.Took) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l.Took))
	return sorted[len(sorted)/2]
}

// measure loads one workload, undamaged and damaged, and lets the contenders
// take turns on it.
func measure(ctx context.Context, b *bed, w workload, rounds int) (measured, error) {
	m := measured{Workload: w.name, Rows: w.total(), What: w.String()}
	fmt.Fprintf(os.Stderr, "%v: loading on both servers\n", w)
	used := []string{database}
	if err := b.load(ctx, database, w); err != nil {
		return m, err
	}
	for _, n := range differences {
		used = append(used, damaged(n))
		if err := b.damage(ctx, w, n); err != nil {
			return m, err
		}
		if err := expect(ctx, b, damaged(n), min(n, w.total())*w.findings); err != nil {
			return m, err
		}
	}
	var err error
	if m.Traffic, err = measureTraffic(ctx, b, w); err != nil {
		return m, err
	}
	if m.Times, err = takeTurns(ctx, b, w.name, w.contenders(b), rounds); err != nil {
		return m, err
	}
	return m, b.drop(ctx, used...)
}

// expect makes sure that what the runs on a damaged pair take is the time in
// which all the damage is found.
func expect(ctx context.Context, b *bed, db string, findings int) error {
	r, err := b.report(ctx, b.ends(database, db), mismatch, judged...)
	if err != nil {
		return err
	}
	var found int64
	for _, t := range r.Tables {
		found += t.FindingsTotal
	}
	if found != int64(findings) {
		return fmt.Errorf("verify: %d findings in %s, want %d", found, db, findings)
	}
	return nil
}

// takeTurns runs all contenders once a round. A first round warms the caches
// and is not counted.
func takeTurns(ctx context.Context, b *bed, name string, contenders []contender, rounds int) ([]line, error) {
	lines := make([]line, len(contenders))
	for i, c := range contenders {
		lines[i] = line{Name: c.name, What: c.what}
	}
	for round := range rounds + 1 {
		for i, c := range contenders {
			if c.heavy && (round == 0 || round > heavyRounds) {
				continue
			}
			r, err := c.run(ctx, b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 {
				lines[i].Took = append(lines[i].Took, r.took)
				lines[i].Memory = max(lines[i].Memory, r.memory)
			}
		}
		fmt.Fprintf(os.Stderr, "%s: round %d of %d done\n", name, round, rounds)
	}
	return lines, nil
}
