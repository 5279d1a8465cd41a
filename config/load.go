package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Input is all that decides a run's configuration.
type Input struct {
	Flags      map[string][]string // the flags that were set, by name: OptionTable.FromFlags
	Environ    []string            // NAME=value, as os.Environ returns it
	ConfigPath string              // --config; "" = none. Names the file in mistakes
	Config     []byte              // the file's content; nil = ConfigPath is read
	PairNames  []string            // --pair; none = all pairs of the file
	// FlagsOnly are options, by flag name, of which environment and file speak to
	// another command: here the flag alone counts.
	FlagsOnly []string
	// Cutover: the pairs are switched. Else what stands under cutover is checked
	// for its shape and does not count, and Pair.Cutover is DefaultCutover: the
	// variables and files that it names need not exist where pairs are verified.
	Cutover bool

	// ReadFile reads the configuration and password files; nil reads the disk.
	ReadFile fileReader

	watching bool // by LoadMonitor
}

type fileReader = func(name string) ([]byte, error)

// maxFile is far above any configuration written by hand, and keeps a device
// or a dump given by mistake out of memory.
const maxFile = 1 << 20

var errTooLarge = errors.New("larger than 1 MiB")

// Load returns the pairs to run, in the order of the file, each with what
// flags, environment and file say, in this order of precedence. The error is a
// Mistakes with everything that is wrong.
func Load(in Input) ([]Pair, error) {
	l := loader{in: in, env: newEnvironment(in.Environ), m: &mistakes{}, table: Options()}
	if l.in.ReadFile == nil {
		l.in.ReadFile = readFile
	}
	l.flags = l.readFlags()
	l.environ = l.readEnviron()
	var pairs []Pair
	if in.ConfigPath == "" && in.Config == nil {
		pairs = l.withoutFile()
	} else {
		pairs = l.withFile()
	}
	if err := l.m.err(); err != nil {
		return nil, err
	}
	return pairs, nil
}

// loader is the state of one Load.
type loader struct {
	in             Input
	env            environment
	m              *mistakes
	table          OptionTable
	flags, environ layer
	monitor        *monitorFile // LoadMonitor's, else nil
}

func (l *loader) parse(o Option, values []string, at origin) setting {
	set, bad := o.parse(values)
	for _, b := range bad {
		l.m.add(at, b.message)
	}
	if len(bad) > 0 {
		set = nil
	}
	return setting{at: at, apply: set}
}

// withoutFile makes the one pair of flags and environment.
func (l *loader) withoutFile() []Pair {
	for _, o := range l.table[:2] { // source and target
		_, flag := l.flags[o.Key]
		_, env := l.environ[o.Key]
		if !flag && !env {
			l.m.add(l.flag(o.Name, 0), fmt.Sprintf("is missing; give --%s URL or set %s, or list pairs in a file and give --config FILE", o.Name, o.Env()))
		}
	}
	if len(l.in.PairNames) > 0 {
		l.m.add(l.flag("pair", len(l.table)), "chooses from a configuration file; give --config FILE too")
	}
	return l.complete([]filePair{{}}, nil)
}

func (l *loader) withFile() []Pair {
	path := l.in.ConfigPath
	if path == "" {
		path = "config"
	}
	content := l.in.Config
	if content == nil {
		var err error
		if content, err = l.in.ReadFile(path); err != nil {
			l.m.add(origin{path, "", place{layer: layerFile}}, "the configuration file cannot be read: "+cause(err))
			return nil
		}
	}
	if len(content) > maxFile {
		l.m.add(origin{path, "", place{layer: layerFile}}, "the configuration file cannot be read: "+errTooLarge.Error())
		return nil
	}
	w := walker{file: path, m: l.m}
	f := w.readFile(content)
	if l.monitor != nil && f.monitor != nil {
		l.monitor = f.monitor
	}
	for i := range f.pairs {
		l.sides(&f.pairs[i])
	}
	chosen := l.choose(f.pairs)
	l.oneForMany(len(chosen))
	return l.complete(chosen, f.defaults)
}

// sides reports a pair of the file that nothing gives a source or target.
func (l *loader) sides(p *filePair) {
	for _, o := range l.table[:2] {
		_, flag := l.flags[o.Key]
		_, env := l.environ[o.Key]
		if _, file := p.settings[o.Key]; !flag && !env && !file {
			l.m.add(origin{p.at.where, p.at.key + "." + o.Key, p.at.place}, "is missing; give a postgres:// URL or a mapping such as {host: …, dbname: …}")
		}
	}
}

// choose returns the pairs that --pair names, all without it.
func (l *loader) choose(pairs []filePair) []filePair {
	if len(l.in.PairNames) == 0 {
		return pairs
	}
	var known []string
	for _, p := range pairs {
		if p.name != "" {
			known = append(known, p.name)
		}
	}
	for _, name := range l.in.PairNames {
		if !slices.Contains(known, name) {
			has := "has no pair with a name"
			if len(known) > 0 {
				has = "has " + strings.Join(known, ", ")
			}
			l.m.add(l.flag("pair", len(l.table)), fmt.Sprintf("no pair %q; the configuration file %s", name, has))
		}
	}
	var chosen []filePair
	for _, p := range pairs {
		if slices.Contains(l.in.PairNames, p.name) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// oneForMany refuses one database for a side of several pairs: all would be
// compared with the same database, and one slip would look like many.
func (l *loader) oneForMany(pairs int) {
	if pairs < 2 {
		return
	}
	for _, o := range l.table {
		if !o.PairOnly || !l.counts(o) {
			continue
		}
		if s, given := l.flags[o.Key]; given {
			l.m.add(s.at, fmt.Sprintf("would be used for all %d pairs; choose one with --pair NAME, or leave it to the configuration file", pairs))
		}
		if s, given := l.environ[o.Key]; given {
			l.m.add(s.at, fmt.Sprintf("would be used for all %d pairs; choose one with --pair NAME, or unset it", pairs))
		}
	}
}

// complete puts the layers on top of each other, the lowest first.
func (l *loader) complete(from []filePair, defaults layer) []Pair {
	var pairs []Pair
	writes := map[string]bool{}
	for _, f := range from {
		p := Default()
		p.Name = f.name
		at := map[string]origin{} // where each option was given
		for _, o := range l.table {
			if !l.counts(o) {
				continue
			}
			var last setting
			for i, settings := range []layer{defaults, f.settings, l.environ, l.flags} {
				s, given := settings[o.Key]
				if !given || i < 3 && slices.Contains(l.in.FlagsOnly, o.Name) {
					continue
				}
				if s.apply != nil {
					s.apply(&p)
				}
				at[o.Key], last = s.at, s
			}
			// Variables and files of what is overridden are not even looked at.
			if last.render != nil {
				last.render(l.env, l.in.ReadFile, l.m)(&p)
			}
		}
		l.checkHeartbeats(&p, at, defaults)
		l.reportPaths(&p, at["reports"], writes)
		l.resumePath(&p, at["resume"], writes)
		if l.in.Cutover && (p.Name != "" || len(from) == 1) { // one of many without a name is a mistake already
			l.checkCutover(&p, at, writes)
		}
		if l.in.watching {
			l.watched(&p, at)
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// counts tells whether the command at hand looks at an option at all.
func (l *loader) counts(o Option) bool {
	switch {
	case o.Cutover():
		return l.in.Cutover || l.in.watching && o.Key == "cutover.journal"
	case o.Monitor():
		return l.in.watching
	}
	return true
}

// reportPaths fills in the pair's name and sees that no report overwrites
// another one.
func (l *loader) reportPaths(p *Pair, at origin, writes map[string]bool) {
	for i := range p.Reports {
		r := &p.Reports[i]
		if strings.Contains(r.Path, "{pair}") && p.Name == "" {
			l.m.add(at, "has {pair} in a file name, and the pair has no name; names come from a configuration file")
			return
		}
		r.Path = strings.ReplaceAll(r.Path, "{pair}", p.Name)
		if file := filepath.Clean(r.Path); writes[file] {
			l.m.add(at, "writes to a file that another pair's report writes to; put {pair} into the file name")
			return
		}
		writes[filepath.Clean(r.Path)] = true
	}
}

// resumePath fills in the pair's name and sees that the file of checkpoints is
// no other pair's, nor a report.
func (l *loader) resumePath(p *Pair, at origin, writes map[string]bool) {
	if strings.Contains(p.Resume, "{pair}") && p.Name == "" {
		l.m.add(at, "has {pair} in the file name, and the pair has no name; names come from a configuration file")
		return
	}
	if p.Resume = strings.ReplaceAll(p.Resume, "{pair}", p.Name); p.Resume == "" {
		return
	}
	file := filepath.Clean(p.Resume)
	if writes[file] {
		l.m.add(at, "names a file that a report or another pair writes to; put {pair} into the file name")
		return
	}
	writes[file] = true
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		return nil, errTooLarge
	}
	return b, err
}

// cause is the reason of a file error without the path: the path of a password
// file stands in source or target, whose values are not printed.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
