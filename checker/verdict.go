package checker

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/pairing"
)

// verdicts folds the parts' verdicts into the run's: a mismatch wins over
// unproven, and unproven over a match.
type verdicts struct {
	result     *Result
	verdict    Verdict
	mismatches []string
	unprovens  []string
}

func (v *verdicts) add(verdict Verdict, sentence string) {
	switch verdict {
	case Mismatch:
		v.verdict = Mismatch
		v.mismatches = append(v.mismatches, sentence)
	case Unproven:
		v.unproven(sentence)
	case Match: // adds nothing to what keeps the run from a match
	}
}

func (v *verdicts) unproven(sentence string) {
	if v.verdict == Match {
		v.verdict = Unproven
	}
	v.unprovens = append(v.unprovens, sentence)
}

// maxReasons bounds the list for runs with thousands of tables; each table
// still has its own entry.
const maxReasons = 100

func (v *verdicts) capped() []string {
	reasons := make([]string, 0, len(v.mismatches)+len(v.unprovens))
	reasons = append(reasons, v.mismatches...)
	for _, s := range v.unprovens {
		reasons = append(reasons, "unproven: "+s)
	}
	if more := len(reasons) - maxReasons; more > 0 {
		reasons = append(reasons[:maxReasons], fmt.Sprintf("and %d more", more))
	}
	return reasons
}

// severity ranks a catalog difference by what it does to the verdict.
func severity(d pairing.Difference) string {
	switch {
	case d.Effect == pairing.Decisive:
		return SeverityBlock
	case d.Effect == pairing.Noted && strings.HasPrefix(d.Kind, "extra_"):
		return SeverityInfo
	}
	return SeverityWarn
}

// decides tells whether a difference makes a mismatch.
func decides(d pairing.Difference, strict bool) bool {
	return d.Effect == pairing.Decisive || strict && d.Effect == pairing.Noted
}

// findingLess orders findings by key: numbers by value, the rest by bytes.
func findingLess(tr *tableRun, a, b Finding) bool {
	names := []string{"row_hash"}
	if tr.digest.Keyed() {
		names = names[:0]
		for _, k := range tr.table.Key.Columns {
			names = append(names, k.Name)
		}
	}
	for _, n := range names {
		if c := compareKey(a.Key[n], b.Key[n]); c != 0 {
			return c < 0
		}
	}
	return a.Kind < b.Kind
}

func compareKey(a, b string) int {
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	if errA == nil && errB == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}
