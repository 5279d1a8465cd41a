package preflight

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pgparity/pgparity/postgres"
	"github.com/pgparity/pgparity/schema"
)

// preloads are the settings that name libraries to load.
var preloads = []string{"shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"}

// watchers are libraries that only look on: nothing the application does
// depends on them.
var watchers = []string{"auto_explain", "pg_stat_statements", "pg_stat_kcache", "pg_qualstats", "pg_wait_sampling", "pg_stat_monitor", "pgsentinel", "powa", "pg_prewarm", "pg_hint_plan", "pgaudit"}

// provided are libraries that providers load for themselves.
var provided = []string{"rdsutils", "azure", "pgms_stats", "google_", "cloudsql"}

// missingLibraries compares what the servers load. Which libraries those are
// only a role with pg_read_all_settings may see.
func missingLibraries(ctx context.Context, f *facts) ([]Hazard, error) {
	source, target, err := f.bothSettings(ctx, preloads)
	if err != nil {
		return nil, err
	}
	var hidden []string
	for side, has := range map[postgres.Side]map[string]setting{postgres.Source: source, postgres.Target: target} {
		if _, ok := has[preloads[0]]; !ok {
			hidden = append(hidden, fmt.Sprintf("%s: %s may not be seen; run there: GRANT pg_read_all_settings TO %s", side, preloads[0], postgres.Ident(f.on(side).Server().User)))
		}
	}
	if len(hidden) > 0 {
		slices.Sort(hidden)
		return nil, errors.New(strings.Join(hidden, "; "))
	}
	extensions, err := f.extensions(ctx)
	if err != nil {
		return nil, err
	}
	var loaded []string
	for _, name := range preloads {
		loaded = append(loaded, libraries(target[name].value)...)
	}
	var found []Hazard
	for _, name := range preloads {
		for _, library := range libraries(source[name].value) {
			if slices.Contains(loaded, library) || slices.ContainsFunc(provided, func(p string) bool { return strings.HasPrefix(library, p) }) {
				continue
			}
			h := Hazard{Side: postgres.Target, Object: "library " + plainName(library), Severity: schema.Warn,
				Sentence: fmt.Sprintf("the source loads it by %s, and the target does not: what it did for the application or its operators is not done after the switch", name)}
			if slices.Contains(extensions, library) && !slices.Contains(watchers, library) {
				h.Severity = schema.Block
				h.Sentence = fmt.Sprintf("the source loads it by %s, the target does not, and the extension of that name does not work without: install it there and add it to the setting, which needs a restart", name)
			}
			found = append(found, h)
		}
	}
	return found, nil
}

// extensions are those that are installed in the source's database.
func (f *facts) extensions(ctx context.Context) (names []string, _ error) {
	err := f.source.Read(ctx, "preflight extensions", func(ctx context.Context, s *postgres.Session) error {
		names = nil
		return s.Each(ctx, postgres.Statement{SQL: "SELECT e.extname FROM pg_catalog.pg_extension e"}, func(r postgres.Row) error {
			names = append(names, r.Text(0))
			return nil
		})
	})
	return names, err
}

// libraries are the names in such a setting, without folder and suffix.
func libraries(value string) []string {
	var list []string
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSuffix(path.Base(strings.Trim(strings.TrimSpace(name), `"`)), ".so")
		if name != "" && name != "." {
			list = append(list, name)
		}
	}
	return list
}
