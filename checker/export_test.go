package checker

// Small makes every batch, step and sketch so small that a few rows go all the
// ways of a drill-down that large tables go.
func (o *Options) Small() {
	o.sizes = sizes{few: 3, step: 2, steps: 8 * maxBatch, batch: 6, small: 12, large: 48, look: 3}
}
