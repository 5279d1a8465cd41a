package preflight

// collationDetectors look at collations, encodings and extensions.
var collationDetectors = []Detector{}
