package follow

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// batch is what was read of the stream and not judged yet: each changed row once, however
// often it changed.
type batch struct {
	keys    map[string]map[string][]string // by table, and by joined key
	n       int                            // of keys
	xids    map[uint32]struct{}            // the transactions behind them
	dirty   map[string]string              // tables that are to be read as a whole, and why
	changes int64
	// reached: all that committed before was read to its end.
	reached postgres.LSN
}

func newBatch(reached postgres.LSN) *batch {
	return &batch{keys: map[string]map[string][]string{}, xids: map[uint32]struct{}{}, dirty: map[string]string{}, reached: reached}
}

// take takes a change. It tells whether it was one of a row or a table.
func (b *batch) take(c postgres.Change) bool {
	switch c.Kind {
	case postgres.Committed, postgres.Reached:
		b.reached = max(b.reached, c.LSN)
		return false
	case postgres.Truncated:
		b.dirty[c.Table] = "it was truncated"
	case postgres.KeyUnknown:
		b.dirty[c.Table] = c.Why
	case postgres.RowChanged:
		of := b.keys[c.Table]
		if of == nil {
			of = map[string][]string{}
			b.keys[c.Table] = of
		}
		for _, k := range c.Keys {
			j := joined(k)
			if _, known := of[j]; !known {
				of[j] = k
				b.n++
			}
		}
	}
	b.changes++
	b.xids[c.XID] = struct{}{}
	return true
}

// done forgets keys that were judged, while others of the batch have to wait.
func (b *batch) done(table string, keys [][]string) {
	of := b.keys[table]
	for _, k := range keys {
		if _, known := of[joined(k)]; known {
			delete(of, joined(k))
			b.n--
		}
	}
	if len(of) == 0 {
		delete(b.keys, table)
	}
}

// empty: there is nothing to judge.
func (b *batch) empty() bool { return b.n == 0 && len(b.dirty) == 0 }

// of are a table's keys together with others, each once, in order.
func (b *batch) of(table string, others [][]string) [][]string {
	keys := make([][]string, 0, len(b.keys[table])+len(others))
	for _, k := range b.keys[table] {
		keys = append(keys, k)
	}
	for _, k := range others {
		if _, known := b.keys[table][joined(k)]; !known {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, slices.Compare)
	return keys
}

// joined is one string for a key, another for each other key.
func joined(key []string) string {
	if len(key) == 1 {
		return key[0]
	}
	var b strings.Builder
	for _, k := range key {
		b.WriteString(strconv.Itoa(len(k)))
		b.WriteByte(':')
		b.WriteString(k)
	}
	return b.String()
}

// mark is a moment and where the source's log was then, taken in this order: what committed
// before the moment lies before the place.
type mark struct {
	at  time.Time
	lsn postgres.LSN
}

// marks are the last ones, the oldest first.
type marks []mark

// maxMarks bounds them: while a backlog is worked off nothing reaches them.
const maxMarks = 1000

func (m *marks) put(x mark) {
	if n := len(*m); n > 0 && (*m)[n-1].lsn == x.lsn {
		(*m)[n-1] = x // the later moment
		return
	}
	if len(*m) == maxMarks { // thin them out
		kept := (*m)[:0]
		for i, old := range *m {
			if i%2 == 0 {
				kept = append(kept, old)
			}
		}
		*m = kept
	}
	*m = append(*m, x)
}

// reached is the last moment whose place was reached, zero for none. Those before it are
// forgotten.
func (m *marks) reached(lsn postgres.LSN) time.Time {
	var at time.Time
	for i := len(*m) - 1; i >= 0; i-- {
		if (*m)[i].lsn <= lsn {
			at = (*m)[i].at
			*m = (*m)[i:]
			break
		}
	}
	return at
}

// snapshot is which transactions the source shows.
type snapshot struct {
	next    uint64 // the first that had not begun
	running map[uint64]bool
}

func parseSnapshot(text string) (s snapshot, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, false
	}
	next, err := strconv.ParseUint(parts[1], 10, 64)
	s = snapshot{next: next, running: map[uint64]bool{}}
	for _, x := range strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' }) {
		id, err := strconv.ParseUint(x, 10, 64)
		if err != nil {
			return s, false
		}
		s.running[id] = true
	}
	return s, err == nil
}

// over tells whether a transaction has ended, and can be seen if it committed.
func (s snapshot) over(xid uint64) bool { return xid < s.next && !s.running[xid] }

// widened gives a transaction its epoch: it is not further than half the circle from the
// next one.
func (s snapshot) widened(xid uint32) uint64 {
	ahead := int32(xid - uint32(s.next))
	return uint64(int64(s.next) + int64(ahead))
}
