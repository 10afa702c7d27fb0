package results

import (
	"time"

	"github.com/policycortex/headroom/results/experiment"
)

// ExperimentVersion is the version of the saved experiment's format.
const ExperimentVersion = 1

// Experiment is a paired experiment with everything needed to draw its report again and to repeat it.
type Experiment struct {
	Version     int           `json:"version"`
	Name        string        `json:"name"`
	Description string        `json:"description,omitempty"`
	Tool        Tool          `json:"tool"`
	Command     []string      `json:"command"` // as typed
	Scenario    Scenario      `json:"scenario"`
	Environment Environment   `json:"environment"`
	Base        ArmRecord     `json:"base"`
	Head        ArmRecord     `json:"head"`
	Design      DesignRecord  `json:"design"`
	Started     time.Time     `json:"started"`
	Elapsed     float64       `json:"elapsed_seconds"`
	Interrupted bool          `json:"interrupted,omitempty"`
	Blocks      []BlockRecord `json:"blocks"`

	// Outcome is PASS, FAIL, UNRESOLVED or INVALID; Reasons say why, where the gates do not.
	Outcome Outcome  `json:"outcome"`
	Reasons []string `json:"reasons,omitempty"`
	// Gates are in the order of the scenario; the last one, Guard, is that of failed requests.
	Gates []ExperimentGate `json:"gates"`
	// Figures are all of which at least two blocks have a value, gated or not, in alphabetical order.
	Figures  []ExperimentFigure `json:"figures"`
	Requests []ArmRequests      `json:"requests"` // by arm and name
	Warnings []string           `json:"warnings,omitempty"`
}

// ArmRecord is what an arm was.
type ArmRecord struct {
	Kind     string `json:"kind"`               // revision, working tree, command, image, url
	Label    string `json:"label"`              // for people: main, "working tree", the command, ...
	Revision string `json:"revision,omitempty"` // the full hash
	Subject  string `json:"subject,omitempty"`  // of its commit
	Dirty    bool   `json:"dirty,omitempty"`    // the working tree has changes beyond the revision
	Command  string `json:"command,omitempty"`
	Image    string `json:"image,omitempty"`
	URL      string `json:"url,omitempty"`
	// Settings are those in force in the reference server; nil of any other service.
	Settings map[string]string `json:"settings,omitempty"`
}

// DesignRecord is how the experiment was to be carried out and judged.
type DesignRecord struct {
	Seed     uint64 `json:"seed"`
	Restarts bool   `json:"restarts"` // both arms were started anew for each block
	// ArmCPUs are the CPUs that the arms' processes were kept on, the generator being on others; empty: all.
	ArmCPUs   []int   `json:"arm_cpus,omitempty"`
	Warmup    float64 `json:"warmup_seconds"`
	Discard   float64 `json:"discard_seconds"`
	Measure   float64 `json:"measure_seconds"`
	MaxTime   float64 `json:"max_time_seconds"`
	MaxBlocks int     `json:"max_blocks"`
	Alpha     float64 `json:"alpha"`
	Miss      float64 `json:"miss"`
	Looks     []int   `json:"looks"` // after how many blocks it was to be looked at
}

// BlockRecord is a block with when it was.
type BlockRecord struct {
	experiment.Block
	At      float64 `json:"at_seconds"` // of its start, since the experiment's
	Seconds float64 `json:"seconds"`
}

// ExperimentGate is a gate with what is known of it at the end and what was known after each block.
type ExperimentGate struct {
	experiment.GateState
	Source   string `json:"source"` // as written: p(95)<+5%
	Metric   string `json:"metric"` // with its selector
	Unit     string `json:"unit"`
	Guard    bool   `json:"guard,omitempty"`     // it is judged beside the family: see docs/experiments.md
	TooNoisy bool   `json:"too_noisy,omitempty"` // the tolerance could not be found in the blocks that there were to be
	// Smallest is the smallest change for the worse that the planned blocks find with a probability of 90 %, and Needed
	// the blocks with which the tolerance is found as surely.
	Smallest float64     `json:"smallest_change"`
	Needed   int         `json:"blocks_needed"`
	Course   []GatePoint `json:"course"`
}

// GatePoint is what was known of a gate after a block, from the second one on. All values are changes: 0.05 for 5 %
// more. The bounds of early looks lie far out; they are cut at ±1000.
type GatePoint struct {
	Blocks      int     `json:"blocks"` // that were judged
	Value       float64 `json:"value"`  // of this block alone
	Change      float64 `json:"change"`
	Low         float64 `json:"low"`
	High        float64 `json:"high"`
	FailsFrom   float64 `json:"fails_from"`
	PassesBelow float64 `json:"passes_below"`
}

// ExperimentFigure is a figure of both arms.
type ExperimentFigure struct {
	experiment.Estimate
	Metric       string            `json:"metric"`
	Tags         map[string]string `json:"tags,omitempty"`
	Statistic    string            `json:"statistic"` // p(95), rate, value
	Unit         string            `json:"unit"`
	MoreIsBetter bool              `json:"more_is_better,omitempty"`
}

// ArmRequests is what the requests of one name met in one arm, over all slices that count.
type ArmRequests struct {
	Arm      experiment.Arm `json:"arm"`
	Scenario string         `json:"scenario"`
	Name     string         `json:"name"`
	Requests int64          `json:"requests"`
	Failed   int64          `json:"failed"`
	// Response counts from the intended send instant to the last byte of the answer.
	Response *Histogram `json:"-"`
}
