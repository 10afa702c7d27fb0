package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policycortex/headroom/containers/containerstest"
	"github.com/policycortex/headroom/fixtures"
	"github.com/policycortex/headroom/server"
)

func TestMain(m *testing.M) { containerstest.Main(m) }

// content is the fixture of the tests with a real server.
var content = fixtures.Options{Seed: 1, Resources: 2000}

// key is the first key of a set of the fixture.
func key(t testing.TB, set string) string {
	t.Helper()
	keys, err := fixtures.Keys(set, content)
	if err != nil {
		t.Fatal(err)
	}
	return string(keys.Append(nil, 0))
}

// startServer runs the server with its fixture until the test ends, and returns its address.
func startServer(t testing.TB, change func(*server.Options)) string {
	t.Helper()
	env := containerstest.Shared(t)
	if _, err := fixtures.Load(t.Context(), env.PostgresURL, content); err != nil {
		t.Fatal(err)
	}
	o := server.Options{
		Addr: "127.0.0.1:0", PostgresURL: env.PostgresURL, CacheURL: env.CacheURL, PostgresMaxConns: 4,
		Logger: slog.New(slog.DiscardHandler),
	}
	change(&o)
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- server.Run(ctx, o, func(addr, _ string) { ready <- addr }) }()
	select {
	case addr := <-ready:
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("the server ended with %v", err)
			}
		})
		return "http://" + addr
	case err := <-ended:
		stop()
		t.Fatal(err)
	}
	return ""
}

func asItIs(*server.Options) {}

// ask sends a request of the tenant to the API.
func ask(t testing.TB, method, url string, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", key(t, "tenant_id"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d (error %v): %s", method, url, response.StatusCode, err, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// refresh makes the summary of compliance, which a job of the server may be making just now.
func refresh(t testing.TB, base string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1/compliance/refresh", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Tenant-ID", key(t, "tenant_id"))
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the summary is not made: status %d", response.StatusCode)
		}
	}
}

// pagesOf are the pages of the fixture's main tenant by name. The costs are those of the last year of the fixture.
func pagesOf(t testing.TB, base string) map[string]string {
	giveRule(t, base)
	tenant := "tenant=" + key(t, "tenant_id")
	return map[string]string{
		"start":      base + "/ui/",
		"resources":  base + "/ui/resources?" + tenant,
		"resource":   base + "/ui/resources/" + key(t, "cost_resource_id") + "?" + tenant,
		"policies":   base + "/ui/policies?" + tenant,
		"policy":     base + "/ui/policies/" + key(t, "policy_id") + "?" + tenant,
		"compliance": base + "/ui/compliance?" + tenant,
		"costs":      base + "/ui/costs?" + tenant + "&from=2025-11-01&to=2026-10-31",
		"activity":   base + "/ui/activity?" + tenant,
	}
}

// page gets a page as text.
func page(t testing.TB, client *http.Client, url string, status int) string {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("%s: status %d, want %d (error %v): %s", url, response.StatusCode, status, err, body)
	}
	return html.UnescapeString(string(body))
}

// facts is what the pages must show of the fixture, by page.
func facts(t testing.TB, base string) map[string][]string {
	t.Helper()
	giveRule(t, base)
	refresh(t, base)
	var list struct {
		Data       []struct{ ID, Name string }
		Pagination struct {
			Total int `json:"total_items"`
		}
	}
	ask(t, http.MethodGet, base+"/api/v1/resources?limit=25&total=exact", &list)
	if len(list.Data) != 25 || list.Pagination.Total < 1000 {
		t.Fatalf("the fixture has %d resources of %d", len(list.Data), list.Pagination.Total)
	}
	want := map[string][]string{"start": {key(t, "tenant_id"), "Choose a tenant"}}
	for _, r := range list.Data {
		want["resources"] = append(want["resources"], r.Name)
	}
	want["resources"] = append(want["resources"], fmt.Sprintf("1,%03d resources", list.Pagination.Total-1000))
	want["activity"] = []string{list.Data[0].Name, list.Data[14].Name}
	var one struct {
		Name          string
		Azure         string `json:"azure_resource_id"`
		Properties    struct{ Description string }
		Tags          map[string]string
		Subscription  string `json:"subscription_id"`
		ResourceGroup string `json:"resource_group_name"`
	}
	ask(t, http.MethodGet, base+"/api/v1/resources/"+key(t, "cost_resource_id"), &one)
	want["resource"] = []string{
		one.Name, one.Azure, one.Properties.Description, "env: " + one.Tags["env"], one.Subscription, one.ResourceGroup,
	}
	var listed struct{ Data []struct{ Name string } }
	ask(t, http.MethodGet, base+"/api/v1/policies?limit=25", &listed)
	for _, p := range listed.Data {
		want["policies"] = append(want["policies"], p.Name)
	}
	ask(t, http.MethodGet, base+"/api/v1/policies/"+key(t, "policy_id"), &one)
	want["policy"] = []string{one.Name, "WebAssembly module of 562 bytes", `"compliance_status"`}
	var summary struct {
		Total struct {
			Percentage json.Number `json:"compliance_percentage"`
		}
	}
	ask(t, http.MethodGet, base+"/api/v1/compliance/summary", &summary)
	want["compliance"] = []string{string(summary.Total.Percentage) + " %", "virtualMachines", "By subscription"}
	var october struct {
		Data []struct {
			Cost     json.Number
			Currency string
		}
	}
	ask(t, http.MethodGet, base+"/api/v1/costs/totals?period=month&from=2026-10-01&to=2026-10-31", &october)
	if len(october.Data) < 2 {
		t.Fatalf("the fixture has %d services with costs", len(october.Data))
	}
	want["costs"] = []string{october.Data[0].Currency, "2026-10", "2025-11", "compute", "storage"}
	return want
}

func TestPagesShowTheData(t *testing.T) {
	base := startServer(t, asItIs)
	want := facts(t, base)
	for name, url := range pagesOf(t, base) {
		text := page(t, http.DefaultClient, url, http.StatusOK)
		if len(want[name]) == 0 {
			t.Errorf("nothing is known of %s", name)
		}
		for _, fact := range want[name] {
			if fact == "" || !strings.Contains(text, fact) {
				t.Errorf("%s does not show %q", name, fact)
			}
		}
	}
	tenant := "tenant=" + key(t, "tenant_id")
	narrowed := page(t, http.DefaultClient, base+"/ui/resources?"+tenant+"&compliance_status=exempt&order_by=name",
		http.StatusOK)
	if strings.Contains(narrowed, `<span class="badge compliant">`) ||
		!strings.Contains(narrowed, `<span class="badge exempt">`) {
		t.Error("the list of exempt resources has others")
	}
	next := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(narrowed)
	if next == nil {
		t.Fatal("the list has no next page")
	}
	second := page(t, http.DefaultClient, base+next[1], http.StatusOK)
	if !strings.Contains(second, "First page") || strings.Contains(second, `<span class="badge compliant">`) {
		t.Error("the second page is not of the same list")
	}
	for url, status := range map[string]int{
		base + "/ui/resources/7c2f0c52-8d3a-4e7b-9f64-2a5c7e9d1b31?" + tenant: http.StatusNotFound,
		base + "/ui/resources/x?" + tenant:                                    http.StatusBadRequest,
		base + "/ui/resources?tenant=x":                                       http.StatusBadRequest,
		base + "/ui/resources?" + tenant + "&order_by=x":                      http.StatusBadRequest,
		base + "/ui/costs?" + tenant + "&from=2020-01-01":                     http.StatusBadRequest,
	} {
		if text := page(t, http.DefaultClient, url, status); !strings.Contains(text, `role="alert"`) {
			t.Errorf("%s: no word of what is wrong: %s", url, text)
		}
	}
}

// budgets are what the first view of a page may cost, in bytes as they are sent: the page and all that it names, with
// headers, to a browser that has nothing of it. All are below 14,600, which is what a server may send before it has
// heard from the client that the first segments have arrived (RFC 6928: ten segments of 1,460 bytes).
var budgets = map[string]int{
	"start": 7_000, "resources": 10_500, "resource": 10_500, "policies": 8_500, "policy": 10_500,
	"compliance": 10_500, "costs": 9_000, "activity": 10_000,
}

func TestFirstViewFitsTheBudget(t *testing.T) {
	base := startServer(t, asItIs)
	refresh(t, base)
	named := regexp.MustCompile(`(?:src|href)="(/ui/static/[^"]+)"`)
	for name, url := range pagesOf(t, base) {
		text := page(t, http.DefaultClient, url, http.StatusOK)
		sent := transferred(t, url)
		for _, file := range named.FindAllStringSubmatch(text, -1) {
			sent += transferred(t, base+file[1])
		}
		t.Logf("%s: %d bytes", name, sent)
		if sent > budgets[name] {
			t.Errorf("the first view of %s costs %d bytes, more than its budget of %d", name, sent, budgets[name])
		}
	}
}

// transferred is the size of a response as it is sent, with its headers.
func transferred(t testing.TB, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd") // as Chromium does
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	whole, err := httputil.DumpResponse(response, true)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, error %v", url, response.StatusCode, err)
	}
	return len(whole)
}

// TestSignInToTheServer: with authentication a page needs a token, which a form takes and a cookie keeps.
func TestSignInToTheServer(t *testing.T) {
	const secret = "a secret of thirty-two characters"
	base := startServer(t, func(o *server.Options) { o.AuthSharedKey = secret })
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	token := func(key string, until time.Duration) string {
		claims := jwt.MapClaims{"tenant_id": key, "exp": time.Now().Add(until).Unix()}
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	send := func(path string, form url.Values, status int) string {
		t.Helper()
		response, err := client.PostForm(base+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status {
			t.Fatalf("%s: status %d, want %d (error %v): %s", path, response.StatusCode, status, err, body)
		}
		return string(body)
	}
	for _, path := range []string{"/ui/", "/ui/resources", "/ui/resources?tenant=" + key(t, "tenant_id")} {
		if text := page(t, client, base+path, http.StatusUnauthorized); !strings.Contains(text, "Bearer token") ||
			strings.Contains(text, key(t, "tenant_id")) {
			t.Errorf("%s without a token: %s", path, text)
		}
	}
	expired := send("/ui/sign-in", url.Values{"token": {token(key(t, "tenant_id"), -time.Hour)}},
		http.StatusUnauthorized)
	if !strings.Contains(expired, "expired") {
		t.Errorf("an expired token: %s", expired)
	}
	var list struct{ Data []struct{ Name string } }
	signed := send("/ui/sign-in", url.Values{"token": {token(key(t, "tenant_id"), time.Hour)}}, http.StatusOK)
	if !strings.Contains(signed, "Sign out") || strings.Contains(signed, "tenant=") {
		t.Errorf("after signing in: %s", signed)
	}
	response, err := client.Get(base + "/api/v1/resources")
	if err != nil {
		t.Fatal(err)
	}
	json.NewDecoder(response.Body).Decode(&list)
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || len(list.Data) > 0 {
		t.Errorf("the API takes the cookie: status %d", response.StatusCode)
	}
	send("/ui/sign-out", nil, http.StatusUnauthorized) // it leads to the form
	page(t, client, base+"/ui/resources", http.StatusUnauthorized)
}

// TestPagesBehindAnotherServer: where the server is told that something in front of it authenticates, no address of a
// page names a tenant.
func TestPagesBehindAnotherServer(t *testing.T) {
	base := startServer(t, func(o *server.Options) { o.AllowUnauthenticated = true })
	for _, path := range []string{"/ui/", "/ui/resources?tenant=" + key(t, "tenant_id")} {
		if text := page(t, http.DefaultClient, base+path, http.StatusBadRequest); strings.Contains(text,
			`<span class="badge`) {
			t.Errorf("%s shows data: %s", path, text)
		}
	}
}
