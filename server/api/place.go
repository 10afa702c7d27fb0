package api

import (
	"crypto/hmac"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// placeVersion is the first byte of the cursors of lists with a single order and positions of fixed size. It is
// followed by the position (16 or 24 bytes) and a signature over it, the tenant and the list.
const placeVersion = 3

// appendPlace appends the cursor for a position in the list that list names.
func (s *cursorSigner) appendPlace(dst []byte, tenant *store.ID, list string, place []byte) []byte {
	raw := make([]byte, 0, 1+24+signatureBytes)
	raw = append(raw, placeVersion)
	raw = append(raw, place...)
	raw = s.sign(raw, raw, tenant, []byte(list))
	return cursorEncoding.AppendEncode(dst, raw)
}

// readPlace returns the position, of size bytes, in the list that list names.
func (s *cursorSigner) readPlace(cursor string, tenant *store.ID, list string, size int) ([]byte, error) {
	if len(cursor) != cursorEncoding.EncodedLen(1+size+signatureBytes) {
		return nil, fmt.Errorf("query parameter cursor: %w", errBadCursor)
	}
	raw, err := cursorEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 1+size+signatureBytes || raw[0] != placeVersion {
		return nil, fmt.Errorf("query parameter cursor: %w", errBadCursor)
	}
	place, signature := raw[:1+size], raw[1+size:]
	var buffer [signatureBytes]byte
	if !hmac.Equal(s.sign(buffer[:0], place, tenant, []byte(list)), signature) {
		return nil, fmt.Errorf("query parameter cursor: %w", errForeignCursor)
	}
	return place[1:], nil
}

// place returns the position at which a page begins; nil without a cursor, for the beginning of the list.
func (a *API) place(tenant *store.ID, path, list, cursor string, size int) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	return a.cursors.readPlace(cursor, tenant, path+list, size)
}

// timePlace is a position after a time and a tie-breaker for equal times.
func timePlace(micros int64, rest []byte) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(micros)), rest...)
}

// appendPagination ends a page. place is where the next page begins; nil for the last page.
func (a *API) appendPagination(body []byte, limit int, tenant *store.ID, list string, place []byte) []byte {
	body = appendNumber(append(body, `,"pagination":{`...), `"limit":`, limit)
	if place == nil {
		return append(body, `,"next_cursor":null,"has_next_page":false}}`...)
	}
	body = append(body, `,"next_cursor":"`...)
	body = a.cursors.appendPlace(body, tenant, list, place)
	return append(body, `","has_next_page":true}}`...)
}

func bigEndianOf(number int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(number)) }

func bigEndian(place []byte) int64 { return int64(binary.BigEndian.Uint64(place)) }

// pageKey returns the query of a page's cache key. It ends with the id of the cursor key, so that pages with cursors of
// different keys are different pages.
func (a *API) pageKey(list, cursor string) string {
	return string(appendParameter([]byte(list), "cursor", cursor)) + "#" + a.cursors.keyID
}

// pageQuery returns the query string in a page's key.
func (a *API) pageQuery(key cache.Key) string {
	return strings.TrimSuffix(key.Query, "#"+a.cursors.keyID)
}
