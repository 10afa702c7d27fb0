// Package auth identifies the tenant of a request by its bearer token (RFC 6750), a JSON Web Token.
package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"github.com/maypok86/otter/v2"
)

var (
	// ErrMissing is returned for a request without a bearer token.
	ErrMissing = errors.New("the request has no bearer token")
	// ErrInvalid is returned, wrapped with the reason, for an invalid token.
	ErrInvalid = errors.New("the bearer token is not valid")
	// ErrNoTenant is returned for a valid token that names no tenant.
	ErrNoTenant = errors.New("the bearer token names no tenant")
	// ErrNoKeys is returned for a token whose key may be known soon, because the keys are being fetched.
	ErrNoKeys = errors.New("the keys for bearer tokens are not available")
)

// Options define which tokens are valid.
type Options struct {
	// JWKS is where the public keys are, as a JSON Web Key Set: an https:// URL, an http:// URL on loopback, or a file.
	JWKS string
	// SharedKey is the secret of tokens signed by HS256. Exactly one of JWKS and SharedKey is set.
	SharedKey []byte
	// Issuer and Audience are the required iss and aud claims; empty accepts any.
	Issuer, Audience string
	// TenantClaim is the claim that contains the tenant's id.
	TenantClaim string
}

const (
	// leeway is how far the clocks of issuer and server may differ.
	leeway = 30 * time.Second
	// maxToken is the maximum length of a token, in bytes.
	maxToken = 8 << 10
	// knownBytes bounds the memory for tokens known to be valid, in bytes.
	knownBytes = 16 << 20
)

// byPublicKey are the accepted public-key algorithms. HS256 is not among them, because it would take a public key as a
// shared secret.
var byPublicKey = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// Verifier verifies tokens. It remembers valid ones until they expire or the keys change. It is safe for concurrent
// use.
type Verifier struct {
	parser *jwt.Parser
	find   jwt.Keyfunc
	claim  string
	keys   *Keys // nil with a shared key
	known  *otter.Cache[string, *Identity]
}

// Identity is what a valid token says.
type Identity struct {
	// Tenant has one element, the tenant's id in lower case. It is shared, and must not be changed.
	Tenant []string
	until  time.Time
	by     *keySet
}

// New makes a verifier. With a key set at a URL it has no keys before [Keys.Refresh] is called; a file is read at once.
func New(o Options) (*Verifier, error) {
	v := &Verifier{claim: o.TenantClaim}
	options := []jwt.ParserOption{jwt.WithExpirationRequired(), jwt.WithLeeway(leeway), jwt.WithStrictDecoding()}
	if o.Issuer != "" {
		options = append(options, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		options = append(options, jwt.WithAudience(o.Audience))
	}
	if o.JWKS == "" {
		options = append(options, jwt.WithValidMethods([]string{"HS256"}))
		v.find = func(*jwt.Token) (any, error) { return o.SharedKey, nil }
	} else {
		options = append(options, jwt.WithValidMethods(byPublicKey))
		var err error
		v.keys, err = newKeys(o.JWKS)
		if err != nil {
			return nil, err
		}
		v.find = v.keys.find
	}
	v.parser = jwt.NewParser(options...)
	var err error
	v.known, err = otter.New(&otter.Options[string, *Identity]{
		MaximumWeight: knownBytes, Weigher: func(token string, _ *Identity) uint32 { return uint32(len(token)) + 256 },
	})
	if err != nil {
		return nil, fmt.Errorf("remember tokens: %w", err)
	}
	return v, nil
}

// Keys are those that are fetched; nil with a shared key.
func (v *Verifier) Keys() *Keys { return v.keys }

// Known returns what a token says that was verified before and is still valid; nil for any other. It is cheap.
func (v *Verifier) Known(token string) *Identity {
	id, ok := v.known.GetIfPresent(token)
	if !ok || v.keys != nil && id.by != v.keys.set.Load() || !time.Now().Before(id.until) {
		return nil
	}
	return id
}

// Verify returns what a token says. An error is, or wraps, [ErrInvalid], [ErrNoTenant] or [ErrNoKeys].
func (v *Verifier) Verify(token string) (*Identity, error) {
	var by *keySet
	if v.keys != nil {
		by = v.keys.set.Load() // before the key is looked up: what has been replaced since is not trusted the next time
	}
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, claims, v.find)
	switch {
	case errors.Is(err, ErrNoKeys):
		return nil, ErrNoKeys
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrInvalid, why(err))
	}
	// RFC 7515, section 4.1.11: it demands what the library does not know
	if _, critical := parsed.Header["crit"]; critical {
		return nil, fmt.Errorf("%w: it has extensions that are not known here", ErrInvalid)
	}
	tenant, _ := claims[v.claim].(string)
	if len(tenant) != 36 || uuid.Validate(tenant) != nil {
		return nil, fmt.Errorf("%w: its claim %s must be the UUID of one", ErrNoTenant, v.claim)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires == nil {
		return nil, fmt.Errorf("%w: it has no time of expiry", ErrInvalid)
	}
	id := &Identity{Tenant: []string{strings.ToLower(tenant)}, until: expires.Add(leeway), by: by}
	v.known.Set(token, id)
	return id, nil
}

// why tells a client what is wrong with its token, without what is in it.
func why(err error) string {
	for _, known := range []struct {
		err  error
		text string
	}{
		{jwt.ErrTokenMalformed, "it is no JSON Web Token"},
		{jwt.ErrTokenUnverifiable, "its key is not known"},
		{jwt.ErrTokenSignatureInvalid, "its signature, or the algorithm of that, is not valid"},
		{
			jwt.ErrTokenRequiredClaimMissing,
			"it lacks a claim that is required: exp, or iss or aud where they are checked",
		},
		{jwt.ErrTokenExpired, "it has expired"},
		{jwt.ErrTokenNotValidYet, "it is not valid yet"},
		{jwt.ErrTokenInvalidIssuer, "it has another issuer"},
		{jwt.ErrTokenInvalidAudience, "it is for another audience"},
	} {
		if errors.Is(err, known.err) {
			return known.text
		}
	}
	return "its claims cannot be read"
}

// Bearer returns the token in the values of the header Authorization. An error is or wraps [ErrMissing] or
// [ErrInvalid].
func Bearer(values []string) (string, error) {
	if len(values) == 0 {
		return "", ErrMissing
	}
	if len(values) > 1 {
		return "", fmt.Errorf("%w: the header Authorization must be given once", ErrInvalid)
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrMissing // another scheme, which is not taken here
	}
	token = strings.Trim(token, " ")
	if len(token) > maxToken {
		return "", fmt.Errorf("%w: it has more than %d bytes", ErrInvalid, maxToken)
	}
	dots := 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			dots++
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return "", fmt.Errorf("%w: it is no JSON Web Token", ErrInvalid)
		}
	}
	if dots != 2 {
		return "", fmt.Errorf("%w: it is no JSON Web Token", ErrInvalid)
	}
	return token, nil
}
