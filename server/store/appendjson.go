package store

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"
)

// resourceColumns are the columns of a resource in the order in which appendResource takes them.
const resourceColumns = "id, version, azure_resource_id, subscription_id, resource_group_name, name, type, location, " +
	"properties, tags, compliance_status, created_at, updated_at"

// Column positions that are needed by themselves.
const (
	idColumn        = 0
	nameColumn      = 5
	updatedAtColumn = 12
)

// appendResource appends one row as a JSON object. The values are as Postgres sent them, in the formats of
// resourceFormats: uuid, integer and timestamptz binary, jsonb as text.
func appendResource(dst []byte, row [][]byte) []byte {
	dst = append(dst, `{"id":"`...)
	dst = AppendUUID(dst, row[idColumn])
	dst = append(dst, `","version":`...)
	dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(row[1])), 10)
	dst = append(dst, `,"azure_resource_id":`...)
	dst = appendString(dst, row[2])
	dst = append(dst, `,"subscription_id":`...)
	dst = appendString(dst, row[3])
	dst = append(dst, `,"resource_group_name":`...)
	dst = appendString(dst, row[4])
	dst = append(dst, `,"name":`...)
	dst = appendString(dst, row[5])
	dst = append(dst, `,"type":`...)
	dst = appendString(dst, row[6])
	dst = append(dst, `,"location":`...)
	dst = appendString(dst, row[7])
	dst = append(dst, `,"properties":`...)
	dst = append(dst, row[8]...)
	dst = append(dst, `,"tags":`...)
	dst = append(dst, row[9]...)
	dst = append(dst, `,"compliance_status":`...)
	dst = appendString(dst, row[10])
	dst = append(dst, `,"created_at":"`...)
	dst = appendTime(dst, row[11])
	dst = append(dst, `","updated_at":"`...)
	dst = appendTime(dst, row[updatedAtColumn])
	return append(dst, `"}`...)
}

// AppendUUID appends the 16 bytes of an id in the usual text form.
func AppendUUID(dst, id []byte) []byte {
	dst = hex.AppendEncode(dst, id[0:4])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[4:6])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[6:8])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, id[8:10])
	dst = append(dst, '-')
	return hex.AppendEncode(dst, id[10:16])
}

// postgresEpoch is 2000-01-01 in Unix microseconds: Postgres counts a timestamptz from there.
const postgresEpoch = 946_684_800_000_000

// unixMicro reads a binary timestamptz.
func unixMicro(timestamptz []byte) int64 {
	return int64(binary.BigEndian.Uint64(timestamptz)) + postgresEpoch
}

func appendTime(dst, timestamptz []byte) []byte {
	return time.UnixMicro(unixMicro(timestamptz)).UTC().AppendFormat(dst, time.RFC3339Nano)
}

// appendString appends s as a JSON string (RFC 8259, section 7). It escapes what the grammar demands and nothing else;
// that s is valid UTF-8 Postgres has seen to.
func appendString[S string | []byte](dst []byte, s S) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	copied := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[copied:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
		copied = i + 1
	}
	dst = append(dst, s[copied:]...)
	return append(dst, '"')
}
