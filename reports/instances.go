package reports

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/policycortex/headroom/results"
)

// instance is what one instance of the service answered of a scenario; number 0 is what no known instance did.
type instance struct {
	Number  int
	Summary results.Summary
}

// Name is the number, or what stands for none.
func (i instance) Name() string {
	if i.Number == 0 {
		return "unknown"
	}
	return strconv.Itoa(i.Number)
}

// instancesOf are the instances of a scenario in the order of their numbers; none where they were not told apart. Those
// that answered nothing are left out unless they are known.
func instancesOf(m *results.Measurements, scenario string) ([]instance, error) {
	by := map[int][]*results.Series{}
	last := 0
	for _, s := range m.Series {
		if s.Scenario == scenario {
			by[s.Instance] = append(by[s.Instance], s)
			last = max(last, s.Instance)
		}
	}
	if last == 0 {
		return nil, nil
	}
	var all []instance
	for number := range last + 1 {
		sum, err := m.SummarizeSeries(by[number])
		if err != nil {
			return nil, fmt.Errorf("summarize instance %d of scenario %s: %w", number, scenario, err)
		}
		if number > 0 || sum.Requests > 0 {
			all = append(all, instance{number, sum})
		}
	}
	return all, nil
}

// ByInstance reports whether the instances were told apart.
func (d digest) ByInstance() bool {
	return slices.ContainsFunc(d.Scenarios, func(s scenario) bool { return len(s.Instances) > 0 })
}

// instancesText lists what each instance answered.
func instancesText(d digest) string {
	t := textTable{left: 2}
	t.add("scenario", "instance", "requests", "rate", "failed", "P50", "P95", "P99", "max")
	for _, s := range d.Scenarios {
		for _, i := range s.Instances {
			sum := i.Summary
			t.add(s.Name, i.Name(), count(sum.Requests), rate(sum.Rate()), failedPercent(sum),
				percentileOf(sum.Response, 50), percentileOf(sum.Response, 95), percentileOf(sum.Response, 99),
				maxOf(sum.Response))
		}
	}
	return t.String()
}
