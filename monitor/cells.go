package monitor

import (
	"time"

	"github.com/pgparity/pgparity/checker"
)

// ledger is the cells of a table while a pass goes over it: each keeps what the pass before
// said of it until all its chunks were compared, but for a difference, which shows at once.
type ledger struct {
	cells  []Cell
	chunks int
	left   []int // chunks without an outcome, by cell
	now    []Cell
}

// newLedger begins a pass over so many chunks of a table whose cells are known.
func newLedger(known []Cell, chunks int) *ledger {
	n := min(max(chunks, 1), MaxCells)
	s := &ledger{cells: make([]Cell, n), chunks: max(chunks, 1), left: make([]int, n), now: make([]Cell, n)}
	for i := range s.cells {
		if len(known) > 0 {
			s.cells[i] = known[i*len(known)/n]
		}
		s.now[i].Verdict = checker.Match
	}
	for i := range s.chunks {
		s.left[s.cell(i)]++
	}
	return s
}

func (s *ledger) cell(chunk int) int { return min(max(chunk, 0), s.chunks-1) * len(s.cells) / s.chunks }

// mark takes in what came of a chunk.
func (s *ledger) mark(chunk int, v checker.Verdict, at time.Time) {
	i := s.cell(chunk)
	c := &s.now[i]
	if c.At.IsZero() {
		c.At = at
	}
	switch {
	case v == checker.Mismatch:
		c.Verdict = checker.Mismatch
		s.cells[i] = Cell{Verdict: checker.Mismatch, At: at}
	case v == checker.Unproven && c.Verdict == checker.Match:
		c.Verdict = checker.Unproven
	}
	if s.left[i]--; s.left[i] == 0 {
		s.cells[i] = *c
	}
}

// healedCells are those of a table none of whose rows differs any more: the rows of a
// cell that were found to differ were found equal since, and the others were equal.
func healedCells(cells []Cell) []Cell {
	out := make([]Cell, len(cells))
	for i, c := range cells {
		if c.Verdict == checker.Mismatch {
			c.Verdict = checker.Match
		}
		out[i] = c
	}
	return out
}
