package preflight

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Only * means something in an acknowledgement: names have the rest of their own.
func TestLike(t *testing.T) {
	for _, c := range []struct {
		glob, text string
		want       bool
	}{
		{"public.a", "public.a", true}, {"public.a", "public.ab", false}, {"public.*", "public.a", true}, {"*", "", true},
		{"public.*_log", "public.x_log", true}, {"public.*_log", "public.x_logs", false}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"function public.f(integer[])", "function public.f(integer[])", true}, {"function public.f(*[])", "function public.f(text[])", true},
		{`public."a?b"`, `public."acb"`, false}, {`public."a\b"*`, `public."a\b" index x`, true}, {"a*b*c", "a-c-b", false}, {"a/*", "a/b/c", true},
	} {
		if got := like(c.glob, c.text); got != c.want {
			t.Errorf("%q of %q: %t", c.glob, c.text, got)
		}
	}
}

// It agrees with the regular expression that means the same.
func TestLikeIsARegularExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOfN(rapid.SampledFrom([]rune("ab.*")), 0, 6, -1)
		glob, text := letters.Draw(t, "glob"), strings.ReplaceAll(letters.Draw(t, "text"), "*", "a")
		re := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*") + "$")
		if got, want := like(glob, text), re.MatchString(text); got != want {
			t.Fatalf("%q of %q: %t, want %t", glob, text, got, want)
		}
	})
}
