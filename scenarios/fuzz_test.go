package scenarios

import (
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// FuzzParse holds that no file and no override ends the program, that every fault says where it is, and that a plan
// that is accepted keeps what its readers rely on. Run it with -fuzzminimizetime=10x: the files are long, and the
// fuzzer would spend its time on shortening what is only interesting.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "testdata/*.yaml", "testdata/faults/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			src, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(src), "name=x")
		}
	}
	for _, override := range []string{
		"scenarios.s={executor: constant-vus, vus: 1, duration: 1m, warmup: auto, warmupLimit: 20s, requests: " +
			"[{name: a, path: /}]}",
		"experiment={base: main, slice: 1s, tolerance: 3%}", "experiment={baseUrl: 'http://a', headUrl: 'http://b'}",
		"experiment.alpha=0.1", "regression.http_req_duration{name:a}=[p(95)<+5%, med<+1%]",
		"regression={http_reqs: []}",
		"scenarios.s.requests.a.weight=3", "thresholds.http_reqs{name:a}=rate>1", "scenarios.s={}",
		`environment.postgres."a.b"=1`, "tags=[", "scenarios.s.requests.0.values={a: {list: [b]}}",
	} {
		f.Add(smallest, override)
	}
	f.Fuzz(func(t *testing.T, src, override string) {
		plan, err := Parse("fuzz.yaml", []byte(src), override)
		if err == nil {
			checkPlan(t, plan)
			return
		}
		var all Errors
		if !errors.As(err, &all) || len(all) == 0 {
			t.Fatalf("%T is not a list of faults: %v", err, err)
		}
		for _, fault := range all {
			inFile := fault.File != "" && fault.Line >= 1 && fault.Column >= 1
			inOverride := strings.HasPrefix(fault.File, "--set ") && fault.Line == 0 && fault.Column == 0
			if !inFile && !inOverride || fault.Message == "" {
				t.Errorf("a fault without a place or a message: %+v", fault)
			}
		}
	})
}

func checkPlan(t *testing.T, p *Plan) {
	if !isName(p.Name) || len(p.Scenarios) == 0 {
		t.Errorf("plan %q with %d scenarios", p.Name, len(p.Scenarios))
	}
	for _, s := range p.Scenarios {
		checkLoad(t, s.Load)
		if replay, ok := s.Load.(Replay); ok {
			checkReplay(t, &s, replay)
			continue
		}
		if length := s.Load.Length(); length <= 0 || length > 24*time.Hour || s.Warmup >= length ||
			len(s.Requests) == 0 {
			t.Errorf("scenario %q: %+v", s.Name, s)
		}
		if s.AutoWarmup && (!s.Load.Steady() || s.Warmup < 15*time.Second || len(p.Faults) > 0) {
			t.Errorf("scenario %q warms up by itself: %+v", s.Name, s)
		}
		extracted := namesBefore(p, &s)
		for i, request := range s.Requests {
			if request.Step == 0 {
				extracted = namesBefore(p, &s)
			} else if i == 0 || s.Requests[i-1].Flow != request.Flow || s.Requests[i-1].Step != request.Step-1 {
				t.Errorf("step %+v does not follow the one before it", request)
			}
			if (request.Weight == 0) != (request.Step > 0) {
				t.Errorf("request %+v has no weight, or a step has one", request)
			}
			checkRequest(t, request, extracted)
			checkCourse(t, s.Requests[i:], extracted)
			for _, x := range request.Extract {
				checkExtraction(t, x)
				extracted[x.Name] = true
			}
		}
	}
	for i, f := range p.Faults {
		if p.Target.URL != "" || f.Target == "replica" && !p.Environment.Replica || f.At < 0 || i > 0 &&
			f.At < p.Faults[i-1].At {
			t.Errorf("fault %+v of %+v", f, p)
		}
	}
	checkExperiment(t, p.Experiment)
	for _, threshold := range p.Thresholds {
		if math.IsNaN(threshold.Limit) || threshold.Op == "" || threshold.Aggregation.Name == "" ||
			threshold.Metric == "" {
			t.Errorf("threshold %+v", threshold)
		}
	}
}

func checkExperiment(t *testing.T, e Experiment) {
	kinds := func(a Arm) (kinds [4]bool) {
		return [...]bool{a.Revision != "", a.Command != "", a.Image != "", a.URL != ""}
	}
	base, head := kinds(e.Base), kinds(e.Head)
	if [3]bool(base[1:]) != [3]bool(head[1:]) || base[0] && base != [4]bool{true} {
		t.Errorf("arms %+v and %+v", e.Base, e.Head)
	}
	if e.MaxTime <= 0 || e.Slice <= 0 || e.Discard < 0 || e.Warmup < 0 || !(e.Alpha > 0 && e.Alpha < 0.5) ||
		!(e.Tolerance >= 0.001 && e.Tolerance <= 1) {
		t.Errorf("experiment %+v", e)
	}
	for _, g := range e.Regressions {
		again, err := ParseRegression(g.Name(), g.Source)
		again.Line, again.Column = g.Line, g.Column
		if err != nil || !reflect.DeepEqual(again, g) {
			t.Errorf("regression %+v is read again as %+v, %v", g, again, err)
		}
	}
}

// checkCourse checks when the first of some requests is sent; extracted are the texts that earlier steps of its flow
// take.
func checkCourse(t *testing.T, following []Request, extracted map[string]bool) {
	request := following[0]
	knows := func(c *Condition) bool {
		declared := slices.ContainsFunc(request.Values, func(v Value) bool { return v.Name == c.Value })
		return declared || extracted[c.Value] || c.Value == ValueIteration || c.Value == ValueUUID
	}
	if c := request.If; c != nil && (request.Step == 0 || !knows(c) || c.Test == "") {
		t.Errorf("condition %+v of %+v", c, request)
	}
	if b := request.Block; b != nil && (b.Steps < 1 || b.Steps > len(following) ||
		following[b.Steps-1].Flow != request.Flow || b.If != nil && (request.Step == 0 || !knows(b.If))) {
		t.Errorf("block %+v of %+v", b, request)
	}
	if p := request.Until; p != nil && (p.Retries < 1 || p.Test == "" || p.Pause.Min > p.Pause.Max) {
		t.Errorf("poll %+v", p)
	}
	if request.Repeat.Least > request.Repeat.Most || request.Pause.Min > request.Pause.Max ||
		request.Flow == "" && (request.Pause.Max > 0 || request.Repeat.Most > 0 || request.Until != nil) {
		t.Errorf("course of %+v", request)
	}
}

func checkLoad(t *testing.T, load Load) {
	valid := false
	switch l := load.(type) {
	case ConstantRate:
		valid = l.Rate > 0
	case RampingRate:
		valid = len(l.Stages) > 0
	case SineRate:
		valid = l.Rate >= l.Amplitude && l.Amplitude > 0 && l.Period > 0
	case Bursts:
		valid = l.Size > 0 && l.Every > 0
	case Users:
		valid = l.ThinkTime.Min <= l.ThinkTime.Max
	case RampingUsers:
		valid = len(l.Stages) > 0
	case SharedIterations:
		valid = l.Iterations >= int64(l.VUs) && l.MaxDuration > 0
	case UserIterations:
		valid = l.Iterations > 0 && l.MaxDuration > 0
	case Browser:
		valid = l.CPU >= 1 && l.Duration > 0
	case Replay:
		valid = l.Duration == 0
	case Subscribers:
		valid = l.Subscribers > 0 && l.Duration > 0 && l.Retry > 0 && (l.Event.Of == nil || l.Event.ID != nil) &&
			!(l.Event.NoID && l.Event.ID != nil)
	}
	if !valid || load.Workers() < 1 {
		t.Errorf("load %+v", load)
	}
}

func checkReplay(t *testing.T, s *Scenario, load Replay) {
	r := load.Recording
	if r.File == "" || r.Speed <= 0 || r.Timeout <= 0 || len(s.Requests) > 0 {
		t.Errorf("replay %+v", s)
	}
	if r.Format != "" && r.Format.Timed() == (load.Rate > 0) || load.Repeat > 0 && load.Rate <= 0 {
		t.Errorf("rate %v of format %s", load.Rate, r.Format)
	}
}

// namesBefore are the texts that setup and the scenario's login take.
func namesBefore(p *Plan, s *Scenario) map[string]bool {
	names := map[string]bool{}
	for _, list := range [][]Request{p.Setup, s.Login} {
		for _, q := range list {
			for _, x := range q.Extract {
				names[x.Name] = true
			}
		}
	}
	return names
}

func checkExtraction(t *testing.T, x Extraction) {
	none := x.JSON == nil && x.Header == "" && x.Regex == "" && x.Cookie == ""
	if none || x.JSON != nil && x.Header != "" || x.Name == "" {
		t.Errorf("extraction %+v", x)
	}
	if x.Regex != "" && regexp.MustCompile(x.Regex).NumSubexp() != 1 {
		t.Errorf("extraction %+v has not one group", x)
	}
}

// checkRequest checks a request; extracted are the texts that earlier steps of its flow take.
func checkRequest(t *testing.T, request Request, extracted map[string]bool) {
	declared := maps.Clone(extracted)
	declared[ValueIteration], declared[ValueUUID] = true, true
	for _, v := range request.Values {
		declared[v.Name] = true
		valid := false
		switch k := v.Keys.(type) {
		case FixtureKeys:
			valid = slices.Contains(FixtureSets, k.Set)
		case ListKeys:
			valid = len(k) > 0
		case RangeKeys:
			valid = k.From <= k.To
		case StringKeys:
			valid = k.Length > 0 && k.Alphabet != ""
		case TimeKeys:
			valid = slices.Contains(timeFormats, string(k.Format))
		case FeederKeys:
			valid = k.Feeder != "" && (k.Column == "") != (k.Field == nil)
		}
		if !valid {
			t.Errorf("value %+v", v)
		}
	}
	templates := []Template{request.Path, request.Body}
	for _, h := range request.Headers {
		templates = append(templates, h.Value)
	}
	for _, template := range templates {
		for _, part := range template {
			if part.Value != "" && !declared[part.Value] || part.Value == "" && part.Literal == "" {
				t.Errorf("part %+v of request %q", part, request.Name)
			}
		}
	}
	if len(request.Checks) > MaxChecks {
		t.Errorf("%d checks", len(request.Checks))
	}
	for _, c := range request.Checks {
		checkCheck(t, c)
	}
	if !isName(request.Name) || request.Method == "" || len(request.Path) == 0 || request.Timeout <= 0 {
		t.Errorf("request %+v", request)
	}
}

// FuzzThreshold holds that every expression is either refused or can be written again and read as the same.
func FuzzThreshold(f *testing.F) {
	for _, seed := range []string{
		"p(95)<50", "med<=10.5", " rate > 0.01 ", "count!=3", "p(99.9)==1", "p(100)<1",
		"avg<0x1", "max>", "p(95)<50 for 10s", "rate>1 for 1m30s", "med<3for5s", "max<1 for 1ms",
	} {
		f.Add("http_req_duration{scenario:warm,name:get}", seed)
		f.Add("http_reqs", seed)
		f.Add("checks{b:c", seed)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		if metric, selector, err := parseMetricName(name); err == nil {
			again, _, err := parseMetricName(metricName(metric, selector))
			if err != nil || again != metric {
				t.Errorf("%q is written as %q, which reads as %q, %v", name, metricName(metric, selector), again, err)
			}
		}
		for _, metric := range Metrics {
			e, err := parseExpression(text, metric)
			if err != nil {
				continue
			}
			a := e.aggregation
			if e.limit < 0 || math.IsNaN(e.limit) || a.Name == "p" && (a.Percentile <= 0 || a.Percentile >= 100) ||
				e.window > 0 && metric.Windowed == nil {
				t.Errorf("%q of %s is %+v", text, metric.Name, e)
			}
			written := write(e)
			if again, err := parseExpression(written, metric); err != nil || again != e {
				t.Errorf("%q of %s is %+v; written as %q it is %+v, %v", text, metric.Name, e, written, again, err)
			}
		}
	})
}

// write writes an expression in one of its forms.
func write(e expression) string {
	text := e.aggregation.Name
	if text == "p" {
		text = " p ( " + strconv.FormatFloat(e.aggregation.Percentile, 'f', -1, 64) + " )"
	}
	text += " " + string(e.operator) + " " + strconv.FormatFloat(e.limit, 'f', -1, 64)
	if e.window > 0 {
		text += " for " + e.window.String()
	}
	return text
}

func checkCheck(t *testing.T, c Check) {
	subjects := 0
	for _, given := range []bool{len(c.Statuses) > 0, c.Header != "", c.JSON != nil, c.Size} {
		if given {
			subjects++
		}
	}
	if c.Name == "" || subjects != 1 || c.Test == "" || !(c.Min <= c.Max) {
		t.Errorf("check %+v", c)
	}
	if c.Test == Regex {
		regexp.MustCompile(c.Want)
	}
}

// FuzzJSONPath holds that every path is either refused or can be written and read again as the same.
func FuzzJSONPath(f *testing.F) {
	for _, seed := range []string{
		"$", "$.items[0].id", "$['a b'][\"c\"][-1]", "$['\\'\\\\']", "$..a", "$[*]", "$[0",
		"$.ä_1", "a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path, err := parseJSONPath(text)
		if err != nil {
			return
		}
		again, err := parseJSONPath(path.String())
		if err != nil || !reflect.DeepEqual(again, path) {
			t.Errorf("%q is %#v, written %q, which is %#v, %v", text, path, path.String(), again, err)
		}
	})
}
