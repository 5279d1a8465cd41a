package main

import (
	"fmt"
	"time"
)

// target is what pgparity is held to, and how it did.
type target struct {
	What     string  `json:"what"`
	Limit    string  `json:"limit"` // such as ≤ 0.9 ×
	Measured float64 `json:"measured"`
	Unit     string  `json:"unit"`
	Met      bool    `json:"met"`
}

// judge holds the figures against the targets; a target whose figures were
// not asked for is left out.
func judge(f figures) []target {
	var all judgement
	for _, m := range f.Workloads {
		all.speed(m)
	}
	for _, m := range f.Workloads {
		all.differences(m)
	}
	all.growth(f.Growth)
	all.beside(f.Beside)
	all.memory(f)
	for _, m := range f.Workloads {
		all.traffic(m)
	}
	return all
}

type judgement []target

// times is the unit of ratios.
const times = "×"

// atMost and atLeast are limits of ratios.
func (j *judgement) atMost(what string, limit, measured float64) {
	*j = append(*j, target{what, fmt.Sprintf("≤ %g %s", limit, times), measured, times, measured <= limit})
}

func (j *judgement) below(what string, limit, measured float64, unit string) {
	*j = append(*j, target{what, fmt.Sprintf("< %g %s", limit, unit), measured, unit, measured < limit})
}

func (j *judgement) atLeast(what string, limit, measured float64) {
	*j = append(*j, target{what, fmt.Sprintf("≥ %g %s", limit, times), measured, times, measured >= limit})
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

// The limits of verify's time by the time of COPY, and of the others' times
// by verify's, per workload.
var (
	byCopy   = map[string]float64{"narrow": 0.9, "wide": 1.2, "uuid": 1.3, "text": 1.3}
	hashtext = map[string]float64{"narrow": 2.2, "wide": 2.0}
)

const (
	md5Limit    = 5
	pgDumpLimit = 1.3
)

func (j *judgement) speed(m measured) {
	verify := m.median("verify")
	if limit, ok := byCopy[m.Workload]; ok {
		j.atMost(m.Workload+": the time of verify, by that of COPY", limit, ratio(verify, m.median("copy")))
	}
	limit, ok := hashtext[m.Workload]
	if !ok {
		return
	}
	j.atLeast(m.Workload+": the sum of hashtext, by verify", limit, ratio(m.median("hashtext"), verify))
	j.atLeast(m.Workload+": the sum of md5, by verify", md5Limit, ratio(m.median("md5"), verify))
	if dump := m.median("pg_dump"); dump > 0 {
		j.atLeast(m.Workload+": pg_dump of one side, by verify", pgDumpLimit, ratio(dump, verify))
	}
}

// differences is what a thousand of them cost, by the plan of the table.
func (j *judgement) differences(m measured) {
	limit, how := 2.0, "a sweep"
	if m.Traffic[0].Plan == "ranges" {
		limit, how = 1.6, "ranges"
	}
	j.atMost(fmt.Sprintf("%s: 1000 scattered differences, by the clean run, %s", m.Workload, how), limit,
		ratio(m.median(differing(1000)), m.median("verify")))
}

func (j *judgement) growth(sizes []measured) {
	if len(sizes) == 0 {
		return
	}
	first, last := sizes[0], sizes[len(sizes)-1]
	j.atMost(fmt.Sprintf("growth: the time of %d × the rows, by that of the first size", growthSteps[len(growthSteps)-1]), 17,
		ratio(last.median("verify"), first.median("verify")))
}

// beside is what an application notices of a verify.
func (j *judgement) beside(r *beside) {
	if r == nil || r.Missing != "" {
		return
	}
	j.atLeast("beside pgbench at half its maximum rate: the rate, by that without verify", 0.99, r.ratio(r.of("verify"), rate))
	j.atMost("beside pgbench at half its maximum rate: p95 latency, by that without verify", 1.25, r.ratio(r.of("verify"), p95))
}

// memory is the greatest peak of all runs of verify.
func (j *judgement) memory(f figures) {
	var peak int64
	for _, some := range [][]measured{f.Workloads, f.Growth} {
		for _, m := range some {
			for _, l := range m.Times {
				peak = max(peak, l.Memory)
			}
		}
	}
	if f.Beside != nil {
		for _, c := range f.Beside.Company {
			peak = max(peak, c.Memory)
		}
	}
	j.below("the client's peak memory in all runs", 100, float64(peak)/(1<<20), "MiB")
}

// traffic is what a pair in sync costs on the wire.
func (j *judgement) traffic(m measured) {
	for _, t := range m.Traffic {
		if t.Plan != "ranges" {
			j.below(fmt.Sprintf("%s: traffic of a sweep in sync, %s, a million rows", m.Workload, t.What), 100, m.perMillion(t)/(1<<10), "KiB")
		}
	}
	if each, ok := m.perChunk(); ok {
		j.below(m.Workload+": traffic of ranges in sync, each further chunk", 1, each/(1<<10), "KiB")
	}
}

// perMillion is the bytes of a run for each million of the workload's rows.
func (m measured) perMillion(t traffic) float64 { return float64(t.bytes()) / float64(m.Rows) * 1e6 }

// perChunk is the bytes of one chunk of ranges: what a run with more chunks
// takes more than one with few, so that what every run costs is not in it.
func (m measured) perChunk() (bytes float64, ok bool) {
	if len(m.Traffic) < 2 {
		return 0, false
	}
	few, many := m.Traffic[0], m.Traffic[1]
	if few.Chunks > many.Chunks {
		few, many = many, few
	}
	if few.Plan != "ranges" || many.Plan != "ranges" || many.Chunks <= few.Chunks {
		return 0, false
	}
	return float64(many.bytes()-few.bytes()) / float64(many.Chunks-few.Chunks), true
}
