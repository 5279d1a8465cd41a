package pgcluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// watchdog removes a cluster when this process ends without doing so itself.
//
// It is a shell that reads a pipe whose only write end is ours. However we end,
// the kernel closes that end; the shell reads EOF and cleans up. The end is
// close-on-exec, so no child of ours holds it open.
type watchdog struct {
	pipe    *os.File
	process *process
}

// watchdogScript gets the cluster's directory as $1 and reads the pid of each
// postmaster, or "done" when there is nothing left to do. It signals a pid only
// while that process names the directory in its command line: pids are reused.
// SIGQUIT (immediate shutdown) lets the postmaster end its backends; a postmaster
// that is killed leaves busy ones running.
const watchdogScript = `
trap '' HUP INT
dir=$1 pid=
while read -r line; do
	case $line in
	done) exit 0 ;;
	*) pid=$line ;;
	esac
done
ours() {
	[ -n "$pid" ] || return 1
	if [ -d /proc/self ]; then
		tr '\0' ' ' <"/proc/$pid/cmdline"
	else
		ps -o command= -p "$pid"
	fi 2>/dev/null | grep -qF -- "$dir/"
}
if ours; then
	kill -CONT "$pid"; kill -QUIT "$pid"
	n=0
	while ours && [ $n -lt 60 ]; do sleep 0.1; n=$((n + 1)); done
	ours && kill -KILL "$pid"
fi
shm=$(sed -n 7p "$dir/data/postmaster.pid" 2>/dev/null)
[ -z "$shm" ] || ipcrm -m "${shm##* }" 2>/dev/null
n=0
while [ -e "$dir" ] && [ $n -lt 50 ]; do rm -rf -- "$dir" 2>/dev/null || sleep 0.2; n=$((n + 1)); done
`

func startWatchdog(dir string) (*watchdog, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", watchdogScript, "pgcluster-watchdog", dir)
	cmd.Dir = "/"
	cmd.Stdin = r
	cmd.SysProcAttr = ownGroup()
	p, err := startProcess(cmd)
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	return &watchdog{pipe: w, process: p}, nil
}

// guard names the postmaster to end.
func (w *watchdog) guard(pid int) { fmt.Fprintln(w.pipe, pid) }

// dismiss ends the watchdog without any work.
func (w *watchdog) dismiss() error {
	_, err := fmt.Fprintln(w.pipe, "done")
	_ = w.pipe.Close()
	w.process.wait(context.Background())
	return err
}

// abandon lets the watchdog do its work now; nobody waits for it.
func (w *watchdog) abandon() { _ = w.pipe.Close() }
