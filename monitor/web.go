package monitor

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/pgparity/pgparity/checker"
)

//go:embed page
var pageFiles embed.FS

var pageTemplates = template.Must(template.ParseFS(pageFiles, "page/*.html.tmpl"))

// assets are what a page loads, by name, with their types. Nothing else is served.
var assets = map[string]string{
	"style.css":         "text/css; charset=utf-8",
	"live.js":           "text/javascript; charset=utf-8",
	"icon-match.svg":    "image/svg+xml",
	"icon-mismatch.svg": "image/svg+xml",
	"icon-unproven.svg": "image/svg+xml",
}

// assetsVersion is in the addresses of assets, so that a browser keeps them until they change.
var assetsVersion = func() string {
	sum := sha256.New()
	for _, name := range []string{"style.css", "live.js", "icon-match.svg", "icon-mismatch.svg", "icon-unproven.svg"} {
		content, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic(err) // embedded, as the templates are
		}
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}()

// frame is what all pages have.
type frame struct {
	Root    string // leads to the fleet, relative, so that a proxy may have the pages under any path
	Title   string
	Verdict string // its class, and the icon
	Assets  string
	AsOf    *moment
	Version string
	Live    bool
}

func (h *web) frame(root, title string, v checker.Verdict) frame {
	return frame{
		Root: root, Title: title, Verdict: v.String(), Assets: assetsVersion, AsOf: clock(h.now()), Version: h.Version, Live: true,
	}
}

// clock is the moment at which a page was made.
func clock(now time.Time) *moment {
	m := when(now, now)
	m.Rel = now.UTC().Format("15:04:05") + " UTC"
	return m
}

func (h *web) fleet(w http.ResponseWriter, _ *http.Request) {
	h.render(w, http.StatusOK, "fleet", h.fleetPage(h.board.Pairs()))
}

func (h *web) pair(w http.ResponseWriter, r *http.Request) {
	s, known := h.board.Pair(r.PathValue("name"))
	if !known {
		h.lost(w, "../", "There is no such pair. It may have left the configuration.")
		return
	}
	h.render(w, http.StatusOK, "pair", h.pairPage(&s))
}

func (h *web) nowhere(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		refuse(w, http.StatusNotFound, "there is nothing here; GET /api/v1/pairs lists the pairs")
		return
	}
	// How deep the address is decides what leads back.
	h.lost(w, strings.Repeat("../", max(strings.Count(r.URL.Path, "/")-1, 0)), "There is nothing at this address.")
}

func (h *web) lost(w http.ResponseWriter, root, why string) {
	f := h.frame(root, "not found", checker.Unproven)
	f.Live = false
	h.render(w, http.StatusNotFound, "lost", struct {
		frame
		Why string
	}{f, why})
}

// render makes the whole page before it sends any of it: half a page looks like a whole one.
func (h *web) render(w http.ResponseWriter, code int, name string, view any) {
	var buf bytes.Buffer
	if err := pageTemplates.ExecuteTemplate(&buf, name, view); err != nil {
		h.Log.Error("page not made", "page", name, "error", err)
		plain(w, http.StatusInternalServerError, "the page could not be made; the log says why")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(buf.Bytes())
}

func (h *web) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	kind, known := assets[name]
	if !known {
		h.nowhere(w, r)
		return
	}
	content, err := pageFiles.ReadFile(path.Join("page", name))
	if err != nil {
		h.nowhere(w, r)
		return
	}
	w.Header().Set("Content-Type", kind)
	if r.URL.Query().Get("v") == assetsVersion {
		w.Header().Set("Cache-Control", "max-age=31536000, immutable")
	}
	_, _ = w.Write(content)
}
