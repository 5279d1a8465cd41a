package cutover

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateTimeline = flag.Bool("update-timeline", false, "write the golden files of the timeline anew")

func goldenTimeline(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("..", "testdata", "cutover", name+".golden")
	if *updateTimeline {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test ./cutover -update-timeline writes it anew):\n%s", path, diff)
	}
}

// steady adds statements of a kind that a side acknowledged, from one moment until
// another.
func steady(o *Outage, kind, on string, from, until float64) {
	for i, at := 0, from; at < until; i, at = i+1, at+50 {
		o.Timeline = append(o.Timeline, Beat{AtMS: at, TookMS: 1.5 + float64(i%4), Kind: kind, On: on})
	}
}

// paused is a switch through a pooler: statements wait.
func paused() *Outage {
	o := &Outage{WriteMS: 318, WriteAtMS: 3030, ReadMS: 296, ReadAtMS: 3052, IntervalMS: 50, ProbedMS: 6000, Writes: 115, Reads: 115,
		Marks: []Mark{{Armed, 3012}, {Freezing, 3034}, {Frozen, 3041}, {Drained, 3098}, {Sequenced, 3120}, {Verified, 3241}, {ReverseReady, 3290},
			{PNR, 3296}, {TargetOpen, 3310}, {Redirected, 3341}, {Live, 3900}}}
	steady(o, "write", "source", 30, 3030)
	o.Timeline = append(o.Timeline, Beat{AtMS: 3030, TookMS: 318, Kind: "write", On: "target"})
	steady(o, "write", "target", 3398, 6000)
	steady(o, "read", "source", 2, 3052)
	o.Timeline = append(o.Timeline, Beat{AtMS: 3052, TookMS: 296, Kind: "read", On: "target"})
	steady(o, "read", "target", 3398, 6000)
	return o
}

// refused is one without: a first try is given up, in the second statements fail;
// one is lost, and the last read has not ended.
func refused() *Outage {
	o := &Outage{WriteMS: 1255, WriteAtMS: 9040, ReadMS: 640, ReadAtMS: 9060, IntervalMS: 50, ProbedMS: 10700, Writes: 180, Reads: 180, Failed: 14, Retried: 14, Lost: 1, Elsewhere: 1,
		Failures: []Failure{{"write", "application: the server at 127.0.0.1:5432 has no connection left", 14}},
		Marks:    []Mark{{Armed, 2000}, {Freezing, 2050}, {Aborting, 2300}, {Aborted, 2340}, {Armed, 9000}, {Freezing, 9050}, {Frozen, 9060}, {PNR, 9900}, {TargetOpen, 9915}, {Redirected, 10200}}}
	steady(o, "write", "source", 40, 9000)
	steady(o, "write", "target", 10345, 10600)
	o.Timeline = append(o.Timeline, Beat{AtMS: 10300, TookMS: 3, Kind: "write", On: "elsewhere"})
	for at := 9040.0; at < 9500; at += 50 {
		o.Timeline = append(o.Timeline, Beat{AtMS: at, TookMS: 2, Kind: "write", Failed: true})
	}
	o.Timeline = append(o.Timeline, Beat{AtMS: 9560, TookMS: 640, Kind: "write", Failed: true})
	steady(o, "read", "source", 10, 9060)
	o.Timeline = append(o.Timeline, Beat{AtMS: 9060, TookMS: 640, Kind: "read", On: "source"})
	steady(o, "read", "target", 9750, 10400)
	o.Timeline = append(o.Timeline, Beat{AtMS: 10400, TookMS: 300, Kind: "read"})
	return o
}

// hostile has what no probe says.
func hostile() *Outage {
	bad := "<script>alert(1)</script>\x1b[31m\x00"
	return &Outage{WriteMS: 20, WriteAtMS: 90, ProbedMS: 200, Marks: []Mark{{Armed, 50}, {State(bad), 80}, {Redirected, 150}},
		Timeline: []Beat{{AtMS: 10, TookMS: 2, Kind: "write", On: bad}, {AtMS: 60, TookMS: 2, Kind: bad, On: "source"}}}
}

var timelines = map[string]func() *Outage{"paused": paused, "refused": refused, "hostile": hostile, "nothing": func() *Outage { return &Outage{} },
	"healthy": func() *Outage {
		o := &Outage{WriteMS: 3, WriteAtMS: 300, ReadMS: 2.5, ReadAtMS: 200, ProbedMS: 1000, Writes: 20, Reads: 20}
		steady(o, "write", "source", 0, 1000)
		steady(o, "read", "source", 0, 1000)
		return o
	}}

func TestTimelineGolden(t *testing.T) {
	for name, make := range timelines {
		t.Run(name, func(t *testing.T) {
			o := make()
			goldenTimeline(t, name+".text", strings.Join(o.Text(80), "\n")+"\n")
			goldenTimeline(t, name+".svg", o.SVG())
		})
	}
}

func TestTimelineTextFits(t *testing.T) {
	for name, make := range timelines {
		for _, width := range []int{0, 60, 80, 133} {
			for _, line := range make().Text(width) {
				if n := len([]rune(line)); n > max(width, 60) {
					t.Errorf("%s: a line of %d characters in %d: %q", name, n, width, line)
				}
				if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == '<' }) {
					t.Errorf("%s: %q is not for a terminal", name, line)
				}
			}
		}
	}
}

// TestTimelineSVG: the picture is well-formed, says what it is to those who do not
// see it, refers to nothing outside of it, and runs nothing.
func TestTimelineSVG(t *testing.T) {
	for name, make := range timelines {
		d := xml.NewDecoder(strings.NewReader(make().SVG()))
		var seen []string
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if e, ok := token.(xml.StartElement); ok {
				seen = append(seen, e.Name.Local)
				for _, a := range e.Attr {
					if strings.HasPrefix(a.Name.Local, "on") || strings.Contains(a.Name.Local, "href") || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
						t.Errorf("%s: %s has %s=%q", name, e.Name.Local, a.Name.Local, a.Value)
					}
				}
				if e.Name.Local == "svg" && !slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "role" && a.Value == "img" }) {
					t.Errorf("%s: no role", name)
				}
			}
		}
		for _, want := range []string{"title", "desc"} {
			if !slices.Contains(seen, want) {
				t.Errorf("%s: no <%s>", name, want)
			}
		}
		if slices.Contains(seen, "script") {
			t.Errorf("%s: runs something", name)
		}
	}
}
