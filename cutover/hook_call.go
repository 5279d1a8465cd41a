package cutover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// pipePatience is how long the output of a program that has ended is read: what
// it left running may hold it open for ever.
const pipePatience = 500 * time.Millisecond

// exec runs the program in a process group of its own, which ends with ctx.
func (h Hook) exec(ctx context.Context, env hookEnv) error {
	cmd := exec.CommandContext(ctx, h.Exec[0], h.Exec[1:]...)
	// Connection strings with passwords travel by these.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PGPARITY_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, env.environment(h.key(env))...)
	said := &firstLines{secrets: h.secrets()}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = pipePatience
	inGroup(cmd)
	err := cmd.Run()
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay): // it has ended well, and left something running
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: it was ended, with all that it had started%s", context.Cause(ctx), said)
	case cmd.ProcessState == nil: // it did not start
		return errFinal{err}
	}
	return fmt.Errorf("%w%s", err, said)
}

// keptBytes is how much of what a hook says is kept for an error.
const keptBytes = 500

// firstLines keeps the beginning of what is written, and as much more as shows
// whether it would end within a secret, which then could not be told any more.
type firstLines struct {
	secrets []string // the longest first
	mu      sync.Mutex
	kept    bytes.Buffer
}

func (f *firstLines) most() int {
	if len(f.secrets) == 0 {
		return keptBytes
	}
	return keptBytes + len(f.secrets[0])
}

// whole is what was kept, up to the last secret that does not fit.
func (f *firstLines) whole() string {
	text := f.kept.String()
	end := min(keptBytes, len(text))
	for _, s := range f.secrets {
		from := max(0, end-len(s)+1)
		if i := strings.Index(text[from:], s); i >= 0 && from+i < end {
			end = from + i
		}
	}
	return text[:end]
}

func (f *firstLines) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if room := f.most() - f.kept.Len(); room > 0 {
		f.kept.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// String is what was kept, in one line, as the end of a sentence.
func (f *firstLines) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	text := strings.Join(strings.Fields(strings.ToValidUTF8(f.whole(), "?")), " ")
	if text == "" {
		return ""
	}
	return ": it said: " + text
}

// request sends the HTTP request. A redirection is not followed: it would take
// the headers elsewhere.
func (h Hook) request(ctx context.Context, env hookEnv) error {
	key := h.key(env)
	body := []byte(h.Body)
	if h.Body == "" {
		var err error
		if body, err = json.Marshal(struct {
			hookEnv
			Hook string `json:"hook"`
			Key  string `json:"idempotency_key"`
		}{env, h.Name, key}); err != nil {
			return errFinal{err}
		}
	}
	req, err := http.NewRequestWithContext(ctx, h.method(), h.URL, bytes.NewReader(body))
	if err != nil { // its text would quote the URL
		return errFinal{errors.New("it is no valid request: check method and url")}
	}
	if h.Body == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range h.Headers {
		req.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			req.Host = value
		}
	}
	req.Header.Set("Idempotency-Key", key)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // nothing is left open behind
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var u *url.Error
		if errors.As(err, &u) { // it would quote the URL
			err = u.Err
		}
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read as far as it matters
	said := &firstLines{secrets: h.secrets()}
	_, _ = io.Copy(said, io.LimitReader(resp.Body, int64(said.most())))
	err = fmt.Errorf("status %s%s", resp.Status, said)
	switch code := resp.StatusCode; {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return errFinal{fmt.Errorf("%w: a redirection is not followed: give the address where it leads", err)}
	case code/100 == 4 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return errFinal{err}
	}
	return err
}
