package checker

import (
	"cmp"
	"fmt"
	"slices"
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
	unprovens  []unprovenReason
}

// unprovenReason is said of all its objects, of none where it is of the run.
type unprovenReason struct {
	objects []string
	reason  string
}

// namedObjects are named before the rest is counted: each has its own entry.
const namedObjects = 5

func (u unprovenReason) String() string {
	switch n := len(u.objects); {
	case n == 0:
		return "unproven: " + u.reason
	case n > namedObjects:
		return fmt.Sprintf("unproven: %s and %d more: %s", strings.Join(u.objects[:namedObjects], ", "), n-namedObjects, u.reason)
	}
	return "unproven: " + strings.Join(u.objects, ", ") + ": " + u.reason
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
	v.unprovens = append(v.unprovens, unprovenReason{reason: sentence})
}

// unprovenOf says once what is said of several objects.
func (v *verdicts) unprovenOf(object, reason string) {
	i := slices.IndexFunc(v.unprovens, func(u unprovenReason) bool { return u.reason == reason && len(u.objects) > 0 })
	if i < 0 {
		v.unproven(reason)
		i = len(v.unprovens) - 1
	}
	v.unprovens[i].objects = append(v.unprovens[i].objects, object)
}

// maxReasons bounds the list for runs with thousands of tables; each table
// still has its own entry.
const maxReasons = 100

func (v *verdicts) capped() []string {
	reasons := make([]string, 0, len(v.mismatches)+len(v.unprovens))
	reasons = append(reasons, v.mismatches...)
	for _, s := range v.unprovens {
		reasons = append(reasons, s.String())
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
