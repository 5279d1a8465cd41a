package checker

import (
	"errors"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/hashing"
)

// rowSet holds rows' hashes by key, as many as a batch may.
type rowSet struct {
	rows  map[string]int64 // by joinKey
	parts int              // of a key
	bytes int
	limit int64 // of rows; 0 for none, of bytes neither
}

func newRowSet(limit int64) *rowSet { return &rowSet{rows: map[string]int64{}, limit: limit} }

// errBatchFull says that a set's keys take more than batchBytes.
var errBatchFull = errors.New("the keys of a batch take too much memory")

// add takes a row that was read.
func (s *rowSet) add(row hashing.Row) error {
	s.parts = len(row.Key)
	return s.put(joinKey(row.Key), row.Hash)
}

func (s *rowSet) put(key string, hash int64) error {
	n := len(s.rows)
	s.rows[key] = hash
	if len(s.rows) == n {
		return hashing.ErrKeyTwice
	}
	s.bytes += len(key)
	if n > 0 && s.limit > 0 && (s.bytes > batchBytes || int64(n) >= s.limit) {
		return errBatchFull
	}
	return nil
}

// merge takes another set's rows.
func (s *rowSet) merge(o *rowSet) error {
	if s.parts = max(s.parts, o.parts); len(s.rows) == 0 {
		s.rows, s.bytes = o.rows, o.bytes // as they are
		return nil
	}
	for key, hash := range o.rows {
		if err := s.put(key, hash); err != nil {
			return err
		}
	}
	return nil
}

// differing lists the keys on which two sets do not agree. It empties other.
func (s *rowSet) differing(other *rowSet) [][]string {
	var keys [][]string
	parts := max(s.parts, other.parts)
	for k, hash := range s.rows {
		if twin, ok := other.rows[k]; !ok || twin != hash {
			keys = append(keys, splitKey(k, parts))
		}
		delete(other.rows, k)
	}
	for k := range other.rows {
		keys = append(keys, splitKey(k, parts))
	}
	return keys
}

// joinKey makes one string of a key, so that no two keys make the same.
func joinKey[T string | []byte](key []T) string {
	if len(key) == 1 {
		return string(key[0])
	}
	var b []byte
	for _, part := range key {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(append(b, ':'), part...)
	}
	return string(b)
}

// splitKey undoes joinKey, for a key of so many parts.
func splitKey(joined string, parts int) []string {
	if parts == 1 {
		return []string{joined}
	}
	key := make([]string, 0, parts)
	for joined != "" {
		size, rest, _ := strings.Cut(joined, ":")
		n, _ := strconv.Atoi(size) // joinKey wrote it
		key, joined = append(key, rest[:n]), rest[n:]
	}
	return key
}
