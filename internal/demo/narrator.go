package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// narrator tells what happens, one line a step: its number, what it does and
// how long it took. On a terminal the line of the running step is rewritten.
type narrator struct {
	out   io.Writer
	live  bool
	width int

	mu    sync.Mutex // steps report from several goroutines
	n     int
	title string // of the running step, "" between steps
	began time.Time
	drawn bool // the line on the terminal is unfinished
}

// columns is the width of the narration, however wide the terminal is.
func (s *narrator) columns() int {
	if s.width <= 0 || s.width > 80 {
		return 80
	}
	return s.width
}

func (s *narrator) headline(text string) { s.lines(text, "") }

// lines prints whole lines.
func (s *narrator) lines(texts ...string) {
	for _, t := range texts {
		fmt.Fprintln(s.out, t)
	}
}

// step begins the next step.
func (s *narrator) step(title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.title, s.began = title, time.Now()
	s.draw("")
}

// rename corrects the title of the running step.
func (s *narrator) rename(title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.title = title
	s.draw("")
}

// progress says how far the running step is; only a terminal shows it.
func (s *narrator) progress(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw(text)
}

func (s *narrator) head() string { return fmt.Sprintf("%d/%d  %s", s.n, steps, s.title) }

// draw rewrites the running step's line. It never wraps: a wrapped line could
// not be rewritten.
func (s *narrator) draw(text string) {
	if !s.live || s.title == "" {
		return
	}
	line := s.head()
	if text != "" {
		line += " · " + text
	}
	if r := []rune(line); len(r) >= s.columns() {
		line = string(r[:s.columns()-2]) + "…"
	}
	fmt.Fprint(s.out, "\r\x1b[K"+line)
	s.drawn = true
}

// done ends the running step with the time it took.
func (s *narrator) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	took := fmt.Sprintf("%.1f s", time.Since(s.began).Seconds())
	head := s.head()
	gap := s.columns() - utf8.RuneCountInString(head) - len(took) - 2
	fmt.Fprintln(s.out, head, strings.Repeat(".", max(gap, 2)), took)
	s.title = ""
}

// clear takes an unfinished line off the terminal; the next progress draws it
// anew.
func (s *narrator) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
}

// abandon ends a step that was not done.
func (s *narrator) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.title = ""
}

func (s *narrator) erase() {
	if s.drawn {
		fmt.Fprint(s.out, "\r\x1b[K")
		s.drawn = false
	}
}

// remark prints lines that belong to the step above them.
func (s *narrator) remark(texts ...string) {
	for _, t := range texts {
		s.lines("     " + t)
	}
}

// command prints what a person would type, as a heading of what comes out.
func (s *narrator) command(text string) { s.lines("", "$ "+text) }
