package api

import (
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/policycortex/headroom/server/store"
)

// A cursor is, in base64url without padding: a version byte, the time in Unix microseconds (8 bytes, big endian) and
// the id (16 bytes) of the last resource of a page.
const (
	cursorVersion = 1
	cursorBytes   = 1 + 8 + 16
)

// maxCursorTime is the end of the year 9999 in Unix microseconds: as far as a time is written with four digits.
const maxCursorTime = 253_402_300_799_999_999

var errBadCursor = errors.New("not a cursor that this server gave out; take next_cursor from the page before, unchanged")

var cursorEncoding = base64.RawURLEncoding.Strict()

func appendCursor(dst []byte, p store.Position) []byte {
	var raw [cursorBytes]byte
	raw[0] = cursorVersion
	binary.BigEndian.PutUint64(raw[1:], uint64(p.UpdatedAt))
	copy(raw[9:], p.ID[:])
	return cursorEncoding.AppendEncode(dst, raw[:])
}

func decodeCursor(cursor string) (store.Position, error) {
	var raw [cursorBytes]byte
	// The length is checked first: the decoder skips line breaks, which would give one position several cursors.
	if len(cursor) != cursorEncoding.EncodedLen(cursorBytes) {
		return store.Position{}, errBadCursor
	}
	n, err := cursorEncoding.Decode(raw[:], []byte(cursor))
	if err != nil || n != cursorBytes || raw[0] != cursorVersion {
		return store.Position{}, errBadCursor
	}
	p := store.Position{UpdatedAt: int64(binary.BigEndian.Uint64(raw[1:])), ID: store.ID(raw[9:])}
	if p.UpdatedAt < 0 || p.UpdatedAt > maxCursorTime {
		return store.Position{}, errBadCursor
	}
	return p, nil
}
