//go:build !race

package hashing

// raced: the race detector is built in.
const raced = false
