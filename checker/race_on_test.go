//go:build race

package checker_test

// raced: the race detector is built in.
const raced = true
