//go:build !linux

package pgcluster

// memoryDir is "": there is no memory file system at a known place.
func memoryDir() string { return "" }
