package report

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pgparity/pgparity/checker"
)

// Prepare says whether a report can be written to path later: a run of hours
// must not end in a typing mistake. It leaves nothing behind and does not
// touch a file that is there.
func Prepare(path string) error {
	real, special, err := resolve(path)
	if err != nil || special {
		return err
	}
	f, err := createBeside(real)
	if err != nil {
		return err
	}
	return discard(f)
}

// WriteFile renders r into the file path, which holds either the whole new
// report afterwards or, with an error, what it held before. A symbolic link
// is followed; a device or a pipe is written to directly.
func WriteFile(path string, r *checker.Result, f Format, o Options) error {
	return writeAtomic(path, func(w io.Writer) error { return Write(w, r, f, o) })
}

func writeAtomic(path string, render func(io.Writer) error) (err error) {
	real, special, err := resolve(path)
	if err != nil {
		return err
	}
	if special {
		return writeSpecial(real, render)
	}
	f, err := createBeside(real)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, discard(f))
		}
	}()
	if err := render(f); err != nil {
		return fmt.Errorf("report file %s: %w; the file is as it was before", path, err)
	}
	if err := finish(f, real); err != nil {
		return fmt.Errorf("report file %s: %w; the file is as it was before", path, err)
	}
	done = true
	syncDir(filepath.Dir(real))
	return nil
}

// finish makes the bytes durable before the name points to them: after a
// power cut the name must not lead to an empty file.
func finish(f *os.File, real string) error {
	if info, err := os.Stat(real); err == nil {
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), real)
}

// resolve follows links and tells files from devices and pipes.
func resolve(path string) (real string, special bool, err error) {
	if path == "" {
		return "", false, errors.New("report file: the name is empty; give one as FORMAT=FILE")
	}
	real, err = filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", false, fmt.Errorf("report file %s: %w; create the folder first", path, err)
		}
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", false, fmt.Errorf("report file %s: the link leads nowhere; remove it or create what it points to", path)
		}
		return filepath.Join(dir, filepath.Base(path)), false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("report file %s: %w", path, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", false, fmt.Errorf("report file %s: %w", path, err)
	}
	if info.IsDir() {
		return "", false, fmt.Errorf("report file %s: is a folder; give a file name in it", path)
	}
	return real, !info.Mode().IsRegular(), nil
}

// createBeside makes the temporary file in the same folder, for a rename
// does not cross file systems. Its name starts with a dot and does not keep
// the extension: what collects *.prom or *.xml must not take it.
func createBeside(real string) (*os.File, error) {
	dir := filepath.Dir(real)
	for n := range 1000 {
		name := filepath.Join(dir, fmt.Sprintf(".%.100s.%d.%d.tmp", filepath.Base(real), os.Getpid(), n))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("report file %s: the folder is not writable: %w; choose another place", real, err)
		}
	}
	return nil, fmt.Errorf("report file %s: %s is full of temporary files; remove them", real, dir)
}

func discard(f *os.File) error {
	// Closed already when finish got that far; only the removal counts.
	_ = f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("report file: remove temporary file: %w", err)
	}
	return nil
}

func writeSpecial(real string, render func(io.Writer) error) (err error) {
	f, err := os.OpenFile(real, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("report file: %w", err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("report file: %w", cerr)
		}
	}()
	return render(f)
}

// syncDir makes the rename durable. A folder that cannot be synced, as on
// some network file systems, still holds the whole new report.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}
