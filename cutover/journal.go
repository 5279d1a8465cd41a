package cutover

type journal struct{}
