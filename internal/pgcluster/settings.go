package pgcluster

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// defaultSettings are the postgresql.conf of a cluster before Options.Settings.
// synchronous_commit stays on: with fsync off it costs nothing, and off would
// change what a replication test sees.
func defaultSettings() map[string]string {
	return map[string]string{
		"fsync":                             "off",
		"full_page_writes":                  "off",
		"shared_buffers":                    "128MB",
		"max_connections":                   "100",
		"wal_level":                         "logical",
		"max_wal_senders":                   "10",
		"max_replication_slots":             "10",
		"max_worker_processes":              "16",
		"max_logical_replication_workers":   "8",
		"max_prepared_transactions":         "10",
		"max_wal_size":                      "256MB", // it may lie in memory
		"checkpoint_timeout":                "30min",
		"log_line_prefix":                   "%m [%p] %q%u@%d %a ",
		"lc_messages":                       "C",
		"timezone":                          "UTC",
		"log_timezone":                      "UTC",
		"logging_collector":                 "off",
		"max_sync_workers_per_subscription": "4",
		// In files of the data directory: the default leaves segments in
		// /dev/shm behind when the postmaster is killed.
		"dynamic_shared_memory_type": "mmap",
	}
}

// access is pg_hba.conf. The method md5 takes scram passwords too.
const access = `# type   database     user      address       method
local     all          postgres                trust
local     replication  postgres                trust
local     all          all                     md5
local     replication  all                     md5
host      all          postgres  127.0.0.1/32  trust
host      replication  postgres  127.0.0.1/32  trust
host      all          all       127.0.0.1/32  md5
host      replication  all       127.0.0.1/32  md5
`

// settingsFile is apart from postgresql.conf, which includes it: it is written
// anew for each port that is tried.
const settingsFile = "pgcluster.conf"

func (c *Cluster) writeAccess() error {
	if err := c.account.writeFile(filepath.Join(c.data(), "pg_hba.conf"), access); err != nil {
		return fmt.Errorf("postgres %s: %w", c.binaries.Version, err)
	}
	name := filepath.Join(c.data(), "postgresql.conf")
	conf, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("postgres %s: %w", c.binaries.Version, err)
	}
	conf = append(conf, "\ninclude '"+settingsFile+"'\n"...)
	if err := c.account.writeFile(name, string(conf)); err != nil {
		return fmt.Errorf("postgres %s: %w", c.binaries.Version, err)
	}
	return nil
}

func (c *Cluster) writeSettings() error {
	all := maps.Clone(c.settings)
	all["listen_addresses"] = c.Host()
	all["port"] = strconv.Itoa(c.port)
	all["unix_socket_directories"] = c.SocketDir()
	text, err := formatSettings(all)
	if err == nil {
		err = c.account.writeFile(filepath.Join(c.data(), settingsFile), text)
	}
	if err != nil {
		return fmt.Errorf("postgres %s: settings: %w", c.binaries.Version, err)
	}
	return nil
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$`)

// formatSettings quotes values as postgresql.conf wants them: ” for a quote,
// and a backslash starts an escape there.
func formatSettings(settings map[string]string) (string, error) {
	quote := strings.NewReplacer(`'`, `''`, `\`, `\\`, "\n", `\n`, "\r", `\r`)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !settingName.MatchString(name) {
			return "", fmt.Errorf("%q is not the name of a setting", name)
		}
		fmt.Fprintf(&b, "%s = '%s'\n", name, quote.Replace(settings[name]))
	}
	return b.String(), nil
}
