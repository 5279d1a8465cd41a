package report

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/cutover"
	"github.com/pgparity/pgparity/preflight"
)

var (
	cutoverCommands   = []string{"plan", "run", "rehearse", "abort", "rollback", "finalize", "status"}
	cutoverDirections = []cutover.Direction{cutover.Forward, cutover.Rollback}
	cutoverStrategies = []cutover.Strategy{"", cutover.Auto, cutover.Native, cutover.Tool, cutover.VerifyOnly}
)

// ReadCutover reads a saved JSON report of a cutover. It refuses what is not
// one whole report of this schema version, and one that claims to be done, or
// undone, against its own content, as Read does.
func ReadCutover(rd io.Reader) (*cutover.Result, error) {
	raw, err := io.ReadAll(rd)
	if err != nil {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	tree, err := parse(raw)
	if err == nil {
		err = checkVersion(tree)
	}
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if err := conform(tree, reflect.TypeFor[cutover.Result](), ""); err != nil {
		return nil, fmt.Errorf("report: not a cutover's report: %w", err)
	}
	var r cutover.Result
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("report: not a cutover's report: %w", err)
	}
	if err := cutoverWords(&r); err != nil {
		return nil, fmt.Errorf("report: not a cutover's report: %w", err)
	}
	against := notSo(&r)
	if p := r.Preflight; p != nil && p.Verdict == preflight.Ready {
		for _, s := range notReady(p) {
			against = append(against, "its preflight is said to be ready, and "+s)
		}
	}
	if len(against) > 0 {
		return nil, fmt.Errorf("report: the report says %s, but %s: the file was changed or cut after it was written; run cutover status",
			r.Outcome, prose(strings.Join(against, "; ")))
	}
	return &r, nil
}

// cutoverWords refuses a word that decides something and is none of those that
// a cutover writes.
func cutoverWords(r *cutover.Result) error {
	if !slices.Contains(cutoverOutcomes, r.Outcome) {
		return fmt.Errorf("outcome is %s, not one of %s", value(string(r.Outcome)), enumerated(cutoverOutcomes))
	}
	if !slices.Contains(cutoverCommands, r.Command) {
		return fmt.Errorf("command is %s, not one of %s", value(r.Command), enumerated(cutoverCommands))
	}
	if !slices.Contains(cutoverDirections, r.Direction) {
		return fmt.Errorf("direction is %s, not one of %s", value(string(r.Direction)), enumerated(cutoverDirections))
	}
	if !slices.Contains(cutoverStrategies, r.Strategy) {
		return fmt.Errorf("strategy is %s, not one of %s", value(string(r.Strategy)), enumerated(cutoverStrategies[1:]))
	}
	if rankOf(r.State) < 0 {
		return fmt.Errorf("state is %s, not one of %s", value(string(r.State)), enumerated(cutoverStates))
	}
	for i, s := range r.Steps {
		if rankOf(s.State) < 0 {
			return fmt.Errorf("steps[%d].state is %s, not one of %s", i, value(string(s.State)), enumerated(cutoverStates))
		}
	}
	if r.Gate != nil {
		for i, t := range r.Gate.Tables {
			if !slices.Contains(gateClaims, t.Claim) {
				return fmt.Errorf("gate.tables[%d].claim is %s, not one of %s", i, value(t.Claim), enumerated(gateClaims))
			}
		}
	}
	if r.Preflight != nil {
		if err := knownWords(r.Preflight); err != nil {
			return fmt.Errorf("preflight: %w", err)
		}
	}
	return nil
}

func enumerated[W ~string](words []W) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return strings.Join(list, ", ")
}
