package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// ComparisonVersion is the version of the format of ComparisonJSON. Fields are only added within a version.
const ComparisonVersion = 1

// ComparisonJSON writes the content of ComparisonText for scripts. oldName and newName are the caller's names for the
// runs. Names and units are those of summary.json: times are milliseconds, rates are per second, shares are from 0 to
// 1:
//
//	version           1
//	comparable        true if both runs sent the same load and both are valid
//	reason            why they cannot be compared. For runs of different loads version, comparable and reason are the only fields.
//	                  If a run is not valid, each verdict is unknown.
//	old, new          path, name, started (RFC 3339), outcome, invalid (reasons), target
//	warnings[]        differences besides the service, and the warnings of both runs
//	worse, better     number of request figures that became worse or better
//	gates[]           metric, expression, unit, old and new (null where a run has no such gate), verdict, reason, change
//	requests[]        scenario, name, and for each of response_p50_ms, response_p95_ms, rate and failed_share: old, new, verdict, reason, change
//
// old and new hold value (null without data), samples and interval (null if there is none; low or high is null where
// that end is open). Those of gates also hold margin (null if undefined), passed, unresolved and not_reached. verdict
// is better, worse, same (the intervals overlap) or unknown (see reason). change is the relative change of the value,
// or the difference of a share; it is null if the verdict is same or a value is missing.
func ComparisonJSON(w io.Writer, c *judge.Comparison, oldName, newName string) error {
	doc := comparisonDoc{
		Version: ComparisonVersion, Comparable: c.Invalid == "", Reason: c.Invalid, Old: newRunCompared(c.Old, oldName),
		New:      newRunCompared(c.New, newName),
		Warnings: append([]string{}, c.Warnings...), Gates: []comparedGate{}, Requests: comparedRequests(c.Figures),
	}
	doc.Worse, doc.Better, _ = changed(c.Figures)
	for _, g := range c.Gates {
		doc.Gates = append(doc.Gates, newComparedGate(g))
	}
	return writeComparison(w, doc)
}

// NotComparableJSON writes the reason why two runs cannot be compared, in the format of ComparisonJSON.
func NotComparableJSON(w io.Writer, e *judge.NotAlikeError) error {
	return writeComparison(w, struct {
		Version    int    `json:"version"`
		Comparable bool   `json:"comparable"`
		Reason     string `json:"reason"`
	}{ComparisonVersion, false, e.Reason})
}

func writeComparison(w io.Writer, doc any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // p(95)<50 stays readable
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("draw the comparison: %w", err)
	}
	return nil
}

type comparisonDoc struct {
	Version    int               `json:"version"`
	Comparable bool              `json:"comparable"`
	Reason     string            `json:"reason,omitempty"`
	Old        runCompared       `json:"old"`
	New        runCompared       `json:"new"`
	Warnings   []string          `json:"warnings"`
	Worse      int               `json:"worse"`
	Better     int               `json:"better"`
	Gates      []comparedGate    `json:"gates"`
	Requests   []comparedRequest `json:"requests"`
}

type runCompared struct {
	Path    string          `json:"path"`
	Name    string          `json:"name"`
	Started time.Time       `json:"started"`
	Outcome results.Outcome `json:"outcome"`
	Invalid []string        `json:"invalid,omitempty"`
	Target  string          `json:"target"`
}

func newRunCompared(r *results.Run, path string) runCompared {
	return runCompared{
		path, r.Name, r.Measurements.Started.UTC(), r.Verdict.Outcome, r.Verdict.Invalid,
		r.Environment.Target,
	}
}

type comparedGate struct {
	Metric     string        `json:"metric"`
	Expression string        `json:"expression"`
	Unit       string        `json:"unit"`
	Old        *comparedSide `json:"old"`
	New        *comparedSide `json:"new"`
	verdictOn
}

// comparedSide is a gate in one of the runs.
type comparedSide struct {
	comparedFigure
	Margin     *float64 `json:"margin"`
	Passed     bool     `json:"passed"`
	Unresolved bool     `json:"unresolved,omitempty"`
	NotReached bool     `json:"not_reached,omitempty"`
}

func newComparedGate(c judge.GateChange) comparedGate {
	g := c.New
	if g == nil {
		g = c.Old
	}
	out := comparedGate{
		g.Metric, g.Expression, g.Unit, newComparedSide(c.Old, c.Difference.Old),
		newComparedSide(c.New, c.Difference.New),
		verdictOn{Verdict: "unknown"},
	}
	if c.Old != nil && c.New != nil {
		out.verdictOn = newVerdictOn(c.Difference)
	}
	return out
}

func newComparedSide(g *results.Gate, e judge.Estimate) *comparedSide {
	if g == nil {
		return nil
	}
	side := &comparedSide{newComparedFigure(e), nil, g.Passed, g.Unresolved, g.NotReached}
	if g.HasMargin() {
		side.Margin = &g.Margin
	}
	return side
}

type comparedRequest struct {
	Scenario string        `json:"scenario"`
	Name     string        `json:"name"`
	P50      *comparedPair `json:"response_p50_ms"`
	P95      *comparedPair `json:"response_p95_ms"`
	Rate     *comparedPair `json:"rate"`
	Failed   *comparedPair `json:"failed_share"`
}

// comparedPair is a figure of a request in both runs.
type comparedPair struct {
	Old comparedFigure `json:"old"`
	New comparedFigure `json:"new"`
	verdictOn
}

// comparedRequests groups the figures by request. The figures of one request are adjacent in changes.
func comparedRequests(changes []judge.FigureChange) []comparedRequest {
	all := []comparedRequest{}
	for _, c := range changes {
		if n := len(all); n == 0 || all[n-1].Scenario != c.Scenario || all[n-1].Name != c.Request {
			all = append(all, comparedRequest{Scenario: c.Scenario, Name: c.Request})
		}
		q := &all[len(all)-1]
		pair := &comparedPair{newComparedFigure(c.Old), newComparedFigure(c.New), newVerdictOn(c.Difference)}
		switch c.Figure {
		case "P50":
			q.P50 = pair
		case "P95":
			q.P95 = pair
		case "rate":
			q.Rate = pair
		case "failed":
			q.Failed = pair
		}
	}
	return all
}

type comparedFigure struct {
	Value    *float64          `json:"value"`
	Samples  int64             `json:"samples"`
	Interval *comparedInterval `json:"interval"`
}

type comparedInterval struct {
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

func newComparedFigure(e judge.Estimate) comparedFigure {
	f := comparedFigure{Samples: e.Samples}
	if e.Samples > 0 {
		f.Value = &e.Value
	}
	if hasEnd(e.Interval) {
		f.Interval = &comparedInterval{e.Interval.Low, e.Interval.High}
	}
	return f
}

// verdictOn is the verdict on one difference.
type verdictOn struct {
	Verdict string   `json:"verdict"`
	Reason  string   `json:"reason,omitempty"`
	Change  *float64 `json:"change"`
}

func newVerdictOn(d judge.Difference) verdictOn {
	v := verdictOn{Verdict: verdictWord(d), Reason: d.Incomparable}
	if by, ok := d.By(); ok && v.Verdict != "same" && d.Old.Samples > 0 && d.New.Samples > 0 {
		v.Change = &by
	}
	return v
}

func verdictWord(d judge.Difference) string {
	switch {
	case !d.Comparable:
		return "unknown"
	case d.Worse:
		return "worse"
	case d.Better:
		return "better"
	}
	return "same"
}
