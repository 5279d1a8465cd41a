package config

import (
	"maps"
	"slices"
	"strings"
)

// environment holds the variables that are set and not empty: an empty one is
// how a container's settings say "not given".
type environment map[string]string

func newEnvironment(environ []string) environment {
	e := environment{}
	for _, kv := range environ {
		if name, v, _ := strings.Cut(kv, "="); v != "" {
			e[name] = v
		} else {
			delete(e, name)
		}
	}
	return e
}

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

func (l *loader) flag(name string, line int) origin {
	return origin{"--" + name, "", place{layer: layerFlags, line: line}}
}

func (l *loader) readFlags() layer {
	settings := layer{}
	for i, o := range l.table {
		if values, given := l.in.Flags[o.Name]; given && o.Name != "" {
			settings[o.Key] = l.parse(o, o.split(values, false), l.flag(o.Name, i))
		}
	}
	return settings
}

func (l *loader) readEnviron() layer {
	settings := layer{}
	var known []string
	for i, o := range l.table {
		if o.Name == "" {
			continue // only in YAML
		}
		known = append(known, strings.ToLower(strings.TrimPrefix(o.Env(), envPrefix)))
		if v, given := l.env[o.Env()]; given {
			at := origin{o.Env(), "", place{layer: layerEnv, line: i}}
			settings[o.Key] = l.parse(o, o.split([]string{v}, true), at)
		}
	}
	// A variable with a slip in its name would silently not count. Others that
	// begin alike may belong to something else.
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		suffix, ours := strings.CutPrefix(name, envPrefix)
		suffix = strings.ToLower(suffix)
		if near := nearest(suffix, known); ours && near != "" && near != suffix {
			at := origin{name, "", place{layer: layerEnv, line: len(l.table)}}
			l.m.add(at, "unknown variable; did you mean "+envPrefix+strings.ToUpper(near)+"?")
		}
	}
	return settings
}
