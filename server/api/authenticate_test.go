package api_test

import (
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/auth"
	"github.com/policycortex/headroom/server/middleware"
)

const sharedKey = "a shared key of more than 32 characters"

func newVerifier(t testing.TB) *auth.Verifier {
	t.Helper()
	v, err := auth.New(auth.Options{SharedKey: []byte(sharedKey), TenantClaim: "tenant_id"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func bearer(t testing.TB, tenant any, expires time.Duration) string {
	t.Helper()
	claims := jwt.MapClaims{"tenant_id": tenant, "exp": time.Now().Add(expires).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(sharedKey))
	if err != nil {
		t.Fatal(err)
	}
	return "Bearer " + signed
}

// TestTheTokenDecides whose data a request is about, whatever else the request says.
func TestTheTokenDecides(t *testing.T) {
	s := newService(t)
	server := serveWith(t, s, api.Options{Verifier: newVerifier(t)})
	mine, others := newTenant(), newTenant()
	id := s.insert(t, mine, 0, 1)[0].String()
	s.insert(t, others, 1, 1)
	one := server.URL + resourcesPath + "/" + id
	own := bearer(t, mine, time.Hour)
	for name, c := range map[string]struct {
		headers   []string
		status    int
		challenge string
	}{
		"own":                 {[]string{"Authorization", own}, http.StatusOK, ""},
		"own, and the header": {[]string{"Authorization", own, "X-Tenant-ID", mine}, http.StatusOK, ""},
		"own, in capitals": {[]string{
			"Authorization", bearer(t, strings.ToUpper(mine), time.Hour), "X-Tenant-ID",
			strings.ToUpper(mine),
		}, http.StatusOK, ""},
		"another's": {[]string{"Authorization", bearer(t, others, time.Hour)}, http.StatusNotFound, ""},
		"another's, and header": {
			[]string{"Authorization", bearer(t, others, time.Hour), "X-Tenant-ID", mine},
			http.StatusForbidden, "insufficient_scope",
		},
		"header is empty": {
			[]string{"Authorization", own, "X-Tenant-ID", ""},
			http.StatusForbidden,
			"insufficient_scope",
		},
		"the header alone": {[]string{"X-Tenant-ID", mine}, http.StatusUnauthorized, `Bearer realm="headroom"`},
		"nothing":          {nil, http.StatusUnauthorized, `Bearer realm="headroom"`},
		"another scheme": {
			[]string{"Authorization", "Basic eDp5", "X-Tenant-ID", mine},
			http.StatusUnauthorized,
			`Bearer realm="headroom"`,
		},
		"expired": {
			[]string{"Authorization", bearer(t, mine, -time.Hour)},
			http.StatusUnauthorized,
			"invalid_token",
		},
		"forged": {
			[]string{"Authorization", own + "A", "X-Tenant-ID", mine},
			http.StatusUnauthorized,
			"invalid_token",
		},
		"without tenant": {
			[]string{"Authorization", bearer(t, nil, time.Hour), "X-Tenant-ID", mine},
			http.StatusForbidden, "insufficient_scope",
		},
	} {
		for range 2 { // the first time and, where it is valid, remembered
			response, body := over(t, http.MethodGet, one, nil, c.headers...)
			if response.StatusCode != c.status ||
				!strings.Contains(response.Header.Get("WWW-Authenticate"), c.challenge) {
				t.Errorf("%s: status %d, challenge %q, want %d: %s", name, response.StatusCode,
					response.Header.Get("WWW-Authenticate"), c.status, body)
			}
			if c.status >= 400 && response.Header.Get("Content-Type") != "application/problem+json" || c.status < 400 &&
				!strings.Contains(body, id) {
				t.Errorf("%s: %s", name, body)
			}
		}
	}
	// What one tenant has the ETag of is nothing to the other, and neither are its lists.
	response, _ := over(t, http.MethodGet, one, nil, "Authorization", own)
	tag := response.Header.Get("Etag")
	if again, _ := over(t, http.MethodGet, one, nil, "Authorization", own, "If-None-Match",
		tag); again.StatusCode != http.StatusNotModified {
		t.Errorf("with its ETag: status %d", again.StatusCode)
	}
	if stolen, _ := over(t, http.MethodGet, one, nil, "Authorization", bearer(t, others, time.Hour), "If-None-Match",
		tag); stolen.StatusCode != http.StatusNotFound {
		t.Errorf("with another's ETag: status %d", stolen.StatusCode)
	}
	for range 3 {
		for tenant, want := range map[string]bool{mine: true, others: false} {
			if _, list := over(t, http.MethodGet, server.URL+resourcesPath, nil, "Authorization",
				bearer(t, tenant, time.Hour)); strings.Contains(list, id) != want {
				t.Errorf("the list of %s has the resource of %s: %v", tenant, mine, !want)
			}
		}
	}
}

// TestEveryOperationNeedsAToken but for those that the description calls open.
func TestEveryOperationNeedsAToken(t *testing.T) {
	s := newService(t)
	o := api.Options{
		Store: s.store, Cache: s.cache, Hub: s.hub, Logger: slog.New(slog.DiscardHandler), Verifier: newVerifier(t),
	}
	authenticated := &service{API: api.New(o), log: s.log}
	mountGraphQL(t, authenticated.API)
	d, err := newDescription(true)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, operation := range operations(d) {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), operation.method, operation.target(), nil)
		r.Header.Set("X-Tenant-ID", newTenant())
		authenticated.ServeHTTP(w, r)
		security, stated := d.at("paths", operation.path, strings.ToLower(operation.method), "security").([]any)
		if stated && len(security) == 0 {
			open = append(open, operation.path)
			if w.Code >= 400 {
				t.Errorf("%s %s is open, and has status %d", operation.method, operation.path, w.Code)
			}
		} else if w.Code != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: status %d", operation.method, operation.path, w.Code)
		}
	}
	slices.Sort(open)
	if want := []string{"/healthz", "/metrics", "/openapi.json", "/readyz"}; !slices.Equal(open, want) {
		t.Errorf("open are %v, want %v", open, want)
	}
	if d.at("components", "securitySchemes", "bearer") == nil || describe(t).at("security") != nil {
		t.Error("the security scheme is not described, or is where there is none")
	}
}

// TestLimitOfATokensTenant: the rate limit counts for the token's tenant, and for the address whatever is not verified
// yet.
func TestLimitOfATokensTenant(t *testing.T) {
	s := newService(t)
	server := serveWith(t, s, api.Options{Verifier: newVerifier(t), Rate: middleware.Rate{PerSecond: 1, Burst: 30}})
	until429 := func(headers func() []string) (statuses map[int]int) {
		statuses = map[int]int{}
		for range 45 {
			response, _ := over(t, http.MethodGet, server.URL+resourcesPath, nil, headers()...)
			statuses[response.StatusCode]++
		}
		return statuses
	}
	first, second := bearer(t, newTenant(), time.Hour), bearer(t, newTenant(), time.Hour)
	for _, token := range []string{first, second} {
		if got := until429(func() []string { return []string{"Authorization", token} }); got[http.StatusOK] < 25 ||
			got[http.StatusTooManyRequests] == 0 || len(got) > 2 {
			t.Errorf("statuses %v", got)
		}
	}
	got := until429(func() []string { return []string{"Authorization", second + "A", "X-Tenant-ID", newTenant()} })
	if got[http.StatusUnauthorized] == 0 || got[http.StatusTooManyRequests] == 0 {
		t.Errorf("forged tokens: statuses %v", got)
	}
}

// TestClientBehindProxies: who asks through a proxy is told by X-Forwarded-For of those that are trusted only.
func TestClientBehindProxies(t *testing.T) {
	s := newService(t)
	for name, c := range map[string]struct {
		trusted []string
		headers http.Header
		client  string // whom the request counts for; empty for the peer
	}{
		"none is trusted":    {nil, http.Header{"X-Forwarded-For": {"203.0.113.1"}}, ""},
		"another is trusted": {[]string{"192.0.2.1"}, http.Header{"X-Forwarded-For": {"203.0.113.1"}}, ""},
		"trusted": {
			[]string{"127.0.0.0/8"},
			http.Header{"X-Forwarded-For": {"203.0.113.1"}},
			"203.0.113.1",
		},
		"the client lies": {
			[]string{"127.0.0.1"},
			http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.1"}},
			"203.0.113.1",
		},
		"in a line of its own": {
			[]string{"127.0.0.1"},
			http.Header{"X-Forwarded-For": {"198.51.100.1", "203.0.113.1"}},
			"203.0.113.1",
		},
		"two proxies": {
			[]string{"127.0.0.1", "10.0.0.0/8"},
			http.Header{"X-Forwarded-For": {"198.51.100.1, 203.0.113.1, 10.1.2.3"}},
			"203.0.113.1",
		},
		"not an address": {
			[]string{"127.0.0.1"},
			http.Header{"X-Forwarded-For": {"203.0.113.1, unknown"}},
			"",
		},
		"another header":           {[]string{"127.0.0.1"}, http.Header{"X-Real-Ip": {"203.0.113.1"}}, ""},
		"a trusted one has no one": {[]string{"127.0.0.1"}, nil, ""},
	} {
		server := serveWith(t, s, api.Options{
			TrustedProxies: c.trusted,
			Rate:           middleware.Rate{PerSecond: 1, Burst: 1000},
		})
		remaining := func(headers http.Header) string {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/openapi.json", nil)
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(r.Header, headers)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			return response.Header.Get("X-RateLimit-Remaining")
		}
		same := http.Header{} // another request by whom it should count for
		if c.client != "" {
			same.Set("X-Forwarded-For", c.client)
		}
		if a, b, other := remaining(c.headers), remaining(same), remaining(same); a != "999" || b != "998" ||
			other != "997" {
			t.Errorf("%s: %s, then %s and %s requests remain: they count for others", name, a, b, other)
		}
	}
}
