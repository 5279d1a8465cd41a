package checker_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/pgparity/pgparity/checker"
	"github.com/pgparity/pgparity/hashing"
	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/sampler"
)

// A plan on request finds the same damage as the one that would be chosen.
func TestPlansOnRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds: runs without -short")
	}
	t.Parallel()
	both := []string{`CREATE TABLE t (id int PRIMARY KEY, v text)`, `INSERT INTO t SELECT g, 'v' || g FROM generate_series(1, 500) g`, `ANALYZE t`,
		`CREATE TABLE tokens (token uuid PRIMARY KEY, v text)`, `INSERT INTO tokens SELECT md5(g::text)::uuid, 'v' FROM generate_series(1, 500) g`, `ANALYZE tokens`,
		`CREATE TABLE words (word text COLLATE "en-x-icu" PRIMARY KEY)`, `CREATE TABLE log (line text)`}
	source, target := pairOf(t, both, nil, []string{`UPDATE t SET v = 'x' WHERE id = 99`, `DELETE FROM tokens WHERE token = md5('7')::uuid`})
	for _, way := range []hashing.Way{hashing.Auto, hashing.Stream} {
		for _, c := range []struct {
			table    string
			asked    sampler.Strategy
			findings int64
			keyed    bool
			chunks   bool // several
		}{
			{"t", "", 1, true, true},
			{"t", sampler.Sweep, 1, true, false},
			{"t", sampler.Multiset, 2, false, false}, // each version of the row is a row image
			{"tokens", "", 1, true, false},
			{"tokens", sampler.Ranges, 1, true, true},
			{"tokens", sampler.Multiset, 1, false, false},
		} {
			o := only("ranges")
			o.Digest, o.ChunkRows = way, 50
			o.Pairing.Filter.Tables = []string{c.table}
			want := string(c.asked)
			if c.asked != "" {
				o.Plans = map[string]sampler.Strategy{"public." + c.table: c.asked}
			} else {
				want = map[string]string{"t": "ranges", "tokens": "sweep"}[c.table]
			}
			tab := verify(t, source, target, o).Tables[0]
			_, byHash := tab.Findings[0].Key["row_hash"]
			if tab.Plan != want || tab.FindingsTotal != c.findings || byHash == c.keyed || (tab.Key != nil) != c.keyed || tab.Chunks.Planned > 1 != c.chunks {
				t.Errorf("%s as %s by %s: %+v", c.table, c.asked, way, tab)
			}
		}
	}
	for _, c := range []struct {
		table string
		asked sampler.Strategy
		gist  string
	}{
		{"words", sampler.Ranges, "public.words: its plan cannot be ranges, since a range of its key would not hold the same rows on both sides (word is text under a collation"},
		{"log", sampler.Ranges, "public.log: its plan cannot be ranges, which needs a key (no primary key"},
		{"log", sampler.Sweep, "public.log: its plan cannot be sweep, which needs a key"},
	} {
		o := defaults()
		o.Plans = map[string]sampler.Strategy{"public." + c.table: c.asked}
		var mistake *checker.OperatorError
		if _, err := checker.Run(t.Context(), open(t, postgres.Source, source), open(t, postgres.Target, target), o); !errors.As(err, &mistake) || !strings.Contains(err.Error(), c.gist) {
			t.Errorf("%s as %s: run: %v, want %q", c.table, c.asked, err, c.gist)
		}
		if _, _, err := checker.Plan(t.Context(), open(t, postgres.Source, source), open(t, postgres.Target, target), o); !errors.As(err, &mistake) || !strings.Contains(err.Error(), c.gist) {
			t.Errorf("%s as %s: plan: %v, want %q", c.table, c.asked, err, c.gist)
		}
	}
}

// Settings for a table that is not there are noted, and only those.
func TestSettingsOfNoTable(t *testing.T) {
	t.Parallel()
	source, target := pairOf(t, []string{`CREATE TABLE t (id int PRIMARY KEY, v text)`, `CREATE TABLE u (id int PRIMARY KEY, v text)`, `INSERT INTO t VALUES (1), (2)`}, nil, nil)
	o := defaults()
	o.Plans = map[string]sampler.Strategy{"public.t": sampler.Sweep, "public.tt": sampler.Sweep}
	o.LastByTable = map[string]string{"public.u": "id", "Public.u": "id"}
	o.Pairing.Keys = map[string][]string{"public.t": {"id"}, "other.t": {"id"}}
	const want = "per_table has settings for what is not among the tables compared, which did nothing: Public.u, other.t, public.tt"
	if res := verify(t, source, target, o); !contains(res.Notes, want) || res.Verdict != checker.Match {
		t.Errorf("%s: %q", res.Verdict, res.Notes)
	}
	o.Plans, o.LastByTable, o.Pairing.Keys = map[string]sampler.Strategy{"public.t": sampler.Sweep}, nil, nil
	if res := verify(t, source, target, o); contains(res.Notes, "per_table") {
		t.Errorf("%q", res.Notes)
	}
}
