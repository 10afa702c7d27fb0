package reports

import (
	"encoding/xml"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/policycortex/headroom/results"
)

// validity is the name of the test case that fails when the measurement is not valid.
const validity = "measurement is valid"

// success is the name of the test case that fails when nothing succeeded.
const success = "requests succeed"

// JUnit writes the verdict as a JUnit file for Jenkins and GitLab. The run is a test suite and each gate is a test
// case. One more case says whether the measurement is valid: if it is not, the gates are skipped. An unresolved gate is
// an error, and a gate that was not reached is skipped. A judged gate has its figures as output. If no request of the
// run or of a scenario succeeded, another case fails. The class of every test case is the name of the scenario file.
func JUnit(w io.Writer, r *results.Run) error {
	requests, err := r.Measurements.ByRequest()
	if err != nil {
		return fmt.Errorf("draw %s: %w", JUnitFile, err)
	}
	suite := runSuite(r)
	suite.Properties = append(suite.Properties, checkProperties(requests)...)
	return suite.write(w)
}

type junitSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	Name    string   `xml:"name,attr"`
	junitCounts
	Suites []junitSuite `xml:"testsuite"`
}

type junitCounts struct {
	Tests    int    `xml:"tests,attr"`
	Failures int    `xml:"failures,attr"`
	Errors   int    `xml:"errors,attr"`
	Time     string `xml:"time,attr"` // seconds
}

type junitSuite struct {
	Name string `xml:"name,attr"`
	junitCounts
	Skipped    int             `xml:"skipped,attr"`
	Timestamp  string          `xml:"timestamp,attr"` // UTC, without a zone, as the schema wants it
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
	Stderr     string          `xml:"system-err,omitempty"` // why requests failed
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name    string       `xml:"name,attr"`
	Class   string       `xml:"classname,attr"`
	Time    string       `xml:"time,attr"`
	Skipped *junitDetail `xml:"skipped"`
	Error   *junitDetail `xml:"error"`
	Failure *junitDetail `xml:"failure"`
	Output  string       `xml:"system-out,omitempty"`
}

type junitDetail struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// newSuite is a suite of what began at an instant and took so many seconds. It has no cases yet.
func newSuite(name string, started time.Time, seconds float64, properties ...junitProperty) junitSuite {
	s := junitSuite{Name: name, Timestamp: started.UTC().Format("2006-01-02T15:04:05"), Properties: properties}
	s.Time = strconv.FormatFloat(seconds, 'f', 3, 64)
	return s
}

// write writes a document with the suite alone.
func (s junitSuite) write(w io.Writer) error {
	doc := junitSuites{Name: "headroom", junitCounts: s.junitCounts, Suites: []junitSuite{s}}
	out, err := xml.MarshalIndent(doc, "", "  ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, out)
	}
	if err != nil {
		return fmt.Errorf("draw %s: %w", JUnitFile, err)
	}
	return nil
}

func runSuite(r *results.Run) junitSuite {
	class := classOf(r.Scenario.File, r.Name)
	suite := newSuite(r.Name, r.Measurements.Started, r.Measurements.Elapsed,
		junitProperty{"seed", strconv.FormatUint(r.Scenario.Seed, 10)},
		junitProperty{"target", r.Environment.Targets()}, junitProperty{"headroom", r.Tool.Version})
	suite.Cases = []junitCase{validityCase(r.Verdict, class)}
	if causes := append(whyFailed(&r.Measurements), skipTexts(&r.Measurements)...); len(causes) > 0 {
		suite.Stderr = "why requests failed:\n" + strings.Join(causes, "\n")
	}
	invalid := r.Verdict.Outcome == results.Invalid
	if failed := r.Verdict.Failed; len(failed) > 0 && !invalid {
		suite.Cases = append(suite.Cases, junitCase{
			Name: success, Class: class, Time: "0",
			Failure: &junitDetail{Message: strings.Join(failed, "; "), Type: "nothing succeeded"},
		})
	}
	for _, g := range r.Verdict.Gates {
		suite.Cases = append(suite.Cases, gateCase(g, class, invalid))
	}
	for _, c := range suite.Cases {
		c.explain(suite.Stderr)
		suite.count(c)
	}
	return suite
}

// add adds a case to the suite.
func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.count(c)
}

func (s *junitSuite) count(c junitCase) {
	s.Tests++
	switch {
	case c.Error != nil:
		s.Errors++
	case c.Failure != nil:
		s.Failures++
	case c.Skipped != nil:
		s.Skipped++
	}
}

// explain adds the causes of failed requests to a failed case: GitLab shows only the cases of a suite.
func (c junitCase) explain(why string) {
	for _, detail := range []*junitDetail{c.Error, c.Failure} {
		if detail != nil && why != "" {
			detail.Text = strings.TrimPrefix(detail.Text+"\n"+why, "\n")
		}
	}
}

// classOf is the name of a scenario file without directories and extension, which Jenkins would take for a package;
// else the name given.
func classOf(file, name string) string {
	file = filepath.Base(filepath.ToSlash(file))
	if class := strings.TrimSuffix(file, filepath.Ext(file)); class != "" {
		return class
	}
	return name
}

func validityCase(v results.Verdict, class string) junitCase {
	c := junitCase{Name: validity, Class: class, Time: "0"}
	if v.Outcome == results.Invalid {
		c.Error = &junitDetail{Message: headline(v), Type: "invalid measurement", Text: strings.Join(v.Invalid, "\n")}
	}
	return c
}

func gateCase(g results.Gate, class string, invalid bool) junitCase {
	c := junitCase{Name: g.Metric + ": " + g.Expression, Class: class, Time: "0"}
	switch {
	case invalid:
		c.Skipped = &junitDetail{Message: "not judged: the measurement is not valid"}
	case g.NotReached:
		c.Skipped = &junitDetail{Message: g.Reason}
	case g.Unresolved:
		c.Error = &junitDetail{Message: gateSentence(g), Type: "threshold unresolved"}
	case !g.Passed:
		c.Failure = &junitDetail{Message: gateSentence(g), Type: "threshold " + gateWord(g), Text: gateFigures(g)}
	default:
		c.Output = gateFigures(g)
	}
	return c
}

// gateFigures are the figures of a gate, one per line.
func gateFigures(g results.Gate) string {
	text := fmt.Sprintf("actual: %s\n95 %% interval: %s\ntarget: %s %s\nmargin: %s\nsamples: %d%s",
		gateActual(g), gateInterval(g), g.Op, gateTarget(g), gateMargin(g), g.Samples, within("\nwindow: ", g))
	if g.Unsteady != "" {
		text += "\n" + g.Unsteady
	}
	return text
}
