package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// DefaultEndpoint is Hugging Face's hub.
const DefaultEndpoint = "https://huggingface.co"

// Bounds of what the hub says.
const (
	maxAnswer = 64 << 20 // bytes of one page of files, or of an index of tensors
	maxPages  = 1000
)

// client asks a hub, and other hosts without its token.
type client struct {
	endpoint *url.URL
	http     http.Client
}

func newClient(endpoint, token string) (*client, error) {
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/"))
	if err == nil {
		endpoint = u.Redacted()
	}
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("endpoint %q is not the URL of a hub; give one as %s", endpoint, DefaultEndpoint)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.ResponseHeaderTimeout = time.Minute
	base.DisableCompression = true // ranges are of the bytes themselves
	return &client{endpoint: u, http: http.Client{Transport: bearer{base, u, token}, CheckRedirect: checkRedirect}}, nil
}

// close ends what is kept of connections.
func (c *client) close() { c.http.CloseIdleConnections() }

// bearer adds a token to requests to its own origin and to no others. net/http would carry it on, where a redirect leads, to other ports of the host
// and to hosts below it.
type bearer struct {
	base   *http.Transport
	origin *url.URL
	token  string
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", "umbra")
	if b.token != "" && r.URL.Scheme == b.origin.Scheme && r.URL.Host == b.origin.Host {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.base.RoundTrip(r)
}

// CloseIdleConnections is what http.Client asks for.
func (b bearer) CloseIdleConnections() { b.base.CloseIdleConnections() }

func checkRedirect(r *http.Request, before []*http.Request) error {
	last := before[len(before)-1].URL
	switch {
	case len(before) >= 10:
		return permanent{errors.New("redirected 10 times")}
	case last.Scheme == "https" && r.URL.Scheme != "https":
		return permanent{fmt.Errorf("redirected from https to %s://%s", r.URL.Scheme, r.URL.Host)}
	}
	return nil
}

// url is an address below the endpoint; elements may hold slashes only where they stand for themselves.
func (c *client) url(elements ...string) *url.URL {
	u := *c.endpoint
	for _, e := range elements {
		u.RawPath = u.EscapedPath() + "/" + url.PathEscape(e)
		u.Path += "/" + e
	}
	return &u
}

// fileURL is where a file's bytes are.
func (c *client) fileURL(repo, commit, name string) string {
	return c.url(append(append(strings.Split(repo, "/"), "resolve", commit), strings.Split(name, "/")...)...).String()
}

// get reads an answer whole.
func (c *client) get(ctx context.Context, address string) ([]byte, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	response, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, nil, statusError(response)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d bytes", maxAnswer)
	}
	return data, response.Header, err
}

// getJSON asks again, as often as attempts allows, where it may help.
func (c *client) getJSON(ctx context.Context, tries *retry, address string, into any) (h http.Header, err error) {
	for {
		var data []byte
		data, h, err = c.get(ctx, address)
		if err == nil {
			if err := json.Unmarshal(data, into); err != nil {
				return nil, fmt.Errorf("%s: not what a hub answers: %w", address, err)
			}
			return h, nil
		}
		if err = tries.again(ctx, err); err != nil {
			return nil, fmt.Errorf("%s: %w", address, err)
		}
	}
}

// commitOf is what a revision is now.
func (c *client) commitOf(ctx context.Context, tries *retry, repo, revision string) (string, error) {
	var info struct {
		SHA string `json:"sha"`
	}
	at := c.url(append(append([]string{"api", "models"}, strings.Split(repo, "/")...), "revision", revision)...)
	if _, err := c.getJSON(ctx, tries, at.String(), &info); err != nil {
		return "", c.explain(err, repo, revision)
	}
	if info.SHA == "" || checkPath(info.SHA) != nil || strings.Contains(info.SHA, "/") {
		return "", fmt.Errorf("%s: %q is no commit", at, info.SHA)
	}
	return info.SHA, nil
}

// files lists what a commit has.
func (c *client) files(ctx context.Context, tries *retry, repo, commit string) (all []File, err error) {
	at := c.url(append(append([]string{"api", "models"}, strings.Split(repo, "/")...), "tree", commit)...)
	at.RawQuery = "recursive=true"
	for range maxPages {
		var page []struct {
			Type, Path, OID string
			Size            int64
			LFS             *struct {
				OID  string
				Size int64
			}
		}
		h, err := c.getJSON(ctx, tries, at.String(), &page)
		if err != nil {
			return nil, c.explain(err, repo, commit)
		}
		for _, e := range page {
			if e.Type != "file" {
				continue
			}
			f := File{Path: e.Path, Size: e.Size, GitSHA: e.OID}
			if e.LFS != nil {
				f.Size, f.SHA256, f.GitSHA = e.LFS.Size, strings.TrimPrefix(e.LFS.OID, "sha256:"), ""
			}
			all = append(all, f)
		}
		next := nextPage(h)
		if next == "" {
			return all, nil
		}
		at.RawQuery = next
	}
	return nil, fmt.Errorf("%s has no end", at)
}

// nextPage is the query of the page that a Link header calls the next; of mirrors, its host may be another's.
func nextPage(h http.Header) string {
	for _, link := range strings.Split(strings.Join(h.Values("Link"), ","), ",") {
		address, rel, _ := strings.Cut(strings.TrimSpace(link), ";")
		if !strings.Contains(rel, `rel="next"`) {
			continue
		}
		if u, err := url.Parse(strings.Trim(address, "<> ")); err == nil {
			return u.RawQuery
		}
	}
	return ""
}

// refusal is an answer that is no success.
type refusal struct {
	status int
	code   string // X-Error-Code, the hub's own
	said   string
	after  time.Duration // Retry-After
}

func (e *refusal) Error() string {
	text := fmt.Sprintf("status %d %s", e.status, http.StatusText(e.status))
	if e.said != "" {
		text += ": " + e.said
	}
	return text
}

func statusError(r *http.Response) error {
	e := &refusal{status: r.StatusCode, code: r.Header.Get("X-Error-Code")}
	if said := r.Header.Get("X-Error-Message"); len(said) < 300 && !strings.ContainsFunc(said, unprintable) {
		e.said = said
	}
	if s, err := time.ParseDuration(r.Header.Get("Retry-After") + "s"); err == nil && s > 0 {
		e.after = s
	}
	return e
}

// explain says what a hub's refusal means, and what to do; repo is "" where it is no hub's.
func (c *client) explain(err error, repo, revision string) error {
	var e *refusal
	if repo == "" || !errors.As(err, &e) {
		return err
	}
	page := c.url(strings.Split(repo, "/")...)
	token := "a token in HF_TOKEN may be what is missing"
	if c.http.Transport.(bearer).token != "" {
		token = "the token in HF_TOKEN does not open it"
	}
	switch {
	case e.code == "GatedRepo":
		return fmt.Errorf("%s is for those who have accepted its terms: do so at %s; %s (%w)", repo, page, token, e)
	case e.code == "RevisionNotFound":
		return fmt.Errorf("%s has no revision %q (%w)", repo, revision, e)
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden || e.code == "RepoNotFound":
		return fmt.Errorf("there is no %s, or it is private: %s (%w)", page, token, e)
	case e.status == http.StatusNotFound:
		return fmt.Errorf("there is no %s, or not at %q (%w)", page, revision, e)
	}
	return err
}
