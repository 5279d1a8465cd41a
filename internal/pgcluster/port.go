package pgcluster

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Ports come from below the range that kernels hand out to outgoing connections
// and to listeners on port 0, so that a cluster that is down for a moment
// rarely loses its port.
const (
	firstPort = 20000
	lastPort  = 32000
)

var ports = struct {
	sync.Mutex
	held map[int]bool // by clusters of this process, running or between restarts
}{held: map[int]bool{}}

// pickPort returns a port that was free a moment ago and that no other cluster
// of this process has; releasePort gives it back.
func pickPort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if !ports.held[port] && portFree(port) {
			ports.held[port] = true
			return port, nil
		}
	}
	return 0, errors.New("no free port between " + strconv.Itoa(firstPort) + " and " + strconv.Itoa(lastPort))
}

func releasePort(port int) {
	ports.Lock()
	defer ports.Unlock()
	delete(ports.held, port)
}

func portFree(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
