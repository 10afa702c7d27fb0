package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/perf/benchfmt"
)

// TestExport runs a scenario with every format of --export, on what looks like GitHub Actions, and reads each file as
// its readers do.
func TestExport(t *testing.T) {
	t.Parallel()
	file := scenario(t, service(t), closed, `http_req_duration: [p(95)<0.000001, p(95)<10000]`)
	p := headroom(t, "run", file, "--quiet", "--export", "junit=junit.xml", "--export", "markdown=run.md", "--export",
		"openmetrics=metrics.txt", "--export", "benchstat=bench.txt", "--export", "bencher=bencher.json", "--export",
		"action-benchmark=action.json", "--export", "json=summary.json")
	p.Env = append(os.Environ(), "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+filepath.Join(p.Dir, "step.md"))
	outcome := "FAIL"
	if p.crosses(t) {
		outcome = "INVALID"
	}
	read := func(name string) string { return text(t, filepath.Join(p.Dir, name)) }

	checkJUnit(t, read("junit.xml"))
	says(t, read("run.md"), "### "+outcome+": own",
		"| crossed | http_req_duration | p(95)&lt;0.000001 |", "| steady | root |")
	if step := read("step.md"); step != read("run.md")+"\n" {
		t.Errorf("the summary of the step:\n%s", step)
	}
	says(t, p.stdout.String(), "\n::error title=http_req_duration p(95)<0.000001::http_req_duration: required ")
	families, err := openMetrics(read("metrics.txt"))
	if err != nil || families["headroom_http_req_duration_seconds"] == 0 ||
		families["headroom_http_reqs_per_second"] == 0 {
		t.Errorf("OpenMetrics: %v, %v\n%s", families, err, read("metrics.txt"))
	}
	values := benchmarks(t, read("bench.txt"), "scenario")
	if len(values["own All p95-sec"]) != 1 || len(values["own Requests/name=root med-sec"]) != 1 {
		t.Errorf("benchstat: %v\n%s", values, read("bench.txt"))
	}
	checkSchema(t, bencherSchema, read("bencher.json"))
	checkSchema(t, actionSchema, read("action-smaller.json"))
	checkSchema(t, actionSchema, read("action-bigger.json"))
	says(t, read("bencher.json"), `"http_req_duration p(95)": {`, `"name=root"`)
	says(t, read("action-smaller.json"), `"name": "http_req_duration{name:root} p(95)"`)
	says(t, read("action-bigger.json"), `"name": "http_reqs rate"`)
	var summary struct{ Verdict struct{ Outcome string } }
	if err := json.Unmarshal([]byte(read("summary.json")), &summary); err != nil || summary.Verdict.Outcome != outcome {
		t.Errorf("json: %v, %+v", err, summary)
	}
}

// TestExportMistakes: what cannot be written is refused before anything is measured.
func TestExportMistakes(t *testing.T) {
	t.Parallel()
	file := scenario(t, service(t), closed, `http_reqs: count>0`)
	for name, tt := range map[string]struct {
		args []string
		say  string
	}{
		"format":       {[]string{"--export", "junitt=x.xml"}, `there is no format "junitt": use action-benchmark, `},
		"no file":      {[]string{"--export", "junit"}, "write FORMAT=FILE"},
		"empty file":   {[]string{"--export", "junit="}, "write FORMAT=FILE"},
		"no directory": {[]string{"--export", "junit=none/x.xml"}, "--export junit=none/x.xml: cannot write there"},
		"directory":    {[]string{"--export", "junit=."}, ". is a directory"},
		"twice": {
			[]string{"--export", "bencher=x-bigger.json", "--export", "action-benchmark=./x.json"},
			"x-bigger.json twice",
		},
		"several scenarios": {[]string{file, "--export", "junit=x.xml"}, "--export is for a single scenario"},
	} {
		t.Run(name, func(t *testing.T) {
			p := headroom(t, append([]string{"run", file}, tt.args...)...)
			p.exits(t, exitUsage)
			says(t, p.stderr.String(), tt.say)
			if found, _ := filepath.Glob(filepath.Join(p.Dir, "*")); len(found) > 0 {
				t.Errorf("it left %q", found)
			}
		})
	}
}

// junitElements is what the schema of Jenkins' xUnit plugin (junit-10.xsd) allows: of each element the children, the
// attributes that it must have, and those that it may have.
var junitElements = map[string]struct{ children, must, may []string }{
	"testsuites": {[]string{"testsuite"}, nil, []string{"name", "time", "tests", "failures", "errors"}},
	"testsuite": {
		[]string{"testsuite", "properties", "testcase", "system-out", "system-err"},
		[]string{"name", "tests", "failures", "errors"},
		[]string{"group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
	},
	"properties": {[]string{"property"}, nil, nil},
	"property":   {nil, []string{"name", "value"}, nil},
	"testcase": {
		[]string{"skipped", "error", "failure", "system-out", "system-err"},
		[]string{"name"},
		[]string{"time", "classname", "group"},
	},
	"skipped": {nil, nil, []string{"type", "message"}}, "error": {nil, nil, []string{"type", "message"}},
	"failure": {nil, nil, []string{"type", "message"}}, "system-out": {}, "system-err": {},
}

// checkJUnit holds a JUnit file to the schema, and that its counts are those of its cases.
func checkJUnit(t *testing.T, document string) {
	t.Helper()
	var open []string
	count, said := map[string]string{}, map[string]int{}
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			said[name]++
			allowed, known := junitElements[name]
			if !known || len(open) == 0 && name != "testsuites" ||
				len(open) > 0 && !slices.Contains(junitElements[open[len(open)-1]].children, name) {
				t.Errorf("<%s> within %q", name, open)
			}
			var has []string
			for _, a := range e.Attr {
				has = append(has, a.Name.Local)
				if name == "testsuite" {
					count[a.Name.Local] = a.Value
				}
			}
			for _, must := range allowed.must {
				if !slices.Contains(has, must) {
					t.Errorf("<%s> has no %s", name, must)
				}
			}
			for _, a := range has {
				if !slices.Contains(allowed.must, a) && !slices.Contains(allowed.may, a) {
					t.Errorf("<%s> has %s", name, a)
				}
			}
			open = append(open, name)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
	for attribute, element := range map[string]string{
		"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped",
	} {
		if number, err := json.Marshal(said[element]); err != nil || string(number) != count[attribute] {
			t.Errorf("%s=%q, and there are %d <%s>", attribute, count[attribute], said[element], element)
		}
	}
}

// openMetrics reads a text with the parser of Prometheus, and returns the number of samples of each family.
func openMetrics(text string) (map[string]int, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	samples := map[string]int{}
	for name, f := range families {
		samples[name] = len(f.Metric)
	}
	return samples, err
}

// benchmarks reads a file with benchstat's reader: the values by the file's configuration of a key, name and unit.
func benchmarks(t *testing.T, text, key string) map[string][]float64 {
	t.Helper()
	values := map[string][]float64{}
	reader := benchfmt.NewReader(strings.NewReader(text), "export")
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(r)
		case *benchfmt.Result:
			for _, v := range r.Values {
				unit := v.OrigUnit
				if unit == "" {
					unit = v.Unit
				}
				name := r.GetConfig(key) + " " + string(r.Name) + " " + unit
				values[name] = append(values[name], v.Value)
			}
		}
	}
	if err := reader.Err(); err != nil {
		t.Error(err)
	}
	return values
}

// bencherSchema asks for what https://bencher.dev/bmf.json asks for: benchmarks of measures of numbers, value being
// required.
const bencherSchema = `{"type": "object", "minProperties": 1, "additionalProperties": {"type": "object",
	"additionalProperties": {"type": "object", "required": ["value"], "additionalProperties": false,
	"properties": {"value": {"type": "number"}, "lower_value": {"type": "number"}, "upper_value": {"type": "number"}}}}}`

// actionSchema asks for what the README of github-action-benchmark says of its custom tools.
const actionSchema = `{"type": "array", "minItems": 1, "items": {"type": "object", "required": ["name", "unit", "value"],
	"additionalProperties": false, "properties": {"name": {"type": "string", "minLength": 1}, "unit": {"type": "string"},
	"value": {"type": "number"}, "range": {"type": "string"}, "extra": {"type": "string"}}}}`

func checkSchema(t *testing.T, schema, text string) {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = compiled.Validate(value)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}
