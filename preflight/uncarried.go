package preflight

// uncarriedDetectors look at what is no row of a table.
var uncarriedDetectors = []Detector{}
