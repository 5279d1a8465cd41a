package checker

// strip draws a table's chunks in key order in a bounded number of cells, so
// that a report says at a glance where in the key space the trouble is.
type strip struct {
	chunks int
	left   []int // chunks of the cell without an outcome
	state  []byte
}

// stripCells is the width of the drawing.
const stripCells = 120

func newStrip(chunks int) *strip {
	cells := min(chunks, stripCells)
	s := &strip{chunks: chunks, left: make([]int, cells), state: make([]byte, cells)}
	for i := range chunks {
		s.left[s.cell(i)]++
	}
	for i := range s.state {
		s.state[i] = '='
	}
	return s
}

func (s *strip) cell(chunk int) int { return chunk * len(s.left) / s.chunks }

// mark notes a chunk's outcome: a cell shows the worst of its chunks.
func (s *strip) mark(chunk int, o Outcome) {
	c := s.cell(chunk)
	switch {
	case o.Confirmed > 0:
		s.state[c] = 'x'
		s.left[c]--
	case o.Compared && o.Err == "" && o.Unsettled == 0:
		s.left[c]--
	}
}

func (s *strip) String() string {
	out := make([]byte, len(s.state))
	for i, state := range s.state {
		out[i] = state
		if state == '=' && s.left[i] > 0 {
			out[i] = '?'
		}
	}
	return string(out)
}
