package checker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// journal is the file of a run's checkpoints (Options.Resume). The rules are:
//
//   - It is text, one JSON object a line, and is only appended to. A line is
//     handed to the system before what it says counts, so that a killed process
//     loses nothing; it is on the disk a second later.
//   - Each line ends in a checksum over itself and all lines before it. A last
//     line that does not hold was torn off by a crash and is dropped: what it
//     said is done again. Anything else that does not hold is refused.
//   - One run at a time has it, by a lock that ends with the process.
//   - Where it cannot be written any more, the run goes on without it.
//
// A nil journal keeps nothing.
type journal struct {
	path   string // as it was given, for messages
	file   *os.File
	unlock func()
	past   *past // what an earlier run left, nil at a first start

	stop chan struct{} // ends the syncing
	work sync.WaitGroup

	mu     sync.Mutex // guards what follows
	sum    uint64     // of the last line
	kept   bool       // there is something to resume from
	dirty  bool       // since the last sync
	broken error      // why nothing is written any more
	warned bool
	taken  map[sideOf]int // readings of a unit that were begun
}

// syncEvery is how much work a crash of the machine may cost.
const syncEvery = time.Second

var (
	errForeign = errors.New("it is no checkpoint file of pgparity: give another path, or remove it")
	errLocked  = errors.New("another run is using it: let that one end, or give this one a file of its own")
)

// startAnew ends the refusal of a file that is not for this run.
const startAnew = ": remove the file to start anew"

// CheckResume says whether a run can keep its checkpoints in the file path, or
// go on from it: before hours of work. It leaves the file as it was. The error
// is an OperatorError.
func CheckResume(path string) error {
	j, err := openJournal(path)
	if err != nil {
		return err
	}
	j.close()
	return nil
}

// openJournal opens or creates the file and reads what it holds; of no path
// there is no journal. The caller closes it. The error is an OperatorError.
func openJournal(path string) (*journal, error) {
	if path == "" {
		return nil, nil
	}
	j := &journal{path: path, stop: make(chan struct{}), taken: map[sideOf]int{}}
	if err := j.open(); err != nil {
		return nil, j.refusal(err)
	}
	if err := j.read(); err != nil {
		j.release()
		return nil, j.refusal(err)
	}
	j.work.Go(j.syncing)
	return j, nil
}

// refusal makes an error the operator's.
func (j *journal) refusal(err error) error {
	return &OperatorError{fmt.Errorf("--resume %s: %w", j.path, err)}
}

func (j *journal) open() error {
	if info, err := os.Stat(j.path); err == nil && !info.Mode().IsRegular() {
		return errors.New("it is not a regular file: give another path")
	}
	for {
		// Of a link the file is used, and removed in the end.
		path := j.path
		if to, err := filepath.EvalSymlinks(path); err == nil {
			path = to
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return fmt.Errorf("%w: give a path that can be written", plainPathError(err))
		}
		j.file = f
		if j.unlock, err = lockFile(f); err != nil {
			_ = f.Close()
			return err
		}
		// The run that had it before may have removed it just now.
		mine, errMine := f.Stat()
		there, errThere := os.Stat(path)
		if errMine == nil && errThere == nil && os.SameFile(mine, there) {
			return nil
		}
		j.release()
		if errThere != nil && !errors.Is(errThere, fs.ErrNotExist) {
			return plainPathError(errThere)
		}
	}
}

// plainPathError is the cause without the path, which the message has already.
func plainPathError(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func (j *journal) release() {
	j.unlock()
	_ = j.file.Close()
}

// read takes in what the file holds, and makes it end where it still holds. A
// file without a whole plan says nothing, and is begun anew.
func (j *journal) read() error {
	in := bufio.NewReaderSize(j.file, 1<<16)
	head, err := in.Peek(len(journalMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return plainPathError(err)
	}
	if !strings.HasPrefix(journalMagic, string(head)) {
		return errForeign
	}
	p := newPast()
	good, err := j.readLines(in, p)
	if err != nil {
		return err
	}
	if !p.planned || p.ended {
		good, j.sum = 0, 0
	} else {
		j.past, j.kept = p, true
	}
	// It holds keys of rows; whoever made the file may have let others read it.
	_ = j.file.Chmod(0o600)
	if info, err := j.file.Stat(); err != nil || info.Size() != good {
		if err := j.file.Truncate(good); err != nil {
			return fmt.Errorf("%w: give a path that can be written", plainPathError(err))
		}
	}
	_, err = j.file.Seek(good, io.SeekStart)
	return err
}

// write appends entries in one go. After an error nothing more is written, since
// it may have left half a line; trouble tells of it.
func (j *journal) write(entries ...entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return
	}
	var all []byte
	sum := j.sum
	for _, e := range entries {
		line, next, err := makeLine(e, sum)
		if err != nil {
			j.broken = err
			return
		}
		all, sum = append(all, line...), next
	}
	if _, err := j.file.Write(all); err != nil {
		j.broken = plainPathError(err)
		return
	}
	j.sum, j.dirty, j.kept = sum, true, true
}

// syncing brings what was written to the disk, now and then.
func (j *journal) syncing() {
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			j.sync()
		case <-j.stop:
			return
		}
	}
}

func (j *journal) sync() {
	j.mu.Lock()
	dirty := j.dirty && j.broken == nil
	j.dirty = false
	j.mu.Unlock()
	if !dirty {
		return
	}
	// Not under the lock: a disk may take its time, and work goes on.
	if err := j.file.Sync(); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.broken = plainPathError(err)
	}
}

// trouble returns once why nothing is written any more, and nil before and
// after.
func (j *journal) trouble() error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.warned || j.broken == nil {
		return nil
	}
	j.warned = true
	return j.broken
}

// failure is why nothing is written any more, or nil.
func (j *journal) failure() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.broken
}

// close leaves the file for a run that goes on from it. One that holds nothing
// to go on from is removed.
func (j *journal) close() {
	if j == nil {
		return
	}
	close(j.stop)
	j.work.Wait()
	j.sync()
	if !j.kept {
		_ = j.remove() // nothing is in it
	}
	j.release()
}

// end is close for a run that came to its end: the file is removed, so that
// the next run starts anew. Its last line says so where that cannot be done.
func (j *journal) end() error {
	if j == nil {
		return nil
	}
	j.write(entry{Ended: new(time.Now().UTC())})
	said := j.failure()
	j.mu.Lock()
	j.kept = true // close must not remove it again
	j.mu.Unlock()
	gone := j.remove()
	j.close()
	if said == nil {
		return nil // the next run finds out by itself
	}
	return gone
}

func (j *journal) remove() error {
	return plainPathError(os.Remove(j.file.Name()))
}
