package preflight

// streamDetectors look at how the replication is doing.
func streamDetectors() []Detector { return nil }
