package schema

import (
	"slices"
	"strings"
)

// sameLocale tells whether two ICU locales are one: later versions put the
// keywords of a language tag in order, and leave out what is true anyway.
func sameLocale(a, b string) bool { return canonicalLocale(a) == canonicalLocale(b) }

func canonicalLocale(text string) string {
	rest, ok := strings.CutPrefix(text, "icu ")
	if !ok {
		return text
	}
	tag, after := rest, ""
	if i := strings.IndexAny(rest, ", "); i >= 0 {
		tag, after = rest[:i], rest[i:]
	}
	language, keywords, ok := strings.Cut(tag, "-u-")
	if !ok {
		return text
	}
	var list []string
	for part := range strings.SplitSeq(keywords, "-") {
		switch {
		case len(part) == 2: // a key; the others are values
			list = append(list, part)
		case len(list) == 0:
			return text
		case part != "true" && part != "yes":
			list[len(list)-1] += "-" + part
		}
	}
	slices.Sort(list)
	return "icu " + language + "-u-" + strings.Join(list, "-") + after
}
