package pgcluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"time"
)

// renewIdentity gives a copied data directory a system identifier of its own.
// Without that all clusters made from one template would look like physical
// copies of each other, which is what an identifier is read for.
//
// The identifier is in two places, both laid out alike in 10 to 18: the first 8
// bytes of pg_control, which a CRC-32C covers, and the long header of the first
// page of each WAL segment, which no checksum covers. The template was shut down
// in order, so its one segment holds all that is read at start-up.
func renewIdentity(data string) error {
	control := filepath.Join(data, "global", "pg_control")
	b, err := os.ReadFile(control)
	if err != nil {
		return err
	}
	crcAt, err := crcOffset(b)
	if err != nil {
		return fmt.Errorf("%s: %w", control, err)
	}
	old := binary.NativeEndian.Uint64(b)
	id := newIdentifier()
	binary.NativeEndian.PutUint64(b, id)
	binary.NativeEndian.PutUint32(b[crcAt:], crc32.Checksum(b[:crcAt], castagnoli))
	if err := overwrite(control, 0, b); err != nil {
		return err
	}
	segments, err := filepath.Glob(filepath.Join(data, "pg_wal", "0000*"))
	if err != nil {
		return err
	}
	for _, segment := range segments {
		if err := renewSegment(segment, old, id); err != nil {
			return fmt.Errorf("%s: %w", segment, err)
		}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcOffset finds the CRC in pg_control: where it lies differs by version, and
// it is the only place whose four bytes are the checksum of all before them.
func crcOffset(b []byte) (int, error) {
	for at := 128; at+4 <= len(b) && at < 512; at += 4 {
		if binary.NativeEndian.Uint32(b[at:]) == crc32.Checksum(b[:at], castagnoli) {
			return at, nil
		}
	}
	return 0, errors.New("no checksum found in it")
}

// walIdentifierAt is the offset of xlp_sysid in XLogLongPageHeaderData, after
// the 20 bytes (24 aligned) of XLogPageHeaderData.
const walIdentifierAt = 24

func renewSegment(name string, old, id uint64) error {
	b := make([]byte, walIdentifierAt+8)
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = f.ReadAt(b, 0)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if got := binary.NativeEndian.Uint64(b[walIdentifierAt:]); got != old {
		return fmt.Errorf("its header names system %d, pg_control %d", got, old)
	}
	binary.NativeEndian.PutUint64(b, id)
	return overwrite(name, walIdentifierAt, b[:8])
}

// newIdentifier is made the way initdb makes one: seconds, microseconds, pid.
func newIdentifier() uint64 {
	now := time.Now()
	return uint64(now.Unix())<<32 | uint64(now.Nanosecond()/1000)<<12 | uint64(os.Getpid())&0xfff
}

func overwrite(name string, at int64, b []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}
