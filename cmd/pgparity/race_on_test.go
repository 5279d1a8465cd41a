//go:build race

package main

// raced: the race detector is built in, which takes several times the memory.
const raced = true
