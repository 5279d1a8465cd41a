package probe

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// shortestText is what a varchar has to hold.
const shortestText = 32

// The types that a key, and the column that is updated, may have.
const (
	keyTypes   = "bigint, integer, uuid or text"
	valueTypes = "text, integer, bigint or timestamptz"
)

func keyType(t string) bool {
	switch t {
	case "bigint", "integer", "uuid":
		return true
	}
	return textType(t)
}

func valueType(t string) bool {
	switch t {
	case "bigint", "integer", "timestamp with time zone", "timestamp without time zone":
		return true
	}
	return textType(t)
}

// textType tells whether a type, as format_type prints it, holds a short text.
func textType(t string) bool {
	length, limited := strings.CutPrefix(t, "character varying(")
	if !limited {
		return t == "text" || t == "character varying"
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ")"))
	return err == nil && n >= shortestText
}

// random is a number of so many random bits.
func random(bits int) int64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails
	return int64(binary.BigEndian.Uint64(b[:]) >> (64 - bits))
}

// randomKey is in the upper half of its type: far from where a sequence counts.
func randomKey(t string) string {
	switch t {
	case "bigint":
		return strconv.FormatInt(1<<62|random(62), 10)
	case "integer":
		return strconv.FormatInt(1<<30|random(30), 10)
	}
	var b [16]byte
	_, _ = rand.Read(b[:])
	if t == "uuid" {
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // version 4
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	return "pgparity-" + hex.EncodeToString(b[:8])
}

// contents are what is inserted, and what it is updated to.
func contents(t string) (inserted, updated string) {
	switch t {
	case "bigint", "integer":
		n := random(30)
		return strconv.FormatInt(n, 10), strconv.FormatInt(n+1, 10)
	case "timestamp with time zone", "timestamp without time zone":
		const layout = "2006-01-02 15:04:05.000000Z07:00"
		now := time.Now().UTC()
		return now.Format(layout), now.Add(time.Second).Format(layout)
	}
	n := strconv.FormatInt(random(60), 16)
	return "inserted-" + n, "updated-" + n
}
