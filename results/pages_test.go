package results

import "testing"

func TestNearestRank(t *testing.T) {
	values := []float64{1, 2, 3, 4}
	for percentile, want := range map[float64]float64{0: 1, 25: 1, 25.1: 2, 50: 2, 75: 3, 75.1: 4, 99.9: 4, 100: 4} {
		if got := NearestRank(values, percentile); got != want {
			t.Errorf("p(%v) of %v is %v, want %v", percentile, values, got, want)
		}
	}
	if got := NearestRank(nil, 50); got != 0 {
		t.Errorf("of nothing it is %v", got)
	}
}

func TestPagesOfShardsArePutTogether(t *testing.T) {
	of := func(name string, starts ...float64) *Pages {
		p := &Pages{Scenario: "s", Name: name}
		for _, at := range starts {
			p.Loads = append(p.Loads, PageLoad{At: at})
		}
		return p
	}
	first := &Measurements{Pages: []*Pages{of("a", 1, 2), of("b")}}
	second := &Measurements{Pages: []*Pages{of("a", 3), of("b", 4)}}
	var m Measurements
	m.mergePages([]*Measurements{first, second})
	if len(m.Pages) != 2 || len(m.Pages[0].Loads) != 3 || len(m.Pages[1].Loads) != 1 || m.Pages[0].Loads[2].At != 3 {
		t.Errorf("together they are %+v and %+v", m.Pages[0], m.Pages[1])
	}
	if len(first.Pages[0].Loads) != 2 {
		t.Error("a shard has been changed")
	}
}
