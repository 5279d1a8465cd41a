package config

import "slices"

// Words returns the words that an option takes, by flag name; nil for one
// that takes anything. The caller owns the list.
func (t OptionTable) Words(name string) []string {
	return slices.Clone(map[string][]string{
		"checks": checkWords, "replication": replicationWords, "digest": digestWords, "report": formatWords,
	}[name])
}

// Nearest returns the known word that is a slip or two away from s, "" when
// there is none.
func Nearest(s string, known []string) string { return nearest(s, known) }
