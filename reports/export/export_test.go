package export

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/perf/benchfmt"
)

func end(v float64) *float64 { return &v }

var figures = []Figure{
	{
		Metric: "http_req_duration", Statistic: "p(95)", Value: 12.3456789, Unit: "ms", Low: end(11.9), High: end(13),
		Samples: 4000,
	},
	{Metric: "http_req_duration", Statistic: "med", Value: 2, Unit: "ms", Samples: 4000},
	{
		Metric: "http_req_duration", Tags: map[string]string{"name": `odd "name" \ of`, "scenario": "hot"},
		Statistic: "p(95)", Value: 3.5, Unit: "ms", Samples: 100,
	},
	{Metric: "http_reqs", Statistic: "rate", Value: 10500.25, Unit: "1/s", MoreIsBetter: true},
	{Metric: "cpu_per_request", Statistic: "value", Value: 0.0000412, Unit: "s"},
	{Metric: "data_received", Statistic: "count", Value: 1e9, Unit: "bytes"},
	{Metric: "http_req_failed", Statistic: "rate", Value: 0},
}

// TestOpenMetrics reads the text with the parser of Prometheus, and holds it to what OpenMetrics asks for beyond it.
func TestOpenMetrics(t *testing.T) {
	var out bytes.Buffer
	if err := OpenMetrics(&out, figures); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.HasSuffix(text, "\n# EOF\n") || strings.Count(text, "# EOF") != 1 {
		t.Errorf("the end is not marked:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "# UNIT "); ok {
			if name, unit, _ := strings.Cut(strings.TrimSpace(rest), " "); !strings.HasSuffix(name, "_"+unit) {
				t.Errorf("the name %s does not end in its unit %s", name, unit)
			}
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	duration := families["headroom_http_req_duration_seconds"]
	if duration == nil || len(duration.Metric) != 3 || duration.GetType() != dto.MetricType_GAUGE {
		t.Fatalf("http_req_duration: %v", duration)
	}
	if v := duration.Metric[0].GetGauge().GetValue(); v != 0.012346 {
		t.Errorf("p(95) is %v s", v)
	}
	var name string
	for _, l := range duration.Metric[2].Label {
		if l.GetName() == "name" {
			name = l.GetValue()
		}
	}
	if name != `odd "name" \ of` {
		t.Errorf("the name came back as %s", name)
	}
	if len(families) != 5 {
		t.Errorf("%d families", len(families))
	}
}

// TestBenchstat reads the text with benchstat's own reader.
func TestBenchstat(t *testing.T) {
	var out bytes.Buffer
	if err := Benchstat(&out, map[string]string{"commit": "abc", "scenario": "my\nservice"},
		[][]Figure{figures, figures}); err != nil {
		t.Fatal(err)
	}
	reader := benchfmt.NewReader(&out, "export")
	found := map[string][]float64{}
	names := map[string]int{}
	for reader.Scan() {
		switch r := reader.Result().(type) {
		case *benchfmt.Result:
			names[string(r.Name)]++
			if r.GetConfig("commit") != "abc" || r.GetConfig("scenario") != "my service" {
				t.Errorf("configuration %v", r.Config)
			}
			for _, v := range r.Values {
				found[v.Unit] = append(found[v.Unit], v.Value)
			}
		case *benchfmt.SyntaxError:
			t.Error(r)
		}
	}
	if err := reader.Err(); err != nil {
		t.Fatal(err)
	}
	if names["All"] != 2 || names[`Requests/name=odd_"name"_\_of/scenario=hot`] != 2 || len(names) != 2 {
		t.Errorf("names %v", names)
	}
	if v := found["p95-sec"]; len(v) != 4 || math.Abs(v[0]-0.012346) > 1e-9 {
		t.Errorf("p95-sec %v", v)
	}
	if better := reader.Units().GetBetter("rate-http_reqs/s"); better != +1 {
		t.Errorf("more requests a second are better: %d", better)
	}
	if better := reader.Units().GetBetter("p95-sec"); better != -1 {
		t.Errorf("a smaller latency is better: %d", better)
	}
}

// bencherSchema says what https://bencher.dev/bmf.json asks for: benchmarks of measures of numbers, value being
// required.
const bencherSchema = `{"type": "object", "patternProperties": {".+": {"type": "object", "patternProperties": {".+": {
	"type": "object", "required": ["value"], "additionalProperties": false,
	"properties": {"value": {"type": "number"}, "lower_value": {"type": "number"}, "upper_value": {"type": "number"}}}}}}}`

// actionSchema is what the README of github-action-benchmark says of its custom tools.
const actionSchema = `{"type": "array", "items": {"type": "object", "required": ["name", "unit", "value"], "additionalProperties": false,
	"properties": {"name": {"type": "string", "minLength": 1}, "unit": {"type": "string"}, "value": {"type": "number"},
	"range": {"type": "string"}, "extra": {"type": "string"}}}}`

func TestSchemas(t *testing.T) {
	var bencher, smaller, bigger bytes.Buffer
	for _, err := range []error{
		Bencher(&bencher, figures), ActionBenchmark(&smaller, figures, false),
		ActionBenchmark(&bigger, figures, true),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	validate(t, bencherSchema, bencher.String())
	validate(t, actionSchema, smaller.String())
	validate(t, actionSchema, bigger.String())
	var benchmarks map[string]map[string]map[string]float64
	if err := json.Unmarshal(bencher.Bytes(), &benchmarks); err != nil {
		t.Fatal(err)
	}
	if p95 := benchmarks["all"]["http_req_duration p(95)"]; p95["value"] != 12.346 || p95["upper_value"] != 13 {
		t.Errorf("p(95) %v", p95)
	}
	if cpu := benchmarks["all"]["cpu_per_request"]; cpu["value"] != 4.12e-05 {
		t.Errorf("CPU %v", cpu)
	}
	var entries []map[string]any
	if err := json.Unmarshal(bigger.Bytes(), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 || entries[0]["name"] != "http_reqs rate" {
		t.Errorf("bigger is better: %v", entries)
	}
	var none bytes.Buffer
	if err := ActionBenchmark(&none, nil, true); err != nil || none.String() != "[]\n" {
		t.Errorf("no figures: %q, %v", none.String(), err)
	}
}

func validate(t *testing.T, schema, text string) {
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
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(value); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestAnnotate(t *testing.T) {
	var many []Annotation
	for range 14 {
		many = append(many, Annotation{Error, "a: b, c", "50% worse\nthan before"})
	}
	many = append(many, Annotation{Warning, "w", "m"})
	var out bytes.Buffer
	if err := Annotate(&out, many); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 11 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	if want := "::error title=a%3A b%2C c::50%25 worse%0Athan before"; lines[0] != want {
		t.Errorf("%s, want %s", lines[0], want)
	}
	if want := "::error title=more::5 more are in the report"; lines[9] != want {
		t.Errorf("%s, want %s", lines[9], want)
	}
	if lines[10] != "::warning title=w::m" {
		t.Error(lines[10])
	}
}

func TestSummaryIsCut(t *testing.T) {
	if short := "| a |\n"; Summary(short) != short {
		t.Error("a short one is changed")
	}
	long := strings.Repeat("| a row of a table |\n", 60_000)
	got := Summary(long)
	if len(got) > MostSummary || !strings.HasSuffix(got, "1 MiB.\n") || !strings.Contains(got, "table |\n\nThe rest") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-80:])
	}
}
