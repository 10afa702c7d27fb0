package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policycortex/headroom/server/auth"
)

const (
	tenant = "6b1f0c52-8d3a-4e7b-9f64-2a5c7e9d1b30"
	shared = "a shared key of more than 32 characters"
)

// claims are valid ones with changes; a nil value takes a claim away.
func claims(changes jwt.MapClaims) jwt.MapClaims {
	c := jwt.MapClaims{
		"tenant_id": tenant, "exp": time.Now().Add(time.Hour).Unix(), "iss": "https://issuer",
		"aud": []string{"headroom", "other"},
	}
	maps.Copy(c, changes)
	for name, value := range changes {
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

func sign(t testing.TB, method jwt.SigningMethod, key any, header map[string]any, changes jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims(changes))
	maps.Copy(token.Header, header)
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func verifier(t testing.TB, o auth.Options) *auth.Verifier {
	t.Helper()
	o.TenantClaim = "tenant_id"
	v, err := auth.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEC(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// keySet is a JSON Web Key Set of public keys by their ids.
func keySet(t testing.TB, keys map[string]crypto.PublicKey) []byte {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	set := map[string][]map[string]string{"keys": {}}
	for id, key := range keys {
		one := map[string]string{"kid": id, "use": "sig"}
		switch k := key.(type) {
		case *rsa.PublicKey:
			one["kty"], one["alg"], one["n"], one["e"] = "RSA", "RS256", encode(k.N.Bytes()),
				encode(big.NewInt(int64(k.E)).Bytes())
		case *ecdsa.PublicKey:
			raw, err := k.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			one["kty"], one["crv"], one["x"], one["y"] = "EC", "P-256", encode(raw[1:33]), encode(raw[33:])
		}
		set["keys"] = append(set["keys"], one)
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSharedKey(t *testing.T) {
	v := verifier(t, auth.Options{SharedKey: []byte(shared), Issuer: "https://issuer", Audience: "headroom"})
	hs := func(changes jwt.MapClaims) string {
		return sign(t, jwt.SigningMethodHS256, []byte(shared), nil, changes)
	}
	valid := hs(nil)
	parts := strings.Split(valid, ".")
	for name, c := range map[string]struct {
		token string
		want  error // nil: it is valid
		says  string
	}{
		"valid":        {valid, nil, ""},
		"in capitals":  {hs(jwt.MapClaims{"tenant_id": strings.ToUpper(tenant)}), nil, ""},
		"just expired": {hs(jwt.MapClaims{"exp": time.Now().Add(-5 * time.Second).Unix()}), nil, ""},
		"expired": {
			hs(jwt.MapClaims{"exp": time.Now().Add(-time.Minute).Unix()}), auth.ErrInvalid,
			"expired",
		},
		"without exp": {hs(jwt.MapClaims{"exp": nil}), auth.ErrInvalid, "exp"},
		"exp as text": {hs(jwt.MapClaims{"exp": "tomorrow"}), auth.ErrInvalid, ""},
		"not yet": {
			hs(jwt.MapClaims{"nbf": time.Now().Add(time.Hour).Unix()}), auth.ErrInvalid,
			"not valid yet",
		},
		"another issuer":   {hs(jwt.MapClaims{"iss": "https://evil"}), auth.ErrInvalid, "issuer"},
		"without issuer":   {hs(jwt.MapClaims{"iss": nil}), auth.ErrInvalid, ""},
		"another audience": {hs(jwt.MapClaims{"aud": "evil"}), auth.ErrInvalid, "audience"},
		"without audience": {hs(jwt.MapClaims{"aud": nil}), auth.ErrInvalid, ""},
		"another key": {
			sign(t, jwt.SigningMethodHS256, []byte(shared+"!"), nil, nil), auth.ErrInvalid,
			"signature",
		},
		"HS512": {
			sign(t, jwt.SigningMethodHS512, []byte(shared), nil, nil), auth.ErrInvalid,
			"signature",
		},
		"RS256": {sign(t, jwt.SigningMethodRS256, newRSA(t), nil, nil), auth.ErrInvalid, "signature"},
		"none": {
			sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, nil, nil),
			auth.ErrInvalid, "signature",
		},
		"other claims": {parts[0] + "." + strings.Split(hs(jwt.MapClaims{"tenant_id": "x"}), ".")[1] + "." +
			parts[2], auth.ErrInvalid, "signature"},
		"no signature": {parts[0] + "." + parts[1] + ".", auth.ErrInvalid, ""},
		"critical extension": {sign(t, jwt.SigningMethodHS256, []byte(shared),
			map[string]any{"crit": []string{"x"}, "x": 1}, nil), auth.ErrInvalid, "extensions"},
		"no token":              {"a.b.c", auth.ErrInvalid, "JSON Web Token"},
		"without tenant":        {hs(jwt.MapClaims{"tenant_id": nil}), auth.ErrNoTenant, "tenant_id"},
		"a number as tenant":    {hs(jwt.MapClaims{"tenant_id": 7}), auth.ErrNoTenant, "UUID"},
		"several tenants":       {hs(jwt.MapClaims{"tenant_id": []string{tenant}}), auth.ErrNoTenant, "UUID"},
		"a name as tenant":      {hs(jwt.MapClaims{"tenant_id": "acme"}), auth.ErrNoTenant, "UUID"},
		"tenant in other forms": {hs(jwt.MapClaims{"tenant_id": "{" + tenant + "}"}), auth.ErrNoTenant, "UUID"},
	} {
		id, err := v.Verify(c.token)
		if c.want == nil && (err != nil || id.Tenant[0] != tenant) || c.want != nil &&
			(!errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, error %v; want %v with %q", name, id, err, c.want, c.says)
		}
		if known := v.Known(c.token); (known != nil) != (c.want == nil) {
			t.Errorf("%s: remembered as %v", name, known)
		}
	}
}

// A token that is remembered is valid no longer than it says.
func TestKnownTokensExpire(t *testing.T) {
	v := verifier(t, auth.Options{SharedKey: []byte(shared)})
	token := sign(t, jwt.SigningMethodHS256, []byte(shared), nil,
		jwt.MapClaims{"exp": time.Now().Add(-28 * time.Second).Unix()})
	if _, err := v.Verify(token); err != nil || v.Known(token) == nil {
		t.Fatalf("it is not valid yet: %v", err)
	}
	for began := time.Now(); v.Known(token) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("it never expires")
		}
	}
}

// TestNoAlgorithmConfusion: a public key is no secret, in whatever form it is taken for one.
func TestNoAlgorithmConfusion(t *testing.T) {
	key := newRSA(t)
	file := filepath.Join(t.TempDir(), "keys.json")
	raw := keySet(t, map[string]crypto.PublicKey{"a": &key.PublicKey})
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	v := verifier(t, auth.Options{JWKS: file})
	id := map[string]any{"kid": "a"}
	if _, err := v.Verify(sign(t, jwt.SigningMethodRS256, key, id, nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(sign(t, jwt.SigningMethodRS256, key, nil, nil)); err != nil {
		t.Errorf("without kid: %v", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string][]byte{
		"DER": der, "PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "N": key.N.Bytes(),
		"JWKS": raw, "nothing": {},
	} {
		for _, header := range []map[string]any{id, nil} {
			if _, err := v.Verify(sign(t, jwt.SigningMethodHS256, secret, header, nil)); !errors.Is(err,
				auth.ErrInvalid) {
				t.Errorf("signed by HS256 with its %s, header %v: %v", name, header, err)
			}
		}
	}
	for name, token := range map[string]string{
		"none": sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, id, nil),
		// the set says which algorithm the key is for
		"PS256 for a RS256": sign(t, jwt.SigningMethodPS256, key, id, nil),
		"another key":       sign(t, jwt.SigningMethodRS256, newRSA(t), id, nil),
		"kid is a number":   sign(t, jwt.SigningMethodRS256, key, map[string]any{"kid": 7}, nil),
	} {
		if _, err := v.Verify(token); !errors.Is(err, auth.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeysAreFetched: keys that come late, are exchanged, and cannot be had.
func TestKeysAreFetched(t *testing.T) {
	var answer atomic.Pointer[[]byte]
	var fetches atomic.Int64
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetches.Add(1)
		if body := answer.Load(); body != nil {
			w.Write(*body)
			return
		}
		http.Error(w, "down", http.StatusServiceUnavailable)
	}))
	defer issuer.Close()
	first, second := newRSA(t), newEC(t)
	ofFirst := sign(t, jwt.SigningMethodRS256, first, map[string]any{"kid": "first"}, nil)
	ofSecond := sign(t, jwt.SigningMethodES256, second, map[string]any{"kid": "second"}, nil)
	serve := func(keys map[string]crypto.PublicKey) {
		body := keySet(t, keys)
		answer.Store(&body)
	}
	v := verifier(t, auth.Options{JWKS: issuer.URL})
	k := v.Keys()
	verify := func(when, token string, want error) {
		t.Helper()
		if _, err := v.Verify(token); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", when, err, want)
		}
	}
	refresh := func(when, want string) {
		t.Helper()
		if err := k.Refresh(t.Context()); want == "" && err != nil || want != "" &&
			(err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: error %v, want %q", when, err, want)
		}
	}
	verify("before any fetch", ofFirst, auth.ErrNoKeys)
	refresh("unreachable at the start", "503")
	verify("unreachable at the start", ofFirst, auth.ErrNoKeys)
	if k.Known() {
		t.Error("keys are known")
	}
	serve(map[string]crypto.PublicKey{"first": &first.PublicKey})
	refresh("there", "")
	verify("there", ofFirst, nil)
	verify("of a key that is not there, a moment after a fetch", ofSecond, auth.ErrInvalid)
	if v.Known(ofFirst) == nil {
		t.Error("a valid token is not remembered")
	}
	refresh("there, unchanged", "")
	if v.Known(ofFirst) == nil {
		t.Error("a valid token is forgotten for nothing")
	}
	answer.Store(nil)
	refresh("unreachable later", "503")
	verify("unreachable later", ofFirst, nil)
	for _, rubbish := range []string{
		"", "{}", "[]", `{"keys": [{"kty": "RSA", "n": "!"}]}`,
		strings.Repeat(" ", 2<<20) + `{"keys": []}`,
	} {
		body := []byte(rubbish)
		answer.Store(&body)
		refresh("rubbish", "keys of bearer tokens")
		verify("rubbish", ofFirst, nil)
	}
	serve(map[string]crypto.PublicKey{"first": &first.PublicKey, "second": &second.PublicKey})
	refresh("both", "")
	verify("both", ofFirst, nil)
	verify("both", ofSecond, nil)
	serve(map[string]crypto.PublicKey{"second": &second.PublicKey})
	refresh("the first is gone", "")
	if v.Known(ofFirst) != nil {
		t.Error("a token of a key that is gone is remembered")
	}
	verify("the first is gone", ofFirst, auth.ErrInvalid)
	verify("the first is gone", ofSecond, nil)
	body := []byte(`{"keys": []}`)
	answer.Store(&body)
	refresh("none left", "empty")
	verify("none left", ofSecond, auth.ErrInvalid)
	before := fetches.Load()
	verify("many unknown", sign(t, jwt.SigningMethodRS256, first, map[string]any{"kid": "x"}, nil), auth.ErrInvalid)
	if fetches.Load() != before {
		t.Error("a request has fetched keys")
	}
}

func TestKeysFromUnsafePlaces(t *testing.T) {
	for source, want := range map[string]string{
		"http://issuer.example/keys":         "https://",
		"ftp://127.0.0.1/keys":               "https://",
		"http://me:S3CRET@issuer.example/":   "https://",
		"/no/such/file.json":                 "no such file",
		filepath.Join("testdata", "missing"): "no such file",
	} {
		_, err := auth.New(auth.Options{JWKS: source, TenantClaim: "t"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: error %v, want %q", source, err, want)
		}
	}
	away := httptest.NewServer(http.RedirectHandler("http://issuer.example/", http.StatusFound))
	defer away.Close()
	v := verifier(t, auth.Options{JWKS: away.URL})
	if err := v.Keys().Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "https://") {
		t.Errorf("led away: %v", err)
	}
}

var bearers = map[string]string{
	"Bearer a.b.c": "a.b.c", "bearer a.b.c": "a.b.c", "BEARER  a-_.b.c ": "a-_.b.c",
	"": "", "Bearer": "", "Bearer ": "", "Bearera.b.c": "", "Basic a.b.c": "", "Bearer a.b": "", "Bearer a.b.c.d.e": "",
	"Bearer a.b.c, Bearer d.e.f": "", "Bearer a b.c.d": "", "Bearer a.b.c\x00": "", "Bearer é.b.c": "",
	"Bearer\ta.b.c": "",
	"Bearer " + strings.Repeat("a", 9000) + ".b.c": "",
}

func TestBearer(t *testing.T) {
	for header, want := range bearers {
		if got, err := auth.Bearer([]string{header}); got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q is %q, error %v; want %q", header, got, err, want)
		}
	}
	if _, err := auth.Bearer(nil); !errors.Is(err, auth.ErrMissing) {
		t.Errorf("without the header: %v", err)
	}
	if _, err := auth.Bearer([]string{"Bearer a.b.c", "Bearer a.b.c"}); !errors.Is(err, auth.ErrInvalid) {
		t.Errorf("given twice: %v", err)
	}
}

// FuzzBearer holds that no header makes a token of what is none, and that nothing but a signed one is verified.
func FuzzBearer(f *testing.F) {
	for header := range bearers {
		f.Add(header)
	}
	v := verifier(f, auth.Options{SharedKey: []byte(shared)})
	f.Add("Bearer " + sign(f, jwt.SigningMethodHS256, []byte(shared+"!"), nil, nil))
	f.Fuzz(func(t *testing.T, header string) {
		token, err := auth.Bearer([]string{header})
		if err != nil {
			if !errors.Is(err, auth.ErrMissing) && !errors.Is(err, auth.ErrInvalid) || token != "" {
				t.Errorf("%q: token %q, error %v", header, token, err)
			}
			return
		}
		if strings.Count(token, ".") != 2 || !strings.HasSuffix(strings.TrimRight(header, " "), token) ||
			len(token) > 8<<10 {
			t.Errorf("%q has the token %q", header, token)
		}
		if id, err := v.Verify(token); err == nil {
			t.Errorf("%q is verified as %v", header, id)
		}
	})
}

// BenchmarkToken shows what a token costs the first time, by algorithm, and afterwards.
func BenchmarkToken(b *testing.B) {
	rsaKey, ecKey := newRSA(b), newEC(b)
	file := filepath.Join(b.TempDir(), "keys.json")
	if err := os.WriteFile(file, keySet(b, map[string]crypto.PublicKey{"r": &rsaKey.PublicKey, "e": &ecKey.PublicKey}),
		0o600); err != nil {
		b.Fatal(err)
	}
	public, secret := verifier(b, auth.Options{JWKS: file}), verifier(b, auth.Options{SharedKey: []byte(shared)})
	for _, c := range []struct {
		name  string
		v     *auth.Verifier
		token string
	}{
		{"HS256", secret, sign(b, jwt.SigningMethodHS256, []byte(shared), nil, nil)},
		{"RS256", public, sign(b, jwt.SigningMethodRS256, rsaKey, map[string]any{"kid": "r"}, nil)},
		{"ES256", public, sign(b, jwt.SigningMethodES256, ecKey, map[string]any{"kid": "e"}, nil)},
	} {
		b.Run(c.name+", the first time", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.v.Verify(c.token); err != nil {
					b.Fatal(err)
				}
			}
		})
		header := []string{"Bearer " + c.token}
		b.Run(c.name+", known", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				token, err := auth.Bearer(header)
				if err != nil || c.v.Known(token) == nil {
					b.Fatal("it is not known", err)
				}
			}
		})
	}
}
