package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/pgparity/pgparity/checker"
)

// Read reads a saved JSON report. It refuses what is not one whole report of
// this schema version, and one that claims match against its own content: a
// file that was cut or edited must not turn into a proof.
//
// Unknown fields are left out of the result, for the format grows.
func Read(rd io.Reader) (*checker.Result, error) {
	raw, err := io.ReadAll(rd)
	if err != nil {
		return nil, fmt.Errorf("report: read: %w", err)
	}
	tree, err := parse(raw)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if err := checkVersion(tree); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if err := conform(tree, reflect.TypeFor[checker.Result](), ""); err != nil {
		return nil, fmt.Errorf("report: not a pgparity report: %w", err)
	}
	var r checker.Result
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("report: not a pgparity report: %w", err)
	}
	if err := checkClaims(&r); err != nil {
		return nil, fmt.Errorf("report: %w: the file was changed or cut after it was written; run verify again", err)
	}
	return &r, nil
}

// parse reads one JSON value and nothing after it. Of an object with the same
// name twice it would be open which one counts, so there must be none.
func parse(raw []byte) (any, error) {
	var whole json.RawMessage
	outer := json.NewDecoder(bytes.NewReader(raw))
	switch err := outer.Decode(&whole); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("the file ends in the middle of a report, after %d bytes; save the report again", len(raw))
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty; save the report again")
	case err != nil:
		return nil, fmt.Errorf("the file is not one JSON document; give a file written with --report json=FILE: %w", err)
	}
	if _, err := outer.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file is not one JSON document, more follows after it; give a file with one report")
	}
	dec := json.NewDecoder(bytes.NewReader(whole))
	dec.UseNumber()
	return parseValue(dec)
}

// parseValue builds maps and slices. Its recursion is as deep as the text
// nests, which Decode has bounded before.
func parseValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		obj := map[string]any{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key := name.(string) // the decoder gives nothing else here
			if _, twice := obj[key]; twice {
				return nil, fmt.Errorf("field %q occurs twice in one object", key)
			}
			if obj[key], err = parseValue(dec); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return obj, err
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := parseValue(dec)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return tok, nil
}

func checkVersion(tree any) error {
	obj, ok := tree.(map[string]any)
	if !ok {
		return errors.New("the file is JSON, but no report; give a file written with --report json=FILE")
	}
	v, ok := obj["schema_version"].(json.Number)
	if !ok {
		return errors.New("the file has no schema_version, so it is no report; give a file written with --report json=FILE")
	}
	if v.String() != fmt.Sprint(schemaVersion) {
		return fmt.Errorf("schema_version %s is not known, this pgparity reads %d; use the pgparity that wrote the file",
			v, schemaVersion)
	}
	return nil
}

// conform holds a parsed value against a Go type: fields that are not
// omitempty must be there, lists must not be null, verdicts must be one of
// the three words. A field that is added later must be omitempty, or reports
// that were saved before it could no longer be read.
func conform(v any, t reflect.Type, path string) error {
	switch {
	case t == reflect.TypeFor[checker.Verdict]():
		return conformVerdict(v, path)
	case t.Kind() == reflect.Pointer:
		if v == nil {
			return nil
		}
		return conform(v, t.Elem(), path)
	case v == nil:
		return fmt.Errorf("%s is null", named(path))
	case t.Kind() == reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%s is not a list", named(path))
		}
		for i, e := range list {
			if err := conform(e, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map:
		obj, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is not an object", named(path))
		}
		for k, e := range obj {
			if err := conform(e, t.Elem(), path+"."+ident(k)); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && !isText(t):
		return conformStruct(v, t, path)
	}
	return nil // the plain kinds are json.Unmarshal's to judge
}

// isText is true for a struct that is a string in JSON, such as a time.
func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]())
}

func conformStruct(v any, t reflect.Type, path string) error {
	obj, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is not an object", named(path))
	}
	for f := range t.Fields() {
		if !f.IsExported() { // no field of the report
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		inner := strings.TrimPrefix(path+"."+name, ".")
		e, ok := obj[name]
		if ok {
			if err := conform(e, f.Type, inner); err != nil {
				return err
			}
		} else if !strings.Contains(opts, "omitempty") {
			return fmt.Errorf("%s is missing", inner)
		}
		// encoding/json would take "Verdict" for verdict, unseen by the above.
		for other := range obj {
			if other != name && strings.EqualFold(other, name) {
				return fmt.Errorf("%s is spelled %q", inner, other)
			}
		}
	}
	return nil
}

func conformVerdict(v any, path string) error {
	word, _ := v.(string)
	var known checker.Verdict
	if err := known.UnmarshalText([]byte(word)); err != nil {
		return err
	}
	if known.String() != word { // an unknown word reads as unproven
		return fmt.Errorf("%s is %v, not match, mismatch or unproven", path, quoted(v))
	}
	return nil
}

func quoted(v any) string {
	if s, ok := v.(string); ok {
		return value(s)
	}
	return fmt.Sprintf("%.40v", v)
}

func named(path string) string {
	if path == "" {
		return "the document"
	}
	return path
}

// checkClaims refuses a match, of the run or of one table, that the rest of
// the file speaks against.
func checkClaims(r *checker.Result) error {
	if r.Verdict == checker.Match {
		if against := contradictions(r); len(against) > 0 {
			return fmt.Errorf("the report says match, but %s", prose(strings.Join(against, "; ")))
		}
	}
	for i := range r.Tables {
		if against := tableContradictions(&r.Tables[i]); len(against) > 0 {
			return fmt.Errorf("table %s is said to match, but %s", ident(r.Tables[i].Name), prose(against[0]))
		}
	}
	return nil
}
