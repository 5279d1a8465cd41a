package preflight

// sequenceDetectors look at sequences by what they mean.
var sequenceDetectors = []Detector{}
