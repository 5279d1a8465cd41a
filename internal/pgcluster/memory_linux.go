package pgcluster

import (
	"os"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"
)

// memoryRoom is what a memory file system must have free, and the machine's
// memory too, before clusters are put there: several of them grow at once.
const memoryRoom = 8 << 30

var memAvailable = regexp.MustCompile(`(?m)^MemAvailable: *(\d+) kB$`)

// memoryDir is a folder that lives in memory, or "" where none has the room.
// Making and dropping databases creates hundreds of files each, which costs 5 to
// 20 times as much on a disk's file system.
func memoryDir() string {
	const dir = "/dev/shm"
	var fs unix.Statfs_t
	if unix.Statfs(dir, &fs) != nil || fs.Type != unix.TMPFS_MAGIC || fs.Bavail*uint64(fs.Bsize) < memoryRoom {
		return ""
	}
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return ""
	}
	m := memAvailable.FindSubmatch(info)
	if m == nil {
		return ""
	}
	if kb, err := strconv.ParseUint(string(m[1]), 10, 64); err != nil || kb<<10 < memoryRoom {
		return ""
	}
	return dir
}
