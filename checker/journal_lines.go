package checker

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// journalFormat is the version of the file's format, which the first line
// begins with. Any other is refused.
const (
	journalFormat = 1
	journalMagic  = `{"pgparity_checkpoint":{"format":`
)

// readLines reads lines for as long as they hold, and returns their length.
func (j *journal) readLines(in *bufio.Reader, p *past) (good int64, err error) {
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if n == 1 {
			if format := formatOf(line); format >= 0 && format != journalFormat {
				return 0, fmt.Errorf("it was written by another version of pgparity (format %d, this build reads %d)%s", format, journalFormat, startAnew)
			}
		}
		if errors.Is(err, io.EOF) {
			return good, nil // what is left of a line was torn off
		}
		if err != nil {
			return 0, plainPathError(err)
		}
		e, sum, ok := parseLine(line, j.sum)
		if !ok {
			if _, err := in.Peek(1); errors.Is(err, io.EOF) {
				return good, nil
			}
			return 0, fmt.Errorf("it is damaged in line %d%s", n, startAnew)
		}
		j.sum = sum
		good += int64(len(line))
		p.take(e)
	}
}

// formatOf reads the format of a first line, -1 where that is torn.
func formatOf(line []byte) int {
	rest, ok := bytes.CutPrefix(line, []byte(journalMagic))
	end := bytes.IndexAny(rest, ",}")
	if !ok || end < 0 {
		return -1
	}
	n, err := strconv.Atoi(string(rest[:end]))
	if err != nil {
		return -1
	}
	return n
}

// A line's last member is its checksum, so that it is valid JSON as a whole.
const (
	sumPrefix = `,"sum":"`
	sumLength = len(sumPrefix) + 16 + len(`"}`) + 1
)

// makeLine writes an entry after the line with the checksum before.
func makeLine(e entry, before uint64) ([]byte, uint64, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, 0, err
	}
	line = line[:len(line)-1] // an entry is never empty
	sum := lineSum(line, before)
	return endLine(line, sum), sum, nil
}

func endLine(line []byte, sum uint64) []byte {
	return fmt.Appendf(line, "%s%016x\"}\n", sumPrefix, sum)
}

func parseLine(line []byte, before uint64) (e entry, sum uint64, ok bool) {
	at := len(line) - sumLength
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(sumPrefix)) {
		return e, 0, false
	}
	var given [8]byte
	if _, err := hex.Decode(given[:], line[at+len(sumPrefix):at+len(sumPrefix)+16]); err != nil {
		return e, 0, false
	}
	sum = lineSum(line[:at], before)
	if fmt.Sprintf("%016x", sum) != hex.EncodeToString(given[:]) {
		return e, 0, false
	}
	return e, sum, json.Unmarshal(line, &e) == nil
}

func lineSum(line []byte, before uint64) uint64 {
	h := xxhash.NewWithSeed(before)
	_, _ = h.Write(line) // a hash takes all
	return h.Sum64()
}
