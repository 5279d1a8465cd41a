package preflight

// settingDetectors look at settings.
var settingDetectors = []Detector{}
