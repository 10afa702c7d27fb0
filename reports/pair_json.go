package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
)

// ComparisonVersion is the version of the format of PairJSON and ComparisonJSON. Within a version, fields are only
// added.
const ComparisonVersion = 2

// PairJSON writes the content of PairText for scripts. oldName and newName are the caller's names for the
// runs. Names and units are those of summary.json: times are milliseconds, rates are per second, shares are from 0 to
// 1:
//
//	version           2
//	judged            false: one run on each side is no experiment, and nothing is called worse or better
//	note              why
//	comparable        true if both runs sent the same load and both are valid
//	reason            why they cannot be compared. For runs of different loads version, comparable and reason are the only fields.
//	                  If a run is not valid, each finding is unknown.
//	old, new          path, name, started (RFC 3339), outcome, invalid (reasons), target
//	warnings[]        differences besides the service, and the warnings of both runs
//	differing         number of request figures that differ
//	gates[]           metric, expression, unit, old and new (null where a run has no such gate), finding, reason, change
//	requests[]        scenario, name, and for each of response_p50_ms, response_p95_ms, rate and failed_share: old, new, finding, reason, change
//
// old and new hold value (null without data), samples and interval (null if there is none; low or high is null where
// that end is open). Those of gates also hold margin (null if undefined), passed, unresolved and not_reached. finding
// is differs, overlaps (so do the intervals) or unknown (see reason). change is the relative change of the value, or
// the difference of a share; it is null if the finding is overlaps or a value is missing.
func PairJSON(w io.Writer, c *judge.Pair, oldName, newName string) error {
	doc := pairDoc{
		Version: ComparisonVersion, Note: judge.OneRunEach, Comparable: c.Invalid == "", Reason: c.Invalid,
		Old: newRunCompared(c.Old, oldName), New: newRunCompared(c.New, newName),
		Warnings: append([]string{}, c.Warnings...), Gates: []comparedGate{}, Requests: comparedRequests(c.Figures),
	}
	doc.Differing, _ = differing(c.Figures)
	for _, g := range c.Gates {
		doc.Gates = append(doc.Gates, newComparedGate(g))
	}
	return writeComparison(w, doc)
}

// NotComparableJSON writes the reason why two runs cannot be compared, in the format of PairJSON and ComparisonJSON.
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

type pairDoc struct {
	Version    int               `json:"version"`
	Judged     bool              `json:"judged"`
	Note       string            `json:"note"`
	Comparable bool              `json:"comparable"`
	Reason     string            `json:"reason,omitempty"`
	Old        runCompared       `json:"old"`
	New        runCompared       `json:"new"`
	Warnings   []string          `json:"warnings"`
	Differing  int               `json:"differing"`
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
	finding
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
		finding{Finding: "unknown"},
	}
	if c.Old != nil && c.New != nil {
		out.finding = newFinding(c.Difference)
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
	finding
}

// comparedRequests groups the figures by request. The figures of one request are adjacent in changes.
func comparedRequests(changes []judge.FigureChange) []comparedRequest {
	all := []comparedRequest{}
	for _, c := range changes {
		if n := len(all); n == 0 || all[n-1].Scenario != c.Scenario || all[n-1].Name != c.Request {
			all = append(all, comparedRequest{Scenario: c.Scenario, Name: c.Request})
		}
		q := &all[len(all)-1]
		pair := &comparedPair{newComparedFigure(c.Old), newComparedFigure(c.New), newFinding(c.Difference)}
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

// finding is what is known of one difference.
type finding struct {
	Finding string   `json:"finding"`
	Reason  string   `json:"reason,omitempty"`
	Change  *float64 `json:"change"`
}

func newFinding(d judge.Difference) finding {
	v := finding{Finding: findingWord(d), Reason: d.Incomparable}
	if by, ok := d.By(); ok && v.Finding != "overlaps" && d.Old.Samples > 0 && d.New.Samples > 0 {
		v.Change = &by
	}
	return v
}

func findingWord(d judge.Difference) string {
	switch {
	case !d.Comparable:
		return "unknown"
	case d.Differs:
		return "differs"
	}
	return "overlaps"
}
