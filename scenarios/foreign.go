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
		regexp.MustCompile(
			`(?m)^(import\s[^\n]*['"]k6(/[^'"]*)?['"]|export\s+(default\s+(async\s+)?function|(const|let|var)\s+options)\b|(const|let|var)\s[^\n]*\brequire\(['"]k6)`),
		"a k6 script",
		"headroom import FILE makes one of it",
	},
	{
		regexp.MustCompile(`^\s*<(\?xml|jmeterTestPlan)`), "XML, such as a plan of JMeter",
		"headroom import FILE makes one of a plan of JMeter",
	},
	{
		regexp.MustCompile(`(?m)^(from|import) locust\b`), "a Locust file",
		"write its tasks under requests, with their weights: see docs/scenarios.md",
	},
	{
		regexp.MustCompile(`^\s*\{\s*"log"\s*:\s*\{`), "a HAR file",
		replayIt + ", or headroom import FILE makes one of its requests",
	},
	{
		regexp.MustCompile(`^\s*\{[\s\S]{0,500}?"(_postman_id|schema)"\s*:\s*"[^"]*(getpostman\.com|[0-9a-f]{8}-)`),
		"a collection of Postman", "headroom import FILE makes one of it",
	},
	{
		regexp.MustCompile(`^(#[^\n]*\n|\s*\n|---\n)*\s*\{?\s*["']?(openapi|swagger)["']?\s*:\s*["']?[23]\.`),
		"an OpenAPI document", "headroom import FILE makes one of it",
	},
	{regexp.MustCompile(`^(#[^\n]*\n|\s*\n)*(\$ )?curl\s`), "a curl command", "headroom import FILE makes one of it"},
	{regexp.MustCompile(`^\S+ \S+ \S+ \[\d\d/\w{3}/\d{4}:`), "an access log", replayIt},
	{regexp.MustCompile(`^[A-Z]+ https?://`), "a target file of vegeta", "give it to headroom attack -targets"},
	{
		regexp.MustCompile(
			`^\s*\{[^\n]*"(StartUTC|start_time|EdgeStartTimestamp|time|ts|timestamp|@timestamp|time_iso8601|time_local|msec)"\s*:[^\n]*\}\s*(\n|$)`),
		"an access log of JSON lines", replayIt,
	},
	{
		regexp.MustCompile(`^\s*\{[^\n]*("method"\s*:[^\n]*"url"|"url"\s*:[^\n]*"method")\s*:[^\n]*\}\s*(\n|$)`),
		"a target file of vegeta", "give it to headroom attack -format json -targets, or " + replayIt +
			", format: vegeta-json",
	},
	{
		regexp.MustCompile(
			`^\s*\{\s*"version"\s*:\s*\d+,\s*"name"\s*:[^\n]*\s*("description"\s*:[^\n]*\s*)?"tool"\s*:`),
		"a saved run", "headroom report draws its report again, and jq -r .scenario.text FILE writes its scenario",
	},
	{
		regexp.MustCompile(`^\x1f[^\x00-\x7f]\x08`), // a byte that is not UTF-8 matches as such a character
		"compressed by gzip", "if it is a recording, name it in one as it is: executor: replay, file: FILE; " +
			"otherwise gunzip it",
	},
	{regexp.MustCompile(`^PK\x03\x04`), "a ZIP archive or a spreadsheet", "unpack it, or save it as text"},
}

var scenarioKey = regexp.MustCompile(`^\s*\{[^\n]*["']?scenarios["']?\s*:\s*\{`)

const replayIt = "name it in one: executor: replay, file: FILE"

// checkForeign reports a file that is of another program.
func (r *reader) checkForeign(src []byte) {
	if scenarioKey.Match(src) { // in JSON, as which a scenario may be written
		return
	}
	for _, f := range foreign {
		if at := f.pattern.FindIndex(src); at != nil {
			r.faultAt(place{line: 1 + bytes.Count(src[:at[0]], []byte("\n")), column: 1}, f.hint,
				"this is %s, and a scenario is YAML", f.what)
			return
		}
	}
}
