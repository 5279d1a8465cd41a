package config

import (
	"math"
	"strconv"
	"strings"
)

// sizeUnits are those of PostgreSQL: powers of 1024.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"B", 1}}

func size(field func(*Pair) *int64) value {
	return value{
		kind: kindSize,
		parse: one(func(s string) (setter, string) {
			n, ok := parseSize(s)
			if !ok {
				return nil, mustBeSize + notShown(s)
			}
			return func(p *Pair) { *field(p) = n }, ""
		}),
		show: func(p Pair) string { return showSize(*field(&p)) },
	}
}

const mustBeSize = "must be a whole number with a unit (B, kB, MB, GB or TB), such as 64MB, or 0"

// parseSize reads a size in bytes, its unit in upper or lower case. Only 0 may
// go without: a bare 64 is more likely a slip than meant as bytes.
func parseSize(s string) (int64, bool) {
	if s == "0" {
		return 0, true
	}
	for _, u := range sizeUnits {
		at := len(s) - len(u.name)
		if at < 1 || !strings.EqualFold(s[at:], u.name) {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(s[:at]), 10, 63)
		return int64(n) * u.bytes, err == nil && int64(n) <= math.MaxInt64/u.bytes
	}
	return 0, false
}

// showSize prints a size as one types it.
func showSize(n int64) string {
	for _, u := range sizeUnits {
		if n > 0 && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0"
}
