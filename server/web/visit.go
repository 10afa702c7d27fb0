package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/policycortex/headroom/server/cache/codec"
)

// visit is one request for a page.
type visit struct {
	site *Site
	w    http.ResponseWriter
	r    *http.Request

	identity http.Header // what names the tenant in requests to the API
	tenant   string      // as the URL or the header names it; empty where a token does
	inURL    bool        // the URL names the tenant, so links have to
	signedIn bool        // by the cookie
	timing   []byte      // of the calls of the API, as Server-Timing
}

// refusal is an error that a page shows.
type refusal struct {
	status     int
	detail     string
	retryAfter string // as the API said it; may be empty
}

func (e *refusal) Error() string { return e.detail }

func asRefusal(err error) *refusal {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}
	return &refusal{status: http.StatusInternalServerError, detail: "Internal error. The server's log has the cause."}
}

// answer is a response of the API in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// passedOn are headers of the page's request that the API gets too: they name the client and the request.
var passedOn = []string{"X-Forwarded-For", "X-Request-Id", "Traceparent", "Tracestate"}

// request makes a request to the API on behalf of the visitor.
func (v *visit) request(path string, query url.Values) (*http.Request, error) {
	target := url.URL{Path: path, RawQuery: query.Encode()}
	inner, err := http.NewRequestWithContext(v.r.Context(), http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, err
	}
	inner.Header = v.identity.Clone()
	for _, name := range passedOn {
		if values, sent := v.r.Header[name]; sent {
			inner.Header[name] = values
		}
	}
	inner.RemoteAddr, inner.Host = v.r.RemoteAddr, v.r.Host
	return inner, nil
}

// get reads what the API has at a path. What the API refuses is a [*refusal] with its words.
func (v *visit) get(path string, query url.Values, into any) error {
	inner, err := v.request(path, query)
	if err != nil {
		return err
	}
	return v.do(path, inner, into)
}

// post sends JSON to a path of the API, and is otherwise like get.
func (v *visit) post(path string, body []byte, into any) error {
	inner, err := v.request(path, nil)
	if err != nil {
		return err
	}
	inner.Method, inner.ContentLength = http.MethodPost, int64(len(body))
	inner.Body = io.NopCloser(bytes.NewReader(body))
	inner.Header["Content-Type"] = []string{"application/json"}
	return v.do(path, inner, into)
}

func (v *visit) do(path string, inner *http.Request, into any) error {
	began := time.Now()
	a := &answer{header: http.Header{}}
	v.site.api.ServeHTTP(a, inner)
	v.time(path, a.header.Get("X-Cache"), time.Since(began))
	if a.status != http.StatusOK {
		var problem struct{ Detail string }
		// without a detail its status has to do
		if err := json.Unmarshal(a.body.Bytes(), &problem); err != nil || problem.Detail == "" {
			problem.Detail = http.StatusText(a.status) + "."
		}
		return &refusal{status: a.status, detail: problem.Detail, retryAfter: a.header.Get("Retry-After")}
	}
	if err := json.Unmarshal(a.body.Bytes(), into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}

// time notes how long the API took, and which level of its cache answered (W3C Server Timing).
func (v *visit) time(path, level string, took time.Duration) {
	if len(v.timing) > 0 {
		v.timing = append(v.timing, ", "...)
	}
	v.timing = append(v.timing, `api;desc="`...)
	v.timing = append(v.timing, path...)
	if level != "" {
		v.timing = append(v.timing, ' ')
		v.timing = append(v.timing, level...)
	}
	v.timing = append(v.timing, `";dur=`...)
	v.timing = strconv.AppendFloat(v.timing, float64(took.Microseconds())/1000, 'f', 3, 64)
}

// frame is what every page shows.
type frame struct {
	Title      string
	Pages      []link // the navigation; none on pages of no tenant
	Tenant     string
	CanChoose  bool // another tenant
	CanSignOut bool
	Problem    string
}

// Home is the page that the name of the site leads to: the tenant's first one, if there is a tenant.
func (f frame) Home() string {
	if len(f.Pages) > 0 {
		return f.Pages[0].URL
	}
	return startPath
}

type link struct {
	Name, URL string
	Current   bool
}

// frame returns the frame of a page of the tenant.
func (v *visit) frame(title, current string) frame {
	f := frame{Title: title, Tenant: v.tenant, CanChoose: v.inURL, CanSignOut: v.signedIn}
	for _, page := range []link{
		{Name: "Resources", URL: resourcesPath},
		{Name: "Policies", URL: policiesPath},
		{Name: "Compliance", URL: compliancePath},
		{Name: "Costs", URL: costsPath},
		{Name: "Activity", URL: activityPath},
	} {
		f.Pages = append(f.Pages, link{page.Name, v.link(page.URL, nil), page.URL == current})
	}
	return f
}

// link returns the URL of a page of the tenant. Empty values are left out.
func (v *visit) link(path string, query url.Values) string {
	kept := url.Values{}
	for name, values := range query {
		if len(values) > 0 && values[0] != "" {
			kept[name] = values[:1]
		}
	}
	if v.inURL {
		kept.Set("tenant", v.tenant)
	}
	if len(kept) == 0 {
		return path
	}
	return path + "?" + kept.Encode()
}

// show sends a page. Its data begin with a [frame].
func (v *visit) show(status int, page string, data any) error {
	var b bytes.Buffer
	if err := pages[page].ExecuteTemplate(&b, "layout", data); err != nil {
		return fmt.Errorf("page %s: %w", page, err)
	}
	header := v.w.Header()
	header.Set("Content-Security-Policy", policies[page])
	header.Set("Referrer-Policy", "same-origin") // URLs can name a tenant
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cache-Control", "private, no-cache") // a tenant's, and current only once the server has been asked
	if len(v.timing) > 0 {
		header.Set("Server-Timing", string(v.timing))
	}
	body, coding, etag := b.Bytes(), "", `W/"`+strconv.FormatUint(xxhash.Sum64(b.Bytes()), 36)+`"`
	if names(v.r.Header["Accept-Encoding"], "gzip") {
		body, coding = codec.Gzip(body), "gzip"
	}
	const contentType = "text/html; charset=utf-8"
	if status == http.StatusOK {
		send(v.w, v.r, body, coding, contentType, etag)
		return nil
	}
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Encoding")
	if coding != "" {
		header.Set("Content-Encoding", coding)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	v.w.Write(body) // an error means that the client has left
	return nil
}

// policies are the Content-Security-Policies by page. Nothing runs, or styles, that was not there when the program was
// built, except for the modules of the preview: they see nothing of the page.
var policies = func() map[string]string {
	all := map[string]string{}
	for page := range pages {
		policy := "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; img-src 'self'; " +
			"style-src '" + hashes.Style + "'"
		for i, script := range hashes.Scripts[page] {
			if i == 0 {
				policy += "; connect-src 'self'; script-src"
			}
			policy += " '" + script + "'"
		}
		if page == wasmPage {
			policy += " 'wasm-unsafe-eval'"
		}
		all[page] = policy
	}
	return all
}()

// wasmPage is the one page that may run WebAssembly.
const wasmPage = "policy"

// fail shows an error as a page.
func (v *visit) fail(err error) {
	if v.r.Context().Err() != nil {
		return // nobody is there to read it
	}
	if errors.Is(err, errChoose) {
		http.Redirect(v.w, v.r, startPath, http.StatusSeeOther)
		return
	}
	refused := asRefusal(err)
	if refused.status == http.StatusInternalServerError {
		v.site.logger.Error("a page failed", "path", v.r.URL.Path, "error", err)
	}
	if refused.retryAfter != "" {
		v.w.Header().Set("Retry-After", refused.retryAfter)
	}
	if refused.status == http.StatusUnauthorized && v.site.access == ByToken {
		v.w.Header().Set("Www-Authenticate", `Bearer realm="headroom"`)
		err = v.show(refused.status, "start", v.startPage(refused.detail))
	} else {
		err = v.show(refused.status, "problem", v.problemPage(refused))
	}
	if err != nil {
		v.site.logger.Error("the page of an error failed", "error", err)
		http.Error(v.w, refused.detail, refused.status)
	}
}

type problemPage struct{ frame }

func (v *visit) problemPage(refused *refusal) problemPage {
	f := v.frame(http.StatusText(refused.status), "")
	f.Problem = refused.detail
	if len(v.identity) == 0 {
		f.Pages = nil
	}
	return problemPage{f}
}
