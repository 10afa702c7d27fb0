package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestParse reads what each generator writes. None is its own pass: something else than expected is an error.
func TestParse(t *testing.T) {
	none := math.NaN()
	for file, tc := range map[string]struct {
		parse func([]byte) (report, error)
		want  report
	}{
		"wrk.txt":         {parseWrk, report{400200, 15, 133400.65, none, none, none}},
		"h2load.txt":      {parseH2load, report{355291, 12, 118430.5, none, none, none}},
		"hey.txt":         {parseHey, report{133800, 23, 44590.2234, 1.4, 2.5, 12.3}},
		"fortio.json":     {parseFortio, report{99745, 5, 4987.25, 2.3, 2.5, 3.6}},
		"bombardier.json": {parseBombardier, report{200015, 15, 100000, 2.1, 2.2, 4.5}},
		"vegeta.json":     {parseVegeta, report{40000, 10, 39990.25, 2.1, 2.6, 4.3}},
		"k6.json":         {parseK6, report{25000, 5, 24974.5, 2.25, 12.5, 82.75}},
		"headroom.json":   {parseHeadroom, report{100000, 7, 4999.5, 2.1, 118.25, 186.5}},
	} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		got, err := tc.parse(text)
		if err != nil || !same(got, tc.want) {
			t.Errorf("%s: %+v, %v, want %+v", file, got, err, tc.want)
		}
		if _, err := tc.parse([]byte("Error: no such flag\n")); !errors.Is(err, errFormat) {
			t.Errorf("%s: something else is no error: %v", file, err)
		}
	}
}

func same(a, b report) bool {
	near := func(x, y float64) bool { return math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) < 1e-9 }
	return a.requests == b.requests && a.failed == b.failed && near(a.rate, b.rate) && near(a.p50, b.p50) &&
		near(a.p95, b.p95) && near(a.p99, b.p99)
}
