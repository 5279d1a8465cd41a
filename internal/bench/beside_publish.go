package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// What is told of an interval.
func rate(i interval) float64   { return i.TPS }
func median(i interval) float64 { return float64(i.Median) }
func p95(i interval) float64    { return float64(i.P95) }

// of is how pgbench fared beside a neighbour.
func (r *beside) of(name string) company {
	for _, c := range r.Company {
		if c.Name == name {
			return c
		}
	}
	return company{}
}

// ratio is the median of what the rounds' intervals show by those in which
// pgbench was alone.
func (r *beside) ratio(c company, of func(interval) float64) float64 {
	var all []float64
	for round, alone := range r.of("alone").Intervals[:len(c.Intervals)] {
		all = append(all, of(c.Intervals[round])/of(alone))
	}
	return middle(all)
}

// middle is the median of some values, 0 of none.
func middle(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// typical is the median of all intervals.
func (c company) typical(of func(interval) float64) float64 {
	var values []float64
	for _, i := range c.Intervals {
		values = append(values, of(i))
	}
	return middle(values)
}

// runTime is the median of the runs that had pgbench beside them to their end,
// of all where there are none.
func (c company) runTime() time.Duration {
	var whole, all []float64
	for _, run := range c.Runs {
		if all = append(all, float64(run.Took)); run.Whole {
			whole = append(whole, float64(run.Took))
		}
	}
	if len(whole) == 0 {
		whole = all
	}
	return time.Duration(middle(whole))
}

// write shows what an application that goes on working notices of verify.
func (r *beside) write(b *strings.Builder) {
	if r == nil {
		return
	}
	b.WriteString("\nBeside an application that writes to the source, while native logical replication runs:\n\n")
	if r.Missing != "" {
		fmt.Fprintf(b, "Not measured: %s.\n", r.Missing)
		return
	}
	row(b, "beside pgbench", "rounds", "transactions a second", "× alone", "median latency", "× alone", "p95 latency", "× alone", "runs", "each", "client's peak")
	row(b, "---", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:")
	for _, c := range r.Company {
		took := ""
		if len(c.Runs) > 0 {
			took = milliseconds(c.runTime())
		}
		row(b, c.What, count(len(c.Intervals)), fmt.Sprintf("%.1f", c.typical(rate)), twoPlaces(r.ratio(c, rate)),
			inMilliseconds(c.typical(median)), twoPlaces(r.ratio(c, median)), inMilliseconds(c.typical(p95)), twoPlaces(r.ratio(c, p95)),
			count(len(c.Runs)), took, mebibytes(c.Memory))
	}
	fmt.Fprintf(b, "\npgbench (TPC-B, scale %d, %d clients) is held at %.0f transactions a second, half of what it makes at most beside the replication. ", r.Scale, r.Clients, r.Rate)
	fmt.Fprintf(b, "Intervals of %v; ratios are medians of the rounds' own. Every verify ended in `match`; one sends the servers %s and gets %s.\n",
		r.Span, kibibytes(float64(r.Up)), kibibytes(float64(r.Down)))
}

func inMilliseconds(ns float64) string { return fmt.Sprintf("%.2f ms", ns/1e6) }
