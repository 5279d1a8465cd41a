package config

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind says which YAML nodes an option takes and how flag text is split.
type kind int

const (
	kindText kind = iota
	kindNumber
	kindDuration
	kindSize
	kindSwitch
	kindList       // flag and environment text is split at commas
	kindItems      // a list whose flag text is not split: objects' names may hold commas
	kindReports    // a list whose flag text is not split: file names may hold commas
	kindHeartbeats // likewise, for keys may; in YAML a list of mappings
	kindConnection // text, or a mapping of parts
	kindWalked     // mappings, read by the YAML walk alone
)

// setter puts parsed values into a pair. It may be used for several pairs and
// shares no memory with them.
type setter func(*Pair)

// problem is what is wrong with one of an option's values.
type problem struct {
	index   int // into the values, 0 when it concerns them all
	message string
}

// value is how an option is read and shown: made once per field by the
// functions below.
type value struct {
	kind  kind
	parse func(values []string) (setter, []problem)
	show  func(Pair) string

	// walk reads what parse cannot: mappings of the YAML file, a pair's or those of
	// defaults. It reports every mistake; the setters may be nil then.
	walk func(w *walker, e entry, defaults bool) (setter, rendering)
	// connection is where a connection goes.
	connection func(*Pair) *string
}

// A statement timeout under a millisecond would reach the server as 0, which
// means none; anything under a second fails on a busy server for no reason.
const minStatementTimeout = time.Second

// So would a budget; and under a few milliseconds what a statement costs anyhow
// uses it up.
const minBudget = 10 * time.Millisecond

// one makes the parse function of an option with a single value. Given several
// times, the last one counts, as everywhere on a command line.
func one(parse func(string) (setter, string)) func([]string) (setter, []problem) {
	return func(values []string) (setter, []problem) {
		last := len(values) - 1
		if last < 0 || strings.TrimSpace(values[last]) == "" {
			return nil, []problem{{0, "is empty"}}
		}
		set, message := parse(values[last])
		if message != "" {
			return nil, []problem{{last, message}}
		}
		return set, nil
	}
}

func text(field func(*Pair) *string) value {
	return value{
		kind: kindText,
		parse: one(func(s string) (setter, string) {
			return func(p *Pair) { *field(p) = s }, ""
		}),
		show: func(p Pair) string { return *field(&p) },
	}
}

func connectionText(field func(*Pair) *string) value {
	return value{
		kind:       kindConnection,
		connection: field,
		parse: one(func(s string) (setter, string) {
			return func(p *Pair) { *field(p) = s }, checkConnection(s)
		}),
		show: func(Pair) string { return "" },
	}
}

func number(field func(*Pair) *int, least, most int) value {
	return value{
		kind: kindNumber,
		parse: one(func(s string) (setter, string) {
			n, message := parseNumber(s, least, most)
			return func(p *Pair) { *field(p) = n }, message
		}),
		show: func(p Pair) string { return strconv.Itoa(*field(&p)) },
	}
}

func parseNumber(s string, least, most int) (n int, message string) {
	n, err := strconv.Atoi(s)
	switch {
	case err != nil:
		return 0, "must be a whole number" + notShown(s)
	case n < least:
		return 0, fmt.Sprintf("must be at least %d, not %d", least, n)
	case n > most:
		return 0, fmt.Sprintf("must be at most %d, not %d", most, n)
	}
	return n, ""
}

// number64 takes any whole number of 64 bits.
func number64(field func(*Pair) *int64) value {
	return value{
		kind: kindNumber,
		parse: one(func(s string) (setter, string) {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return nil, "must be a whole number of 64 bits" + notShown(s)
			}
			return func(p *Pair) { *field(p) = n }, ""
		}),
		show: func(p Pair) string { return strconv.FormatInt(*field(&p), 10) },
	}
}

func duration(field func(*Pair) *time.Duration, least time.Duration) value {
	return durationWhere(field, atLeast(least))
}

func atLeast(least time.Duration) func(time.Duration) string {
	return func(d time.Duration) string {
		if d < least {
			return fmt.Sprintf("must be at least %s", least)
		}
		return ""
	}
}

// durationOrNone is a duration of which 0 means none.
func durationOrNone(field func(*Pair) *time.Duration, least time.Duration) value {
	return durationWhere(field, func(d time.Duration) string {
		if d > 0 && d < least {
			return fmt.Sprintf("must be at least %s, or 0s for no limit", least)
		}
		return ""
	})
}

// durationWhere is a duration in which wrong finds no mistake.
func durationWhere(field func(*Pair) *time.Duration, wrong func(time.Duration) string) value {
	return value{
		kind: kindDuration,
		parse: one(func(s string) (setter, string) {
			d, message := parseDuration(s, wrong)
			return func(p *Pair) { *field(p) = d }, message
		}),
		show: func(p Pair) string { return short(*field(&p)) },
	}
}

func parseDuration(s string, wrong func(time.Duration) string) (d time.Duration, message string) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, "must be a duration with a unit, such as 30s, 5m or 1h30m" + notShown(s)
	case d < 0:
		return 0, "must not be negative"
	}
	return d, wrong(d)
}

// short prints a duration as one types it: 10m, not 10m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func toggle(field func(*Pair) *bool) value {
	return value{
		kind: kindSwitch,
		parse: one(func(s string) (setter, string) {
			switch s {
			case "true", "1":
				return func(p *Pair) { *field(p) = true }, ""
			case "false", "0":
				return func(p *Pair) { *field(p) = false }, ""
			}
			return nil, "must be true or false" + notShown(s)
		}),
		show: func(p Pair) string { return strconv.FormatBool(*field(&p)) },
	}
}

// checkWord says what is wrong with s, "" if it is one of the allowed words.
func checkWord(s string, allowed []string) string {
	if slices.Contains(allowed, s) {
		return ""
	}
	return fmt.Sprintf("must be one of %s%s%s", strings.Join(allowed, ", "), notShown(s), didYouMean(s, allowed))
}

func word(field func(*Pair) *string, allowed []string) value {
	return value{
		kind: kindText,
		parse: one(func(s string) (setter, string) {
			return func(p *Pair) { *field(p) = s }, checkWord(s, allowed)
		}),
		show: func(p Pair) string { return *field(&p) },
	}
}

func words(field func(*Pair) *[]string, allowed []string) value {
	return value{
		kind: kindList,
		parse: func(values []string) (setter, []problem) {
			if len(values) == 0 {
				// A run without a check would compare nothing.
				return nil, []problem{{0, "is empty; it needs at least one of " + strings.Join(allowed, ", ")}}
			}
			var bad []problem
			for i, v := range values {
				if message := checkWord(v, allowed); message != "" {
					bad = append(bad, problem{i, message})
				} else if slices.Contains(values[:i], v) {
					bad = append(bad, problem{i, fmt.Sprintf("%q is listed twice", v)})
				}
			}
			return func(p *Pair) {
				// In the table's order, so that the same set is the same options.
				*field(p) = slices.DeleteFunc(slices.Clone(allowed), func(w string) bool { return !slices.Contains(values, w) })
			}, bad
		},
		show: func(p Pair) string { return strings.Join(*field(&p), ",") },
	}
}

// items is a list of texts that mean something to the command alone.
func items(field func(*Pair) *[]string) value {
	return value{
		kind: kindItems,
		parse: func(values []string) (setter, []problem) {
			var bad []problem
			for i, v := range values {
				if strings.TrimSpace(v) == "" {
					bad = append(bad, problem{i, "is empty"})
				}
			}
			return func(p *Pair) { *field(p) = slices.Clone(values) }, bad
		},
		show: func(p Pair) string { return strings.Join(*field(&p), "\n") },
	}
}

func reports(field func(*Pair) *[]Report) value {
	return value{
		kind: kindReports,
		parse: func(values []string) (setter, []problem) {
			var bad []problem
			var list []Report
			seen := map[string]bool{}
			for i, v := range values {
				format, path, ok := strings.Cut(v, "=")
				message := checkWord(format, formatWords)
				switch {
				case !ok || path == "":
					message = "must be FORMAT=FILE, such as json=report.json"
				case message != "":
					message = "format " + message
				case path == "-":
					message = "writes files; choose what standard output gets with --output"
				case seen[filepath.Clean(path)]:
					message = "writes to a file that another report writes to; give each its own"
				}
				if message != "" {
					bad = append(bad, problem{i, message})
					continue
				}
				seen[filepath.Clean(path)] = true
				list = append(list, Report{format, path})
			}
			return func(p *Pair) { *field(p) = slices.Clone(list) }, bad
		},
		show: func(Pair) string { return "" },
	}
}

func perTable() value {
	return value{
		kind: kindWalked,
		walk: func(w *walker, e entry, _ bool) (setter, rendering) { return w.perTable(e), nil },
		show: func(p Pair) string {
			if len(p.PerTable) == 0 {
				return ""
			}
			b, _ := json.Marshal(p.PerTable) // strings always marshal, keys come sorted
			return string(b)
		},
	}
}
