package reports

import (
	"io"
	"strconv"
	"strings"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/experiment"
)

// verdictCase is the name of the test case of an outcome that no gate has.
const verdictCase = "experiment"

// ExperimentJUnit writes the experiment as a JUnit file for Jenkins and GitLab: a test suite with a test case for each
// gate. A gate that failed is a failure, an unresolved one is skipped with what would resolve it, and each gate of an
// experiment that is not valid is an error. An experiment that did not pass for a reason that no gate has gets a case
// of its own. The class of every case is the name of the scenario file.
func ExperimentJUnit(w io.Writer, e *results.Experiment) error {
	t := newTrial(e)
	suite := newSuite(t.Name, t.Started, t.Elapsed, junitProperty{"seed", strconv.FormatUint(t.Design.Seed, 10)},
		junitProperty{"base", armText(t.Base)}, junitProperty{"head", armText(t.Head)},
		junitProperty{"blocks", strconv.Itoa(len(t.Blocks))}, junitProperty{"headroom", t.Tool.Version})
	class := classOf(t.Scenario.File, t.Name)
	for _, g := range t.Gates {
		suite.add(t.gateCase(g, class))
	}
	noGateSays := map[results.Outcome]bool{
		results.Fail: suite.Failures == 0, results.Invalid: suite.Errors == 0, results.Unresolved: suite.Skipped == 0,
	}
	if noGateSays[t.Outcome] {
		suite.add(t.outcomeCase(class))
	}
	return suite.write(w)
}

func (t trial) gateCase(g results.ExperimentGate, class string) junitCase {
	c := junitCase{Name: g.Metric + ": " + g.Source, Class: class, Time: "0"}
	text := gateName(g) + ": too few blocks count"
	if estimated(g) {
		text = t.described(g)
	}
	switch {
	case t.Outcome == results.Invalid:
		c.Error = &junitDetail{Message: t.headline(), Type: "invalid measurement"}
	case g.Decision == experiment.Failed:
		message := t.complaint(g) + ": " + text
		if name := t.blame(g); name != "" {
			message += "; " + name
		}
		c.Failure = &junitDetail{Message: message, Type: "regression", Text: t.gateFigures(g)}
	case g.Decision == experiment.Passed:
		c.Output = text + "\n" + t.gateFigures(g)
	default:
		if estimated(g) {
			text += "; " + t.finds(g)
		}
		c.Skipped = &junitDetail{Message: "unresolved: " + text}
	}
	return c
}

// gateFigures are the figures of a gate, one a line.
func (t trial) gateFigures(g results.ExperimentGate) string {
	return strings.Join([]string{
		"tolerance: " + shareText(g.Tolerance), "noise of a block: " + shareText(g.Noise),
		"smallest change to be found: " + smallestText(g), "blocks: " + strconv.Itoa(len(t.Blocks)),
	}, "\n")
}

// outcomeCase says why the experiment did not pass.
func (t trial) outcomeCase(class string) junitCase {
	c := junitCase{Name: verdictCase, Class: class, Time: "0"}
	switch t.Outcome {
	case results.Fail:
		c.Failure = &junitDetail{Message: t.headline(), Type: "regression"}
	case results.Invalid:
		c.Error = &junitDetail{Message: t.headline(), Type: "invalid measurement"}
	default:
		c.Skipped = &junitDetail{Message: "unresolved: " + t.headline()}
	}
	return c
}
