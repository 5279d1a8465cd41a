package monitor

import (
	"context"
	"log/slog"
	"time"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/postgres"
)

// Options say where the monitor keeps what it knows, and whom it serves. They do not change while it runs.
type Options struct {
	Version string
	State   string // path of the file with all that is to outlive the process
	HTTP    HTTPOptions
	// Load reads the configuration: when the monitor begins, and with each value of Reload. Its error keeps what there was.
	Load   func() (Settings, error)
	Reload <-chan struct{} // nil for never
	Log    *slog.Logger    // nil for nobody

	pace pace // the usual one, but in tests
}

// HTTPOptions say where page, metrics and API are served, and to whom.
type HTTPOptions struct {
	Listen          string   // host:port; "" serves nothing
	Token           string   // that writes, and everything where Secure is set, have to bring
	Secure          bool     // others than this machine can reach it
	Hosts           []string // other names that it is asked for by
	TLSCert, TLSKey string   // files; "" is plain HTTP
	Pprof           bool
	listening       chan<- string // told the address, in tests
}

// Settings are what the configuration file says of the monitor and its pairs.
type Settings struct {
	Passes   int           // full passes at a time, over all pairs; at least 1
	Keep     time.Duration // how long history is kept; at least an hour
	Webhooks []Webhook     // names differ
	Pairs    []Pair        // names differ
}

// Pair is a pair to watch.
type Pair struct {
	Name string
	// Open connects the pair. The caller closes what it gets.
	Open func(ctx context.Context) (*Sides, error)
	// SourceURL is how the source is reached: the change stream needs a connection of its
	// own. It may hold a password.
	SourceURL string
	// Same tells two configurations apart: where it is equal (reflect.DeepEqual), a reload leaves the pair alone.
	Same any

	Cycle     time.Duration // from the beginning of a full pass to that of the next
	Quick     time.Duration // between two quick checks
	Recheck   time.Duration // between two looks at what is open
	Follow    bool          // changes are followed between passes
	Retention int64         // bytes of log that our slot may hold back on the source before it is given up
	// WatermarkAge is the age from which on a watermark is too old, and somebody is told.
	WatermarkAge time.Duration
	HashKeys     bool   // keys are hidden from page, API and messages
	Journal      string // of a cutover of the pair, "" for none
}

// Sides are a pair's open databases, and how they are compared.
type Sides struct {
	Source, Target *postgres.DB
	Check          checker.Options
	Close          func() // gives back all that Open opened
}

// Webhook is who is told of what changes. The URL and the headers may hold secrets.
type Webhook struct {
	Name    string
	URL     string
	Slack   bool              // what Slack's incoming webhooks take, else JSON of our own
	Headers map[string]string // in addition
	On      []Notice          // none is all
	Timeout time.Duration     // of a try
	Retries int               // after the first try
}

// pace is how fast the monitor is, beside what the configuration says.
type pace struct {
	sample  time.Duration // between two samples for the plots
	settle  time.Duration // how long a pair has to be out of reach, or a verdict unproven, before it counts
	quiet   time.Duration // between two messages about a pair, at least
	retry   time.Duration // before a pair that failed is tried again, doubled each time
	retries time.Duration // at most
	yield   time.Duration // between two looks whether a switch has begun
	again   time.Duration // before a pass that was not completed, or that a table asks for, is tried again
	publish time.Duration // between two changes of the board, at least
	deliver time.Duration // between two looks at what is to be told
	drain   time.Duration // until all has ended
}

var usualPace = pace{sample: 10 * time.Second, settle: 2 * time.Minute, quiet: time.Minute, retry: 2 * time.Second, retries: 2 * time.Minute,
	again: 5 * time.Minute, publish: 500 * time.Millisecond, deliver: 2 * time.Second, drain: 9 * time.Second, yield: 2 * time.Second}

// The keys of log lines.
const (
	keyPair     = "pair"
	keyError    = "error"
	keyVerdict  = "verdict"
	keyKind     = "kind"
	keyTable    = "table"
	keyReason   = "reason"
	keyFindings = "findings"
	keyHealed   = "healed"
	keyRows     = "rows"
	keyTook     = "took_s"
	keyAddress  = "address"
	keyWebhook  = "webhook"
	keySlot     = "slot"
	keyPairs    = "pairs"
)
