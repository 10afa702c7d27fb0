package results

import (
	"encoding/json"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// TestSparse: a sparse histogram counts exactly what a dense one does, when it is added up, and when it is saved and
// read; and what it is saved as is read by HdrHistogram's own decoder.
func TestSparse(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	whole := NewHistogram()
	var sum Sparse
	for range 20 {
		h := NewHistogram()
		for range random.IntN(2000) {
			h.Record(time.Duration(math.Exp(22*random.Float64())) * time.Microsecond) // to an hour
		}
		h.Record(0)
		h.Record(time.Hour)
		var one Sparse
		if err := one.merge(h); err != nil {
			t.Fatal(err)
		}
		var err error
		sum, err = sum.Plus(one)
		if err != nil {
			t.Fatal(err)
		}
		if err := whole.Merge(h); err != nil {
			t.Fatal(err)
		}
	}
	doc, err := json.Marshal([]Sparse{sum, {}})
	if err != nil {
		t.Fatal(err)
	}
	var read []Sparse
	if err := json.Unmarshal(doc, &read); err != nil {
		t.Fatal(err)
	}
	if again, err := json.Marshal(read); err != nil || string(again) != string(doc) || !read[1].Empty() {
		t.Errorf("saving what was read gives %.100s, %v", again, err)
	}
	for name, s := range map[string]Sparse{"added": sum, "read": read[0]} {
		back := NewHistogram()
		if err := s.AddTo(back); err != nil || !back.dense().Equals(whole.dense()) {
			t.Errorf("%s: %d values of %d, %v", name, back.Count(), whole.Count(), err)
		}
		buckets, err := s.Buckets()
		if err != nil {
			t.Fatal(err)
		}
		want := map[float64]int64{}
		for value, count := range whole.Buckets() {
			if count > 0 {
				want[value] = count
			}
		}
		if got := maps.Collect(buckets); !maps.Equal(got, want) {
			t.Errorf("%s: %d buckets differ from %d", name, len(got), len(want))
		}
	}
	var texts []string
	if err := json.Unmarshal(doc, &texts); err != nil {
		t.Fatal(err)
	}
	if h, err := hdr.Decode([]byte(texts[0])); err != nil || !h.Equals(whole.dense()) {
		t.Errorf("HdrHistogram reads something else: %v", err)
	}
}

// TestDamagedSparse: a damaged histogram is found where its counts are needed.
func TestDamagedSparse(t *testing.T) {
	for _, text := range []string{`"%%%"`, `"AAAA"`, `"HISTFAAAAB4="`} {
		var s Sparse
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		_, err := s.Plus(Sparse{counts: []byte{2}})
		_, err2 := s.Buckets()
		if err == nil || err2 == nil || s.AddTo(NewHistogram()) == nil || s.merge(NewHistogram()) == nil {
			t.Errorf("%s: no error", text)
		}
	}
	var s Sparse
	if json.Unmarshal([]byte(`5`), &s) == nil {
		t.Error("a number is taken for a histogram")
	}
}
