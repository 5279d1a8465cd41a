package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/pgparity/pgparity/report"
)

// isTerminal tells whether a stream is a terminal, and how wide.
func isTerminal(w io.Writer) (width int, ok bool) {
	f, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 40 {
		width = 80
	}
	return width, true
}

// isTerminalInput tells whether somebody may type there.
func isTerminalInput(r io.Reader) bool {
	f, isFile := r.(*os.File)
	return isFile && term.IsTerminal(int(f.Fd()))
}

// rendering is how stdout's report looks: colour only on a terminal, and not
// where NO_COLOR is set.
func (a *app) rendering(verbose bool) report.Options {
	width, ok := a.terminal(a.stdout)
	if !ok {
		return report.Options{Width: 80, Verbose: verbose}
	}
	return report.Options{Width: width, Color: a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb", Verbose: verbose}
}

func (a *app) getenv(name string) string {
	for _, kv := range a.environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v
		}
	}
	return ""
}
