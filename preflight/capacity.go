package preflight

// capacityDetectors look at what the servers have room for.
var capacityDetectors = []Detector{}
