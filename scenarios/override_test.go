package scenarios

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const overridable = `
scenarios:
  warm:
    executor: constant-arrival-rate
    rate: 100
    duration: 10s
    requests: &mix
      - {name: get_hot, path: "/{{id}}", values: {id: {range: [1, 9]}}}
      - {name: list, path: /}
  other: {executor: constant-vus, vus: 1, duration: 1s, requests: *mix}
thresholds:
  http_reqs: ["rate>1", "count>1"]
`

func TestOverride(t *testing.T) {
	tests := []struct {
		override string
		got      func(p *Plan) any
		want     any
	}{
		{"name=other-name", func(p *Plan) any { return p.Name }, "other-name"},
		{"scenarios.warm.rate=5000", func(p *Plan) any { return p.Scenarios[0].Load.(ConstantRate).Rate }, 5000.0},
		{"scenarios.warm.maxVUs=7", func(p *Plan) any { return p.Scenarios[0].Load.Workers() }, 7},
		{"scenarios.warm.requests.1.weight=3", func(p *Plan) any { return p.Scenarios[0].Requests[1].Weight }, 3},
		{"scenarios.warm.requests.get_hot.weight=3", func(p *Plan) any { return p.Scenarios[0].Requests[0].Weight }, 3},
		{"scenarios.warm.requests.get_hot.weight=3", func(p *Plan) any { return p.Scenarios[1].Requests[0].Weight }, 1},
		{
			"scenarios.warm.requests.0.values.id.range.1=5",
			func(p *Plan) any { return p.Scenarios[0].Requests[0].Values[0].Keys.(RangeKeys).To }, int64(5),
		},
		{
			"scenarios.warm.requests.1.headers.X-A='b'",
			func(p *Plan) any { return p.Scenarios[0].Requests[1].Headers },
			[]Header{{Name: "X-A", Value: Template{{Literal: "b"}}}},
		},
		{"environment.server.l1_bytes=1MiB", func(p *Plan) any { return p.Environment.Server[0].Value }, "1048576"},
		{
			`environment.postgres."auto_explain.log_analyze"=on`, func(p *Plan) any { return p.Environment.Postgres },
			map[string]string{"auto_explain.log_analyze": "on"},
		},
		{"target.url=http://127.0.0.1:1", func(p *Plan) any { return p.Target.URL }, "http://127.0.0.1:1"},
		{
			"target.urls=[http://a:1, http://b:1]", func(p *Plan) any { return p.Target.URLs() },
			[]string{"http://a:1", "http://b:1"},
		},
		{"environment.instances=2", func(p *Plan) any { return p.Environment.Instances }, 2},
		{"tags.team=a=b", func(p *Plan) any { return p.Tags["team"] }, "a=b"},
		{"tags={team: core}", func(p *Plan) any { return p.Tags["team"] }, "core"},
		{
			"thresholds.http_req_failed=rate<0.5",
			func(p *Plan) any { return p.Thresholds[2].Name() + ": " + p.Thresholds[2].Source },
			"http_req_failed: rate<0.5",
		},
		{
			"thresholds.http_req_duration{scenario:warm}=[p(99.9)<=50]",
			func(p *Plan) any { return p.Thresholds[2].Name() + ": " + p.Thresholds[2].Source },
			"http_req_duration{scenario:warm}: p(99.9)<=50",
		},
		{
			"thresholds.'http_req_failed{name:list}'=rate<0.5", func(p *Plan) any { return p.Thresholds[2].Name() },
			"http_req_failed{name:list}",
		},
		{"thresholds.http_reqs=null", func(p *Plan) any { return len(p.Thresholds) }, 0},
		{"experiment.base=null", func(p *Plan) any { return p.Experiment.Base }, Arm{}},
		{"thresholds.http_reqs.1=count>5", func(p *Plan) any { return p.Thresholds[1].Limit }, 5.0},
		{"thresholds.http_reqs.1=count>5", func(p *Plan) any { return p.Thresholds[1].Line }, 0},
		{
			"scenarios.new={executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: /}]}",
			func(p *Plan) any { return p.Scenarios[2].Name }, "new",
		},
	}
	for _, test := range tests {
		t.Run(test.override, func(t *testing.T) {
			plan, err := Parse("plan.yaml", []byte(overridable), test.override)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.got(plan); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestOverridesApplyInOrder(t *testing.T) {
	plan, err := Parse("plan.yaml", []byte(overridable), "tags={a: x, b: x}", "tags.b=y", "tags.b=z")
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a": "x", "b": "z"}; !reflect.DeepEqual(plan.Tags, want) {
		t.Errorf("tags %v, want %v", plan.Tags, want)
	}
}

func TestOverrideFaults(t *testing.T) {
	var got strings.Builder
	for _, override := range []string{
		"",
		"rate",
		"=5",
		"scenarios..rate=5",
		"thresholds.http_reqs{scenario:warm=5",
		"scenarios.wram.rate=5",
		"scenarios.warm.ratee=5",
		"scenarios.warm.rate=fast",
		"scenarios.warm.rate=",
		"scenarios.warm.rate=null",
		"scenarios.warm.rate=[1",
		"scenarios.warm.rate=*x",
		"scenarios.warm.rate.x=5",
		"scenarios.warm.startTime.x=5",
		"scenarios.warm.vus=5",
		"scenarios.warm.requests.get_hit.weight=5",
		"scenarios.warm.requests.2.weight=5",
		"scenarios.warm.requests.-1.weight=5",
		"scenarios.warm.requests.list.weight=0",
		"scenarios.warm.requests.list=5",
		"scenarios.warm.stages.0.target=5",
		"thresholds.http_reqs.2=rate>1",
		"thresholds.http_reqs{scenario:wram}=rate>1",
		"thresholds.http_req=rate>1",
		"thresholds.http_req_failed.0=rate<1",
		"tag.team=core",
		"environment.server.l1_bytes=0",
		"new.thing.here=1",
	} {
		_, err := Parse("plan.yaml", []byte(overridable), override)
		fmt.Fprintf(&got, "%s\n    %v\n", override, err)
	}
	compareGolden(t, "testdata/overrides.golden", got.String())
}

// A file of the wrong form must not bring an override to its knees.
func TestOverrideOfWrongForm(t *testing.T) {
	for _, src := range []string{
		"scenarios: [a]", "scenarios: 5", "scenarios: {warm: [1]}", "- a", "5", "scenarios:",
		"scenarios: *x",
	} {
		_, err := Parse("plan.yaml", []byte(src), "scenarios.warm.rate=5", "scenarios.0.rate=5")
		if err == nil {
			t.Errorf("%q was accepted", src)
		}
	}
}
