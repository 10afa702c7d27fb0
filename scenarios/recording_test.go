package scenarios

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestRecorded holds a scenario against what its file turns out to hold.
func TestRecorded(t *testing.T) {
	const file = "target: {url: 'http://127.0.0.1:1'}\nscenarios:\n  again: {executor: replay, file: a.log, warmup: " +
		"2s, %s}\nthresholds: {'http_reqs{name:GET /a}': count>0, 'schedule_lag{scenario:again}': p(99)<5}\n"
	get := []RecordedName{{Name: "GET /a", Method: "GET"}}
	const minute, day = time.Minute, 24 * time.Hour
	for name, c := range map[string]struct {
		keys     string
		recorded Recorded
		takes    time.Duration // when it is well
		says     string        // when it is not
	}{
		"its own times": {"speed: 1", Recorded{Requests: 9, Length: minute, Names: get}, minute, ""},
		"twice as fast": {"speed: 2", Recorded{Requests: 9, Length: minute, Names: get}, minute / 2, ""},
		"a rate":        {"rate: 5, timeUnit: 1m", Recorded{Requests: 10, Names: get}, 2 * minute, ""},
		"again":         {"rate: 5, duration: 10m", Recorded{Requests: 10, Names: get}, 10 * minute, ""},
		"neither":       {"speed: 1", Recorded{Requests: 9, Names: get}, 0, "has no times"},
		"both":          {"rate: 5", Recorded{Requests: 9, Length: minute, Names: get}, 0, "has its own times"},
		"a day":         {"speed: 1", Recorded{Requests: 9, Length: day, Names: get}, day, ""},
		"more than a day": {
			"speed: 1",
			Recorded{Requests: 9, Length: day + time.Second, Names: get},
			0,
			"would take 24h0m1s",
		},
		"just over its warmup": {
			"speed: 1",
			Recorded{Requests: 9, Length: 2*time.Second + 1, Names: get},
			2*time.Second + 1, "",
		},
		"no longer than that": {
			"speed: 1",
			Recorded{Requests: 9, Length: 2 * time.Second, Names: get},
			0, "is not shorter than the replay",
		},
		"another path": {
			"speed: 1",
			Recorded{Requests: 9, Length: minute, Names: []RecordedName{{Name: "GET /b", Method: "GET"}}},
			0, "selects no request of the file",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Parse("x.yaml", []byte(fmt.Sprintf(file, c.keys)))
			if err != nil {
				t.Fatal(err)
			}
			full, err := p.Recorded(map[string]Recorded{"again": c.recorded})
			if c.says != "" {
				var fault Error
				if !errors.As(err, &fault) || fault.File != "x.yaml" || fault.Line == 0 ||
					!strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v, want one that %s", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := full.Scenarios[0]; s.Load.Length() != c.takes || len(s.Requests) != 1 ||
				s.Requests[0].Name != "GET /a" || s.Requests[0].Method != "GET" {
				t.Errorf("it takes %v and has %+v, want %v", s.Load.Length(), s.Requests, c.takes)
			}
			if p.Scenarios[0].Load.Length() != 0 || p.Scenarios[0].Requests != nil {
				t.Error("the plan itself was changed")
			}
		})
	}
}

// TestKeysOfReplay holds what goes with which format.
func TestKeysOfReplay(t *testing.T) {
	for keys, want := range map[string]string{
		"duration: 5m":                                "scenarios.again.duration goes with rate only",
		"format: urls":                                "scenarios.again needs rate; for example rate: 100; a",
		"format: urls, rate: 1, speed: 2":             "has both rate and speed",
		"format: haproxy, rate: 1":                    "a file of the format haproxy has its own times",
		"format: har, fields: {time: $.t}":            "scenarios.again.fields goes with the format json-lines only",
		"fields: {time: t}":                           "a JSON path begins with $",
		"fields: {tiem: $.t}":                         `unknown key "tiem" in scenarios.again.fields`,
		"skipBadLines: yes":                           `scenarios.again.skipBadLines cannot be "yes"`,
		"format: w3c, skipBadLines: true, speed: 0.5": "",
	} {
		_, err := Parse("x.yaml", []byte("target: {url: 'http://127.0.0.1:1'}\nscenarios:\n  again: {executor: "+
			"replay, file: a.log, "+keys+"}\n"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
	}
}
