package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

func TestPickMajors(t *testing.T) {
	for _, c := range []struct {
		have, network  []int
		source, target int
		note, err      string
	}{
		{have: []int{10, 11, 13, 15, 18}, source: 15, target: 18},
		{have: []int{13, 14}, source: 13, target: 14},
		{have: []int{10, 15}, network: []int{14, 18}, source: 15, target: 18},
		{have: []int{18}, network: []int{15, 16}, source: 15, target: 18},
		{have: []int{18}, network: []int{13}, source: 13, target: 18},
		{have: nil, network: []int{13, 15, 18}, source: 15, target: 18},
		{have: []int{10, 16}, source: 16, target: 16, note: "No second version"},
		{have: []int{10, 12}, err: "from version 13 on"},
	} {
		asked := 0
		m, err := pickMajors(c.have, func(major int) error {
			asked++
			if slices.Contains(c.have, major) {
				t.Errorf("have %v: %d is at hand and was asked for", c.have, major)
			}
			if !slices.Contains(c.network, major) {
				return fmt.Errorf("postgres %d: %w", major, pgcluster.ErrUnavailable)
			}
			return nil
		})
		if c.err != "" {
			if !errors.Is(err, pgcluster.ErrUnavailable) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("have %v: the error is %v, not %q", c.have, err, c.err)
			}
			continue
		}
		if err != nil || m.source != c.source || m.target != c.target || !strings.HasPrefix(m.note, c.note) || (m.note != "") != (c.note != "") {
			t.Errorf("have %v, network %v: got %+v, %v", c.have, c.network, m, err)
		}
		if len(c.network) == 0 && c.note == "" && asked > 0 {
			t.Errorf("have %v: %d versions were asked of the network, and none is needed", c.have, asked)
		}
	}
}

func TestPickMajorsStopsAtOtherErrors(t *testing.T) {
	broken := errors.New("disk full")
	if _, err := pickMajors([]int{18}, func(int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("the error is %v, not %v", err, broken)
	}
}
