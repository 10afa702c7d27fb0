package stream

import (
	"testing"
	"time"

	"github.com/policycortex/headroom/loadgen/sse"
	"github.com/policycortex/headroom/scenarios"
)

var at = scenarios.JSONPath{{Key: "at"}}

func TestTimeOf(t *testing.T) {
	want := time.Date(2026, 11, 29, 17, 0, 1, 234_567_891, time.UTC)
	for data, precision := range map[string]time.Duration{
		`{"at": "2026-11-29T17:00:01.234567891Z"}`:      time.Nanosecond,
		`{"at": "2026-11-29T18:00:01.234567891+01:00"}`: time.Nanosecond,
		`{"at": "2026-11-29T17:00:01Z"}`:                time.Second,
		`{"at": 1795971601}`:                            time.Second,
		`{"at": 1795971601.234567891}`:                  time.Nanosecond,
		`{"at": 1795971601.2345678919999}`:              time.Nanosecond,
		`{"at": 1795971601234}`:                         time.Millisecond,
		`{"at": 1795971601234.5}`:                       100 * time.Microsecond,
		`{"at": "1795971601234"}`:                       time.Millisecond,
		`{"at": 1795971601234567}`:                      time.Microsecond,
		`{"at": 1795971601234567891, "at": 1}`:          time.Nanosecond,
	} {
		nanos, ok := timeOf([]byte(data), at)
		if got := time.Unix(0, nanos); !ok || !got.Equal(want.Truncate(precision)) {
			t.Errorf("%s: %v, %v; want %v", data, got.UTC(), ok, want.Truncate(precision))
		}
	}
	for _, data := range []string{
		``, `{}`, `{"at": null}`, `{"at": true}`, `{"at": []}`, `{"at": ""}`, `{"at": "now"}`, `{"at": -1}`,
		`{"at": 1e9}`,
		`{"at": "2026-11-29 17:00:01"}`, `{"at": 9999999999}`, `{"at": 9999999999999}`, `{"at": 99999999999999999999}`,
		`{"at": 18446744073709551615}`, `{"at": "1.x"}`, `no JSON`, `{"at": `, `"at"`,
	} {
		if nanos, ok := timeOf([]byte(data), at); ok {
			t.Errorf("%s is read as %v", data, time.Unix(0, nanos).UTC())
		}
	}
}

func TestNumberOf(t *testing.T) {
	path := scenarios.JSONPath{{Key: "id"}}
	for data, want := range map[string]int64{
		`{"id": 7}`: 7, `{"id": "8"}`: 8, `{"id": 0}`: 0, `{"id": 9223372036854775807}`: 1<<63 - 1,
		`{"id": 9223372036854775808}`: -1, `{"id": 99999999999999999999}`: -1, `{"id": -1}`: -1, `{"id": 1.5}`: -1,
		`{"id": "a-1"}`: -1, `{"id": true}`: -1, `{}`: -1, `x`: -1,
	} {
		if n, ok := numberOf(sse.Event{Data: []byte(data)}, path); ok != (want >= 0) || ok && n != want {
			t.Errorf("%s: %d, %v", data, n, ok)
		}
	}
	for id, want := range map[string]int64{"12": 12, "": -1, "1-0": -1, "00000000000000000000007": -1} {
		if n, ok := numberOf(sse.Event{ID: []byte(id), Own: true}, nil); ok != (want >= 0) || ok && n != want {
			t.Errorf("%q: %d, %v", id, n, ok)
		}
	}
	if _, ok := numberOf(sse.Event{ID: []byte("12")}, nil); ok {
		t.Error("the id of an earlier event counts again")
	}
}

func TestReadingAnEventAllocatesNothing(t *testing.T) {
	e := sse.Event{
		Data: []byte(`{"tenant": "a", "id": 17, "at": "2026-11-29T17:00:01.234Z"}`), ID: []byte("17"),
		Own: true,
	}
	path := scenarios.JSONPath{{Key: "id"}}
	read := func() {
		_, timed := timeOf(e.Data, at)
		_, inData := numberOf(e, path)
		_, own := numberOf(e, nil)
		if !timed || !inData || !own {
			t.Fatal("it was not read")
		}
	}
	if n := testing.AllocsPerRun(1000, read); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzTimeOf: whatever an event has, it is a time that can be written, or none.
func FuzzTimeOf(f *testing.F) {
	for _, seed := range []string{
		`{"at": "2026-11-29T17:00:01.234567891Z"}`, `{"at": 1795971601.25}`, `{"at": 99999999999999999999}`, `{"at": "`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		nanos, ok := timeOf(data, at)
		if n, isNumber := sinceEpoch(string(data)); isNumber && n < 0 {
			t.Errorf("%q is a time of %d ns", data, n)
		}
		if ok && time.Unix(0, nanos).UnixNano() != nanos {
			t.Errorf("%q is no time: %d", data, nanos)
		}
	})
}
