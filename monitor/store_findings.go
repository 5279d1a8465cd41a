package monitor

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"
)

// sighting is a difference that was confirmed.
type sighting struct {
	object, kind string
	key          []KeyPart
	columns      []string
}

// rowKinds are the kinds of findings that are about a row: of one row only one is open.
const rowKinds = "('missing', 'extra', 'different')"

// see takes in what was found at a moment: a difference that is known was seen again, another one is
// new. A row that differs in another way than before is another finding, and the one before has healed. It tells how many are new.
func (st *store) see(ctx context.Context, pair, by string, at time.Time, seen []sighting) (opened int, err error) {
	if len(seen) == 0 {
		return 0, nil
	}
	err = st.write(ctx, "keep findings", func(tx *sql.Tx) error {
		opened = 0
		for _, s := range seen {
			key, columns, err := s.texts()
			if err != nil {
				return err
			}
			var first int64
			err = tx.QueryRowContext(ctx, `INSERT INTO findings (pair, object, kind, key, columns, first_seen, last_seen, seen_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)
ON CONFLICT (pair, object, kind, key) WHERE healed_at IS NULL DO UPDATE SET last_seen = max(last_seen, excluded.last_seen), columns = excluded.columns RETURNING first_seen`,
				pair, s.object, s.kind, key, columns, micros(at), by).Scan(&first)
			if err != nil {
				return err
			}
			if first == micros(at) {
				opened++
			}
			if key == "null" {
				continue
			}
			if _, err := tx.ExecContext(ctx, `UPDATE findings SET healed_at = ?1 WHERE pair = ?2 AND object = ?3 AND key = ?4 AND kind <> ?5 AND healed_at IS NULL
AND kind IN `+rowKinds+` AND ?5 IN `+rowKinds, micros(at), pair, s.object, key, s.kind); err != nil {
				return err
			}
		}
		return nil
	})
	return opened, err
}

func (s sighting) texts() (key, columns string, err error) {
	k, err := json.Marshal(s.key)
	c, err2 := json.Marshal(s.columns)
	return string(k), string(c), errors.Join(err, err2)
}

// heal marks findings as healed at a moment, but for those that were seen at or after since. It tells how many it were.
func (st *store) heal(ctx context.Context, at, since time.Time, ids []int64) (healed int, err error) {
	if len(ids) == 0 {
		return 0, nil
	}
	err = st.write(ctx, "heal findings", func(tx *sql.Tx) error {
		healed = 0
		for _, id := range ids {
			res, err := tx.ExecContext(ctx, "UPDATE findings SET healed_at = ? WHERE id = ? AND healed_at IS NULL AND last_seen < ?", micros(at), id, micros(since))
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			healed += int(n)
		}
		return nil
	})
	return healed, err
}

// findings reads all that are open, oldest first, and the last that healed.
func (st *store) findings(ctx context.Context, pair string, healed int) (list []Finding, err error) {
	read := func(query string, args ...any) error {
		return st.each(ctx, "read findings", "SELECT id, object, kind, key, columns, first_seen, last_seen, coalesce(healed_at, 0), seen_by FROM findings WHERE "+query, args, func(row *sql.Rows) error {
			var f Finding
			var key, columns string
			var first, last, gone int64
			if err := row.Scan(&f.ID, &f.Object, &f.Kind, &key, &columns, &first, &last, &gone, &f.By); err != nil {
				return err
			}
			if err := errors.Join(json.Unmarshal([]byte(key), &f.Key), json.Unmarshal([]byte(columns), &f.Columns)); err != nil {
				return err
			}
			f.FirstSeen, f.LastSeen = fromMicros(first), fromMicros(last)
			if gone != 0 {
				f.HealedAt = fromMicros(gone)
			}
			list = append(list, f)
			return nil
		})
	}
	err = read("pair = ? AND healed_at IS NULL ORDER BY id", pair)
	if err == nil {
		err = read("pair = ? AND healed_at IS NOT NULL ORDER BY healed_at DESC, id DESC LIMIT ?", pair, healed)
	}
	return list, err
}
