package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// databaseLocale is what decides how a database stores, sorts and folds text.
type databaseLocale struct {
	encoding       string
	collate, ctype string // with the provider: libc en_US.utf8
	version        string // of the provider's data, "" where it is not known
}

// localeSQL reads a database's names for it, and of which version what they name
// is.
const localeSQL = `SELECT pg_catalog.pg_encoding_to_char(d.encoding),
  {{pg_database.datlocprovider ? d.datlocprovider : 'c'}}, d.datcollate, d.datctype,
  coalesce({{pg_database.datlocale ? d.datlocale : NULL}}, {{pg_database.daticulocale ? d.daticulocale : NULL}}),
  {{pg_database.daticurules ? d.daticurules : NULL}},
  {{pg_database_collation_actual_version() ? pg_catalog.pg_database_collation_actual_version(d.oid) : NULL}}
FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`

func (f *facts) localeOf(ctx context.Context, side postgres.Side) (databaseLocale, error) {
	st := postgres.Statement{SQL: f.features[side].Fill(localeSQL)}
	found, err := queryRows(ctx, f.on(side), "preflight locale-differs", st, func(r postgres.Row) databaseLocale {
		l := databaseLocale{encoding: r.Text(0), version: r.Text(6)}
		l.collate, l.ctype = localeNames(r.Text(1), r.Text(2), r.Text(3), r.Text(4), r.Text(5))
		return l
	})
	if err != nil || len(found) == 0 {
		return databaseLocale{}, err
	}
	return found[0], nil
}

// bytewise is the order of code points, under whatever name.
const bytewise = "code points"

// localeNames says what sorts texts and what tells their letters, comparably:
// provider is c, i or b, name the locale of the last two, rules those of ICU.
func localeNames(provider, collate, ctype, name, rules string) (order, classes string) {
	switch provider {
	case "i":
		name = "ICU " + icuName(name)
		if order = name; rules != "" {
			order += " with the rules " + rules
		}
		return order, name
	case "b": // all of the built-in ones sort by code points
		return bytewise, strings.Replace("built-in "+name, "built-in C.UTF8", "built-in C.UTF-8", 1)
	}
	if order = libcName(collate); order == "libc C" || order == "libc C.utf8" {
		order = bytewise
	}
	return order, libcName(ctype)
}

// libcName spells a name of the operating system's as others do: en_US.UTF-8
// and en_US.utf8 are one locale, POSIX is C.
func libcName(name string) string {
	if name == "POSIX" {
		name = "C"
	}
	lang, codeset, ok := strings.Cut(name, ".")
	if !ok {
		return "libc " + lang
	}
	return "libc " + lang + "." + strings.ReplaceAll(strings.ToLower(codeset), "-", "")
}

// icuName spells an ICU locale as a language tag with its keywords in order and
// without what is true anyway, as later versions do by themselves.
func icuName(name string) string {
	language, keywords, ok := strings.Cut(strings.ReplaceAll(name, "_", "-"), "-u-")
	if !ok {
		return language
	}
	var list []string
	for part := range strings.SplitSeq(keywords, "-") {
		switch {
		case len(part) == 2: // a key; what follows it is its value
			list = append(list, part)
		case len(list) > 0 && part != "true" && part != "yes":
			list[len(list)-1] += "-" + part
		}
	}
	slices.Sort(list)
	return language + "-u-" + strings.Join(list, "-")
}

// localeDiffers compares the two databases' locales.
func localeDiffers(ctx context.Context, f *facts) (found []Hazard, _ error) {
	sides, err := postgres.Both(ctx, f.source, f.target, func(ctx context.Context, db *postgres.DB) (databaseLocale, error) { return f.localeOf(ctx, db.Side()) })
	if err != nil {
		return nil, err
	}
	s, t := sides[0], sides[1]
	if s.encoding != t.encoding {
		severity, sentence := encodingGap(s.encoding, t.encoding)
		found = append(found, Hazard{Severity: severity, Object: "encoding", Sentence: sentence})
	}
	switch {
	case s.collate != t.collate:
		found = append(found, Hazard{Object: "sort order", Sentence: fmt.Sprintf("texts sort by %s on the source and by %s on the target: ORDER BY, range scans, unique keys over ranges of text and the bounds of partitions come out otherwise after the switch", s.collate, t.collate)})
	case s.collate != bytewise && s.version != "" && t.version != "" && s.version != t.version:
		found = append(found, Hazard{Severity: schema.Info, Object: "sort order", Sentence: fmt.Sprintf("both sides sort by %s, of version %s on the source and %s on the target: some texts sort otherwise after the switch", s.collate, s.version, t.version)})
	}
	if s.ctype != t.ctype {
		found = append(found, Hazard{Object: "character classes", Sentence: fmt.Sprintf("upper and lower case, ILIKE and the classes of regular expressions follow %s on the source and %s on the target: they answer otherwise after the switch", s.ctype, t.ctype)})
	}
	return found, nil
}

// encodingGap says what becomes of the source's characters in another encoding.
func encodingGap(source, target string) (schema.Severity, string) {
	const bytesOnly = "SQL_ASCII"
	switch {
	case target == "UTF8" && source != bytesOnly:
		return schema.Warn, fmt.Sprintf("texts are stored in %s on the source and in %s on the target: their lengths in bytes, and the limits that count bytes, are others after the switch", source, target)
	case target == bytesOnly:
		return schema.Warn, fmt.Sprintf("the target (%s) stores the bytes of %s as they come and knows no characters: length, upper, LIKE and sorting count bytes there, and nothing is converted for a client", target, source)
	case source == bytesOnly:
		return schema.Warn, fmt.Sprintf("the source (%s) may hold bytes that are no text in %s: a row with such bytes cannot be stored on the target, and stops what applies it", source, target)
	}
	return schema.Block, fmt.Sprintf("the target (%s) cannot hold every character of the source's %s: the first row with one of the others cannot be stored there, and stops what applies it; make the target's database with ENCODING 'UTF8'", target, source)
}
