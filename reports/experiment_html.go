package reports

import (
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"

	"github.com/go-echarts/statsview/statics"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// trialPage is the data of the template of an experiment.
type trialPage struct {
	trial
	Policy       string
	Style        template.CSS
	Library      template.JS
	Script       template.JS
	Headline     string
	Progress     string
	VetoedText   string
	Looks        string
	StoppedEarly string
	Reasons      []string
	Gates        []gateRow
	Requests     []armRequests
	Overall      *armRequests // nil where there is one request, which is all
	Others       []changeRow
	VetoCauses   []vetoCause
	Vetoed       []vetoedSlice
	Again        []string
	Settings     []armSetting
	Course       []chart
	Curves       []chart
	Charts       []chart // all of them, for the script
	// ManyScenarios says that the table of requests names the scenario of each.
	ManyScenarios bool
}

// vetoedSlice is a slice that does not count.
type vetoedSlice struct {
	Block, Slice int // from 1 on
	Arm          experiment.Arm
	Why          string
}

// armSetting is a setting of the reference server in both arms.
type armSetting struct {
	Name, Base, Head string
	Differs          bool
}

// ExperimentHTML writes the experiment's report as one self-contained web page. It loads nothing. The verdict and the
// figures can be read without scripts and styles. All text from the experiment is escaped.
func ExperimentHTML(w io.Writer, e *results.Experiment) error {
	p, err := newTrialPage(newTrial(e))
	if err == nil {
		err = parsedPage.ExecuteTemplate(w, "experiment.html", p)
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", HTMLFile, err)
	}
	return nil
}

func newTrialPage(t trial) (*trialPage, error) {
	p := &trialPage{
		trial: t, Policy: policy, Style: template.CSS(pageStyle), Library: template.JS(statics.EchartJS),
		Script: template.JS(pageScript), Headline: t.headline(), Progress: t.progress(), VetoedText: t.vetoedText(),
		Reasons: t.reasonsOf(), Gates: t.gateRows(), Requests: t.requests(),
		Others: t.others(), VetoCauses: t.vetoCauses(), Vetoed: t.vetoedSlices(), Again: t.repeat(),
		Settings: armSettings(t.Base.Settings, t.Head.Settings), Course: t.courseCharts(), Charts: []chart{},
		Looks: looksText(t.Design.Looks), StoppedEarly: stoppedEarly,
	}
	var err error
	if len(p.Requests) > 1 {
		p.Overall, err = t.allRequests()
		if err != nil {
			return nil, err
		}
	}
	p.Curves, err = t.percentileCharts()
	if err != nil {
		return nil, err
	}
	p.Charts = append(append(p.Charts, p.Course...), p.Curves...)
	for _, r := range p.Requests {
		p.ManyScenarios = p.ManyScenarios || r.Scenario != p.Requests[0].Scenario
	}
	return p, nil
}

// allRequests are those of all names.
func (t trial) allRequests() (*armRequests, error) {
	base, err := t.overall(experiment.Base)
	if err != nil {
		return nil, err
	}
	head, err := t.overall(experiment.Head)
	return &armRequests{Name: "All requests", Base: base, Head: head, Rows: t.durations(nil)}, err
}

func (t trial) vetoedSlices() (all []vetoedSlice) {
	for _, b := range t.Blocks {
		for i, s := range b.Slices {
			if s.Veto != "" {
				all = append(all, vetoedSlice{b.Number + 1, i + 1, s.Arm, s.Veto})
			}
		}
	}
	return all
}

// armSettings are the settings of both arms, those that differ first.
func armSettings(base, head map[string]string) (all []armSetting) {
	names := map[string]bool{}
	for name := range base {
		names[name] = true
	}
	for name := range head {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		s := armSetting{Name: name, Base: none, Head: none}
		b, inBase := base[name]
		h, inHead := head[name]
		if inBase {
			s.Base = b
		}
		if inHead {
			s.Head = h
		}
		s.Differs = b != h || inBase != inHead
		all = append(all, s)
	}
	slices.SortStableFunc(all, func(a, b armSetting) int {
		switch {
		case a.Differs == b.Differs:
			return 0
		case a.Differs:
			return -1
		}
		return 1
	})
	return all
}

// Class is the CSS class of a gate: that of a run's gate.
func (g gateRow) Class() string { return g.Word() }

// Mark is the sign of what came of a gate.
func (g gateRow) Mark() string {
	return map[string]string{"held": "✓", "crossed": "✗", "unresolved": "?"}[g.Word()]
}

// Scale of a gate's bar: 120 pixels for changes up to twice the tolerance, or what its interval needs, to each side.
const (
	barCentre = 60
	barHalf   = 58
)

func (g gateRow) onBar(change float64) float64 {
	reach := max(2*g.Tolerance, min(max(-g.Low, g.High), largestChange))
	return fourDecimals(barCentre + barHalf*max(-1, min(change/reach, 1)))
}

// From and Width are the interval on the bar, At the estimate, and Limit the tolerance.
func (g gateRow) From() float64  { return g.onBar(g.Low) }
func (g gateRow) Width() float64 { return fourDecimals(max(1, g.onBar(g.High)-g.onBar(g.Low))) }
func (g gateRow) At() float64    { return fourDecimals(g.onBar(g.ExperimentGate.Change) - 1.5) }
func (g gateRow) Limit() float64 {
	if g.MoreIsBetter {
		return g.onBar(-g.Tolerance)
	}
	return g.onBar(g.Tolerance)
}

// Estimated reports whether there were enough blocks for an interval.
func (g gateRow) Estimated() bool { return estimated(g.ExperimentGate) }
