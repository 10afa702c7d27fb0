package reports

import (
	"fmt"
	"slices"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
	"github.com/policycortex/headroom/scenarios"
)

// changeRow is a figure of both arms as it is shown.
type changeRow struct {
	Name, Base, Head, Change, Interval, Noise string
	// Sign is where the interval lies: worse or better for one that does not include 0, else empty.
	Sign string
}

func newChangeRow(name string, f *results.ExperimentFigure) changeRow {
	row := changeRow{
		Name: name, Base: quantity(f, f.Base), Head: quantity(f, f.Head),
		Change:   changeText(f.Change, decimalsOf(f.Low, f.High)),
		Interval: intervalText(f.Low, f.High), Noise: shareText(f.Noise),
	}
	switch {
	case worseSurely(f):
		row.Sign = "worse"
	case excludesZero(f):
		row.Sign = "better"
	}
	return row
}

// gateRow is a gate as it is shown.
type gateRow struct {
	results.ExperimentGate
	Base, Head, Change, Interval, Noise, Smallest string
}

// gateRows are the gates in their order.
func (t trial) gateRows() (rows []gateRow) {
	for _, g := range t.Gates {
		rows = append(rows, t.gateRow(g))
	}
	return rows
}

func (t trial) gateRow(g results.ExperimentGate) gateRow {
	row := gateRow{g, none, none, none, none, none, none}
	if f := t.byFigure[g.Figure]; f != nil {
		row.Base, row.Head = quantity(f, f.Base), quantity(f, f.Head)
	}
	if estimated(g) {
		row.Change, row.Interval = changeText(g.Change, decimalsOf(g.Low, g.High)), intervalText(g.Low, g.High)
		row.Noise, row.Smallest = shareText(g.Noise), smallestText(g)
	}
	return row
}

// smallestText is the smallest change that could be found; none where nothing scattered, so that any could.
func smallestText(g results.ExperimentGate) string {
	if g.Noise == 0 {
		return none
	}
	return shareText(g.Smallest)
}

// Word is what came of a gate.
func (g gateRow) Word() string {
	switch g.Decision {
	case experiment.Passed:
		return "held"
	case experiment.Failed:
		return "crossed"
	}
	return "unresolved"
}

// armRequests is what the requests of a name met in both arms.
type armRequests struct {
	Scenario, Name string
	Base, Head     results.ArmRequests
	Rows           []changeRow // response times
}

// requestStatistics are those that the table by request has, in its order.
var requestStatistics = []string{"p(50)", "p(95)", "p(99)"}

// requests are the requests by scenario and name, in the order of the record.
func (t trial) requests() (all []armRequests) {
	for _, r := range t.Requests {
		i := slices.IndexFunc(all, func(o armRequests) bool { return o.Scenario == r.Scenario && o.Name == r.Name })
		if i < 0 {
			i = len(all)
			all = append(all, armRequests{
				Scenario: r.Scenario, Name: r.Name, Rows: t.durations(map[string]string{"name": r.Name}),
			})
		}
		if r.Arm == experiment.Base {
			all[i].Base = r
		} else {
			all[i].Head = r
		}
	}
	return all
}

// durations are the rows of response times of what the tags select.
func (t trial) durations(tags map[string]string) (rows []changeRow) {
	for _, statistic := range requestStatistics {
		for i := range t.Figures {
			f := &t.Figures[i]
			if f.Metric == string(scenarios.HTTPReqDuration) && f.Statistic == statistic && sameTags(f.Tags, tags) {
				name := "P" + strings.Trim(statistic, "p()")
				rows = append(rows, newChangeRow(name, f))
			}
		}
	}
	return rows
}

func sameTags(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if b[name] != value {
			return false
		}
	}
	return true
}

// overall are the requests of an arm together.
func (t trial) overall(arm experiment.Arm) (results.ArmRequests, error) {
	sum := results.ArmRequests{Arm: arm, Response: results.NewHistogram()}
	for _, r := range t.Requests {
		if r.Arm != arm {
			continue
		}
		sum.Requests += r.Requests
		sum.Failed += r.Failed
		if r.Response == nil {
			continue
		}
		if err := sum.Response.Merge(r.Response); err != nil {
			return sum, fmt.Errorf("merge the requests of the %s: %w", arm, err)
		}
	}
	return sum, nil
}

// others are the figures that the table by request does not have, of which it is response times and failures.
func (t trial) others() (rows []changeRow) {
	for i := range t.Figures {
		f := &t.Figures[i]
		byRequest := len(f.Tags) == 0 || len(f.Tags) == 1 && f.Tags["name"] != ""
		durations := f.Metric == string(scenarios.HTTPReqDuration) && slices.Contains(requestStatistics, f.Statistic)
		if byRequest && (durations || f.Metric == string(scenarios.HTTPReqSucceeded)) {
			continue
		}
		rows = append(rows, newChangeRow(strings.TrimSuffix(f.Figure, " value"), f))
	}
	return rows
}

// failedShare is the share of the requests that failed; none where there was none.
func failedShare(r results.ArmRequests) string {
	return failedPercent(results.Summary{Requests: r.Requests, Failed: r.Failed})
}
