package schema

import (
	"slices"
	"strings"
)

// sameLocale tells whether two ICU locales are one: later versions make language
// tags of ICU's older names (de_DE@collation=phonebook), put the keywords of a tag
// in order, and leave out what is true anyway.
func sameLocale(a, b string) bool { return canonicalLocale(a) == canonicalLocale(b) }

func canonicalLocale(text string) string {
	rest, ok := strings.CutPrefix(text, "icu ")
	if !ok {
		return text
	}
	locale, after := rest, ""
	if i := strings.IndexAny(rest, ", "); i >= 0 {
		locale, after = rest[:i], rest[i:]
	}
	tag := strings.ToLower(fromOlder(locale))
	language, keywords, ok := strings.Cut(tag, "-u-")
	if !ok {
		return "icu " + tag + after
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

// olderKeys and olderValues are ICU's names of what a language tag shortens, in
// lower case. Source: the Unicode locale identifiers' keys of collations (UTS 35).
var (
	olderKeys = map[string]string{"collation": "co", "colalternate": "ka", "colbackwards": "kb", "colcaselevel": "kc", "colcasefirst": "kf", "colnormalization": "kk",
		"colnumeric": "kn", "colreorder": "kr", "colstrength": "ks", "numbers": "nu", "calendar": "ca"}
	olderValues = map[string]string{"phonebook": "phonebk", "traditional": "trad", "dictionary": "dict", "primary": "level1", "secondary": "level2", "tertiary": "level3",
		"quaternary": "level4", "identical": "identic", "non-ignorable": "noignore", "yes": "true", "no": "false"}
)

// fromOlder makes a language tag of an ICU locale: itself where it is one.
func fromOlder(locale string) string {
	base, keywords, has := strings.Cut(locale, "@")
	tag := strings.ReplaceAll(base, "_", "-")
	if tag == "root" || tag == "" {
		tag = "und"
	}
	if !has {
		return tag
	}
	tag += "-u"
	for pair := range strings.SplitSeq(strings.ToLower(keywords), ";") {
		key, value, _ := strings.Cut(pair, "=")
		if olderKeys[key] == "" {
			return locale
		}
		if short := olderValues[value]; short != "" {
			value = short
		}
		tag += "-" + olderKeys[key] + "-" + value
	}
	return tag
}
