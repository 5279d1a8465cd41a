package preflight

// subscriptionDetectors look at publications, subscriptions and the roles behind them.
var subscriptionDetectors = []Detector{}
