package scenarios

import (
	"bytes"
	"regexp"
)

// foreign are files that are given for a scenario, by what tells them from one, and what to do with them.
var foreign = []struct {
	pattern    *regexp.Regexp
	what, hint string
}{
	{
		regexp.MustCompile(`(?m)^(import\s[^\n]*['"]k6(/[^'"]*)?['"]|export\s+(default\s+(async\s+)?function|(const|let|var)\s+options)\b|(const|let|var)\s[^\n]*\brequire\(['"]k6)`),
		"it is a k6 script, and a scenario is YAML",
		"its scenarios and thresholds have the same words here, and each call of http is one of requests: see docs/scenarios.md",
	},
	{
		regexp.MustCompile(`^\s*<(\?xml|jmeterTestPlan)`), "it is XML, such as a plan of JMeter, and a scenario is YAML",
		"write what it sends under scenarios: see docs/scenarios.md",
	},
	{
		regexp.MustCompile(`(?m)^(from|import) locust\b`), "it is a Locust file, and a scenario is YAML",
		"write its tasks under requests, with their weights: see docs/scenarios.md",
	},
	{regexp.MustCompile(`^\s*\{\s*"log"\s*:\s*\{`), "it is a HAR file, and a scenario is YAML", replayIt},
	{regexp.MustCompile(`^\S+ \S+ \S+ \[\d\d/\w{3}/\d{4}:`), "it is an access log, and a scenario is YAML", replayIt},
	{regexp.MustCompile(`^[A-Z]+ https?://`), "it is a target file of vegeta, and a scenario is YAML", "give it to headroom attack -targets"},
}

const replayIt = "name it in one: executor: replay, file: FILE"

// checkForeign reports a file that is of another program.
func (r *reader) checkForeign(src []byte) {
	for _, f := range foreign {
		if at := f.pattern.FindIndex(src); at != nil {
			r.faultAt(place{line: 1 + bytes.Count(src[:at[0]], []byte("\n")), column: 1}, f.hint, "%s", f.what)
			return
		}
	}
}
