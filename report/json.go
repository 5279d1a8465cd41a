package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/pgparity/pgparity/checker"
)

// writeJSON writes the report contract (docs/report.schema.json).
func writeJSON(buf *bytes.Buffer, r *checker.Result, _ Options) error {
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // for eyes; a page that embeds it must escape it anyway
	if err := enc.Encode(r); err != nil {
		return err
	}
	escapeControls(buf, raw.Bytes())
	return nil
}

// escapeControls writes JSON with those characters as \u escapes that JSON
// allows bare and a terminal does not show as they are: it is often read
// with cat. Outside of strings there are none.
func escapeControls(buf *bytes.Buffer, raw []byte) {
	for len(raw) > 0 {
		r, size := utf8.DecodeRune(raw)
		if r >= 0x7f && r <= 0xffff && unsafeRune(r) {
			fmt.Fprintf(buf, `\u%04x`, r)
		} else {
			buf.Write(raw[:size])
		}
		raw = raw[size:]
	}
}
