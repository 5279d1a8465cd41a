package report

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/pgparity/pgparity/checker"
)

func TestPairsShowWhatDiffers(t *testing.T) {
	long := strings.Repeat("0123456789", 50)
	accents := strings.Repeat("e\u0301", 200) // a window does not begin with a mark
	tail := long[len(long)-53:]
	for _, c := range []struct{ name, source, target, left, right string }{
		{"short", "10.00", "10.01", "10.00", "10.01"},
		{"trailing blank", "blue", "blue ", "blue", `"blue "`},
		{"blanks in a row", "a b", "a  b", "a b", `"a \x20b"`},
		{"tab", "a b", "a\tb", "a b", `"a\tb"`},
		{"zero width", "ab", "a\u200bb", "ab", `"a\u200bb"`},
		{"no-break space", "a b", "a\u00a0b", `"a b"`, `"a\u00a0b"`},
		{"composed or not", "café", "cafe\u0301", `"caf\u00e9"`, `"cafe\u0301"`},
		{"order of marks", "e\u0323\u0301", "e\u0301\u0323", `"e\u0323\u0301"`, `"e\u0301\u0323"`},
		{"variation", "❤!", "❤\ufe0f!", `"\u2764!"`, `"\u2764\ufe0f!"`},
		{"filler at the end", "a", "a\u3164", `"a"`, `"a\u3164"`},
		{"another letter", "café", "cafè", "café", "cafè"},
		{"no UTF-8", "a\xff", "a\xfe", `"a\xff"`, `"a\xfe"`},
		{"cut letter", "a\xc3", "aé", `"a\xc3"`, "aé"},
		{"the word NULL", "NULL", "null", `"NULL"`, "null"},
		{"at the end", long + "a", long + "b", "…" + tail + "a (501 characters)", "…" + tail + "b (501 characters)"},
		{"one ends", long, long + long[:3], "…" + tail + " (500 characters)", "…" + tail + "012 (503 characters)"},
		{"in the middle", long + "a" + long, long + "b" + long, "…" + tail + "a" + long[:106] + "… (1,001 characters)", "…" + tail + "b" + long[:106] + "… (1,001 characters)"},
		{"at the start", "a" + long, "b", "a" + long[:159] + "… (501 characters)", "b"},
		{"behind marks", accents + "a", accents + "b", "…" + accents[:53*3] + "a (401 characters)", "…" + accents[:53*3] + "b (401 characters)"},
		{"far behind a respelling", "é" + long + "a", "e\u0301" + long + "b", `"\u00e9` + long[:152] + `"… (502 characters)`, `"e\u0301` + long[:151] + `"… (503 characters)`},
	} {
		left, right := listedShape.pair(&c.source, &c.target)
		if left != c.left || right != c.right {
			t.Errorf("%s:\n%s\n%s, want\n%s\n%s", c.name, left, right, c.left, c.right)
		}
	}
}

// TestUnlikeValuesLookUnlike draws pairs of unlike texts, mostly long and
// mostly equal, and folds what is shown as an eye would.
func TestUnlikeValuesLookUnlike(t *testing.T) {
	letters := rapid.SampledFrom([]string{"a", "b", " ", "  ", "é", "e\u0301", "\u0301", "\u0323", "ﬁ", "fi", "漢", "가", "\u1100\u1161", "\u11a8",
		"\ufe0f", "\u3164", "\u200b", "\u034f", "\t", "\x00", "\xff", "\xc3", `"`, `\`, ",", "…", "—", "NULL", "\U0001f600"})
	text := func(most int) *rapid.Generator[string] {
		return rapid.Map(rapid.SliceOfN(letters, 0, most), func(parts []string) string { return strings.Join(parts, "") })
	}
	note := regexp.MustCompile(` \([0-9,]+ characters(; --full)?\)$`)
	seen := func(s string) string {
		s = norm.NFKC.String(strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || unicode.Is(unicode.Variation_Selector, r) {
				return -1
			}
			return r
		}, note.ReplaceAllString(s, "")))
		return strings.TrimSpace(regexp.MustCompile(` +`).ReplaceAllString(s, " ")) // as a browser does
	}
	cut := 0
	rapid.Check(t, func(t *rapid.T) {
		before := strings.Repeat(text(40).Draw(t, "before"), rapid.IntRange(0, 9).Draw(t, "times"))
		after := strings.Repeat(text(40).Draw(t, "after"), rapid.IntRange(0, 9).Draw(t, "times"))
		a, b := before+text(3).Draw(t, "source")+after, before+text(3).Draw(t, "target")+after
		if a == b {
			return
		}
		for _, s := range []shape{listedShape, {limit: 54, noteFits: true, hint: "; --full", reserved: noRow}, {}} {
			left, right := s.pair(&a, &b)
			if strings.HasPrefix(left, "…") {
				cut++
			}
			if seen(left) == seen(right) {
				t.Fatalf("%q and %q both look like %s", a, b, left)
			}
			for _, shown := range []string{left, right} {
				if strings.ContainsFunc(shown, unsafeRune) || s.noteFits && width(shown) > s.limit {
					t.Fatalf("%q is shown as %q", a, shown)
				}
			}
			if strings.HasPrefix(left, "…") != strings.HasPrefix(right, "…") {
				t.Fatalf("the windows begin apart: %s, %s", left, right)
			}
		}
	})
	if cut == 0 {
		t.Error("no pair was cut; the test is broken")
	}
}

// TestOneSidedRows: the side that has no row is not shown as NULLs.
func TestOneSidedRows(t *testing.T) {
	columns := func(of func(v *checker.ColumnValues, text *string)) []checker.ColumnValues {
		vs := []checker.ColumnValues{{Name: "id"}, {Name: "line"}, {Name: "note"}, {Name: "total"}}
		for i, text := range []*string{ptr("42"), ptr("1"), nil, ptr("a, b")} {
			of(&vs[i], text)
		}
		return vs
	}
	source := columns(func(v *checker.ColumnValues, text *string) { v.Source = text })
	target := columns(func(v *checker.ColumnValues, text *string) { v.Target = text })
	key := map[string]string{"id": "42", "line": "1"}
	for _, c := range []struct {
		finding checker.Finding
		want    []string
	}{
		{checker.Finding{Kind: checker.KindMissing, Key: key, Values: source}, []string{`source: note=NULL, total="a, b"`}},
		{checker.Finding{Kind: checker.KindExtra, Key: key, Values: target}, []string{`target: note=NULL, total="a, b"`}},
		{checker.Finding{Kind: checker.KindExtra, Key: key, Values: source}, []string{"target: the row was gone when its values were read"}},
		{checker.Finding{Kind: checker.KindMissing, Key: key, Values: source[:2]}, nil},
		{checker.Finding{Kind: checker.KindMissing, Key: map[string]string{"row_hash": "8f"}, Values: source[2:]}, []string{`source: note=NULL, total="a, b"`}},
		{checker.Finding{Kind: checker.KindExtra, Key: map[string]string{"row_hash": "8f"}, Values: source}, []string{"target: all values are NULL, or none could be read"}},
		{checker.Finding{Kind: checker.KindMissing, Key: key}, nil},
		{checker.Finding{Kind: checker.KindDifferent, Key: key, Values: source[2:]}, []string{"note: source NULL, target NULL", `total: source "a, b", target NULL`}},
	} {
		if diff := cmp.Diff(c.want, valuesOf(&c.finding)); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.finding.Kind, c.finding.Values, diff)
		}
	}
	for _, f := range []Format{Text, HTML, Markdown, JUnit} {
		r := mismatchResult()
		r.Tables[1].Findings = slices.DeleteFunc(r.Tables[1].Findings, func(f checker.Finding) bool { return f.Kind == checker.KindDifferent })
		out := render(t, r, f, Options{})
		if strings.Contains(out, "target NULL") || strings.Count(out, "=NULL") != 2 {
			t.Errorf("%s shows a row that is not there, or a NULL not:\n%s", f, out)
		}
	}
}

// TestRowShowsWhatDiffers is the same in the side by side form.
func TestRowShowsWhatDiffers(t *testing.T) {
	long := strings.Repeat("0123456789", 50)
	row := &checker.RowPair{Table: "public.t", Key: []checker.KeyPart{{Name: "id", Value: "1"}}, Source: true, Target: true, Columns: []checker.RowColumn{
		{Name: "note", Source: ptr(long + "+door"), Target: ptr(long + "-desk"), Compared: true, Differs: true},
	}}
	for _, full := range []bool{false, true} {
		var out strings.Builder
		if err := WriteRow(&out, row, Options{Verbose: full}); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"door", "desk"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("full is %v: no %q:\n%s", full, want, out.String())
			}
		}
		if cut := strings.Contains(out.String(), "--full)"); cut == full {
			t.Errorf("full is %v, a value is cut: %v:\n%s", full, cut, out.String())
		}
	}
}
