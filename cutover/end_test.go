package cutover

import "testing"

func TestOpen(t *testing.T) {
	w := newWorld(t, 15, 18, `CREATE TABLE a (id int PRIMARY KEY)`)
	w.replicate(t)
	r := w.open(t, w.options(t))
	if len(r.detection.Forward) != 1 || len(r.pair.Tables) != 1 {
		t.Errorf("%+v %+v", r.detection.Forward, r.pair.Tables)
	}
}
