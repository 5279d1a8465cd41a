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
	many  bool  // several rows may have one key
}

func newRowSet(limit int64) *rowSet { return &rowSet{rows: map[string]int64{}, limit: limit} }

// errBatchFull says that a set's keys take more than batchBytes.
var errBatchFull = errors.New("the keys of a batch take too much memory")

// add takes a row that was read.
func (s *rowSet) add(row hashing.Row) error {
	s.parts = len(row.Key)
	return s.put(joinKey(row.Key), row.Hash)
}

// take is add, of a row without a key as well: it goes by its hash.
func (s *rowSet) take(row hashing.Row) error {
	if len(row.Key) == 0 {
		s.parts = 1
		return s.put(hashing.HashKey(row.Hash), row.Hash)
	}
	return s.add(row)
}

func (s *rowSet) put(key string, hash int64) error {
	n := len(s.rows)
	before := s.rows[key]
	s.rows[key] = hash
	if len(s.rows) == n {
		if !s.many {
			return hashing.ErrKeyTwice
		}
		s.rows[key] = 31*before + hash // not what one of them would be
		return nil
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
	// What is there twice in two snapshots is a row that moved between them: a
	// suspect, and no damaged index.
	s.many = true
	for key, hash := range o.rows {
		if err := s.put(key, hash); err != nil {
			return err
		}
	}
	return nil
}

// without lists the keys, but for those in seen.
func (s *rowSet) without(seen map[string]bool) [][]string {
	var keys [][]string
	for k := range s.rows {
		if !seen[k] {
			keys = append(keys, splitKey(k, s.parts))
		}
	}
	return keys
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
