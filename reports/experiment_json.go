package reports

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// ExperimentSummaryVersion is the version of the format of an experiment's summary.json. Fields are only added within a
// version.
const ExperimentSummaryVersion = 1

// ExperimentSummaryJSON writes the experiment's result for scripts. Changes, tolerances and noise are shares: 0.05 for
// 5 %. Numbers have six significant digits.
//
//	version, kind     1, "experiment"
//	name, started (RFC 3339), elapsed_seconds, interrupted, seed, tool
//	outcome           PASS, FAIL, UNRESOLVED or INVALID
//	headline          the first line of the text
//	reasons, warnings texts
//	base, head        what the arms were: kind, label, revision, subject, dirty, command, image, url
//	blocks            measured, planned, vetoed_pairs, pairs
//	gates[]           metric, expression, figure, unit, guard, tolerance, more_is_better, verdict (PASS, FAIL, UNRESOLVED), base, head (null where
//	  not known), change, low, high (the 95 % interval of a single look), noise (of a block), p, smallest_change, blocks_needed
//	requests[]        scenario, name, and for base and head: requests, failed
//	figures[]         figure, metric, tags, statistic, unit, more_is_better, base, head, change, low, high, noise, pair_noise, blocks
//	vetoes[]          example (of a reason), slices
func ExperimentSummaryJSON(w io.Writer, e *results.Experiment) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // p(95)<+5% stays readable
	enc.SetIndent("", "  ")
	if err := enc.Encode(newTrialSummary(newTrial(e))); err != nil {
		return fmt.Errorf("draw %s: %w", SummaryFile, err)
	}
	return nil
}

type trialSummary struct {
	Version     int               `json:"version"`
	Kind        string            `json:"kind"`
	Name        string            `json:"name"`
	Started     time.Time         `json:"started"`
	Elapsed     number            `json:"elapsed_seconds"`
	Interrupted bool              `json:"interrupted"`
	Seed        uint64            `json:"seed"`
	Tool        results.Tool      `json:"tool"`
	Outcome     results.Outcome   `json:"outcome"`
	Headline    string            `json:"headline"`
	Reasons     []string          `json:"reasons,omitempty"`
	Warnings    []string          `json:"warnings,omitempty"`
	Base        results.ArmRecord `json:"base"`
	Head        results.ArmRecord `json:"head"`
	Blocks      trialBlocks       `json:"blocks"`
	Gates       []trialGate       `json:"gates"`
	Requests    []trialRequests   `json:"requests"`
	Figures     []trialFigure     `json:"figures"`
	Vetoes      []vetoCause       `json:"vetoes,omitempty"`
}

// number is written with six significant digits: what is beyond them differs between processors.
type number float64

// MarshalJSON implements [json.Marshaler].
func (n number) MarshalJSON() ([]byte, error) {
	const digits = 6
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(float64(n), 'g', digits, 64), 64)
	if err != nil {
		return nil, err
	}
	return json.Marshal(rounded)
}

type trialBlocks struct {
	Measured    int `json:"measured"`
	Planned     int `json:"planned"`
	VetoedPairs int `json:"vetoed_pairs"`
	Pairs       int `json:"pairs"`
}

type trialGate struct {
	Metric       string              `json:"metric"`
	Expression   string              `json:"expression"`
	Figure       string              `json:"figure"`
	Unit         string              `json:"unit"`
	Guard        bool                `json:"guard,omitempty"`
	Tolerance    number              `json:"tolerance"`
	MoreIsBetter bool                `json:"more_is_better,omitempty"`
	Verdict      experiment.Decision `json:"verdict"`
	Base         *number             `json:"base"`
	Head         *number             `json:"head"`
	trialChange
	P        number `json:"p"`
	Smallest number `json:"smallest_change"`
	Needed   int    `json:"blocks_needed"`
}

type trialChange struct {
	Change number `json:"change"`
	Low    number `json:"low"`
	High   number `json:"high"`
	Noise  number `json:"noise"`
}

type trialRequests struct {
	Scenario string      `json:"scenario"`
	Name     string      `json:"name"`
	Base     trialCounts `json:"base"`
	Head     trialCounts `json:"head"`
}

type trialCounts struct {
	Requests int64 `json:"requests"`
	Failed   int64 `json:"failed"`
}

type trialFigure struct {
	Figure       string            `json:"figure"`
	Metric       string            `json:"metric"`
	Tags         map[string]string `json:"tags,omitempty"`
	Statistic    string            `json:"statistic"`
	Unit         string            `json:"unit"`
	MoreIsBetter bool              `json:"more_is_better,omitempty"`
	Base         number            `json:"base"`
	Head         number            `json:"head"`
	trialChange
	PairNoise number `json:"pair_noise"`
	Blocks    int    `json:"blocks"`
}

func newTrialSummary(t trial) trialSummary {
	vetoed, all := t.pairs()
	s := trialSummary{
		Version: ExperimentSummaryVersion, Kind: "experiment", Name: t.Name, Started: t.Started,
		Elapsed: number(t.Elapsed), Interrupted: t.Interrupted, Seed: t.Design.Seed, Tool: t.Tool, Outcome: t.Outcome,
		Headline: t.headline(), Reasons: t.reasonsOf(), Warnings: t.Warnings, Base: t.Base, Head: t.Head,
		Blocks: trialBlocks{len(t.Blocks), t.Design.MaxBlocks, vetoed, all},
		Gates:  []trialGate{}, Requests: []trialRequests{}, Figures: []trialFigure{}, Vetoes: t.vetoCauses(),
	}
	s.Base.Settings, s.Head.Settings = nil, nil
	for _, g := range t.Gates {
		row := trialGate{
			Metric: g.Metric, Expression: g.Source, Figure: g.Figure, Unit: g.Unit, Guard: g.Guard,
			Tolerance: number(g.Tolerance), MoreIsBetter: g.MoreIsBetter, Verdict: g.Decision,
			trialChange: trialChange{number(g.Change), number(g.Low), number(g.High), number(g.Noise)},
			P:           number(g.P), Smallest: number(g.Smallest), Needed: g.Needed,
		}
		if f := t.byFigure[g.Figure]; f != nil {
			row.Base, row.Head = new(number(f.Base)), new(number(f.Head))
		}
		s.Gates = append(s.Gates, row)
	}
	for _, r := range t.requests() {
		s.Requests = append(s.Requests, trialRequests{
			Scenario: r.Scenario, Name: r.Name, Base: trialCounts{r.Base.Requests, r.Base.Failed},
			Head: trialCounts{r.Head.Requests, r.Head.Failed},
		})
	}
	for _, f := range t.Figures {
		s.Figures = append(s.Figures, trialFigure{
			Figure: f.Figure, Metric: f.Metric, Tags: f.Tags, Statistic: f.Statistic, Unit: f.Unit,
			MoreIsBetter: f.MoreIsBetter, Base: number(f.Base), Head: number(f.Head),
			trialChange: trialChange{number(f.Change), number(f.Low), number(f.High), number(f.Noise)},
			PairNoise:   number(f.PairNoise), Blocks: f.Blocks,
		})
	}
	return s
}
