package report

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/pgparity/pgparity/cutover"
)

// CutoverFormats lists the formats of a cutover, the default first.
func CutoverFormats() []Format { return Formats() }

// WriteCutover renders r to w, as Write does a result of verify: it does not
// change r, and writes nothing when the rendering fails. A plan is rendered as
// the runbook, everything else as the protocol of what happened.
//
// A result that claims to be done, or undone, against its own content is
// rendered unproven, with the contradiction as its reason.
func WriteCutover(w io.Writer, r *cutover.Result, f Format, o Options) error {
	return deliver(w, f, cutoverRenderers[f], settleCutover(r), o)
}

// WriteCutoverFile renders r into the file path, as WriteFile does.
func WriteCutoverFile(path string, r *cutover.Result, f Format, o Options) error {
	return writeAtomic(path, func(w io.Writer) error { return WriteCutover(w, r, f, o) })
}

var cutoverRenderers = map[Format]rendering[*cutover.Result]{
	Text:       cutoverText,
	JSON:       cutoverJSON,
	HTML:       cutoverHTML,
	Markdown:   cutoverMarkdown,
	JUnit:      cutoverJUnit,
	Prometheus: cutoverPrometheus,
}

// cutoverJSON writes the report contract (docs/cutover.schema.json). Of all
// formats it alone has statements byte for byte.
func cutoverJSON(buf *bytes.Buffer, r *cutover.Result, _ Options) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // as writeJSON
	if err := enc.Encode(r); err != nil {
		return err
	}
	escapeControls(buf, raw.Bytes())
	return nil
}
