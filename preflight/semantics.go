package preflight

// semanticsDetectors look at constraints, indexes and triggers that are not in force.
var semanticsDetectors = []Detector{}
