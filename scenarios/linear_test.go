package scenarios

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// manyThresholds are files of n thresholds, by what they are on.
var manyThresholds = map[string]func(n int) string{
	"one of each request": func(n int) string {
		return constantRate + repeated(n, "    - {name: r%d, path: /, thresholds: {http_req_failed: rate<0.5}}\n")
	},
	"all of one request": func(n int) string {
		return constantRate + "    - name: r\n      path: /\n      thresholds:\n        http_req_duration:\n" +
			repeated(n, "          - p(95)<1%d\n")
	},
	"of the file, by name": func(n int) string {
		return constantRate + repeated(n, "    - {name: r%d, path: /}\n") + "thresholds:\n" +
			repeated(n, "  http_req_failed{name:r%d}: rate<0.5\n")
	},
	"by a check": func(n int) string {
		return constantRate + repeated(n,
			"    - {name: r%d, path: /, checks: [{name: ok, status: 200}], thresholds: {checks: rate>0.5}}\n")
	},
	"of each scenario": func(n int) string {
		return "scenarios:\n" + repeated(n,
			"  s%d:\n    executor: constant-arrival-rate\n    rate: 1\n    duration: 1s\n"+
				"    requests: [{name: r, path: /}]\n    thresholds: {dropped_iterations: count<1}\n")
	},
	"mistyped": func(n int) string {
		return constantRate + repeated(n, "    - {name: r%d, path: /}\n") + "thresholds:\n" +
			repeated(n, "  http_req_failed{name:x%d}: rate<0.5\n")
	},
}

const constantRate = "scenarios:\n  s:\n    executor: constant-arrival-rate\n    rate: 1\n    duration: 1s\n    " +
	"requests:\n"

func repeated(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestValidationIsLinear holds that four times the thresholds take about four times the work. Work is what is
// allocated, and how many kinds of requests selectors are held against, which a busy machine does not change.
func TestValidationIsLinear(t *testing.T) {
	for name, file := range manyThresholds {
		t.Run(name, func(t *testing.T) {
			work := func(n int) (bytes, held uint64) {
				src := []byte(file(n))
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				plan, err := Parse("x.yaml", src)
				runtime.ReadMemStats(&after)
				if mistyped := name == "mistyped"; (err != nil) != mistyped || !mistyped && len(plan.Thresholds) != n {
					t.Fatalf("%.300v", err)
				} else if !mistyped {
					x := newTagIndex(plan.tagSets())
					for _, threshold := range plan.Thresholds {
						x.picks(threshold.Selector)
					}
					held = uint64(x.held)
				}
				return after.TotalAlloc - before.TotalAlloc, held
			}
			work(10) // what is made once
			few, heldFew := work(500)
			many, heldMany := work(2000)
			if many > 6*few || heldMany > 4*heldFew || heldFew > 500 {
				t.Errorf("500 thresholds took %d bytes and %d comparisons, 2000 took %d and %d", few, heldFew, many,
					heldMany)
			}
		})
	}
}

func BenchmarkParseThresholds(b *testing.B) {
	for _, n := range []int{1000, 4000} {
		src := []byte(manyThresholds["one of each request"](n))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse("x.yaml", src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
