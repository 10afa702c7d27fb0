package record

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestClassOfText: errors of net/http and of HTTP/2 have the classes that the wire engine gives the same fault.
func TestClassOfText(t *testing.T) {
	for text, want := range map[string]string{
		"stream error: stream ID 3; REFUSED_STREAM; received from peer":                                ErrorTurnedAway,
		"stream error: stream ID 1; INTERNAL_ERROR; received from peer":                                ErrorStream,
		"stream error: stream ID 1; PROTOCOL_ERROR; malformed response from server: missing status":    ErrorMalformed,
		"stream error: stream ID 1; PROTOCOL_ERROR; http2: response header list larger than the limit": ErrorMalformed,
		"connection error: FLOW_CONTROL_ERROR":                                                         ErrorMalformed,
		"http2: frame too large":                                                                       ErrorMalformed,
		"http2: failed reading the frame payload: http2: frame too large, note that …":                 ErrorMalformed,
		"header line too long":         ErrorMalformed,
		"invalid byte in chunk length": ErrorMalformed,
		"unexpected EOF":               ErrorClosed,
		"something else":               ErrorOther,
	} {
		if got := ClassOfText(text, false); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestShortened: what a server makes net/http quote does not fill the report.
func TestShortened(t *testing.T) {
	short, long := strings.Repeat("ä", longest/2), "x"+strings.Repeat("ä", longest)
	if got := Shortened(short); got != short {
		t.Errorf("%d bytes of %d are left", len(got), len(short))
	}
	if got := Shortened(long); !utf8.ValidString(got) || len(got) > longest+len("…") || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes, ending with %q", len(got), got[len(got)-8:])
	}
}
