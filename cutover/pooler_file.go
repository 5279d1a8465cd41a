package cutover

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// edits are what a pooler's entries are to be given in its file: those of its
// Target, or, back, what stood there before. An entry whose line is so already
// is there too, with two lines that are the same. Nothing is written.
func (r *run) edits(p Pooler, back bool) ([]EditedFile, error) {
	if p.File == "" {
		return nil, nil
	}
	text, err := os.ReadFile(p.File)
	if err != nil {
		return nil, fmt.Errorf("pooler %s: %w: name a file of this machine that this user may read and replace", p.Name, err)
	}
	var list []EditedFile
	for _, name := range p.Databases {
		e, err := findEntry(string(text), name)
		if err != nil {
			return nil, fmt.Errorf("pooler %s: %s: %w", p.Name, p.File, err)
		}
		changes, err := r.changes(p, e, back)
		if err != nil {
			return nil, fmt.Errorf("pooler %s: %s: %w", p.Name, p.File, err)
		}
		list = append(list, EditedFile{Path: p.File, Before: e.text, After: e.with(changes)})
	}
	return list, nil
}

// changes are those that an entry needs.
func (r *run) changes(p Pooler, e *entry, back bool) ([]change, error) {
	if back {
		i := slices.IndexFunc(r.facts.Files, func(f EditedFile) bool { return f.Path == p.File && f.entry() == e.name })
		if i < 0 {
			return nil, fmt.Errorf("the journal does not say what stood there for %s before: write it there by hand, and then on PgBouncer's console RELOAD and RESUME", e.name)
		}
		return r.facts.Files[i].back()
	}
	target, err := parseTarget(p.Target)
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, s := range target {
		if _, has := get(e.settings, s.key); s.key == "user" && !has {
			return nil, fmt.Errorf("target: the entry %s has no user, and a PgBouncer that was given one keeps it until it is started anew: leave it out, or add it beforehand", e.name)
		}
		changes = append(changes, change{key: s.key, value: &s.value})
	}
	return changes, nil
}

// remember keeps what stood in a file before it is edited, and reports whether
// that was not known yet. A line that is as it shall be already says nothing of
// what it was.
func (r *run) remember(list []EditedFile) (changed bool) {
	for _, f := range list {
		if f.Before == f.After {
			continue
		}
		f.Before, f.After = masked(f.Before), masked(f.After)
		i := slices.IndexFunc(r.facts.Files, func(g EditedFile) bool { return g.Path == f.Path && g.entry() == f.entry() })
		switch {
		case i < 0:
			// A copy: what was written down keeps its own.
			r.facts.Files = append(slices.Clone(r.facts.Files), f)
		case r.passed() && r.facts.Files[i].Before != f.Before: // led elsewhere first: what stood there before all is what counts
			f.Before = r.facts.Files[i].Before
			r.facts.Files = slices.Clone(r.facts.Files)
			r.facts.Files[i] = f
		case r.facts.Files[i] != f:
			r.facts.Files = slices.Clone(r.facts.Files)
			r.facts.Files[i] = f
		default:
			continue
		}
		changed = true
	}
	return changed
}

// writeEdits puts the lines of edits into their file, all or none. A file that
// has changed in between is left alone.
func writeEdits(path string, list []EditedFile) error {
	return rewrite(path, func(text string) (string, error) {
		for _, f := range list {
			e, err := findEntry(text, f.entry())
			if err != nil {
				return "", err
			}
			if e.text != f.Before && e.text != f.After {
				return "", fmt.Errorf("the entry %s was changed by somebody else just now: run again", e.name)
			}
			text = text[:e.at] + f.After + text[e.at+len(e.text):]
		}
		return text, nil
	})
}

// rewrite replaces a file by what edit makes of it: whoever reads it finds the
// one or the other, with the owner and the mode that it had.
func rewrite(path string, edit func(string) (string, error)) (err error) {
	if path, err = filepath.EvalSymlinks(path); err != nil { // the link stays
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := edit(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if text == string(old) {
		return nil
	}
	f, err := beside(path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // where it was not renamed
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(path)
}

// beside makes an empty file in the folder of path, with its owner and mode.
func beside(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".pgparity-*")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(own(f, info), f.Chmod(info.Mode().Perm())); err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// replaceable makes sure that a file can be replaced by one of the same owner.
func replaceable(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	f, err := beside(path)
	if err != nil {
		return fmt.Errorf("%w: run as a user who may replace the file, and give its copy the same owner; or leave `file` out, and have a hook do it", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
