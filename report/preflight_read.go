package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/preflight"
)

// Kind tells saved JSON reports apart.
type Kind string

// The kinds of reports.
const (
	KindVerify    Kind = "verify"
	KindPreflight Kind = "preflight"
	KindCutover   Kind = "cutover"
)

// KindOf says which command a saved JSON report is of, by the fields that
// only that has. It judges nothing else: Read, ReadPreflight and ReadCutover do.
func KindOf(raw []byte) (Kind, error) {
	tree, err := parse(raw)
	if err == nil {
		err = checkVersion(tree)
	}
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	fields := tree.(map[string]any) // checkVersion took nothing else
	if _, ok := fields["tables"]; ok {
		return KindVerify, nil
	}
	if _, ok := fields["hazards"]; ok {
		return KindPreflight, nil
	}
	if _, ok := fields["steps"]; ok {
		return KindCutover, nil
	}
	return "", errors.New("report: the file holds neither tables nor hazards nor steps, so it is no report; give a file written with --report json=FILE")
}

// ReadPreflight reads a saved JSON report of a preflight. It refuses what is
// not one whole report of this schema version, and one that claims to be ready
// against its own content, as Read does.
func ReadPreflight(rd io.Reader) (*preflight.Result, error) {
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
	if err := conform(tree, reflect.TypeFor[preflight.Result](), ""); err != nil {
		return nil, fmt.Errorf("report: not a preflight's report: %w", err)
	}
	var r preflight.Result
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("report: not a preflight's report: %w", err)
	}
	if err := knownWords(&r); err != nil {
		return nil, fmt.Errorf("report: not a preflight's report: %w", err)
	}
	if against := notReady(&r); r.Verdict == preflight.Ready && len(against) > 0 {
		return nil, fmt.Errorf("report: the report says ready, but %s: the file was changed or cut after it was written; run preflight again",
			prose(strings.Join(against, "; ")))
	}
	return &r, nil
}

// knownWords refuses a word that decides something and is none of those that
// preflight writes.
func knownWords(r *preflight.Result) error {
	if !slices.Contains(preflightVerdicts, r.Verdict) {
		return fmt.Errorf("verdict is %s, not ready, blocked or unproven", value(string(r.Verdict)))
	}
	for i, h := range r.Hazards {
		if !slices.Contains(severities, h.Severity) {
			return fmt.Errorf("hazards[%d].severity is %s, not block, warn or info", i, value(string(h.Severity)))
		}
		if err := knownSide(h.Side); err != nil {
			return fmt.Errorf("hazards[%d].side %w", i, err)
		}
	}
	for i, u := range r.Unknown {
		if err := knownSide(u.Side); err != nil {
			return fmt.Errorf("unknown[%d].side %w", i, err)
		}
	}
	if r.Rehearsal == nil {
		return nil
	}
	for i, t := range r.Rehearsal.Oldest {
		if err := knownSide(t.Side); err != nil {
			return fmt.Errorf("rehearsal.oldest_transactions[%d].side %w", i, err)
		}
	}
	for i, d := range r.Rehearsal.DeadTuples {
		if err := knownSide(d.Side); err != nil {
			return fmt.Errorf("rehearsal.dead_tuples[%d].side %w", i, err)
		}
	}
	return nil
}

func knownSide[Side ~string](s Side) error {
	if slices.Contains([]Side{"", "source", "target", "middle"}, s) {
		return nil
	}
	return fmt.Errorf("is %s, not source or target", value(string(s)))
}
