package export

import (
	"fmt"
	"io"
	"strings"
)

// Annotation is a message that GitHub Actions shows beside the log and on the summary of a run.
type Annotation struct {
	Level   Level
	Title   string
	Message string
}

// Level is how grave an annotation is.
type Level string

// The levels of GitHub.
const (
	Error   Level = "error"
	Warning Level = "warning"
	Notice  Level = "notice"
)

// mostAnnotations is how many annotations of a level GitHub shows for one step.
const mostAnnotations = 10

// Annotate writes workflow commands for the annotations, at most 10 of each level: give the worst first. What is left
// out is counted in one message more.
func Annotate(w io.Writer, annotations []Annotation) error {
	count := map[Level]int{}
	for _, a := range annotations {
		count[a.Level]++
	}
	written := map[Level]int{}
	for _, a := range annotations {
		room := mostAnnotations
		if count[a.Level] > room {
			room-- // the last one says how many more there are
		}
		if written[a.Level] == mostAnnotations {
			continue
		}
		if written[a.Level] == room {
			a = Annotation{a.Level, "more", fmt.Sprintf("%d more are in the report", count[a.Level]-room)}
		}
		written[a.Level]++
		if _, err := fmt.Fprintf(w, "::%s title=%s::%s\n", a.Level, escapeProperty.Replace(a.Title),
			escapeData.Replace(a.Message)); err != nil {
			return err
		}
	}
	return nil
}

// What GitHub's runner decodes in the message and in the properties of a workflow command.
var (
	escapeData     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// MostSummary is the most bytes that GitHub takes for the summary of a step.
const MostSummary = 1 << 20

// Summary cuts a Markdown text to what GitHub takes for the summary of a step, at the end of a line, and says so.
func Summary(markdown string) string {
	const cut = "\n\nThe rest is in the report: GitHub takes 1 MiB.\n"
	if len(markdown) <= MostSummary {
		return markdown
	}
	kept := markdown[:MostSummary-len(cut)]
	if i := strings.LastIndexByte(kept, '\n'); i >= 0 {
		kept = kept[:i]
	}
	return kept + cut
}
