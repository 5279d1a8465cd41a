package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// traffic is what one run of verify on a pair in sync sent and received, both
// servers together.
type traffic struct {
	What   string `json:"what"`
	Plan   string `json:"plan"` // ranges, sweep or multiset; of several tables, the first one's
	Chunks int64  `json:"chunks_planned"`
	Up     int64  `json:"bytes_to_servers"`
	Down   int64  `json:"bytes_from_servers"`
}

func (t traffic) bytes() int64 { return t.Up + t.Down }

// manyChunks is about how many chunks the second run on ranges is cut into.
const manyChunks = 16

// measureTraffic counts for a run as planned, and for ranges of one table once
// more with many small ones: the difference between the two is what ranges
// cost, without the connections, catalogs and the handshake of any run.
func measureTraffic(ctx context.Context, b *bed, w workload) ([]traffic, error) {
	planned, err := runCounted(ctx, b, "as planned", judged...)
	if err != nil || planned.Plan != "ranges" || w.tables > 1 {
		return []traffic{planned}, err
	}
	rows := strconv.Itoa(max(w.rows/manyChunks, 1))
	small, err := runCounted(ctx, b, "`--chunk-rows "+rows+"`", judgedWith("--chunk-rows", rows)...)
	return []traffic{planned, small}, err
}

func runCounted(ctx context.Context, b *bed, what string, args ...string) (traffic, error) {
	w, err := layWire(ctx, b.pair, b.ends(database, database), 0)
	if err != nil {
		return traffic{}, err
	}
	r, err := b.report(ctx, w.ends, match, args...)
	w.close()
	if err != nil {
		return traffic{}, err
	}
	if len(r.Tables) == 0 {
		return traffic{}, fmt.Errorf("verify: report: no tables")
	}
	t := traffic{What: what, Plan: r.Tables[0].Plan, Chunks: r.Coverage.ChunksPlanned}
	for _, p := range w.proxies {
		t.Up += p.up.Load()
		t.Down += p.down.Load()
	}
	return t, nil
}

// wire is the way to both servers through proxies.
type wire struct {
	ends
	proxies []*proxy
}

// layWire puts a proxy in front of each server; the caller closes the wire.
func layWire(ctx context.Context, p *pair, e ends, delay time.Duration) (*wire, error) {
	w := new(wire)
	lay := func(host string, port int, url string) (string, error) {
		x, err := startProxy(ctx, host+":"+strconv.Itoa(port), delay)
		if err != nil {
			return "", err
		}
		w.proxies = append(w.proxies, x)
		return x.through(url)
	}
	var err error
	if w.source, err = lay(p.source.Host(), p.source.Port(), e.source); err == nil {
		w.target, err = lay(p.target.Host(), p.target.Port(), e.target)
	}
	if err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *wire) close() {
	for _, p := range w.proxies {
		p.close()
	}
}
