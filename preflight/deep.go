package preflight

// deepDetectors read tables.
var deepDetectors = []Detector{}
