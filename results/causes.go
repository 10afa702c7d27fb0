package results

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// Cause is one reason why requests of one name failed in the measured window.
type Cause struct {
	Scenario string `json:"scenario"`
	Request  string `json:"request"`
	Class    string `json:"class"`              // "status 403", "timeout", "extraction failed: token"
	Count    int64  `json:"count"`              // of the requests that failed so
	Expected string `json:"expected,omitempty"` // of a status: those that the file expects, where it says so
	// what the first of them met: an error's message, or the answer's beginning
	First string `json:"first,omitempty"`
}

// Causes are why requests failed, the most frequent first. Each failed request has one, so that their counts add up to
// the failures.
func (m *Measurements) Causes() []Cause {
	var all []Cause
	at := map[[3]string]int{}
	for _, s := range m.Series {
		for _, class := range slices.Sorted(maps.Keys(s.Errors)) {
			key := [3]string{s.Scenario, s.Name, class}
			i, known := at[key]
			if !known {
				i, at[key] = len(all), len(all)
				all = append(all, Cause{Scenario: s.Scenario, Request: s.Name, Class: class})
				if strings.HasPrefix(class, "status ") {
					all[i].Expected = s.Expected
				}
			}
			all[i].Count += s.Errors[class]
			all[i].First = cmp.Or(all[i].First, s.ErrorSamples[class])
		}
	}
	slices.SortStableFunc(all, func(a, b Cause) int { return cmp.Compare(b.Count, a.Count) })
	return all
}

// Skip is a step of a flow that was not sent.
type Skip struct {
	Scenario string
	Step     string
	Count    int64
	Causes   []Cause // why steps before it in its flow failed, the most frequent first
}

// Skips are the steps of flows that were not sent because one before them failed, in the order of the file.
func (m *Measurements) Skips() []Skip {
	var all []Skip
	causes := m.Causes()
	before := map[[2]string][]string{} // the steps of a scenario's flow so far
	for _, s := range m.Series {
		flow := [2]string{s.Scenario, s.Tags["flow"]}
		steps := before[flow]
		if at := slices.Index(steps, s.Name); at >= 0 { // in another stage
			steps = steps[:at]
		} else {
			before[flow] = append(steps, s.Name)
		}
		if s.Skipped == 0 {
			continue
		}
		i := slices.IndexFunc(all, func(k Skip) bool { return k.Scenario == s.Scenario && k.Step == s.Name })
		if i < 0 {
			i = len(all)
			all = append(all, Skip{Scenario: s.Scenario, Step: s.Name})
			for _, c := range causes {
				if flow[1] != "" && c.Scenario == s.Scenario && slices.Contains(steps, c.Request) {
					all[i].Causes = append(all[i].Causes, c)
				}
			}
		}
		all[i].Count += s.Skipped
	}
	return all
}
