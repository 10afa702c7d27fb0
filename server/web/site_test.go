package web

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	tenantID = "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"
	otherID  = "7c2f0c52-8d3a-4e7b-9f64-2a5c7e9d1b31"
)

// standIn answers in the place of the API, and keeps what it was asked. The tests with a real server are in
// pages_test.go; these are about what a real one is hard to make say.
type standIn struct {
	answers map[string]string // by path; any other gets {}
	status  int               // of all answers; 0 for 200
	asked   []*http.Request
}

func (a *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked = append(a.asked, r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Cache", "l1")
	w.Header().Set("Retry-After", "7")
	if a.status != 0 {
		w.WriteHeader(a.status)
	}
	body, ok := a.answers[r.URL.Path]
	if !ok {
		body = "{}"
	}
	io.WriteString(w, body)
}

func newSite(a http.Handler, access Access) *Site {
	return New(Options{
		API: a, Access: access, Logger: slog.New(slog.DiscardHandler),
		Tenants: func(context.Context, int) ([]string, error) { return []string{tenantID, otherID}, nil },
	})
}

// visitPage sends a request with headers, given as name and value in turns.
func visitPage(s http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8080"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const browserAccepts = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestBrowsersSeePagesAndProgramsTheAPI(t *testing.T) {
	for _, tt := range []struct {
		path, accept string
		location     string // empty: the API answers
	}{
		{"/", browserAccepts, "/ui/"},
		{"/", "*/*", ""},
		{"/", "application/json", ""},
		{"/", "", ""},
		{"/ui", "*/*", "/ui/"},
		{"/healthz", browserAccepts, ""},
		{"/api/v1/resources", browserAccepts, ""},
		{"/uix", browserAccepts, ""},
	} {
		a := &standIn{}
		w := visitPage(newSite(a, ByAddress), http.MethodGet, tt.path, "Accept", tt.accept)
		if got := w.Header().Get("Location"); got != tt.location || (len(a.asked) == 0) != (tt.location != "") {
			t.Errorf("%s for %q: location %q, the API was asked %d times", tt.path, tt.accept, got, len(a.asked))
		}
		if tt.location != "" && (w.Code != http.StatusFound || w.Header().Get("Vary") != "Accept") {
			t.Errorf("%s: status %d, headers %v", tt.path, w.Code, w.Header())
		}
	}
}

// sitePages are the pages of a tenant.
var sitePages = []string{
	resourcesPath, resourcesPath + "/" + otherID, policiesPath, policiesPath + "/" + otherID,
	compliancePath, costsPath, activityPath,
}

// knownResource makes a resource's page of the stand-in complete.
var knownResource = map[string]string{
	"/api/v1/resources/" + otherID: `{"id":"` + otherID + `","version":3,"name":"vm","properties":{},"tags":{}}`,
	"/api/v1/policies/" + otherID: `{"id":"` + otherID + `","version":3,"name":"p","definition":{},` +
		`"rule":{"kind":"module","sha256":"00","bytes":8}}`,
}

var (
	inlineStyle  = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	inlineScript = regexp.MustCompile(`(?s)<script[^>]*>[^<]`)
	scriptFile   = regexp.MustCompile(`<script type="module" src="/ui/static/([^"]+)" integrity="([^"]+)">`)
	handlerOf    = regexp.MustCompile(`(?i)\s(on\w+|style)=`)
)

func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// TestPolicy: what a page contains and loads is what its Content-Security-Policy names, and nothing is allowed by
// being inline.
func TestPolicy(t *testing.T) {
	s := newSite(&standIn{answers: knownResource}, ByAddress)
	scripts := 0
	for _, path := range append([]string{startPath, "/ui/nowhere"}, sitePages...) {
		w := visitPage(s, http.MethodGet, path+"?tenant="+tenantID)
		body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
		runs := strings.HasPrefix(path, policiesPath+"/") // WebAssembly, and nothing else that is unsafe
		if !strings.HasPrefix(policy, "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; ") ||
			strings.HasSuffix(policy, "' 'wasm-unsafe-eval'") != runs ||
			strings.Contains(strings.TrimSuffix(policy, "'wasm-unsafe-eval'"), "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		style := inlineStyle.FindStringSubmatch(body)
		if style == nil || !strings.Contains(policy, "style-src '"+hashOf(style[1])+"'") {
			t.Errorf("%s: the policy %q does not have the hash of its style sheet", path, policy)
		}
		if inlineScript.MatchString(body) || handlerOf.MatchString(inlineStyle.ReplaceAllString(body, "")) {
			t.Errorf("%s has a script or style that its policy forbids", path)
		}
		script := scriptFile.FindStringSubmatch(body)
		if script == nil {
			if strings.Contains(policy, "script-src") || strings.Contains(body, "<script") {
				t.Errorf("%s: policy %q for a page whose script was not found", path, policy)
			}
			continue
		}
		scripts++
		content := visitPage(s, http.MethodGet, filesPath+script[1]).Body.String()
		if hash := hashOf(content); script[2] != hash || !strings.Contains(policy, "script-src '"+hash+"'") {
			t.Errorf("%s: a script with the hash %s, named %s, under the policy %q", path, hash, script[2], policy)
		}
	}
	if scripts != 2 {
		t.Errorf("%d pages have a script, want those of activity and of a policy", scripts)
	}
}

func TestHeadersOfPages(t *testing.T) {
	s := newSite(&standIn{answers: knownResource}, ByAddress)
	for _, path := range sitePages {
		w := visitPage(s, http.MethodGet, path+"?tenant="+tenantID)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "private, no-cache",
			"Content-Type": "text/html; charset=utf-8", "Vary": "Accept-Encoding",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestFilesAreHashedPackedAndKept(t *testing.T) {
	s := newSite(&standIn{}, ByAddress)
	if len(files) < 2 {
		t.Fatalf("only %d files", len(files))
	}
	for name := range files {
		parts := strings.Split(name, ".")
		plain := visitPage(s, http.MethodGet, filesPath+name)
		sum := sha256.Sum256(plain.Body.Bytes())
		if len(parts) != 3 || parts[1] != hex.EncodeToString(sum[:16]) {
			t.Errorf("%s has the hash %x", name, sum[:16])
		}
		for coding, unpack := range map[string]func(io.Reader) (io.Reader, error){
			"":     func(r io.Reader) (io.Reader, error) { return r, nil },
			"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
			"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		} {
			w := visitPage(s, http.MethodGet, filesPath+name, "Accept-Encoding", coding)
			h := w.Header()
			size := w.Body.Len()
			if used := h.Get("Content-Encoding"); used != coding && (used != "" || size > 300) {
				t.Errorf("%s: asked for %q, got %q", name, coding, used)
			} else if used == "" {
				unpack = func(r io.Reader) (io.Reader, error) { return r, nil }
			}
			if h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("Vary") != "Accept-Encoding" ||
				h.Get("Content-Type") == "" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s by %q: headers %v", name, coding, h)
			}
			reader, err := unpack(w.Body)
			if err != nil {
				t.Fatalf("%s by %q: %v", name, coding, err)
			}
			content, err := io.ReadAll(reader)
			if err != nil || string(content) != plain.Body.String() {
				t.Errorf("%s by %q: other content (error %v)", name, coding, err)
			}
			again := visitPage(s, http.MethodGet, filesPath+name, "Accept-Encoding", coding, "If-None-Match",
				h.Get("Etag"))
			if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
				t.Errorf("%s by %q, asked for again: status %d", name, coding, again.Code)
			}
			head := visitPage(s, http.MethodHead, filesPath+name, "Accept-Encoding", coding)
			if head.Code != http.StatusOK || head.Body.Len() != 0 {
				t.Errorf("HEAD %s: status %d, %d bytes", name, head.Code, head.Body.Len())
			}
		}
	}
	for _, name := range []string{"live.js", "manifest.json", "none"} {
		if w := visitPage(s, http.MethodGet, filesPath+name); w.Code != http.StatusNotFound ||
			w.Header().Get("Cache-Control") != "" {
			t.Errorf("%s: status %d, headers %v", name, w.Code, w.Header())
		}
	}
}

func TestPagesAreSentOnceUntilTheyChange(t *testing.T) {
	a := &standIn{}
	s := newSite(a, ByAddress)
	target := resourcesPath + "?tenant=" + tenantID
	first := visitPage(s, http.MethodGet, target, "Accept-Encoding", "gzip, br")
	etag := first.Header().Get("Etag")
	if first.Header().Get("Content-Encoding") != "gzip" || !strings.HasPrefix(etag, `W/"`) {
		t.Fatalf("headers %v", first.Header())
	}
	if timing := first.Header().Get("Server-Timing"); !strings.HasPrefix(timing,
		`api;desc="/api/v1/resources l1";dur=`) {
		t.Errorf("Server-Timing is %q", timing)
	}
	reader, err := gzip.NewReader(first.Body)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := io.ReadAll(reader)
	if plain := visitPage(s, http.MethodGet, target).Body.String(); err != nil || string(unpacked) != plain {
		t.Errorf("compressed it has %d bytes, plain %d (error %v)", len(unpacked), len(plain), err)
	}
	if again := visitPage(s, http.MethodGet, target, "If-None-Match", etag); again.Code != http.StatusNotModified {
		t.Errorf("asked for again: status %d", again.Code)
	}
	a.answers = map[string]string{"/api/v1/resources": `{"data":[{"id":"x","name":"new"}],"pagination":{"total_items":1}}`}
	changed := visitPage(s, http.MethodGet, target, "If-None-Match", etag)
	if changed.Code != http.StatusOK || !strings.Contains(changed.Body.String(), "1 resource") {
		t.Errorf("changed: status %d", changed.Code)
	}
}

// TestProblemsArePages: what the API refuses is told in its words, under its status.
func TestProblemsArePages(t *testing.T) {
	for _, status := range []int{400, 403, 404, 422, 429, 503, 504} {
		s := newSite(&standIn{
			status: status, answers: map[string]string{"/api/v1/costs/totals": `{"detail":"Because of <this>."}`},
		}, ByAddress)
		w := visitPage(s, http.MethodGet, costsPath+"?tenant="+tenantID)
		if w.Code != status || !strings.Contains(w.Body.String(), "Because of &lt;this&gt;.") ||
			w.Header().Get("Retry-After") != "7" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d: status %d, headers %v: %s", status, w.Code, w.Header(), w.Body)
		}
	}
	wrong := newSite(&standIn{answers: map[string]string{"/api/v1/costs/totals": `<html>`}}, ByAddress)
	if w := visitPage(wrong, http.MethodGet, costsPath+"?tenant="+tenantID); w.Code != 500 ||
		strings.Contains(w.Body.String(), "invalid character") {
		t.Errorf("an answer that is not JSON: status %d: %s", w.Code, w.Body)
	}
	mute := newSite(&standIn{status: 503, answers: map[string]string{"/api/v1/costs/totals": ""}}, ByAddress)
	if w := visitPage(mute, http.MethodGet, costsPath+"?tenant="+tenantID); w.Code != 503 ||
		!strings.Contains(w.Body.String(), "Service Unavailable") {
		t.Errorf("an answer without a body: status %d: %s", w.Code, w.Body)
	}
}

// TestHostileDataIsText: what tenants name their resources is never taken for HTML, a URL or a style.
func TestHostileDataIsText(t *testing.T) {
	const hostile = `\"><script>alert(1)</script><img src=x onerror=alert(1)>`
	one := `{"id":"javascript:alert(1)//` + hostile + `","version":1,"name":"` + hostile + `","type":"` + hostile +
		`","location":"` + hostile + `","subscription_id":"` + hostile + `","resource_group_name":"` + hostile +
		`","azure_resource_id":"` + hostile + `","compliance_status":"` + hostile + `","tags":{"` + hostile + `":"` +
		hostile + `"},"properties":{"a":"` + hostile + `"}}`
	policy := strings.Replace(one, `"properties":`, `"category":"`+hostile+`","severity":"`+hostile+`","rule":{"kind":"`+
		hostile+`","expression":"`+hostile+`"},"definition":`, 1)
	s := newSite(&standIn{answers: map[string]string{
		"/api/v1/policies":             `{"data":[` + policy + `],"pagination":{"next_cursor":"` + hostile + `"}}`,
		"/api/v1/policies/" + otherID:  policy,
		"/api/v1/resources":            `{"data":[` + one + `],"pagination":{"next_cursor":"` + hostile + `"}}`,
		"/api/v1/resources/" + otherID: one,
		"/api/v1/compliance/summary": `{"data":[{"subscription_id":"` + hostile + `","resource_type":"` + hostile +
			`","non_compliant_resources":1,"evaluated_resources":1}]}`,
		"/api/v1/evaluations": `{"data":[{"policy_id":"` + hostile + `","result":"` + hostile + `"}]}`,
		"/api/v1/events":      `{"data":[{"type":"` + hostile + `"}]}`,
		"/api/v1/costs": `{"data":[{"date":"` + hostile + `","service_name":"` + hostile +
			`","cost":1,"currency":"` + hostile + `"}]}`,
		"/api/v1/costs/totals": `{"data":[{"period":"` + hostile + `","service_name":"` + hostile +
			`","cost":1,"currency":"` + hostile + `"}]}`,
	}}, ByAddress)
	query := "?tenant=" + tenantID + "&q=" + url.QueryEscape(`"><script>alert(1)</script>`) + "&from=%3Cscript%3E"
	for _, path := range sitePages {
		body := visitPage(s, http.MethodGet, path+query).Body.String()
		if strings.Contains(body, "<script>") || strings.Contains(body, "<img") ||
			strings.Contains(body, `href="javascript:`) {
			t.Errorf("%s has the hostile text as HTML:\n%s", path, body)
		}
		if !strings.Contains(body, "&lt;img") {
			t.Errorf("%s does not show the hostile text", path)
		}
	}
}

// TestStreamIsPassedOn with the tenant of the page, and whence to resume.
func TestStreamIsPassedOn(t *testing.T) {
	a := &standIn{answers: map[string]string{"/api/v1/stream": "data: {}\n\n"}}
	s := newSite(a, ByAddress)
	w := visitPage(s, http.MethodGet, streamPath+"?tenant="+tenantID, "Last-Event-ID", "7-3")
	if w.Code != http.StatusOK || w.Body.String() != "data: {}\n\n" || len(a.asked) != 1 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	r := a.asked[0]
	if r.URL.String() != "/api/v1/stream" || r.Header.Get("X-Tenant-ID") != tenantID ||
		r.Header.Get("Last-Event-ID") != "7-3" || r.Header.Get("Accept") != "text/event-stream" {
		t.Errorf("the API was asked for %s with %v", r.URL, r.Header)
	}
	for target, want := range map[string]int{streamPath: 400, streamPath + "?tenant=" + otherID: 403} {
		headers := []string{"Host", "rebound.example"}
		if want == 400 {
			headers = nil
		}
		if w := visitPage(s, http.MethodGet, target, headers...); w.Code != want {
			t.Errorf("%s: status %d, want %d", target, w.Code, want)
		}
	}
}

// TestFiltersAreAskedFor: the page's parameters reach the API, and the links keep them.
func TestFiltersAreAskedFor(t *testing.T) {
	a := &standIn{answers: map[string]string{
		"/api/v1/resources": `{"data":[{"id":"x","name":"n"}],"pagination":{"total_items":1234,"total":"estimate","next_cursor":"c2"}}`,
	}}
	w := visitPage(newSite(a, ByAddress), http.MethodGet,
		resourcesPath+"?tenant="+tenantID+"&q=&type=t%2F1&tag=env%3Aprod&cursor=c1&utm_source=x")
	asked := a.asked[0].URL.Query()
	want := url.Values{"type": {"t/1"}, "tag": {"env:prod"}, "cursor": {"c1"}, "limit": {"25"}, "total": {"exact"}}
	if asked.Encode() != want.Encode() {
		t.Errorf("asked for %s, want %s", asked.Encode(), want.Encode())
	}
	body := w.Body.String()
	for _, text := range []string{
		"About 1,234 resources", "<option selected>t/1</option>", `value="env:prod"`,
		"/ui/resources?cursor=c2&amp;tag=env%3Aprod&amp;tenant=" + tenantID + "&amp;type=t%2F1",
		"/ui/resources?tag=env%3Aprod&amp;tenant=" + tenantID + "&amp;type=t%2F1",
	} {
		if !strings.Contains(body, text) {
			t.Errorf("the page lacks %s", text)
		}
	}
}

func TestComplianceAddsUp(t *testing.T) {
	a := &standIn{answers: map[string]string{"/api/v1/compliance/summary": `{"data":[
		{"subscription_id":"s1","resource_type":"t1","total_resources":10,"evaluated_resources":8,"compliant_resources":5,"non_compliant_resources":2,"exempt_resources":1},
		{"subscription_id":"s1","resource_type":"t2","total_resources":3,"evaluated_resources":3,"compliant_resources":0,"non_compliant_resources":3},
		{"subscription_id":"s2","resource_type":"t1","total_resources":1}
	]}`}}
	v := &visit{site: newSite(a, ByAddress), r: httptest.NewRequest(http.MethodGet, "/", nil)}
	sums := map[string]*counts{}
	addTo(sums, "t1", &counts{Total: 10, Evaluated: 8, Compliant: 5, NonCompliant: 2, Exempt: 1})
	addTo(sums, "t1", &counts{Total: 1})
	addTo(sums, "t2", &counts{Total: 3, Evaluated: 3, NonCompliant: 3})
	rows := v.rows(sums, resourcesPath, "type", nil)
	if len(rows) != 2 || rows[0].Name != "t2" || rows[0].Percent() != "0.00" || rows[1].Percentage() != "75.00 %" ||
		rows[1].Total != 11 || rows[0].NonCompliantURL != "/ui/resources?compliance_status=non_compliant&type=t2" {
		t.Errorf("the rows are %+v", rows)
	}
	if none := (counts{Total: 3}); none.Percentage() != "" {
		t.Errorf("of none evaluated %s are fulfilled", none.Percentage())
	}
	if third := (counts{Evaluated: 3, Compliant: 2}); third.Percent() != "66.67" {
		t.Errorf("two of three are %s", third.Percent())
	}
	body := visitPage(v.site, http.MethodGet, compliancePath+"?tenant="+tenantID).Body.String()
	order := []int{strings.Index(body, ">t2</a>"), strings.Index(body, ">t1</a>"), strings.Index(body, ">s1</a>")}
	if order[0] < 0 || !slices.IsSorted(order) || !strings.Contains(body, "75.00 %") {
		t.Errorf("the page has its rows at %v:\n%s", order, body)
	}
	visitPage(v.site, http.MethodGet, compliancePath+"?tenant="+tenantID+"&subscription_id=s1")
	if got := a.asked[len(a.asked)-1].URL.RawQuery; got != "subscription_id=s1" {
		t.Errorf("for a subscription the API was asked %q", got)
	}
}
