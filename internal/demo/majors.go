package demo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pgparity/pgparity/internal/pgcluster"
)

// oldestMajor is the first whose publications carry a partitioned table through
// its root.
const oldestMajor = 13

// wanted are the majors to download when fewer than two are at hand, the most
// welcome first.
var wanted = []int{18, 15, 17, 16, 14, 13}

// majors are the versions of the two servers.
type majors struct {
	source, target int
	note           string // what is not as it should be, "" for nothing
}

// pickMajors chooses the newest server at hand as the target and the next older
// one as the source. What is missing is asked of ensure.
func pickMajors(have []int, ensure func(major int) error) (majors, error) {
	var usable []int
	for _, m := range have {
		if m >= oldestMajor {
			usable = append(usable, m)
		}
	}
	var refused error
	for _, m := range wanted {
		if len(usable) >= 2 {
			break
		}
		if slices.Contains(usable, m) {
			continue
		}
		switch err := ensure(m); {
		case err == nil:
			usable = append(usable, m)
		case errors.Is(err, pgcluster.ErrUnavailable):
			refused = errors.Join(refused, err)
		default:
			return majors{}, err
		}
	}
	slices.Sort(usable)
	switch n := len(usable); n {
	case 0:
		return majors{}, fmt.Errorf("the demo needs a PostgreSQL server from version %d on: %w", oldestMajor, refused)
	case 1:
		return majors{usable[0], usable[0], fmt.Sprintf("No second version could be had: both servers are PostgreSQL %d.", usable[0])}, nil
	default:
		return majors{source: usable[n-2], target: usable[n-1]}, nil
	}
}
