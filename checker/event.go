package checker

// Event is one step of a run. The same stream feeds progress bars, log lines
// and metrics; receivers must not block and must not keep Events' slices.
type Event struct {
	Kind  EventKind
	Table string // the table's report name; "" for run-wide events

	// Planned and Compared are the table's units so far (TablePlanned,
	// UnitDone, TableDone).
	Planned, Compared int64
	// EstimatedRows is the planner's estimate (TablePlanned), for bars and
	// ETA only; it never reaches a Result.
	EstimatedRows int64
	// Rows is the number of source rows just compared (UnitDone).
	Rows int64
	// Findings is the table's confirmed findings so far.
	Findings int64
	Verdict  Verdict // TableDone, RunDone
	// Chunk is which of the Chunks of a table's content, in the order of the plan, a
	// UnitDone is about, Unit what came of it, and Found the first rows that were found to differ,
	// as Result lists them, but for --hash-keys. Chunks is 0 for a unit of another check.
	Chunk, Chunks int
	Unit          Verdict
	Found         []Finding
	// Restored: an earlier run compared the unit (UnitDone).
	Restored bool
	Message  string // a sentence for the log: why a unit failed, what waits
}

// EventKind names a step.
type EventKind int

// The steps of a run, in the order in which they first occur.
const (
	RunPlanned   EventKind = iota + 1 // all tables are planned; Planned is the run's total
	TablePlanned                      // one table's units are fixed
	UnitDone                          // a unit was compared, or failed (Message)
	TableDone                         // all units of a table have an outcome
	RunDone                           // the verdict stands
	UnitStarted                       // a worker took up a unit; its UnitDone follows
	Held                              // no statement begins any more (Message says why); again when the reasons change
	Released                          // statements begin again
	Warned                            // the run can do less than it was asked to (Message)
	PieceDone                         // part of a unit was read on the source; Rows, which its UnitDone counts again
)
