package graphql

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// persistedBytes bounds the text of the queries that clients have persisted.
const persistedBytes = 4 << 20

// persisted are texts of queries by their hash: automatic persisted queries. Whoever knows the hash of a query knows
// its text, so that tenants may share them.
type persisted struct {
	texts *otter.Cache[string, string]
}

func newPersisted() *persisted {
	return &persisted{otter.Must(&otter.Options[string, string]{
		MaximumWeight: persistedBytes,
		Weigher:       func(hash, text string) uint32 { return uint32(len(hash)+len(text)) + 64 },
	})}
}

func hashOf(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:])
}

// text replaces the hash of a persisted query by its text, and persists a text that comes with its hash.
func (s *Server) text(r *request) gqlerror.List {
	hash := strings.ToLower(r.Extensions.PersistedQuery.Hash)
	switch {
	case s.registered != nil:
		return s.registeredText(r, hash)
	case len(r.Query) > maxQuery:
		s.metrics.refused.WithLabelValues("cost").Inc()
		return refusalList(codeTooExpensive, fmt.Sprintf("The query has %d bytes; at most %d are allowed. Send "+
			"values as variables.", len(r.Query), maxQuery))
	case hash == "":
		return nil
	case r.Query == "":
		text, ok := s.persisted.texts.GetIfPresent(hash)
		if !ok {
			s.metrics.refused.WithLabelValues("not_persisted").Inc()
			return refusalList(codeNotPersisted, "PersistedQueryNotFound") // clients know the words
		}
		r.Query = text
		return nil
	case hashOf(r.Query) != hash:
		return refusalList(codeWrongHash, "extensions.persistedQuery.sha256Hash is not the SHA-256 of query.")
	}
	s.persisted.texts.Set(hash, r.Query)
	return nil
}

// registeredText allows registered queries alone.
func (s *Server) registeredText(r *request, hash string) gqlerror.List {
	if hash == "" {
		hash = hashOf(r.Query)
	}
	text, ok := s.registered[hash]
	if !ok || r.Query != "" && r.Query != text {
		s.metrics.refused.WithLabelValues("not_registered").Inc()
		return refusalList(codeNotAllowed, "This server answers registered queries alone.")
	}
	r.Query = text
	return nil
}

// ReadRegistered reads a file of registered queries: a JSON object with the texts by their hexadecimal SHA-256, as
// compilers of GraphQL clients write it.
func ReadRegistered(file string) (map[string]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var texts map[string]string
	err = json.Unmarshal(content, &texts)
	if err != nil {
		return nil, fmt.Errorf("%s must be a JSON object with the texts of queries by their SHA-256: %w", file, err)
	}
	registered := make(map[string]string, len(texts))
	for hash, text := range texts {
		if hashOf(text) != strings.ToLower(hash) {
			return nil, fmt.Errorf("%s: %.12s… is not the SHA-256 of its query, which is %s", file, hash, hashOf(text))
		}
		registered[strings.ToLower(hash)] = text
	}
	return registered, nil
}

// check returns what is wrong with a query.
func (s *Server) check(query string) error {
	_, faults := gqlparser.LoadQueryWithRules(s.schema, query, validation())
	if len(faults) > 0 {
		return faults
	}
	return nil
}
