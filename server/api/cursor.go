package api

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"sync"

	"github.com/policycortex/headroom/server/store"
)

// A cursor is, in base64url without padding: a version byte; the place in the list of the last resource of a page,
// which is its update time in Unix microseconds (8 bytes, big endian) or its name, and its id (16 bytes); and a
// signature, the first 16 bytes of an HMAC-SHA256 (RFC 2104, section 5) over all that, the tenant and the filters and
// order of the list.
const (
	cursorVersion  = 2
	signatureBytes = 16
	minCursorBytes = 1 + 1 + 16 + signatureBytes
	maxCursorBytes = 1 + maxNameBytes + 16 + signatureBytes
	maxNameBytes   = 256
)

var (
	errBadCursor     = errors.New("not a cursor from this server; use next_cursor of the previous page unchanged")
	errForeignCursor = errors.New("not a cursor of this list: it belongs to another tenant, filter or order, " +
		"or to a server with another HEADROOM_CURSOR_KEY; begin again without one")
)

var cursorEncoding = base64.RawURLEncoding.Strict()

// cursorSigner signs cursors, so that clients can neither forge them nor use the cursor of one list for another.
type cursorSigner struct {
	signers sync.Pool
	// keyID identifies the key without revealing it. Pages with cursors are cached under it, because cursors signed
	// with another key are useless.
	keyID string
}

// signer is the state needed for one signature.
type signer struct {
	hash hash.Hash
	text []byte
}

// newCursorSigner makes a signer. Without a key it makes a random one, and every other process refuses its cursors.
func newCursorSigner(key []byte) *cursorSigner {
	if len(key) == 0 {
		key = make([]byte, sha256.Size)
		rand.Read(key)
	}
	s := &cursorSigner{}
	s.signers.New = func() any { return &signer{hash: hmac.New(sha256.New, key), text: make([]byte, 0, 1024)} }
	id := s.sign(nil, nil, &store.ID{}, nil)
	s.keyID = hex.EncodeToString(id[:4])
	return s
}

// sign appends a signature to dst.
func (s *cursorSigner) sign(dst, place []byte, tenant *store.ID, list []byte) []byte {
	g := s.signers.Get().(*signer)
	defer s.signers.Put(g)
	g.text = append(g.text[:0], tenant[:]...)
	g.text = binary.BigEndian.AppendUint16(g.text, uint16(len(place)))
	g.text = append(g.text, place...)
	g.text = append(g.text, list...)
	g.hash.Reset()
	g.hash.Write(g.text)
	g.text = g.hash.Sum(g.text[:0])
	return append(dst, g.text[:signatureBytes]...)
}

// appendCursor appends the cursor for a position in a list, which list names.
func (s *cursorSigner) appendCursor(dst []byte, tenant *store.ID, list []byte, order store.Order,
	p *store.ListPosition,
) []byte {
	raw := make([]byte, 0, maxCursorBytes)
	raw = append(raw, cursorVersion)
	if order.ByName() {
		raw = append(raw, p.Name...)
	} else {
		raw = binary.BigEndian.AppendUint64(raw, uint64(p.UpdatedAt))
	}
	raw = append(raw, p.ID[:]...)
	raw = s.sign(raw, raw, tenant, list)
	return cursorEncoding.AppendEncode(dst, raw)
}

// readCursor returns the position in the list that list names.
func (s *cursorSigner) readCursor(cursor string, tenant *store.ID, list []byte, order store.Order) (store.ListPosition,
	error,
) {
	raw, err := decodeCursor(cursor)
	if err != nil {
		return store.ListPosition{}, err
	}
	place, signature := raw[:len(raw)-signatureBytes], raw[len(raw)-signatureBytes:]
	var buffer [signatureBytes]byte
	if !hmac.Equal(s.sign(buffer[:0], place, tenant, list), signature) {
		return store.ListPosition{}, errForeignCursor
	}
	key := place[1 : len(place)-16]
	p := store.ListPosition{ID: store.ID(place[len(place)-16:])}
	switch {
	case order.ByName():
		p.Name = string(key)
	case len(key) == 8:
		p.UpdatedAt = int64(binary.BigEndian.Uint64(key))
	default: // signed correctly, so by a server of another version
		return store.ListPosition{}, errBadCursor
	}
	return p, nil
}

func decodeCursor(cursor string) ([]byte, error) {
	if len(cursor) > cursorEncoding.EncodedLen(maxCursorBytes) {
		return nil, errBadCursor
	}
	raw, err := cursorEncoding.DecodeString(cursor)
	// The length is compared because the decoder skips line breaks, and one position must have one cursor only.
	if err != nil || len(raw) < minCursorBytes || raw[0] != cursorVersion ||
		len(cursor) != cursorEncoding.EncodedLen(len(raw)) {
		return nil, errBadCursor
	}
	return raw, nil
}
