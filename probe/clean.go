package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pgparity/pgparity/postgres"
)

// How long a row is tried to be removed on one side, and how long the other is
// given to follow: less where the operator has less patience.
const (
	removePatience = 10 * time.Second
	followPatience = 3 * time.Second
	leastPatience  = 2 * time.Second
	removePause    = 200 * time.Millisecond
)

// clean removes what is left of the rows written so far, whatever became of
// ctx. What it cannot remove goes into the result, and isn't tried again.
//
// First the side where the row began: where replication works, the other
// follows. To remove it there at once would be a conflict when the change
// arrives. Only what does not follow is removed there as well.
func (r *run) clean(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	rows := r.rows
	r.rows = nil
	for _, p := range rows {
		gone := r.remove(ctx, p.way.from, p)
		if gone && p.written && !p.arrived {
			r.result.Notes = append(r.result.Notes, fmt.Sprintf("the %s had not shown the row with key %s when it was removed on the %s: should its INSERT still arrive, so will its DELETE",
				p.way.to.db.Side(), p.key, p.way.from.db.Side()))
		}
		if !gone || !r.followed(ctx, p) {
			r.remove(ctx, p.way.to, p)
		}
	}
}

// followed waits until the other side has lost the row, too.
func (r *run) followed(ctx context.Context, p *probe) bool {
	ctx, cancel := context.WithTimeout(ctx, min(r.o.Timeout, followPatience))
	defer cancel()
	_, err := await(ctx, p.way.to, p.key, func(now reading) bool { return !now.there })
	return err == nil
}

// remove removes the row from one side, trying again while the side is lost.
func (r *run) remove(ctx context.Context, e *end, p *probe) bool {
	ctx, cancel := context.WithTimeout(ctx, min(max(r.o.Timeout, leastPatience), removePatience))
	defer cancel()
	err := e.ensureGone(ctx, p.key)
	for postgres.Lost(err) && wait(ctx, removePause) {
		err = e.ensureGone(ctx, p.key)
	}
	if err != nil {
		r.result.Left = append(r.result.Left, Leftover{Side: e.db.Side(), Table: e.table.Quoted, Key: p.key, Why: err.Error(),
			SQL: "DELETE FROM " + e.table.Quoted + " WHERE " + e.key.Quoted + " = " + postgres.Literal(p.key) + ";"})
	}
	return err == nil
}

// ensureGone deletes the row where it is there.
func (e *end) ensureGone(ctx context.Context, key string) error {
	_, there, err := e.read(ctx, key)
	switch {
	case err != nil || !there:
		return err
	case e.db.Server().InRecovery:
		return errors.New("it is a standby, and has not followed its primary yet: remove the row there")
	}
	err = e.delete(ctx, key)
	if errors.Is(err, errNoRow) {
		// The other side's DELETE may have arrived in between.
		if _, there, again := e.read(ctx, key); again == nil && !there {
			return nil
		}
	}
	return err
}

// wait pauses, and tells whether there is time left.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
