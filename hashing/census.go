package hashing

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/pgparity/pgparity/postgres"
)

// Census reads a scope once and tells three things of it: how many rows it has,
// the digest of their keys, and, by calls of fn, key and hash of those that a
// transaction from horizon on has written (postgres.Young). One pass costs about
// two thirds of what counting and looking for young rows cost apart. Equal
// digests of keys say that both sides have rows of the same keys, and nothing
// of what else is in them.
//
// The table has to have a key. By the stream way, whose key hashes no server
// knows, it is two passes, and Hash is "": keys are counted only. The young rows
// are held in memory, on the server too.
func (d *Digest) Census(ctx context.Context, s *postgres.Session, scope postgres.Scope, horizon string, fn func(Row) error) (keys Sum, err error) {
	if d.Way == Stream {
		if err := d.streamRows(ctx, s, postgres.Young(scope, horizon), All, fn); err != nil {
			return Sum{}, err
		}
		return keys, s.Each(ctx, postgres.Statement{SQL: "SELECT count(*)\n" + scope.Clause(), Args: scope.Args}, func(r postgres.Row) error {
			keys.Rows = r.Int(0)
			return nil
		})
	}
	sql, args := d.censusSQL(scope, horizon)
	err = s.Each(ctx, postgres.Statement{SQL: sql, Args: args}, func(r postgres.Row) error {
		if n := r.Int(0); n > 0 {
			keys = Sum{Rows: n, Hash: r.Text(1)}
		}
		if r.Null(2) {
			return nil
		}
		young, err := postgres.ParseTextArray(r.Bytes(2))
		if err != nil {
			return err
		}
		return d.eachYoung(young, fn)
	})
	return keys, err
}

func (d *Digest) censusSQL(scope postgres.Scope, horizon string) (sql string, args []string) {
	young := postgres.Young(postgres.Scope{Args: scope.Args}, horizon)
	// A record prints its fields by their output functions, as a row does that is
	// sent; a cast to text may be another thing.
	row := "ROW(" + strings.Join(append(d.keyRefs(), "\n  "+d.rowSQL()), ", ") + ")::pg_catalog.text"
	return "SELECT count(*), sum(" + d.keySQL() + "),\n  pg_catalog.array_agg(" + row + ") FILTER (WHERE " + young.Where + ")\n" + scope.Clause(), young.Args
}

func (d *Digest) eachYoung(rows []*string, fn func(Row) error) error {
	row := Row{Key: make([][]byte, len(d.keys))}
	for _, text := range rows {
		fields, err := recordFields(*text)
		if err != nil || len(fields) != len(d.keys)+1 {
			return errors.Join(errRecord, err)
		}
		for i := range row.Key {
			row.Key[i] = []byte(fields[i])
		}
		if row.Hash, err = strconv.ParseInt(fields[len(d.keys)], 10, 64); err != nil {
			return errors.Join(errRecord, err)
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return nil
}

var errRecord = errors.New("a record was not printed as records are")

// recordFields reads a record's text (record_out): in brackets, fields between
// commas; one in quotes has its quotes and backslashes doubled. Keys are never
// NULL, so what stands empty is not there.
func recordFields(text string) ([]string, error) {
	if len(text) < 2 || text[0] != '(' || text[len(text)-1] != ')' {
		return nil, errRecord
	}
	text = text[1 : len(text)-1]
	var fields []string
	var field strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case (c == '"' || c == '\\') && quoted && i+1 < len(text) && text[i+1] == c:
			field.WriteByte(c)
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			fields = append(fields, field.String())
			field.Reset()
		default:
			field.WriteByte(c)
		}
	}
	if quoted {
		return nil, errRecord
	}
	return append(fields, field.String()), nil
}
