package request

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// drawn are the bodies of iterations of a request that is one value.
func drawn(t *testing.T, seed uint64, keys scenarios.Keys, iterations int) (all []string) {
	t.Helper()
	s, err := New(seed, &scenarios.Scenario{Name: "s", Requests: []scenarios.Request{{
		Name: "r", Weight: 1, Method: "POST", Path: literal("/"), Body: scenarios.Template{{Value: "x"}},
		Values: []scenarios.Value{{Name: "x", Keys: keys, Choice: scenarios.Uniform}},
	}}}, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range int64(iterations) {
		d := s.Draw(n)
		all = append(all, string(s.Body(&d)))
	}
	return all
}

// TestGeneratedNumbers: all numbers of a range with decimals come, and no other.
func TestGeneratedNumbers(t *testing.T) {
	seen := map[string]bool{}
	for _, x := range drawn(t, 1, scenarios.RangeKeys{From: -11, To: 9, Decimals: 1}, 2000) {
		seen[x] = true
	}
	for _, want := range []string{"-1.1", "-1.0", "-0.9", "0.0", "0.1", "0.9"} {
		if !seen[want] {
			t.Errorf("%s did not come", want)
		}
	}
	if len(seen) != 21 {
		t.Errorf("%d numbers: %v", len(seen), seen)
	}
	if got := string(appendDecimal(nil, 1005, 3)); got != "1.005" {
		t.Errorf("1005 with 3 decimals is %s", got)
	}
}

// TestGeneratedStrings: strings follow from seed and iteration, and are of their alphabet in equal parts.
func TestGeneratedStrings(t *testing.T) {
	keys := scenarios.StringKeys{Length: 20, Alphabet: "aü0"}
	all, again, other := drawn(t, 1, keys, 500), drawn(t, 1, keys, 500), drawn(t, 2, keys, 500)
	if strings.Join(all, " ") != strings.Join(again, " ") || strings.Join(all, " ") == strings.Join(other, " ") {
		t.Error("the strings do not follow from the seed")
	}
	different := map[string]bool{}
	for _, text := range all {
		different[text] = true
		if !regexp.MustCompile(`^[aü0]{20}$`).MatchString(text) {
			t.Fatalf("%q", text)
		}
	}
	// 10,000 characters, a third of each: the standard deviation is 47.
	joined := strings.Join(all, "")
	for _, c := range keys.Alphabet {
		if n := strings.Count(joined, string(c)); n < 3100 || n > 3570 {
			t.Errorf("%q came %d times of 10,000", c, n)
		}
	}
	if len(different) != 500 {
		t.Errorf("%d different strings of 500", len(different))
	}
}

// TestGeneratedTimes holds how an instant is written; that it is the present one, the bounds say.
func TestGeneratedTimes(t *testing.T) {
	at := time.Date(2026, 11, 30, 1, 2, 3, 45_678_901, time.FixedZone("", 3600))
	for format, want := range map[scenarios.TimeFormat]string{
		scenarios.RFC3339: "2026-11-30T00:02:03.045Z", scenarios.Unix: "1795996923",
		scenarios.UnixMilli: "1795996923045", scenarios.UnixMicro: "1795996923045678",
		scenarios.UnixNano: "1795996923045678901",
	} {
		if got := string(appendTime(nil, at, format)); got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
	}
	before := time.Now().Truncate(time.Millisecond)
	got, err := time.Parse(time.RFC3339Nano, drawn(t, 1, scenarios.TimeKeys{Format: scenarios.RFC3339}, 1)[0])
	if err != nil || got.Before(before) || got.After(time.Now()) {
		t.Errorf("%v is not between %v and now, %v", got, before, err)
	}
}

func BenchmarkGenerated(b *testing.B) {
	for name, keys := range map[string]scenarios.Keys{
		"number": scenarios.RangeKeys{From: 100, To: 99_999, Decimals: 2},
		"string": scenarios.StringKeys{Length: 16, Alphabet: "0123456789abcdef"},
		"time":   scenarios.TimeKeys{Format: scenarios.RFC3339},
	} {
		b.Run(name, func(b *testing.B) {
			set, err := keySet(keys, Sources{})
			if err != nil {
				b.Fatal(err)
			}
			space := make([]byte, 0, 64)
			b.ReportAllocs()
			for i := range b.N {
				space = set.Append(space[:0], i%set.Len)
			}
		})
	}
}
