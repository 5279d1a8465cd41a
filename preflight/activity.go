package preflight

// activityDetectors look at sessions, transactions and what they hold.
var activityDetectors = []Detector{}
