package cutover

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Kind is what a record of the journal says.
type Kind string

// The kinds.
const (
	Begins  Kind = "begins"  // a step is begun: from now on its effects may be there
	Reached Kind = "reached" // it has ended, and its state is reached
	Failed  Kind = "failed"  // it has not
	Undoes  Kind = "undoes"  // what was done since the window began is being taken back
	Undone  Kind = "undone"  // it is
	Over    Kind = "over"    // the run has ended: LIVE, FINALISED or ABORTED
)

// Record is one line of the journal.
type Record struct {
	N         int       `json:"n"`
	At        time.Time `json:"at"`
	Run       string    `json:"run"`
	Direction Direction `json:"direction"`
	Kind      Kind      `json:"kind"`
	State     State     `json:"state"`
	Attempt   int       `json:"attempt,omitempty"`
	By        string    `json:"by,omitempty"` // guard, where it was not the run itself
	Message   string    `json:"message,omitempty"`
	Effects   []Effect  `json:"effects,omitempty"`
	Facts     *Facts    `json:"facts,omitempty"` // where they changed; the last ones hold
}

// Effect is an action as the journal keeps it. The statement is there as a hash:
// it may hold what nobody else is to read.
type Effect struct {
	ID     string  `json:"id"`
	On     string  `json:"on"`
	SHA256 string  `json:"sha256"` // of the statement or command
	TookMS float64 `json:"took_ms"`
	Error  string  `json:"error,omitempty"`
}

// hangsOn tells whether something else would be done were the record lost with the
// machine. Between the beginning of FREEZING and that of REVERSE_READY it would not:
// all of it is taken back by opening the side that was closed, and a disk that is
// asked ten times is slow. Nor when TARGET_OPEN is begun or reached: it is taken
// once more.
func (rec Record) hangsOn() bool {
	if rec.Kind != Begins && rec.Kind != Reached {
		return true
	}
	if rec.State == Freezing {
		return rec.Kind == Begins
	}
	return !slices.Contains([]State{Frozen, Drained, Sequenced, Verified, TargetOpen}, rec.State)
}

func effects(actions []Action) []Effect {
	var list []Effect
	for _, a := range actions {
		sum := sha256.Sum256([]byte(a.Do))
		e := Effect{ID: a.ID, On: a.On, SHA256: hex.EncodeToString(sum[:]), Error: a.Error}
		if a.TookMS != nil {
			e.TookMS = *a.TookMS
		}
		list = append(list, e)
	}
	return list
}

// journal is a file of records, one JSON line each, that whoever has it open
// holds a lock on, and with that the right to act. A record outlives this process
// when append returns; one on which something hangs (hangsOn) is on the disk then,
// and with it all before. It is readable by its owner alone.
type journal struct {
	path    string
	file    *os.File
	records []Record
	size    int64 // of the records, in bytes
	torn    bool  // a line that was not ended was left out
}

// errHeld: another process has the journal.
var errHeld = errors.New("another run of pgparity holds it: wait until that has ended, or end it")

// openJournal opens the file, makes it where it is not there, and takes its
// lock.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w: it has to be kept where it outlives this process: name another file", err)
	}
	j := &journal{path: path, file: f}
	if err := lockFile(f, false); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	if err := errors.Join(syncFolder(path), j.read()); err != nil {
		j.close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

// readJournal reads the records without taking the lock: for a look. held tells
// that somebody has it.
func readJournal(path string) (j *journal, held bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return &journal{path: path}, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("journal: %w", err)
	}
	defer f.Close()
	held = lockFile(f, false) != nil
	j = &journal{path: path, file: f}
	err = j.parse()
	j.file = nil
	return j, held, err
}

// read parses the file, and cuts off a last line that was not written whole:
// what it would have said had not happened yet. It asks the open file alone: its
// name may be another's by now.
func (j *journal) read() error {
	if err := j.parse(); err != nil {
		return err
	}
	if j.torn {
		if err := j.file.Truncate(j.size); err != nil {
			return err
		}
	}
	_, err := j.file.Seek(j.size, io.SeekStart)
	return err
}

func (j *journal) parse() error {
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReader(j.file)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			if j.torn = len(line) > 0; j.torn && !bytes.HasPrefix(line, recordStart[:min(len(line), len(recordStart))]) {
				return j.foreign()
			}
			return nil
		}
		if err != nil {
			return err
		}
		var rec Record
		if err := json.Unmarshal(line, &rec); err != nil || rec.Run == "" {
			return j.foreign()
		}
		j.records = append(j.records, rec)
		j.size += int64(len(line))
	}
}

// recordStart is how each line begins: what does not is no torn record, and is
// not to be cut off.
var recordStart = []byte(`{"n":`)

func (j *journal) foreign() error {
	return fmt.Errorf("line %d is no record of a cutover: the file was changed, or is another one; give the right one, or none (the databases then say how far the switch has come)", len(j.records)+1)
}

// append writes a record, and returns when it is on the disk, where something hangs
// on it. What could not be written has not happened: it is cut off again, also for
// the sake of the record that follows.
func (j *journal) append(rec Record) error {
	rec.N, rec.At = len(j.records)+1, time.Now().UTC()
	line, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	_, err = j.file.Write(line)
	if err == nil && rec.hangsOn() {
		err = j.file.Sync()
	}
	if err != nil {
		cut := j.file.Truncate(j.size)
		if _, at := j.file.Seek(j.size, io.SeekStart); cut != nil || at != nil {
			return fmt.Errorf("journal: %w; its last line may be there in part: %w", err, errors.Join(cut, at))
		}
		return fmt.Errorf("journal: %w", err)
	}
	j.records = append(j.records, rec)
	j.size += int64(len(line))
	return nil
}

// close gives the lock back.
func (j *journal) close() {
	if j != nil && j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
}

// syncFolder makes a new file's name durable.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// standing is what the journal says of its last run, and of where the application
// was led by those before it.
type standing struct {
	Run       string
	Direction Direction
	State     State // the last that was reached
	Begun     State // a step that was begun and has not ended, "" for none
	Undoing   bool  // the window was being taken back
	Over      bool  // the run has ended
	// Led is the direction of the last run that went through: the application
	// writes to the target after Forward, and to the source otherwise.
	Led     Direction
	By      string
	Since   time.Time
	Message string
	Facts   Facts
}

// standing folds the records of the last run; facts are those of all runs, the
// last ones holding.
func (j *journal) standing() standing {
	s := standing{State: Init, Direction: Forward}
	for _, rec := range j.records {
		if rec.Run != s.Run {
			s = standing{Run: rec.Run, Direction: rec.Direction, State: Init, Facts: s.Facts, Led: s.Led}
		}
		if s.Led == "" && rec.Direction == Rollback {
			s.Led = Forward // a journal that begins there: the one before it is lost
		}
		if rec.Facts != nil {
			s.Facts = *rec.Facts
		}
		s.Since, s.By, s.Message = rec.At, rec.By, rec.Message
		switch rec.Kind {
		case Begins:
			s.Begun = rec.State
			if rank(rec.State) <= rank(Live) { // finalising goes on with a run that is over
				s.Over, s.Undoing = false, false
			}
		case Reached:
			s.State, s.Begun = rec.State, ""
		case Undoes:
			s.Undoing = true
			if s.State == PNR { // it was written, and not known to be on the disk: so it was not passed
				s.State, s.Begun = ReverseReady, PNR
			}
		case Undone:
			s.State, s.Begun, s.Undoing = rec.State, "", false
		case Over:
			s.State, s.Begun, s.Undoing, s.Over = rec.State, "", false, true
			if rank(rec.State) >= rank(Live) {
				s.Led = rec.Direction
			}
		case Failed:
		}
	}
	return s
}

// knows tells whether a run is in the journal; "" is, and one that is new knows all.
func (j *journal) knows(run string) bool {
	return run == "" || len(j.records) == 0 || slices.ContainsFunc(j.records, func(rec Record) bool { return rec.Run == run })
}

// passed tells whether the point of no return lies behind.
func (s standing) passed() bool { return rank(s.State) >= rank(PNR) }

// switched tells that the application was led to the target, and no run is at
// work: one that would lead it back may have been given up since.
func (s standing) switched() bool { return s.Over && s.Led == Forward }

// finalising tells that the way back is being removed, or is.
func (s standing) finalising() bool { return s.State == Finalised || s.Begun == Finalised }

// exposed tells that the application may be kept from writing, and that this
// has to be taken back.
func (s standing) exposed() bool {
	if s.passed() || s.Over {
		return false
	}
	return s.Undoing || rank(s.State) >= rank(Freezing) || rank(s.Begun) >= rank(Freezing)
}
