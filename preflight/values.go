package preflight

import (
	"slices"
	"strconv"
	"strings"
)

// canonical prints a setting's value as the server does: ALTER DATABASE keeps it
// as it was written.
func canonical(name, kind, unit, value string) string {
	switch lower := strings.ToLower(value); {
	case kind == "bool" || kind == "enum" && slices.Contains([]string{"true", "yes", "1", "false", "no", "0"}, lower):
		switch lower {
		case "on", "true", "yes", "1", "t", "y":
			return "on"
		}
		return "off"
	case kind == "enum":
		return lower
	case unit == "ms":
		return inMilliseconds(lower)
	case name == "search_path":
		var parts []string
		for part := range strings.SplitSeq(value, ",") {
			parts = append(parts, strings.TrimSpace(part))
		}
		return strings.Join(parts, ", ")
	}
	return value
}

// inMilliseconds reads 5s, 1min and the like; what it does not know stays.
func inMilliseconds(value string) string {
	digits := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz ")
	n, err := strconv.ParseInt(digits, 10, 64)
	factor, known := map[string]int64{"": 1, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}[strings.TrimSpace(value[len(digits):])]
	if err != nil || !known {
		return value
	}
	return strconv.FormatInt(n*factor, 10)
}

// dateStyle takes the ways to write a style and an order for one.
func dateStyle(v string) string {
	style, order := "iso", "mdy"
	for word := range strings.SplitSeq(strings.ToLower(v), ",") {
		switch word = strings.TrimSpace(word); word {
		case "iso", "sql", "postgres", "german":
			style = word
		case "dmy", "euro", "european":
			order = "dmy"
		case "ymd":
			order = "ymd"
		}
	}
	return style + ", " + order
}

// less compares numbers; what is none is not less.
func less(a, b string) bool {
	x, errX := strconv.Atoi(a)
	y, errY := strconv.Atoi(b)
	return errX == nil && errY == nil && x < y
}

// zone takes the names of UTC for one.
func zone(v string) string {
	v = strings.ToLower(strings.TrimPrefix(v, "Etc/"))
	if slices.Contains([]string{"utc", "uct", "gmt", "zulu", "universal", "greenwich", "gmt0", "gmt+0", "gmt-0"}, v) {
		return "utc"
	}
	return v
}

// locale takes the spellings of one locale on different systems for one.
func locale(v string) string {
	v = strings.ReplaceAll(strings.ToLower(v), "-", "")
	if slices.Contains([]string{"c", "posix", "c.utf8", ""}, v) {
		return "c"
	}
	return v
}

// onIsMD5: up to 13 password_encryption could be switched on, which meant md5.
func onIsMD5(v string) string {
	if v == "on" {
		return "md5"
	}
	return v
}
