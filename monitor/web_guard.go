package monitor

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"strings"
)

// Who may do what:
//
//  1. A write needs the token as a bearer, always. A browser never adds that of itself, as it
//     does cookies and basic credentials, and a page elsewhere cannot add it either: its
//     request would have to be allowed by an answer that is never given. What is known to
//     come from elsewhere (Sec-Fetch-Site, Origin) is refused before that.
//  2. On this machine reads need no token. A name that a stranger's server leads here (DNS
//     rebinding) makes a stranger's page one of ours to the browser: so the name that was
//     asked for has to be this machine's.
//  3. Elsewhere reads need the token too: as a bearer, or as the password that a browser asks
//     for. That is bound to the name it was typed for, so a rebound one has none.
//  4. Without a token in the configuration nobody has it: what needs it is refused.

// policy lets the page load its own two files and talk to its own service, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// headers are set on every answer, errors too.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// reads guards what only looks.
func (h *web) reads(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.ours(r.Host) {
			plain(w, http.StatusForbidden, "this monitor answers to localhost alone; behind a proxy, add the name it is asked for to its hosts")
			return
		}
		if h.Secure && !h.holds(r, true) {
			h.ask(w, true)
			return
		}
		next(w, r)
	})
}

// secrets guards what shows the process's memory: the token is needed on this machine too.
func (h *web) secrets(next http.HandlerFunc) http.Handler {
	return h.reads(func(w http.ResponseWriter, r *http.Request) {
		if !h.holds(r, true) {
			h.ask(w, true)
			return
		}
		next(w, r)
	})
}

// writes guards what does something.
func (h *web) writes(next http.HandlerFunc) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !h.ours(r.Host):
			refuse(w, http.StatusForbidden, "this monitor answers to localhost alone; behind a proxy, add the name it is asked for to its hosts")
		case foreign.Check(r) != nil:
			refuse(w, http.StatusForbidden, "the request comes from a page of another site")
		case h.Token == "":
			refuse(w, http.StatusForbidden, "no token is configured, and commands need one: set monitor.token")
		case !h.holds(r, false):
			h.ask(w, false)
		default:
			next(w, r)
		}
	})
}

// ask wants the token; who looks with a browser is asked for it by the browser.
func (h *web) ask(w http.ResponseWriter, browser bool) {
	if h.Token == "" {
		refuse(w, http.StatusForbidden, "no token is configured, and this needs one: set monitor.token")
		return
	}
	challenge := `Bearer realm="pgparity"`
	if browser {
		challenge = `Basic realm="pgparity: any user, the token as password", charset="UTF-8"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(w, http.StatusUnauthorized, "the token is needed: Authorization: Bearer TOKEN")
}

// holds tells whether the request has the token. The comparison takes as long for a wrong one.
func (h *web) holds(r *http.Request, basic bool) bool {
	given := ""
	if scheme, rest, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = strings.TrimSpace(rest)
	} else if _, password, ok := r.BasicAuth(); ok && basic {
		given = password
	}
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(h.Token))
	return h.Token != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// ours tells whether host, as a request names it, is one that is answered.
func (h *web) ours(host string) bool {
	if h.Secure && len(h.Hosts) == 0 {
		return true
	}
	name := host
	if n, _, err := net.SplitHostPort(host); err == nil {
		name = n
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if ip := net.ParseIP(name); ip != nil && ip.IsLoopback() {
		return true
	}
	return name == "localhost" || slices.ContainsFunc(h.Hosts, func(known string) bool { return strings.EqualFold(known, name) })
}
