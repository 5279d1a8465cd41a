package config

import (
	"strings"
	"time"
)

// Watch says how a pair is watched: the mapping monitor of a pair or of defaults.
// It is complete and valid, what was left out is DefaultWatch's.
type Watch struct {
	Cycle        time.Duration // from the beginning of a full pass to that of the next; at least a minute
	Quick        time.Duration // between two quick checks; at least 5 s
	Recheck      time.Duration // between two looks at what is open; at least 5 s
	NoFollow     bool          // changes are not followed between passes
	Retention    int64         // bytes of log that our slot may hold back on the source; at least 64 MB
	WatermarkAge time.Duration // from which on a watermark is too old; 0 = never
}

const (
	monitorPrefix = "monitor."
	minCycle      = time.Minute
	minQuick      = 5 * time.Second
	minRetention  = 64 << 20
)

// DefaultWatch is that of a pair of which the configuration says nothing.
func DefaultWatch() Watch {
	return Watch{Cycle: 6 * time.Hour, Quick: time.Minute, Recheck: time.Minute, Retention: 10 << 30, WatermarkAge: 5 * time.Minute}
}

// Monitor says whether the option is one of the monitor alone: it counts only where a
// monitor is configured (LoadMonitor).
func (o Option) Monitor() bool { return strings.HasPrefix(o.Key, monitorPrefix) }

// monitorOptions are the rows of the option table under monitor.
func monitorOptions() OptionTable {
	return OptionTable{
		{Key: "monitor.cycle",
			Help:  "from the beginning of a full pass to that of the next",
			value: duration(func(p *Pair) *time.Duration { return &p.Watch.Cycle }, minCycle)},
		{Key: "monitor.quick",
			Help:  "between two quick checks: sequences, the last rows, and counts of small pairs",
			value: duration(func(p *Pair) *time.Duration { return &p.Watch.Quick }, minQuick)},
		{Key: "monitor.recheck",
			Help:  "between two looks at the differences that are open",
			value: duration(func(p *Pair) *time.Duration { return &p.Watch.Recheck }, minQuick)},
		{Key: "monitor.follow",
			Help:  "on or off: follow what changes on the source between passes, by a logical slot of its own",
			value: followed()},
		{Key: "monitor.retention",
			Help:  "how much log that slot may hold back on the source before it is given up, at least 64MB",
			value: retention()},
		{Key: "monitor.watermark_age",
			Help:  "from which age on of the watermark somebody is told; 0s is never",
			value: duration(func(p *Pair) *time.Duration { return &p.Watch.WatermarkAge }, 0)},
	}
}

func followed() value {
	return value{
		kind: kindWalked,
		walk: func(w *walker, e entry, _ bool) (setter, rendering) {
			s, _ := scalar(e.value)
			switch strings.ToLower(s) {
			case "on", "true":
				return func(p *Pair) { p.Watch.NoFollow = false }, nil
			case "off", "false":
				return func(p *Pair) { p.Watch.NoFollow = true }, nil
			}
			w.m.add(e.at, "must be on or off")
			return nil, nil
		},
		show: func(p Pair) string {
			if p.Watch.NoFollow {
				return "off"
			}
			return "on"
		},
	}
}

// retention is a size with a floor: under it a burst of writes would cost the slot.
func retention() value {
	field := func(p *Pair) *int64 { return &p.Watch.Retention }
	v := size(field)
	parse := v.parse
	v.parse = func(values []string) (setter, []problem) {
		set, bad := parse(values)
		if len(bad) > 0 {
			return set, bad
		}
		p := Default()
		set(&p)
		if *field(&p) < minRetention {
			return nil, []problem{{0, "must be at least " + showSize(minRetention)}}
		}
		return set, nil
	}
	return v
}

// watched fills in what a monitor wants of a pair that a switch has, too: where its journal
// is, if the configuration names one.
func (l *loader) watched(p *Pair, at map[string]origin) {
	where, given := at["cutover.journal"]
	if !given {
		p.Cutover.Journal = ""
		return
	}
	if strings.Contains(p.Cutover.Journal, "{pair}") && p.Name == "" {
		l.m.add(where, "has {pair} in the file name, and the pair has no name; names come from a configuration file")
	}
	p.Cutover.Journal = strings.ReplaceAll(p.Cutover.Journal, "{pair}", p.Name)
}
