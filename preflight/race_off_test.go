//go:build !race

package preflight

// raced: the race detector is built in, which takes several times as long.
const raced = false
