package request

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"

	"github.com/policycortex/headroom/loadgen/random"
	"github.com/policycortex/headroom/scenarios"
)

func literal(s string) scenarios.Template { return scenarios.Template{{Literal: s}} }

// mixed is a scenario with one of everything that can be drawn.
func mixed() *scenarios.Scenario {
	return &scenarios.Scenario{Name: "mixed", Requests: []scenarios.Request{
		{
			Name: "read", Weight: 3, Method: "GET",
			Path: scenarios.Template{{Literal: "/items/"}, {Value: "id"}, {Literal: "?tag="}, {Value: "tag"}},
			Values: []scenarios.Value{
				{Name: "id", Keys: scenarios.RangeKeys{From: 1, To: 1000}, Choice: scenarios.Zipf, Exponent: 1.1},
				{Name: "tag", Keys: scenarios.ListKeys{"env:prod", "a b/c?d#e%", "ü"}, Choice: scenarios.Uniform},
			},
		},
		{
			Name: "write", Weight: 1, Method: "POST", Path: literal("/items"),
			Body: scenarios.Template{
				{Literal: `{"id":"`},
				{Value: "uuid"},
				{Literal: `","n":`},
				{Value: "iteration"},
				{Literal: `,"k":`},
				{Value: "key"},
				{Literal: "}"},
			},
			Headers: []scenarios.Header{{Name: "X-N", Value: scenarios.Template{{Value: "iteration"}}}},
			Values: []scenarios.Value{{
				Name: "key", Keys: scenarios.RangeKeys{From: 0, To: 9},
				Choice: scenarios.Sequential,
			}},
		},
	}}
}

func mixedSet(t testing.TB, seed uint64) *Set {
	t.Helper()
	s, err := New(seed, mixed(), Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rendered(s *Set, n int64) string {
	d := s.Draw(n)
	r := &s.requests[d.Request]
	out := r.append([]byte(r.plan.Method+" "), r.path, &d)
	return string(r.append(append(out, ' '), r.body, &d))
}

func TestDrawIsAFunctionOfSeedAndIteration(t *testing.T) {
	a, b, other := mixedSet(t, 1), mixedSet(t, 1), mixedSet(t, 2)
	differ := 0
	backwards := map[int64]string{}
	for n := int64(999); n >= 0; n-- {
		backwards[n] = rendered(b, n)
	}
	for n := range int64(1000) {
		if rendered(a, n) != backwards[n] {
			t.Fatalf("iteration %d differs between two sets of one seed", n)
		}
		if rendered(a, n) != rendered(other, n) {
			differ++
		}
	}
	if differ < 900 {
		t.Errorf("only %d of 1000 iterations differ between two seeds", differ)
	}
}

func TestRender(t *testing.T) {
	s := mixedSet(t, 1)
	read := regexp.MustCompile(`^GET /items/\d+\?tag=(env%3Aprod|a%20b%2Fc%3Fd%23e%25|%C3%BC) $`)
	write := regexp.MustCompile(
		`^POST /items \{"id":"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}","n":(\d+),"k":(\d)\}$`)
	writes := 0
	for n := range int64(4000) {
		text := rendered(s, n)
		if read.MatchString(text) {
			continue
		}
		m := write.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("iteration %d is %q", n, text)
		}
		writes++
		if m[1] != strconv.FormatInt(n, 10) || m[2] != strconv.FormatInt(n%10, 10) {
			t.Errorf("iteration %d: %q", n, text)
		}
	}
	// 1000 expected, standard deviation √(4000·¼·¾) = 27.
	if writes < 850 || writes > 1150 {
		t.Errorf("%d writes of 4000 with a weight of 1 in 4", writes)
	}
}

// TestFirstDrawsAreUniform holds that the first choices of neighbouring iterations are independent: a generator seeded
// by consecutive numbers may well not be.
func TestFirstDrawsAreUniform(t *testing.T) {
	const cells, draws = 64, 64 * 1000
	var counts, pairs [cells]float64
	last := 0
	for n := range int64(draws) {
		r := random.ForIteration(random.ScenarioSeed(1, "x"), n)
		k := r.Below(cells)
		counts[k]++
		pairs[(k-last+cells)%cells]++
		last = k
	}
	for name, seen := range map[string][cells]float64{"values": counts, "differences": pairs} {
		chi := 0.0
		for _, c := range seen {
			chi += (c - draws/cells) * (c - draws/cells) / (draws / cells)
		}
		// 63 degrees of freedom: P(chi² > 114) = 1e-4. The draws are fixed: this cannot flicker.
		if chi > 114 {
			t.Errorf("%s: chi² = %.1f", name, chi)
		}
	}
}

func TestFixtureKeys(t *testing.T) {
	s := &scenarios.Scenario{Name: "x", Requests: []scenarios.Request{{
		Name: "get", Weight: 1, Method: "GET", Path: scenarios.Template{{Literal: "/"}, {Value: "id"}},
		Values: []scenarios.Value{{
			Name: "id", Keys: scenarios.FixtureKeys{Set: "resource_id", First: 3},
			Choice: scenarios.Uniform,
		}},
	}}}
	seen := map[string]bool{}
	made, err := New(1, s, Sources{Fixture: func(name string) (KeySet, error) {
		return KeySet{1000, func(dst []byte, i int) []byte { return fmt.Appendf(dst, "%s-%d", name, i) }}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(100) {
		seen[rendered(made, n)] = true
	}
	if len(seen) != 3 || !seen["GET /resource_id-2 "] {
		t.Errorf("the first three keys gave %v", seen)
	}
	if _, err := New(1, s, Sources{}); err == nil {
		t.Error("a fixture key without a fixture made no error")
	}
}

func BenchmarkDrawAndRender(b *testing.B) {
	s := mixedSet(b, 1)
	var space [512]byte
	b.ReportAllocs()
	for i := range b.N {
		d := s.Draw(int64(i))
		r := &s.requests[d.Request]
		out := r.append(space[:0], r.path, &d)
		r.append(out, r.body, &d)
	}
}
