package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// The table of ratios stands between these marks in the document.
const (
	begin = "<!-- bench:begin -->"
	end   = "<!-- bench:end -->"
)

// publish prints the table and writes it where the options say.
func publish(all []measured, o options) error {
	table := table(all, o)
	fmt.Println(table)
	if o.json != "" {
		b, err := json.MarshalIndent(all, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.doc == "" {
		return nil
	}
	old, err := os.ReadFile(o.doc)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s … %s to write between", o.doc, begin, end)
	}
	return os.WriteFile(o.doc, []byte(head+begin+"\n"+table+end+tail), 0o644)
}

// table shows, for each workload, the medians and their ratio to the COPY
// that any reading of the table has to match.
func table(all []measured, o options) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s by `make bench`: medians of %d alternating rounds, source 15, target 18, %d cores (%s/%s), all cached.\n\n",
		time.Now().UTC().Format("2006-01-02"), o.rounds, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
	b.WriteString("| workload | contender | median | × COPY |\n| --- | --- | ---: | ---: |\n")
	for _, m := range all {
		base := median(m.Times["copy"])
		for i, c := range contenders {
			name := ""
			if i == 0 {
				name = fmt.Sprintf("%s, %d rows", m.Workload, m.Rows)
			}
			d := median(m.Times[c.name])
			fmt.Fprintf(&b, "| %s | %s | %d ms | %.2f |\n", name, c.what, d.Milliseconds(), float64(d)/float64(base))
		}
		clean := median(m.Times["verify"])
		for _, n := range differences {
			d := median(m.Times[damagedName(n)])
			fmt.Fprintf(&b, "| | `pgparity verify --checks ranges`, about %d scattered rows different: %.2f × the clean run | %d ms | %.2f |\n",
				n, float64(d)/float64(clean), d.Milliseconds(), float64(d)/float64(base))
		}
		fmt.Fprintf(&b, "| | client's peak memory | %d MiB | |\n", m.Memory>>20)
	}
	return b.String()
}
