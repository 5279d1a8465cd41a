package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine is where the figures were taken; what could not be found out is
// empty or 0.
type machine struct {
	Cores    int    `json:"cores"`
	CPU      string `json:"cpu"`
	Memory   int64  `json:"memory_bytes"`
	OS       string `json:"os"`
	Platform string `json:"platform"` // such as linux/amd64
	Source   string `json:"source_version"`
	Target   string `json:"target_version"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, OS: runtime.GOOS}
	m.CPU = fieldOf("/proc/cpuinfo", "model name", ":")
	if kib, _, ok := strings.Cut(fieldOf("/proc/meminfo", "MemTotal", ":"), " "); ok {
		n, err := strconv.ParseInt(kib, 10, 64)
		if err == nil {
			m.Memory = n << 10
		}
	}
	if name := fieldOf("/etc/os-release", "PRETTY_NAME", "="); name != "" {
		m.OS = strings.Trim(name, `"`)
	}
	return m
}

// fieldOf is the value of the first line "name separator value" in a file, ""
// where there is none.
func fieldOf(path, name, separator string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, separator); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// sharedBuffers is the setting of each server: an eighth of the memory. A
// table over a quarter of the buffers would be read past them, through the
// system's cache, and the largest one must not cost more a row for that.
func (m machine) sharedBuffers() string {
	return fmt.Sprintf("%dMB", min(max(m.Memory/8>>20, 256), 3072))
}

func (m machine) String() string {
	cpu := "cores"
	if m.CPU != "" {
		cpu = "cores of " + m.CPU
	}
	memory := ""
	if m.Memory > 0 {
		memory = fmt.Sprintf(", %d GiB of memory", (m.Memory+1<<29)>>30)
	}
	return fmt.Sprintf("%d %s%s, %s, %s; source PostgreSQL %s, target %s, %s of shared buffers each",
		m.Cores, cpu, memory, m.OS, m.Platform, m.Source, m.Target, m.sharedBuffers())
}
