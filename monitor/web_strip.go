package monitor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
)

// strip is a table's cells as a picture: in the order of the plan, each a column one unit wide.
// It is drawn as few long dashed lines, not as a shape for each cell, for a page may have
// thousands of strips and is made again each second.
type strip struct {
	Width, Cells int // in pixels, where there is room; in cells
	Rows         []stripRow
	Text         string
}

// stripRow is all cells of one look.
type stripRow struct{ Class, Path string }

// cellPixels is the width of a cell where there is room.
const cellPixels = 9

// ages are what freshness may be told by; a pair uses three neighbours of them.
var ages = []time.Duration{
	time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
	3 * 24 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 30 * 24 * time.Hour, 90 * 24 * time.Hour,
}

// freshness tells cells apart by when they were compared, in four classes with these bounds
// between them.
type freshness [3]time.Duration

// freshnessOf fits the bounds to the oldest cell, so that a pair that is read each hour and one
// that is read each week both show where the pass is.
func freshnessOf(tables []Table, now time.Time) freshness {
	oldest := time.Duration(0)
	for i := range tables {
		for _, c := range tables[i].Cells {
			if !c.At.IsZero() {
				oldest = max(oldest, now.Sub(c.At))
			}
		}
	}
	top := len(ages) - 1
	for i := 2; i < len(ages); i++ {
		if ages[i] >= oldest {
			top = i
			break
		}
	}
	return freshness{ages[top-2], ages[top-1], ages[top]}
}

// class is the number of a cell's freshness: 0 is the freshest.
func (f freshness) class(age time.Duration) int {
	for i, bound := range f {
		if age <= bound {
			return i
		}
	}
	return len(f)
}

// words name the classes.
func (f freshness) words() []string {
	out := make([]string, 0, len(f)+1)
	for i, bound := range f {
		switch i {
		case 0:
			out = append(out, "within "+span(bound.Seconds()))
		default:
			out = append(out, span(bound.Seconds()))
		}
	}
	return append(out, "older")
}

// The looks of cells. They differ in height and form too, not in colour alone.
const (
	cellDiffers  = "ne"
	cellUnproven = "no" // compared, and neither equal nor different
	cellNever    = "nv"
)

func looks(c Cell, f freshness, now time.Time) string {
	switch {
	case c.Verdict == checker.Mismatch:
		return cellDiffers
	case c.At.IsZero():
		return cellNever
	case c.Verdict != checker.Match:
		return cellUnproven
	default:
		return fmt.Sprintf("eq f%d", f.class(now.Sub(c.At)))
	}
}

// stripOf is nil for a table without cells.
func stripOf(cells []Cell, f freshness, now time.Time) *strip {
	if len(cells) == 0 {
		return nil
	}
	s := &strip{Width: cellPixels * len(cells), Cells: len(cells)}
	paths := map[string]*strings.Builder{}
	var equal, differ, never, open int64
	var oldest time.Time
	for i := 0; i < len(cells); {
		look, end := looks(cells[i], f, now), i
		for ; end < len(cells) && looks(cells[end], f, now) == look; end++ {
			if at := cells[end].At; !at.IsZero() && (oldest.IsZero() || at.Before(oldest)) {
				oldest = at
			}
		}
		n := int64(end - i)
		switch look {
		case cellDiffers:
			differ += n
		case cellNever:
			never += n
		case cellUnproven:
			open += n
		default:
			equal += n
		}
		if paths[look] == nil {
			paths[look] = &strings.Builder{}
		}
		for _, y := range baselines(look) {
			fmt.Fprintf(paths[look], "M%d %sH%d", i, y, end)
		}
		i = end
	}
	for look, path := range paths {
		s.Rows = append(s.Rows, stripRow{look, path.String()})
	}
	slices.SortFunc(s.Rows, func(a, b stripRow) int { return strings.Compare(a.Class, b.Class) })
	s.Text = stripText(equal, differ, open, never, when(now, oldest))
	return s
}

// baselines are where the lines of a look run; their strength is in the style sheet. What is not proven
// is hollow: an upper and a lower line.
func baselines(look string) []string {
	switch look {
	case cellDiffers:
		return []string{"8"}
	case cellUnproven:
		return []string{"4", "15"}
	case cellNever:
		return []string{"15"}
	case "eq f0":
		return []string{"10"}
	case "eq f1":
		return []string{"11"}
	case "eq f2":
		return []string{"12"}
	default:
		return []string{"13"}
	}
}

func stripText(equal, differ, open, never int64, oldest *moment) string {
	text := some(equal+differ+open+never, "cell", "cells") + ": " + grouped(equal) + " equal"
	for _, more := range []struct {
		n    int64
		word string
	}{{differ, "differing"}, {open, "not proven"}, {never, "not compared yet"}} {
		if more.n > 0 {
			text += ", " + grouped(more.n) + " " + more.word
		}
	}
	if oldest != nil {
		text += "; the oldest was compared " + oldest.Rel
	}
	return text
}

// median of a list that is not empty.
func median(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
