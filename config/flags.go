package config

import (
	"strings"

	"github.com/spf13/pflag"
)

// rawFlag keeps what was typed, unread. pflag would stop at the first value it
// cannot read and print it; Load reads all and knows what may be printed.
type rawFlag struct {
	option Option
	values []string
}

// Set keeps what was given.
func (f *rawFlag) Set(s string) error {
	f.values = append(f.values, s)
	return nil
}

// String is empty until the flag is given, so that pflag sees a zero value. The
// default in the help text is set by Register.
func (f *rawFlag) String() string { return "" }

// Type is the placeholder in the help text.
func (f *rawFlag) Type() string {
	if f.option.kind == kindSwitch {
		return "bool" // pflag prints no placeholder after it
	}
	return f.option.Placeholder
}

// Register adds a flag to the set for each option that has one. Parsing the
// set never fails on a value: Load does, with every mistake.
func (t OptionTable) Register(set *pflag.FlagSet) {
	for _, o := range t {
		if o.Name == "" {
			continue
		}
		help := o.Help
		if o.Repeatable() {
			help += " (repeatable)"
		}
		f := set.VarPF(&rawFlag{option: o}, o.Name, "", help)
		f.DefValue = o.Default()
		if o.kind == kindSwitch {
			f.NoOptDefVal = "true"
		}
	}
}

// FromFlags returns the options that were set in a flag set made by Register,
// by flag name: what Input.Flags wants.
func (t OptionTable) FromFlags(set *pflag.FlagSet) map[string][]string {
	given := map[string][]string{}
	set.Visit(func(f *pflag.Flag) {
		if raw, ok := f.Value.(*rawFlag); ok {
			given[raw.option.Name] = raw.values
		}
	})
	return given
}

// split makes the values of flag or environment text.
func (o Option) split(values []string, env bool) []string {
	if o.kind != kindList && (!env || !o.Repeatable()) {
		return values
	}
	var all []string
	for _, v := range values {
		for item := range strings.SplitSeq(v, ",") {
			all = append(all, strings.TrimSpace(item))
		}
	}
	return all
}
