package report

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/pgparity/pgparity/preflight"
)

// PreflightFormats lists the formats of a preflight, the default first.
func PreflightFormats() []Format { return Formats() }

// WritePreflight renders r to w, as Write does a result of verify: it does not
// change r, and writes nothing when the rendering fails.
//
// A result that claims to be ready against its own content is rendered blocked
// or unproven, with the contradiction as its reason.
func WritePreflight(w io.Writer, r *preflight.Result, f Format, o Options) error {
	return deliver(w, f, preflightRenderers[f], settlePreflight(r), o)
}

// WritePreflightFile renders r into the file path, as WriteFile does.
func WritePreflightFile(path string, r *preflight.Result, f Format, o Options) error {
	return writeAtomic(path, func(w io.Writer) error { return WritePreflight(w, r, f, o) })
}

var preflightRenderers = map[Format]rendering[*preflight.Result]{
	Text:       preflightText,
	JSON:       preflightJSON,
	HTML:       preflightHTML,
	Markdown:   preflightMarkdown,
	JUnit:      preflightJUnit,
	Prometheus: preflightPrometheus,
}

// preflightJSON writes the report contract (docs/preflight.schema.json).
func preflightJSON(buf *bytes.Buffer, r *preflight.Result, _ Options) error {
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
