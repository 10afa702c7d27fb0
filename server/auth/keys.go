package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

const (
	fetchTimeout = 5 * time.Second
	maxKeySet    = 1 << 20 // bytes
	// promptPause is the least time between two fetches for the sake of keys that are not known: whoever sends such
	// tokens makes nobody fetch more often.
	promptPause = 10 * time.Second
)

// Keys are a set of public keys that is fetched again and again, by whoever calls Refresh. No request waits for that. A
// set that cannot be fetched leaves the one before in use.
type Keys struct {
	source  string
	client  *http.Client // nil for a file
	set     atomic.Pointer[keySet]
	prompts chan struct{}
	coming  atomic.Bool  // a fetch was prompted or is under way
	fetched atomic.Int64 // when the last fetch ended, in nanoseconds since 1970
}

type keySet struct {
	raw []byte
	keyfunc.Keyfunc
}

func newKeys(source string) (*Keys, error) {
	k := &Keys{source: source, prompts: make(chan struct{}, 1)}
	k.prompt()
	if !strings.Contains(source, "://") {
		return k, k.Refresh(context.Background())
	}
	u, err := url.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse the URL of the key set: %w", err)
	}
	if err := checkWay(u); err != nil {
		return nil, err
	}
	k.client = &http.Client{Timeout: fetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 3 {
			return errors.New("more than three redirects")
		}
		return checkWay(r.URL)
	}}
	return k, nil
}

// checkWay refuses a way on which the keys could be exchanged.
func checkWay(u *url.URL) error {
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" && u.Host != "" || u.Scheme == "http" &&
		(u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("the key set is at %s: it must be at an https:// URL, an http:// URL on loopback, or in a file",
		u.Redacted())
}

// Prompted signals that Refresh should be called early.
func (k *Keys) Prompted() <-chan struct{} { return k.prompts }

// Known reports whether a set has been fetched.
func (k *Keys) Known() bool { return k.set.Load() != nil }

// Refresh fetches the set.
func (k *Keys) Refresh(ctx context.Context) error {
	defer func() {
		k.fetched.Store(time.Now().UnixNano())
		k.coming.Store(false)
	}()
	raw, err := k.fetch(ctx)
	if err != nil {
		return fmt.Errorf("fetch the keys of bearer tokens: %w", err)
	}
	if before := k.set.Load(); before != nil && bytes.Equal(before.raw, raw) {
		return nil
	}
	set, n, err := parseKeySet(raw)
	if err != nil {
		return fmt.Errorf("the keys of bearer tokens at %s: %w", k.place(), err)
	}
	k.set.Store(set)
	if n == 0 {
		return fmt.Errorf("the keys of bearer tokens at %s: the set is empty, and no token is valid", k.place())
	}
	return nil
}

func (k *Keys) place() string {
	if u, err := url.Parse(k.source); err == nil {
		return u.Redacted()
	}
	return k.source
}

func (k *Keys) fetch(ctx context.Context) ([]byte, error) {
	if k.client == nil {
		return os.ReadFile(k.source)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, k.source, nil)
	if err != nil {
		return nil, err
	}
	answer, err := k.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", k.place(), answer.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet+1))
	if err == nil && len(raw) > maxKeySet {
		err = fmt.Errorf("%s answered with more than %d bytes", k.place(), maxKeySet)
	}
	return raw, err
}

// parseKeySet parses a key set and counts its keys. Keys of unsupported kinds are skipped.
func parseKeySet(raw []byte) (set *keySet, keys int, err error) {
	var marshaled jwkset.JWKSMarshal
	if err := json.Unmarshal(raw, &marshaled); err != nil {
		return nil, 0, fmt.Errorf("read a JSON Web Key Set: %w", err)
	}
	if marshaled.Keys == nil {
		return nil, 0, errors.New("read a JSON Web Key Set: it has no keys")
	}
	storage := jwkset.NewMemoryStorage()
	for i, one := range marshaled.Keys {
		key, err := jwkset.NewJWKFromMarshal(one, jwkset.JWKMarshalOptions{Private: true}, jwkset.JWKValidateOptions{})
		if errors.Is(err, jwkset.ErrUnsupportedKey) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("key %d of the JSON Web Key Set: %w", i, err)
		}
		if err := storage.KeyWrite(context.Background(), key); err != nil {
			return nil, 0, fmt.Errorf("key %d of the JSON Web Key Set: %w", i, err)
		}
		keys++
	}
	find, err := keyfunc.New(keyfunc.Options{Storage: storage, UseWhitelist: []jwkset.USE{jwkset.UseSig, ""}})
	if err != nil {
		return nil, 0, fmt.Errorf("read a JSON Web Key Set: %w", err)
	}
	return &keySet{bytes.Clone(raw), find}, keys, nil
}

// find returns the key of a token. If it is unknown but may be known soon, the error is [ErrNoKeys].
func (k *Keys) find(token *jwt.Token) (any, error) {
	set := k.set.Load()
	if set == nil {
		k.prompt()
		return nil, ErrNoKeys
	}
	key, err := set.Keyfunc.Keyfunc(token)
	if errors.Is(err, jwkset.ErrKeyNotFound) && k.prompt() {
		return nil, ErrNoKeys
	}
	return key, err
}

// prompt requests a fetch of the keys and reports whether one will happen.
func (k *Keys) prompt() bool {
	if k.coming.Load() {
		return true
	}
	if time.Since(time.Unix(0, k.fetched.Load())) < promptPause {
		return false
	}
	if k.coming.CompareAndSwap(false, true) {
		select {
		case k.prompts <- struct{}{}:
		default: // already requested
		}
	}
	return true
}
