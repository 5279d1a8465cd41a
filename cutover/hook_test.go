//go:build unix

package cutover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hooking is a run that has nothing but hooks, whose sides are never connected to.
func hooking(hooks ...Hook) *run {
	return &run{o: Options{Source: "postgres://me:s3cret@old.example:5433/shop", Target: "postgres://me:s3cret@new.example/shop2", Hooks: hooks},
		id: "r1", direction: Forward, exec: &live{}, result: &Result{}}
}

// TestHookTimeout: a program that hangs is ended in time, and what it has started
// with it.
func TestHookTimeout(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	script := writeScript(t, "sleep 600 &\necho $$ $! > "+pids+"\necho it begins\nsleep 600\n")
	r := hooking(Hook{Name: "slow", When: OnLive, Exec: []string{script}, Timeout: 300 * time.Millisecond})
	began := time.Now()
	err := r.callHooks(t.Context(), OnLive)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	says(t, err, "hook slow: "+script, "no end within 300ms", "it said: it begins")
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(string(text)) {
		pid, _ := strconv.Atoi(f)
		until(t, "process "+f+" is gone", func() bool { return ended(pid) })
	}
}

// ended tells whether a process is gone, or is a zombie that nobody has fetched.
func ended(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err != nil || strings.HasPrefix(state, "Z")
}

// TestHookLeavesSomethingRunning: a program that ends well and leaves a service
// behind has ended well, at once.
func TestHookLeavesSomethingRunning(t *testing.T) {
	r := hooking(Hook{Name: "daemon", When: OnLive, Exec: []string{writeScript(t, "sleep 20 &\n")}})
	began := time.Now()
	if err := r.callHooks(t.Context(), OnLive); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestHookEnvironment: what a program is told, in both directions, and that no
// connection string with a password is in it.
func TestHookEnvironment(t *testing.T) {
	t.Setenv("PGPARITY_SOURCE", "postgres://me:s3cret@old.example/shop")
	t.Setenv("KEPT", "yes")
	out := filepath.Join(t.TempDir(), "env")
	r := hooking(Hook{Name: "tell all", When: OnRedirect, Exec: []string{writeScript(t, "env > "+out+"; pwd > /dev/null\n")}})
	read := func() (list []string) {
		if err := r.callHooks(t.Context(), OnRedirect); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(out)
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "PGPARITY_") || strings.HasPrefix(line, "KEPT=") || strings.Contains(line, "s3cret") {
				list = append(list, strings.TrimSpace(line))
			}
		}
		slices.Sort(list)
		return list
	}
	want := []string{
		"KEPT=yes", "PGPARITY_DIRECTION=forward", "PGPARITY_IDEMPOTENCY_KEY=pgparity/r1/forward/redirect/tell%20all", "PGPARITY_MOMENT=redirect", "PGPARITY_RUN=r1",
		"PGPARITY_SOURCE_DATABASE=shop", "PGPARITY_SOURCE_HOST=old.example", "PGPARITY_SOURCE_PORT=5433",
		"PGPARITY_TARGET_DATABASE=shop2", "PGPARITY_TARGET_HOST=new.example", "PGPARITY_TARGET_PORT=5432",
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.direction = Rollback
	if got := read(); !slices.Contains(got, "PGPARITY_SOURCE_HOST=new.example") || !slices.Contains(got, "PGPARITY_TARGET_HOST=old.example") || !slices.Contains(got, "PGPARITY_DIRECTION=rollback") {
		t.Errorf("in a rollback: %q", got)
	}
}

// called is one request that a test's server got.
type called struct{ method, key, kind, secret, body string }

// answering is a server that gives status codes in turn, the last for ever.
func answering(t *testing.T, body string, codes ...int) (url string, calls func() []called) {
	t.Helper()
	var list []called
	got := make(chan called, 100)
	n := atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		text, _ := io.ReadAll(req.Body)
		got <- called{req.Method, req.Header.Get("Idempotency-Key"), req.Header.Get("Content-Type"), req.Header.Get("Authorization"), string(text)}
		code := codes[min(int(n.Add(1)), len(codes))-1]
		if code/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, "%s\nsecond line, auth was %s", body, req.Header.Get("Authorization"))
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []called {
		for len(got) > 0 {
			list = append(list, <-got)
		}
		return list
	}
}

// TestHookRetries: which answers are tried again, and that each try and each
// later process has the same key.
func TestHookRetries(t *testing.T) {
	for _, c := range []struct {
		codes []int
		calls int
		want  string // of the error, "" for none
	}{
		{[]int{200}, 1, ""},
		{[]int{204}, 1, ""},
		{[]int{503, 500, 201}, 3, ""},
		{[]int{408, 429, 200}, 3, ""},
		{[]int{503}, 3, "status 503 Service Unavailable: it said: sorry second line"},
		{[]int{404, 200}, 1, "status 404"},
		{[]int{401, 200}, 1, "status 401"},
		{[]int{302, 200}, 1, "a redirection is not followed"},
	} {
		t.Run(fmt.Sprint(c.codes), func(t *testing.T) {
			url, calls := answering(t, "sorry", c.codes...)
			r := hooking(Hook{Name: "dns", When: OnRedirect, URL: url + "/zone?token=t0ken-in-url", Headers: map[string]string{"authorization": "Bearer h3ader-secret"}, Retries: 2})
			err := r.callHooks(t.Context(), OnRedirect)
			if c.want != "" {
				says(t, err, "hook dns: POST "+url+"/zone?token=xxxxx: ", c.want)
			} else if err != nil {
				t.Error(err)
			}
			if len(calls()) != c.calls {
				t.Errorf("%d calls, want %d", len(calls()), c.calls)
			}
			next := hooking(r.o.Hooks...) // another process takes the run up
			_ = next.callHooks(t.Context(), OnRedirect)
			for _, got := range calls() {
				if got.key != "pgparity/r1/forward/redirect/dns" || got.method != "POST" || got.secret != "Bearer h3ader-secret" || got.kind != "application/json" {
					t.Errorf("%+v", got)
				}
			}
			noSecret(t, err, r.exec.taken())
		})
	}
}

// noSecret makes sure that neither an error nor an action holds what must not be
// printed.
func noSecret(t *testing.T, err error, actions []Action) {
	t.Helper()
	text, _ := json.Marshal(actions)
	if len(actions) == 0 {
		t.Error("no action was listed")
	}
	for _, secret := range []string{"h3ader-secret", "t0ken-in-url", "pa55word", "s3cret"} {
		if strings.Contains(fmt.Sprint(err)+string(text), secret) {
			t.Errorf("%s is in a text: %v %s", secret, err, text)
		}
	}
}

// TestHookBody: JSON of the same facts, or what the operator says.
func TestHookBody(t *testing.T) {
	url, calls := answering(t, "", 200)
	r := hooking(Hook{Name: "a", When: OnLive, URL: url}, Hook{Name: "b", When: OnLive, URL: url, Method: "put", Body: "<x/>", Headers: map[string]string{"Content-Type": "text/xml"}},
		Hook{Name: "c", When: OnFreeze, URL: url})
	if err := r.callHooks(t.Context(), OnLive); err != nil {
		t.Fatal(err)
	}
	got := calls()
	if len(got) != 2 || got[1].method != "PUT" || got[1].body != "<x/>" || got[1].kind != "text/xml" {
		t.Fatalf("%+v", got)
	}
	const want = `{"run":"r1","moment":"live","direction":"forward","source":{"host":"old.example","port":"5433","database":"shop"},"target":{"host":"new.example","port":"5432","database":"shop2"},"hook":"a","idempotency_key":"pgparity/r1/forward/live/a"}`
	if diff := cmp.Diff(want, got[0].body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHookKeys: a window's hooks have a new key in each window, and the same
// for whoever takes that window back.
func TestHookKeys(t *testing.T) {
	url, calls := answering(t, "", 200)
	r := hooking(Hook{Name: "a", When: OnFreeze, URL: url}, Hook{Name: "b", When: OnThaw, URL: url})
	path := filepath.Join(t.TempDir(), "journal")
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	r.journal = j
	for range 2 {
		if err := errors.Join(r.write(Begins, Freezing, ""), r.callHooks(t.Context(), OnFreeze), r.write(Undoes, Aborting, ""), r.callHooks(t.Context(), OnThaw)); err != nil {
			t.Fatal(err)
		}
	}
	read, _, err := readJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	later := hooking(r.o.Hooks...)
	later.id, later.journal = "r2", read
	if err := later.callHooks(t.Context(), OnThaw); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, c := range calls() {
		keys = append(keys, c.key)
	}
	want := []string{"pgparity/r1-1/forward/freeze/a", "pgparity/r1-1/forward/thaw/b", "pgparity/r1-3/forward/freeze/a", "pgparity/r1-3/forward/thaw/b", "pgparity/r1-3/forward/thaw/b"}
	if diff := cmp.Diff(want, keys); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHookFails: the first that fails ends a moment, but one that takes back
// goes on to the last. A program is not tried again where it is not there.
func TestHookFails(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	fails, works := writeScript(t, "echo x >> "+out+"\necho broken h3ader-secret >&2\nexit 3\n"), writeScript(t, "echo y >> "+out+"\n")
	for _, c := range []struct {
		when Moment
		want string
	}{{OnFreeze, "x\nx\n"}, {OnThaw, "x\nx\ny\n"}} {
		_ = os.Remove(out)
		r := hooking(Hook{Name: "a", When: c.when, Exec: []string{fails, "it's"}, Retries: 1, Headers: map[string]string{"X": "h3ader-secret"}}, Hook{Name: "b", When: c.when, Exec: []string{works}})
		err := r.callHooks(t.Context(), c.when)
		says(t, err, "hook a: "+fails+` 'it'\''s': exit status 3`, "it said: broken xxxxx", "2 tries")
		text, _ := os.ReadFile(out)
		if string(text) != c.want {
			t.Errorf("%s: called %q, want %q", c.when, text, c.want)
		}
		noSecret(t, err, r.exec.taken())
	}
	began := time.Now()
	err := hooking(Hook{Name: "none", When: OnLive, Exec: []string{"/nowhere/at-all"}, Retries: 20}).callHooks(t.Context(), OnLive)
	if says(t, err, "hook none", "no such file"); time.Since(began) > 2*time.Second {
		t.Error("it was tried again")
	}
}

// TestHookListed: as a runbook prints it.
func TestHookListed(t *testing.T) {
	r := hooking(
		Hook{Name: "a", When: OnLive, Exec: []string{"/bin/notify", "--to", "the team", "it's live", ""}},
		Hook{Name: "b", When: OnLive, URL: "https://user:pa55word@api.example:8443/a%2Fb/zones?token=t0ken-in-url&flag#h3ader-secret", Headers: map[string]string{"Authorization": "h3ader-secret"}},
		Hook{Name: "c", When: OnLive, URL: "https://user:pa55word@[bad", Method: "delete"},
		Hook{Name: "d", When: OnLive, URL: "https://api.example/hooks/T0/pa55word", Secrets: []string{"T0/pa55word", "api.example"}})
	r.exec = &dry{}
	if err := r.callHooks(t.Context(), OnLive); err != nil {
		t.Fatal(err)
	}
	list := r.exec.taken()
	var got []string
	for _, a := range list {
		got = append(got, a.ID+" | "+a.On+" | "+a.Do)
	}
	want := []string{
		`hook-live | hook a | /bin/notify --to 'the team' 'it'\''s live' ''`,
		"hook-live | hook b | POST https://xxxxx@api.example:8443/a%2Fb/zones?token=xxxxx&flag=xxxxx",
		"hook-live | hook c | DELETE …",
		"hook-live | hook d | POST https://api.example/hooks/xxxxx",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	noSecret(t, nil, list)
	for _, h := range r.o.Hooks[1:] {
		h.Timeout = time.Second
		noSecret(t, h.call(t.Context(), hookEnv{}), list)
	}
}

// TestHookUnreachable: nobody listens, or never answers.
func TestHookUnreachable(t *testing.T) {
	r := hooking(Hook{Name: "a", When: OnLive, URL: "http://user:pa55word@127.0.0.1:1/x?t=t0ken-in-url"})
	err := r.callHooks(t.Context(), OnLive)
	says(t, err, "hook a: POST http://xxxxx@127.0.0.1:1/x?t=xxxxx: ", "refused")
	noSecret(t, err, r.exec.taken())
	never := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		<-req.Context().Done()
	}))
	defer never.Close()
	r = hooking(Hook{Name: "a", When: OnLive, URL: never.URL, Timeout: 100 * time.Millisecond, Retries: 1})
	says(t, r.callHooks(t.Context(), OnLive), "no end within 100ms", "2 tries")
}
