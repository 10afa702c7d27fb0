package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestAccess(t *testing.T) {
	target := resourcesPath + "?tenant=" + tenantID
	for name, tt := range map[string]struct {
		access    Access
		target    string
		headers   []string
		status    int
		tenant    string // that the API is asked for; empty: none
		bearer    string
		mentioned string
	}{
		"address":          {access: ByAddress, target: target, status: 200, tenant: tenantID},
		"no tenant chosen": {access: ByAddress, target: resourcesPath, status: 303},
		"a header": {
			access: ByAddress, target: resourcesPath, headers: []string{"X-Tenant-ID", otherID}, status: 200,
			tenant: otherID,
		},
		"a header that agrees": {
			access: ByAddress, target: target, headers: []string{"X-Tenant-ID", strings.ToUpper(tenantID)}, status: 200,
			tenant: strings.ToUpper(tenantID),
		},
		"a header that contradicts": {
			access: ByAddress, target: target, headers: []string{"X-Tenant-ID", otherID}, status: 403,
			mentioned: "another tenant",
		},
		"under a public name": {
			access: ByAddress, target: target, headers: []string{"Host", "rebound.example:8080"}, status: 403,
			mentioned: "127.0.0.1",
		},
		"the tenants under a public name": {
			access: ByAddress, target: startPath, headers: []string{"Host", "rebound.example:8080"}, status: 403,
			mentioned: "127.0.0.1",
		},
		"in front": {
			access: ByHeader, target: resourcesPath, headers: []string{"X-Tenant-ID", otherID, "Host", "app.example"},
			status: 200, tenant: otherID,
		},
		"nothing in front":              {access: ByHeader, target: target, status: 400, mentioned: "ID is missing"},
		"nothing in front of the start": {access: ByHeader, target: startPath, status: 400, mentioned: "X-Tenant-ID"},
		"no token":                      {access: ByToken, target: target, status: 401, mentioned: "Bearer token"},
		"not kept": {
			access: ByToken, target: resourcesPath + "?after=sign-in", status: 401, mentioned: "did not keep the token",
		},
		"a cookie": {
			access: ByToken, target: target, headers: []string{"Cookie", "headroom_token=a.b.c"}, status: 200,
			bearer: "Bearer a.b.c",
		},
		"a token in the header": {
			access: ByToken, target: resourcesPath,
			headers: []string{"Cookie", "headroom_token=a.b.c", "Authorization", "Bearer d.e.f"}, status: 200,
			bearer: "Bearer d.e.f",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &standIn{}
			w := visitPage(newSite(a, tt.access), http.MethodGet, tt.target, tt.headers...)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.mentioned) {
				t.Errorf("status %d, want %d: %s", w.Code, tt.status, w.Body)
			}
			if tt.tenant == "" && tt.bearer == "" && len(a.asked) > 0 {
				t.Errorf("the API was asked for %s", a.asked[0].URL)
			}
			for _, r := range a.asked {
				if r.Header.Get("X-Tenant-ID") != tt.tenant || r.Header.Get("Authorization") != tt.bearer {
					t.Errorf("%s was asked for with %v", r.URL, r.Header)
				}
			}
			if strings.Contains(w.Body.String(), otherID) && tt.access == ByHeader && tt.tenant == "" {
				t.Error("tenants are offered to everybody")
			}
		})
	}
}

func TestStartLeadsOn(t *testing.T) {
	for name, tt := range map[string]struct {
		access  Access
		headers []string
	}{
		"in front": {ByHeader, []string{"X-Tenant-ID", tenantID}},
		"header":   {ByAddress, []string{"X-Tenant-ID", tenantID}},
		"cookie":   {ByToken, []string{"Cookie", "headroom_token=a.b.c"}},
	} {
		w := visitPage(newSite(&standIn{}, tt.access), http.MethodGet, startPath, tt.headers...)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != resourcesPath {
			t.Errorf("%s: status %d to %q", name, w.Code, w.Header().Get("Location"))
		}
	}
	w := visitPage(newSite(&standIn{}, ByAddress), http.MethodGet, startPath)
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, resourcesPath+"?tenant="+otherID) {
		t.Errorf("the tenants are not offered: status %d", w.Code)
	}
	broken := New(Options{
		API: &standIn{}, Logger: slog.New(slog.DiscardHandler),
		Tenants: func(context.Context, int) ([]string, error) { return nil, errors.New("down") },
	})
	if w := visitPage(broken, http.MethodGet, startPath); w.Code != http.StatusOK ||
		!strings.Contains(w.Body.String(), "cannot be read now") || !strings.Contains(w.Body.String(), "Tenant id") {
		t.Errorf("without the database: status %d: %s", w.Code, w.Body)
	}
}

func signIn(s http.Handler, token string, headers ...string) *httptest.ResponseRecorder {
	form := url.Values{"token": {token}}
	r := httptest.NewRequest(http.MethodPost, "/ui/sign-in", strings.NewReader(form.Encode()))
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
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

func TestSignInAndOut(t *testing.T) {
	a := &standIn{}
	s := newSite(a, ByToken)
	for host, secure := range map[string]bool{"127.0.0.1:8080": false, "app.example": true} {
		w := signIn(s, " Bearer a.b.c\n", "Host", host, "Sec-Fetch-Site", "same-origin")
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/ui/resources?after=sign-in" {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
		cookies := w.Result().Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d cookies", len(cookies))
		}
		c := cookies[0]
		if c.Value != "a.b.c" || c.Path != "/ui/" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
			c.Secure != secure || c.MaxAge != 0 {
			t.Errorf("%s: the cookie is %v", host, c)
		}
	}
	if got := a.asked[0].Header.Get("Authorization"); got != "Bearer a.b.c" {
		t.Errorf("the API was asked with %q", got)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"another site":         signIn(s, "a.b.c", "Sec-Fetch-Site", "cross-site"),
		"another origin":       signIn(s, "a.b.c", "Origin", "http://evil.example"),
		"sign out from a site": visitPage(s, http.MethodPost, "/ui/sign-out", "Sec-Fetch-Site", "cross-site"),
	} {
		if w.Code != http.StatusForbidden || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s: status %d, cookies %v", name, w.Code, w.Result().Cookies())
		}
	}
	if w := signIn(s, strings.Repeat("x", maxToken+1)); w.Code != http.StatusUnauthorized ||
		!strings.Contains(w.Body.String(), "too long") {
		t.Errorf("a long token: status %d", w.Code)
	}
	w := visitPage(s, http.MethodPost, "/ui/sign-out", "Sec-Fetch-Site", "same-origin")
	if cookies := w.Result().Cookies(); w.Code != http.StatusSeeOther || len(cookies) != 1 || cookies[0].MaxAge != -1 {
		t.Errorf("sign out: status %d, cookies %v", w.Code, cookies)
	}
	refusing := newSite(&standIn{
		status:  http.StatusUnauthorized,
		answers: map[string]string{"/api/v1/resources": `{"detail":"It has expired."}`},
	}, ByToken)
	if w := signIn(refusing, "a.b.c"); w.Code != http.StatusUnauthorized || len(w.Result().Cookies()) > 0 ||
		!strings.Contains(w.Body.String(), "It has expired.") || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("a token that the API refuses: status %d, %v: %s", w.Code, w.Header(), w.Body)
	}
	if w := visitPage(newSite(a, ByAddress), http.MethodPost, "/ui/sign-in"); w.Code != http.StatusNotFound {
		t.Errorf("without authentication: status %d", w.Code)
	}
}
