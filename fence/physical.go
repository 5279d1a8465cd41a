package fence

import (
	"context"
	"fmt"

	"github.com/pgparity/pgparity/postgres"
)

// physical is a standby behind its primary.
//
// What its Wait's nil proves:
//
//  1. Mark reads pg_current_wal_insert_lsn() on the primary, after the reading
//     has returned: the commit record of whatever was visible to it was inserted
//     before. The flush position would not do: under synchronous_commit=off a
//     commit is visible before it is flushed. On a standby the replay position
//     would not do either: rows are visible there before it has moved past them.
//  2. A position just behind a page's header is taken back to the page's start,
//     or an idle primary that switched its segment is waited for in vain.
//  3. The very server that is read says, in one statement, that it is in
//     recovery and has replayed past the mark: a commit that is replayed is
//     visible to every statement that begins later. Each transaction of a side
//     makes sure that it runs on the same server, started at the same time.
type physical struct {
	primary, standby *postgres.DB
}

// Physical is the fence from a primary to its standby. They have to be of one
// cluster: Detect makes sure of it.
func Physical(primary, standby *postgres.DB) Fence { return &physical{primary, standby} }

// Mark reads the primary's insert position.
func (p *physical) Mark(ctx context.Context) (Mark, error) {
	lsn, err := p.primary.WriteMark(ctx)
	return Mark{LSN: lsn}, err
}

// Wait looks at the standby's replay position until that is past the mark.
func (p *physical) Wait(ctx context.Context, m Mark) error {
	if m.LSN == 0 {
		return errForeignMark
	}
	return await(ctx, m, func(ctx context.Context) (bool, error) {
		at, err := p.standby.ReadReplay(ctx)
		if err != nil {
			return false, err
		}
		if !at.InRecovery {
			return false, &Stalled{Mark: m, Troubles: []Trouble{p.promoted()}}
		}
		return at.LSN >= m.LSN, nil
	}, func(ctx context.Context) ([]Trouble, error) {
		h, err := p.Health(ctx)
		if err != nil {
			return nil, err
		}
		s := h.Streams[0]
		return orBehind(h.Troubles, Trouble{Kind: Behind, Side: p.standby.Side(), Subject: s.Name,
			Sentence: fmt.Sprintf("the standby has replayed up to %s and is %d bytes behind: wait, or raise --settle", s.Confirmed, s.Lag)}), nil
	})
}

// Cover has no gaps: a standby carries all tables; unlogged ones can't be read on it.
func (p *physical) Cover(context.Context, []string) (Cover, error) { return Cover{}, nil }

func (p *physical) promoted() Trouble {
	return Trouble{Kind: NotStandby, Side: p.standby.Side(), Subject: "standby", Blocking: true,
		Sentence: "it is not in recovery any more: it was promoted and follows nothing; run again"}
}

// Health tells whether the standby still is one, receives and replays.
func (p *physical) Health(ctx context.Context) (Health, error) {
	head, err := p.primary.WriteMark(ctx)
	if err != nil {
		return Health{}, err
	}
	at, err := p.standby.ReadReplay(ctx)
	if err != nil {
		return Health{}, err
	}
	s := Stream{Kind: KindPhysical, Name: "standby", Confirmed: at.LSN}
	if head > at.LSN {
		s.Lag = int64(head - at.LSN)
	}
	h := Health{Streams: []Stream{s}}
	trouble := func(kind TroubleKind, blocking bool, sentence string) {
		h.Troubles = append(h.Troubles, Trouble{Kind: kind, Side: p.standby.Side(), Subject: "standby", Sentence: sentence, Blocking: blocking})
	}
	switch {
	case !at.InRecovery:
		h.Troubles = append(h.Troubles, p.promoted())
	case at.Paused:
		trouble(ReplayPaused, true, fmt.Sprintf("replay is paused at %s: SELECT pg_wal_replay_resume()", at.LSN))
	case !at.Receiver && s.Lag > 0:
		// One that restores from an archive has no receiver and needs none.
		trouble(ReceiverDown, false, fmt.Sprintf("the standby receives nothing at the moment, and is %d bytes behind: look into its log, primary_conninfo and the primary's pg_hba.conf", s.Lag))
	}
	return h, nil
}
