package scenarios

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestCourse: what a file says of a flow's course is in its steps.
func TestCourse(t *testing.T) {
	plan, err := Parse("x.yaml", []byte(`
target: {url: "http://127.0.0.1:1"}
scenarios:
  s:
    executor: constant-vus
    vus: 1
    duration: 1m
    requests:
      - name: flow
        steps:
          - {name: a, path: /, pause: 2s, extract: {token: {json: $.token, default: none}}}
          - repeat: {min: 1, max: 4}
            if: {value: token, exists: false}
            steps:
              - {name: b, path: /, repeat: 3, pause: {min: 1s, max: 2s}}
              - {name: c, path: /, if: {value: token, min: 3}}
          - {name: d, path: /, until: {contains: done, retries: 30, pause: 500ms}}
          - {name: e, path: "/{{token}}", until: {status: 200}}
thresholds:
  iteration_duration{flow:flow}: p(95)<1000
  iteration_duration{scenario:s,flow:flow}: p(95)<1001
  iteration_duration: max<5000
`))
	if err != nil {
		t.Fatal(err)
	}
	steps := plan.Scenarios[0].Requests
	none := "none"
	a := steps[0]
	if a.Pause != (ThinkTime{2 * time.Second, 2 * time.Second}) || !reflect.DeepEqual(a.Extract[0].Default, &none) {
		t.Errorf("a: %+v", a)
	}
	b := steps[1]
	if b.Repeat != (Repeat{3, 3}) || b.Pause != (ThinkTime{time.Second, 2 * time.Second}) ||
		!reflect.DeepEqual(b.Block, &Block{2, Repeat{1, 4}, &Condition{"token", Check{Test: Absent}}}) {
		t.Errorf("b: %+v, block %+v", b, b.Block)
	}
	if c := steps[2]; c.Block != nil || c.If == nil || c.If.Value != "token" || c.If.Test != Within || c.If.Min != 3 {
		t.Errorf("c: %+v", c)
	}
	if d := steps[3].Until; d == nil || !d.Body || d.Want != "done" || d.Retries != 30 ||
		d.Pause.Min != 500*time.Millisecond {
		t.Errorf("d: %+v", d)
	}
	if e := steps[4].Until; e == nil || e.Retries != 10 || e.Pause.Max != time.Second || e.Statuses[0] != 200 {
		t.Errorf("e: %+v", e)
	}
	for i, s := range steps {
		if s.Step != i || s.Flow != "flow" || s.Name != string('a'+byte(i)) {
			t.Errorf("step %d is %d, %s of %s", i, s.Step, s.Name, s.Flow)
		}
	}
}

func TestIterationDurationNeedsAFlow(t *testing.T) {
	_, err := Parse("x.yaml", []byte(`
target: {url: "http://127.0.0.1:1"}
scenarios: {s: {executor: constant-vus, vus: 1, duration: 1m, requests: [{name: a, path: /}]}}
thresholds: {iteration_duration: p(95)<1000}
`))
	if err == nil || !strings.Contains(err.Error(),
		"x.yaml:4:14: iteration_duration judges flows, and no scenario has one") {
		t.Errorf("%v", err)
	}
}
