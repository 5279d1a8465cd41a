package checker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/sampler"
)

// TestUnitLines: every field of a unit comes back from the file, to the byte.
func TestUnitLines(t *testing.T) {
	u := sampler.Unit{Check: "ranges", Chunk: 1, Chunks: 2, Range: sampler.Range{From: []string{"a\xff", ""}, To: []string{"ü\n\"<", `{"base64":"x"}`}},
		Last: 3, LastBy: "c", SampleRows: 4, Seed: -5}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[sampler.Unit]()) {
		if reflect.ValueOf(u).FieldByIndex(f.Index).IsZero() && f.Name != "Table" && f.Name != "Fingerprint" {
			t.Errorf("the test leaves %s out", f.Name)
		}
	}
	for _, want := range []sampler.Unit{u, {Check: "last"}} {
		b, err := json.Marshal(unitLineOf(want))
		if err != nil {
			t.Fatal(err)
		}
		var line unitLine
		if err := json.Unmarshal(b, &line); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, line.unit()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestPagesLeft: whatever was read, what is left to read is the rest: each page
// once.
func TestPagesLeft(t *testing.T) {
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2))
		const pages = 40
		var known []*pieceLine
		var cut []int64
		for at := int64(0); at < pages; at += 1 + random.Int64N(9) {
			cut = append(cut, at)
		}
		for i, from := range cut {
			to := int64(0) // the last is open
			if i+1 < len(cut) {
				to = cut[i+1]
			}
			if random.IntN(2) == 0 {
				known = append(known, &pieceLine{Pages: &sampler.Segment{From: from, To: to}, File: "1", Rows: 1, Hash: fmt.Sprint(int64(1) << i)})
			}
			if random.IntN(8) == 0 { // of a table that was rewritten since
				known = append(known, &pieceLine{Pages: &sampler.Segment{From: from, To: to}, File: "2", Rows: 1, Hash: "99999999"})
			}
		}
		random.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
		p := &parts{file: "1"}
		p.restore(pageRun{pages: pages}, known)
		times := map[int64]int{}
		count := func(s sampler.Segment) {
			to := s.To
			if to == 0 {
				to = 2 * pages // open
			}
			for page := s.From; page < to; page++ {
				times[page]++
			}
		}
		var want hashing.Sum
		for _, l := range known {
			if l.File == "1" {
				count(*l.Pages)
				want = want.Plus(hashing.Sum{Rows: l.Rows, Hash: l.Hash})
			}
		}
		for _, rest := range p.rest {
			if rest.size() < 1 {
				t.Errorf("seed %d: %+v holds nothing", seed, rest)
			}
			count(rest.(pageRun).Segment)
		}
		for page := range int64(2 * pages) {
			if times[page] != 1 {
				t.Fatalf("seed %d: page %d is read %d times: left are %v", seed, page, times[page], p.rest)
			}
		}
		if p.sum != want {
			t.Errorf("seed %d: %v, want %v", seed, p.sum, want)
		}
	}
}

// TestKeysLeft: of ranges in an order that only the server knows, those that
// follow on each other from the beginning count.
func TestKeysLeft(t *testing.T) {
	line := func(from, to, hash string) *pieceLine {
		l := &pieceLine{Rows: 10, Hash: hash}
		if from != "" {
			l.From = []text{text(from)}
		}
		if to != "" {
			l.To = []text{text(to)}
		}
		return l
	}
	for _, c := range []struct {
		name  string
		known []*pieceLine
		from  string // of what is left, "" for all
		none  bool   // nothing is left
		sum   hashing.Sum
	}{
		{"nothing", nil, "", false, hashing.Sum{}},
		{"no beginning", []*pieceLine{line("c", "a", "1"), line("a", "", "2")}, "", false, hashing.Sum{}},
		{"a beginning, out of order", []*pieceLine{line("b", "a", "2"), line("", "b", "1"), line("z", "y", "4")}, "a", false, hashing.Sum{Rows: 20, Hash: "3"}},
		{"all", []*pieceLine{line("b", "", "2"), line("", "b", "1")}, "", true, hashing.Sum{Rows: 20, Hash: "3"}},
		{"a key that is called open", []*pieceLine{line("open", "", "2")}, "", false, hashing.Sum{}},
		{"read again from the gap on", []*pieceLine{line("", "b", "1"), line("d", "e", "4"), line("b", "d", "8"), line("d", "f", "16")}, "f", false, hashing.Sum{Rows: 30, Hash: "25"}},
	} {
		p := &parts{}
		p.restore(keyRange{rows: 100}, c.known)
		if c.none {
			if len(p.rest) != 0 {
				t.Errorf("%s: left is %v", c.name, p.rest)
			}
		} else {
			want := sampler.Range{}
			if c.from != "" {
				want.From = []string{c.from}
			}
			if diff := cmp.Diff(want, p.rest[0].(keyRange).Range); diff != "" || len(p.rest) != 1 {
				t.Errorf("%s: left are %v: %s", c.name, p.rest, diff)
			}
		}
		if p.sum != c.sum {
			t.Errorf("%s: %v, want %v", c.name, p.sum, c.sum)
		}
	}
}

// TestReadingsDoNotMix: pieces of a reading that was made again do not count,
// and the next reading is another one again.
func TestReadingsDoNotMix(t *testing.T) {
	p := newPast()
	of := sideOf{"u", "source"}
	for i, try := range []int{0, 0, 1, 1, 1} {
		p.take(entry{Piece: &pieceLine{Unit: "u", Side: "source", Try: try, Rows: int64(i)}})
	}
	j := &journal{past: p, taken: map[sideOf]int{}}
	if try, known := j.begin(of); try != 1 || len(known) != 3 || known[0].Rows != 2 {
		t.Errorf("reading %d, %d pieces", try, len(known))
	}
	if try, known := j.begin(of); try != 2 || known != nil {
		t.Errorf("then reading %d, %d pieces", try, len(known))
	}
}

// TestTornAnywhere cuts a file at each byte, and flips a bit of each: what is
// read of it is a beginning of what was written, or it is refused.
func TestTornAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	j.write(entry{Header: &headerLine{Format: journalFormat, Seeds: "s"}}, entry{Table: &tableLine{Name: "t"}}, entry{Planned: new(1)})
	plan := size(t, path)
	for n := range 5 {
		j.write(entry{Outcome: &outcomeLine{Table: "t", Check: "ranges", Chunk: n}})
	}
	j.close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := bytes.Count(content, []byte("\n"))
	read := func(b []byte) (outcomes int, err error) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := openJournal(path)
		if err != nil {
			return 0, err
		}
		defer j.close()
		if j.past == nil {
			return -1, nil
		}
		for n, o := range j.past.outcomes {
			if o.Chunk != n {
				t.Errorf("outcome %d is of chunk %d", n, o.Chunk)
			}
		}
		return len(j.past.outcomes), nil
	}
	for at := range len(content) + 1 {
		want := bytes.Count(content[:at], []byte("\n")) - 3
		if at < plan {
			want = -1
		}
		if got, err := read(bytes.Clone(content[:at])); err != nil || got != want {
			t.Fatalf("cut at %d of %d: %d outcomes, want %d: %v", at, len(content), got, want, err)
		}
	}
	last := bytes.LastIndexByte(content[:len(content)-1], '\n') + 1
	for at := range content {
		bit := rand.IntN(8)
		b := bytes.Clone(content)
		b[at] ^= 1 << bit
		got, err := read(b)
		switch {
		case err == nil && got == whole-3 && bytes.EqualFold(b, content): // a digit of a checksum, in upper case
		case at == last-1 && err == nil && got == whole-5: // two lines became one, the last
		case at < last && err == nil:
			t.Fatalf("bit %d of byte %d flipped: %d outcomes were taken for good", bit, at, got)
		case at >= last && (err != nil || got != whole-4):
			t.Fatalf("bit %d of byte %d in the last line flipped: %d outcomes, %v", bit, at, got, err)
		}
	}
}

func size(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

// TestEnded: a file that cannot be removed says itself that its run came to its
// end, so that the next one does not go on from it.
func TestEnded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	j.write(entry{Header: &headerLine{Format: journalFormat}}, entry{Planned: new(0)}, entry{Ended: new(time.Now())})
	j.close()
	if j, err = openJournal(path); err != nil || j.past != nil {
		t.Fatalf("%v, %v: it is gone on from", err, j)
	}
	j.close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that holds nothing is left: %v", err)
	}
}

// TestUncountedRows: the last check found a row and failed after that, so that
// the next run does it again, and may then not find the row. The content's
// check, which found it as well and left the counting to the other, must not be
// taken for done.
func TestUncountedRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	r, tr := &run{journal: j}, &tableRun{}
	j.write(entry{Header: &headerLine{Format: journalFormat}}, entry{Planned: new(0)})
	content := func(chunk int) sampler.Unit {
		return sampler.Unit{Table: "t", Check: sampler.CheckContent, Chunk: chunk}
	}
	r.checkpoint(tr, Outcome{Unit: content(0), Compared: true, Confirmed: 1}) // another one counted it, and has its line
	r.checkpoint(tr, Outcome{Unit: sampler.Unit{Table: "t", Check: sampler.CheckLast}, Total: 1, Confirmed: 1, claimed: []string{"k"}, Err: "lost"})
	r.checkpoint(tr, Outcome{Unit: content(1), Compared: true, Confirmed: 1})
	r.checkpoint(tr, Outcome{Unit: content(2), Compared: true, Confirmed: 1, Total: 1})
	r.checkpoint(tr, Outcome{Unit: content(3), Compared: true, Unsettled: 1})
	r.checkpoint(tr, Outcome{Unit: content(4), Compared: true})
	j.close()
	if j, err = openJournal(path); err != nil {
		t.Fatal(err)
	}
	defer j.close()
	var chunks []int
	for _, o := range j.past.outcomes {
		chunks = append(chunks, o.Chunk)
	}
	if diff := cmp.Diff([]int{0, 2, 4}, chunks); diff != "" {
		t.Error(diff)
	}
}
