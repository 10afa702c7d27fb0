package scenarios

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestUsers: the closed executors read what k6's have.
func TestUsers(t *testing.T) {
	const file = `
target: {url: "http://127.0.0.1:1"}
scenarios:
  ramping:
    executor: ramping-vus
    startVUs: 5
    stages: [{target: 50, duration: 30s, name: up}, {target: 50, duration: 1m}, {target: 0, duration: 0s}]
    thinkTime: 1s
    requests: [{name: a, path: /}]
  shared: {executor: shared-iterations, vus: 3, iterations: 1000, maxDuration: 1m, requests: [{name: a, path: /}]}
  each: {executor: per-vu-iterations, vus: 4, iterations: 20, thinkTime: {min: 1s, max: 2s}, requests: [{name: a, path: /}]}
  least: {executor: per-vu-iterations, iterations: 20, requests: [{name: a, path: /}]}
thresholds:
  http_req_duration{stage:up}: p(95)<100
  dropped_iterations{scenario:shared}: count==0
  dropped_iterations: count<1
`
	plan, err := Parse("x.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	second := time.Second
	want := []Load{
		RampingUsers{StartVUs: 5, ThinkTime: ThinkTime{second, second}, Stages: []Stage{
			{Target: 50, Duration: 30 * second, Name: "up"}, {Target: 50, Duration: time.Minute}, {},
		}},
		SharedIterations{VUs: 3, Iterations: 1000, MaxDuration: time.Minute},
		UserIterations{VUs: 4, Iterations: 20, ThinkTime: ThinkTime{second, 2 * second}, MaxDuration: 10 * time.Minute},
		UserIterations{VUs: 1, Iterations: 20, MaxDuration: 10 * time.Minute},
	}
	for i, s := range plan.Scenarios {
		if !reflect.DeepEqual(s.Load, want[i]) {
			t.Errorf("%s: %+v, want %+v", s.Name, s.Load, want[i])
		}
		if s.Load.Open() || s.Load.Steady() || !s.Load.Executor().HasUsers() ||
			ThinkTimeOf(s.Load) != ThinkTimeOf(want[i]) {
			t.Errorf("%s is open or steady", s.Name)
		}
	}
	if got := plan.Scenarios[0].StageNames(); !reflect.DeepEqual(got, []string{"", "up"}) {
		t.Errorf("stages %q", got)
	}
	if w := plan.Scenarios[0].Load.Workers(); w != 50 {
		t.Errorf("%d workers", w)
	}
	if l := plan.Scenarios[2].Load.WithWorkers(2).(UserIterations); l.Workers() != 2 || l.AllUsers() != 4 {
		t.Errorf("a shard has %d of %d users", l.Workers(), l.AllUsers())
	}
	_, err = Parse("x.yaml", []byte(strings.Replace(file, "{scenario:shared}", "{scenario:ramping}", 1)))
	if err == nil || !strings.Contains(err.Error(),
		"x.yaml:15:3: dropped_iterations needs a schedule, and an executor "+
			"ramping-vus has none") {
		t.Errorf("%v", err)
	}
}
