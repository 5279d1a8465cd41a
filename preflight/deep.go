package preflight

import (
	"fmt"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// deepDetectors read tables. The rules are:
//
//   - No statement takes longer than Options.Budget. What cannot be done in that
//     is cut smaller; where it can't be, it is told as not looked at.
//   - Values of rows are personal data: what is found is a count.
var deepDetectors = []Detector{
	{
		ID: "fk-orphans", Severity: schema.Block, Side: postgres.Target, Deep: true, When: notPhysical,
		About: "rows whose foreign key points to a row that is not there",
		Find:  findOrphans,
	},
	{
		ID: "index-disagrees", Severity: schema.Block, Deep: true,
		About: "btree indexes that disagree with their tables (by amcheck where it may be used, else by a sample of those over texts)",
		Find:  findDisagreeing,
	},
}

// limit is the setting that ends a statement which reads a table.
func (f *facts) limit() string {
	return fmt.Sprintf("statement_timeout = %d", f.o.Budget.Milliseconds())
}

// leftOut are the objects that a deep check could not look at, by the reason.
type leftOut struct {
	reasons []string // in the order they came
	objects map[string][]string
}

func (u *leftOut) add(reason, object string) {
	if u.objects == nil {
		u.objects = map[string][]string{}
	}
	if u.objects[reason] == nil {
		u.reasons = append(u.reasons, reason)
	}
	u.objects[reason] = append(u.objects[reason], object)
}

// namedObjects is how many objects a reason names.
const namedObjects = 5

// err is nil where everything was looked at.
func (u *leftOut) err(side postgres.Side) error {
	if len(u.reasons) == 0 {
		return nil
	}
	var parts []string
	for _, reason := range u.reasons {
		objects, more := u.objects[reason], ""
		if n := len(objects) - namedObjects; n > 0 {
			objects, more = objects[:namedObjects], fmt.Sprintf(" and %d more", n)
		}
		parts = append(parts, fmt.Sprintf("%s%s: %s", strings.Join(objects, ", "), more, reason))
	}
	return fmt.Errorf("%s: %s", side, strings.Join(parts, "; "))
}
