package server_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// TestServerWithAuthentication may be reached from everywhere. It starts without the keys, is ready when it has them,
// and takes those that come later.
func TestServerWithAuthentication(t *testing.T) {
	const edKeys = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "%s", "x": "%s"}]}`
	var keys atomic.Pointer[string]
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if set := keys.Load(); set != nil {
			fmt.Fprint(w, *set)
			return
		}
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	defer issuer.Close()
	o := options(t)
	o.Addr, o.AuthJWKS, o.AuthAudience = "0.0.0.0:0", issuer.URL, "headroom"
	r := start(t, o)
	defer r.stop(t)
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	base := "http://127.0.0.1:" + port
	tenant := uuid.NewString()
	private := newPrivate(t)
	token, err := newToken(tenant, "first").SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	list := func() int {
		request := newRequest(t, http.MethodGet, base+"/api/v1/resources", tenant, nil)
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	send(t, newRequest(t, http.MethodGet, base+"/api/v1/resources", tenant, nil), http.StatusUnauthorized)
	send(t, newRequest(t, http.MethodGet, base+"/healthz", "", nil), http.StatusOK)
	if body := send(t, newRequest(t, http.MethodGet, base+"/readyz", "", nil),
		http.StatusServiceUnavailable); !strings.Contains(string(body), `"keys":"unknown"`) {
		t.Errorf("ready without keys: %s", body)
	}
	if got := list(); got != http.StatusServiceUnavailable {
		t.Errorf("without keys: status %d", got)
	}
	set := fmt.Sprintf(edKeys, "first", base64.RawURLEncoding.EncodeToString(private.Public().(ed25519.PublicKey)))
	keys.Store(&set)
	for deadline := time.Now().Add(30 * time.Second); list() != http.StatusOK; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the keys are not taken: %d", list())
		}
	}
	send(t, newRequest(t, http.MethodGet, base+"/readyz", "", nil), http.StatusOK)
	job := takeSnapshot(t, r).Maintenance["auth_keys"]
	if job.Errors == 0 || job.Runs <= job.Errors || !strings.Contains(job.LastFailure, "503") {
		t.Errorf("the snapshot says of it %+v", job)
	}
}

func newPrivate(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func newToken(tenant, key string) *jwt.Token {
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA,
		jwt.MapClaims{"tenant_id": tenant, "aud": "headroom", "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = key
	return token
}

// Whoever tells the server to may have it reached without authentication.
func TestServerThatIsToldToBeOpen(t *testing.T) {
	o := options(t)
	o.Addr, o.AllowUnauthenticated = "0.0.0.0:0", true
	start(t, o).stop(t)
}
