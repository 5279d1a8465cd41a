package checker

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pgparity/pgparity/pairing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// entry is one line of a journal: exactly one of its members.
type entry struct {
	Header  *headerLine  `json:"pgparity_checkpoint,omitempty"` // the first
	Table   *tableLine   `json:"table,omitempty"`
	Planned *int         `json:"planned,omitempty"` // all tables are there: so many
	Outcome *outcomeLine `json:"compared,omitempty"`
	Piece   *pieceLine   `json:"piece,omitempty"`
	Resumed *resumedLine `json:"resumed,omitempty"`
	Ended   *time.Time   `json:"ended,omitempty"` // nothing is left to go on with
}

// headerLine says which comparison it is. Format comes first (journalMagic).
type headerLine struct {
	Format      int       `json:"format"`
	Tool        string    `json:"tool"`
	OptionsHash string    `json:"options_hash"`
	Pair        string    `json:"pair,omitempty"`
	Source      partyLine `json:"source"`
	Target      partyLine `json:"target"`
	DigestSpec  string    `json:"digest_spec"`
	Seeds       string    `json:"seeds"`
	SampleSeed  int64     `json:"sample_seed,omitempty"`
	StartedAt   time.Time `json:"started_at"`
	AsOfLSN     string    `json:"as_of_lsn"`
	Horizon     string    `json:"horizon,omitempty"` // the oldest transaction the source did not see then, of a moving pair
	Back        string    `json:"back,omitempty"`    // likewise the target, where its own changes are replicated back
}

// partyLine identifies a side's database.
type partyLine struct {
	SystemID     string `json:"system_identifier,omitempty"` // "" where it may not be read
	DatabaseID   uint32 `json:"database_oid"`
	Database     string `json:"database"`
	Major        int    `json:"server_major"`
	Transactions string `json:"transactions,omitempty"` // over at the first start, "" where not known
}

func partyOf(db *postgres.DB, transactions string) partyLine {
	s := db.Server()
	return partyLine{SystemID: s.SystemID, DatabaseID: s.DatabaseID, Database: s.Database, Major: s.Major(), Transactions: transactions}
}

// differs says in what another database differs, or "".
func (p partyLine) differs(now partyLine) string {
	switch {
	case p.SystemID != now.SystemID && p.SystemID != "" && now.SystemID != "":
		return fmt.Sprintf("system identifier %s, now %s", p.SystemID, now.SystemID)
	case p.Database != now.Database:
		return fmt.Sprintf("%s, now %s", p.Database, now.Database)
	case p.DatabaseID != now.DatabaseID:
		return fmt.Sprintf("%s had OID %d, now %d", now.Database, p.DatabaseID, now.DatabaseID)
	case p.Major != now.Major:
		return fmt.Sprintf("of PostgreSQL %d, now %d", p.Major, now.Major)
	}
	return ""
}

// tableLine is a table of the pair, and its units where it is compared.
type tableLine struct {
	Name        string        `json:"name"`
	Source      string        `json:"source"` // shape; "" where the side has no such table
	Target      string        `json:"target"`
	Barred      string        `json:"barred,omitempty"` // why it is not compared
	Fingerprint string        `json:"fingerprint,omitempty"`
	Plan        *sampler.Plan `json:"plan,omitempty"`
	Units       []unitLine    `json:"units,omitempty"`
	Cover       string        `json:"cover,omitempty"` // how the replication of a moving pair carried it
}

func tableLineOf(t *pairing.Table) *tableLine {
	line := &tableLine{Name: t.Name, Barred: notComparable(t)}
	if t.Source != nil {
		line.Source = legible(shape(t.Source))
	}
	if t.Target != nil {
		line.Target = legible(shape(t.Target))
	}
	return line
}

// legible is what is left of a text after a passage through JSON.
func legible(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// unitLine is a sampler.Unit without what its table's line says.
type unitLine struct {
	Check      sampler.Check `json:"check"`
	Chunk      int           `json:"chunk"`
	Chunks     int           `json:"chunks,omitempty"`
	From       []text        `json:"from,omitempty"`
	To         []text        `json:"to,omitempty"`
	Last       int           `json:"last,omitempty"`
	LastBy     string        `json:"last_by,omitempty"`
	SampleRows int           `json:"sample_rows,omitempty"`
	Seed       int64         `json:"seed,omitempty"`
}

func unitLineOf(u sampler.Unit) unitLine {
	return unitLine{Check: u.Check, Chunk: u.Chunk, Chunks: u.Chunks, From: texts(u.Range.From), To: texts(u.Range.To),
		Last: u.Last, LastBy: u.LastBy, SampleRows: u.SampleRows, Seed: u.Seed}
}

func (l unitLine) unit() sampler.Unit {
	return sampler.Unit{Check: l.Check, Chunk: l.Chunk, Chunks: l.Chunks, Range: sampler.Range{From: plainTexts(l.From), To: plainTexts(l.To)},
		Last: l.Last, LastBy: l.LastBy, SampleRows: l.SampleRows, Seed: l.Seed}
}

// outcomeLine is an Outcome that was compared.
type outcomeLine struct {
	Table     string        `json:"table"`
	Check     sampler.Check `json:"check"`
	Chunk     int           `json:"chunk"`
	Source    int64         `json:"source"`
	Target    int64         `json:"target"`
	Findings  []Finding     `json:"findings,omitempty"`
	Total     int64         `json:"total,omitempty"`
	Confirmed int64         `json:"confirmed,omitempty"`
	Claimed   [][]byte      `json:"claimed,omitempty"` // keys that no other unit counts again
	Sample    *TableSample  `json:"sample,omitempty"`
}

func outcomeLineOf(o Outcome) *outcomeLine {
	line := &outcomeLine{Table: o.Unit.Table, Check: o.Unit.Check, Chunk: o.Unit.Chunk, Source: o.Source, Target: o.Target,
		Findings: o.Findings, Total: o.Total, Confirmed: o.Confirmed, Sample: o.Sample}
	for _, key := range o.claimed {
		line.Claimed = append(line.Claimed, []byte(key))
	}
	return line
}

func (l outcomeLine) unitID() string {
	return sampler.Unit{Table: l.Table, Check: l.Check, Chunk: l.Chunk}.ID()
}

func (l outcomeLine) outcome(u sampler.Unit) Outcome {
	return Outcome{Unit: u, Compared: true, Source: l.Source, Target: l.Target, Findings: l.Findings, Total: l.Total, Confirmed: l.Confirmed,
		Sample: l.Sample, restored: true}
}

// pieceLine is what one statement of a long unit read on one side.
type pieceLine struct {
	Unit string        `json:"unit"`
	Side postgres.Side `json:"side"`
	Try  int           `json:"try,omitempty"` // how often the unit was read before
	// A run of pages of the files File, or a range of the key in the side's own
	// order.
	Pages *sampler.Segment `json:"pages,omitempty"`
	File  string           `json:"file,omitempty"`
	From  []text           `json:"from,omitempty"`
	To    []text           `json:"to,omitempty"`
	Rows  int64            `json:"rows"`
	Hash  string           `json:"hash"`
}

// resumedLine is a later start.
type resumedLine struct {
	At   time.Time `json:"at"`
	Tool string    `json:"tool"`
}

// sideOf is a unit's part on one side.
type sideOf struct {
	unit string
	side postgres.Side
}

// past is what a journal's lines say.
type past struct {
	header   *headerLine
	names    []string // of tables
	tables   map[string]*tableLine
	planned  bool
	ended    bool
	resumed  int
	outcomes []*outcomeLine
	pieces   map[sideOf][]*pieceLine // of the last reading
}

func newPast() *past {
	return &past{tables: map[string]*tableLine{}, pieces: map[sideOf][]*pieceLine{}}
}

// take takes in one line.
func (p *past) take(e entry) {
	switch {
	case e.Header != nil:
		p.header = e.Header
	case e.Table != nil:
		p.names = append(p.names, e.Table.Name)
		p.tables[e.Table.Name] = e.Table
	case e.Planned != nil:
		p.planned = p.header != nil && *e.Planned == len(p.names)
	case e.Outcome != nil:
		p.outcomes = append(p.outcomes, e.Outcome)
	case e.Piece != nil:
		of := sideOf{e.Piece.Unit, e.Piece.Side}
		if known := p.pieces[of]; len(known) > 0 && known[0].Try < e.Piece.Try {
			p.pieces[of] = nil // the unit was read again, and the readings do not mix
		}
		p.pieces[of] = append(p.pieces[of], e.Piece)
	case e.Resumed != nil:
		p.resumed++
	case e.Ended != nil:
		p.ended = true
	}
}

// text is a value as a server sent it: a string in JSON, or its bytes where it
// is no UTF-8, which a server of the encoding SQL_ASCII may send.
type text string

type rawText struct {
	Base64 []byte `json:"base64"`
}

// MarshalJSON writes the value so that no byte is lost.
func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return json.Marshal(string(t))
	}
	return json.Marshal(rawText{[]byte(t)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var raw rawText
		err := json.Unmarshal(b, &raw)
		*t = text(raw.Base64)
		return err
	}
	var s string
	err := json.Unmarshal(b, &s)
	*t = text(s)
	return err
}

// texts keeps nil apart from a list of no parts: nil is an open end.
func texts(list []string) []text {
	if list == nil {
		return nil
	}
	out := make([]text, len(list))
	for i, s := range list {
		out[i] = text(s)
	}
	return out
}

func plainTexts(list []text) []string {
	if list == nil {
		return nil
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = string(s)
	}
	return out
}
