package scenarios

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

// settingAt is a setting with its places in testdata/every-key.yaml.
func settingAt(name, value string, keyColumn, column int) Setting {
	at := func(column int) Error {
		return Error{File: filepath.Join("testdata", "every-key.yaml"), Line: 10, Column: column}
	}
	return Setting{Name: name, Value: value, name: at(keyColumn), value: at(column)}
}

func TestParseReadsEveryKey(t *testing.T) {
	path := filepath.Join("testdata", "every-key.yaml")
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mix := []Request{
		{
			Name: "get_hot", Weight: 70, Method: "PUT",
			Path: Template{
				{Literal: "/api/"},
				{Value: "resource"},
				{Literal: "/"},
				{Value: "number"},
				{Literal: "?region="},
				{Value: "region"},
				{Literal: "&i="},
				{Value: "iteration"},
			},
			Headers: []Header{
				{Name: "X-Tenant-ID", Value: Template{{Literal: "t-"}, {Value: "uuid"}}},
				{Name: "Accept", Value: Template{{Literal: "*/*"}}},
				{Name: "X-User", Value: Template{{Value: "user"}, {Value: "order"}}},
			},
			Body:           Template{{Literal: `{"a": {"b":`}, {Value: "number"}, {Literal: "}}"}},
			ExpectedStatus: []int{200, 404},
			Timeout:        10 * time.Second,
			Redirects:      3,
			Checks: []Check{
				{Name: "found", Statuses: []int{200}, Test: Equals},
				{Name: "small", Size: true, Test: Within, Max: 1000},
				{Name: "type", Header: "Content-Type", Test: Regex, Want: "json"},
				{Name: "first", JSON: JSONPath{{Key: "items"}, {Index: 0, IsIndex: true}, {Key: "a b"}}, Test: Absent},
			},
			Values: []Value{
				{Name: "resource", Keys: FixtureKeys{Set: "resource_id", First: 1000}, Choice: Zipf, Exponent: 1.1},
				{Name: "region", Keys: ListKeys{"westeurope", "7"}, Choice: Uniform},
				{Name: "number", Keys: RangeKeys{From: -1, To: 1000}, Choice: Sequential},
				{Name: "user", Keys: FeederKeys{Feeder: "users", Column: "id"}},
				{Name: "order", Keys: FeederKeys{Feeder: "orders", Field: JSONPath{{Key: "order"}, {Key: "id"}}}},
			},
			Tags: map[string]string{"kind": "write"},
		},
		{
			Name: "create", Flow: "buy", Weight: 2, Method: "GET",
			Path: Template{{Literal: "/orders/"}, {Value: "article"}}, Timeout: 30 * time.Second,
			Extract: []Extraction{
				{Name: "id", JSON: JSONPath{{Key: "id"}}, Regex: "(.*)"},
				{Name: "type", Header: "Content-Type"},
			},
			Values: []Value{{Name: "article", Keys: ListKeys{"a"}, Choice: Uniform}},
			Tags:   map[string]string{"kind": "flow"},
		},
		{
			Name: "show", Flow: "buy", Step: 1, Method: "GET", Path: Template{{Literal: "/orders/"}, {Value: "id"}},
			Timeout: 30 * time.Second,
			Headers: []Header{{Name: "X-Type", Value: Template{{Value: "type"}}}},
			Values:  []Value{{Name: "article", Keys: ListKeys{"a"}, Choice: Uniform}},
			Tags:    map[string]string{"kind": "step"},
		},
		{Name: "home", Weight: 1, Method: "GET", Path: Template{{Literal: "/"}}, Timeout: 30 * time.Second},
	}
	want := &Plan{
		Name: "every-key", Description: "text", Seed: 42, Engine: EngineAuto, Pacing: Precise,
		Tags:   map[string]string{"team": "core"},
		Target: Target{HTTP: HTTP{Version: HTTP1, AllAddresses: true, MaxConnections: 50}},
		Environment: Environment{
			Resources: 1000, Instances: 1, Replica: true, PostgresImage: "postgres:16", CacheImage: "redis:7",
			Postgres: map[string]string{"shared_buffers": "256MB", "jit": "off", "auto_explain.log_min_duration": "5"},
			Server: []Setting{
				settingAt("l1_bytes", "67108864", 12, 22), settingAt("postgres_max_conns", "10", 29, 49),
				settingAt("gogc", "400", 53, 59), settingAt("gomaxprocs", "2", 64, 76),
			},
		},
		Feeders: []Feeder{
			{Name: "users", Format: CSV, File: "users.csv", Choice: Zipf, Exponent: 1.2, Line: 12, Column: 11},
			{Name: "orders", Format: JSONLines, File: "data/orders.jsonl", Choice: Uniform, Line: 13, Column: 12},
		},
		Scenarios: []Scenario{
			{
				Name: "warm", Load: ConstantRate{
					Arrivals: Poisson, Rate: 10500.5 / 2, Duration: 30 * time.Second,
					MaxVUs: 64,
				}, StartTime: 10 * time.Second, Warmup: 5 * time.Second,
				GracefulStop: 20 * time.Second,
				Tags:         map[string]string{"phase": "warm"}, Requests: mix,
			},
			{
				Name: "ramp", Load: RampingRate{
					StartRate: 100,
					Stages:    []Stage{{1000, 10 * time.Second, "climb"}, {0, 0, ""}}, MaxVUs: 100, Arrivals: Even,
				}, GracefulStop: 30 * time.Second,

				Requests: []Request{{
					Name: "home", Weight: 1, Method: "GET", Path: Template{{Literal: "/"}}, ExpectedStatus: []int{204},
					Timeout: 30 * time.Second,
				}},
			},
			{
				Name: "wave", Load: SineRate{
					Arrivals: Even, Rate: 100, Amplitude: 50, Period: time.Minute,
					Duration: 5 * time.Minute, MaxVUs: 100,
				}, GracefulStop: 30 * time.Second,
				Requests: mix,
			},
			{
				Name: "bursts", Load: Bursts{
					Size: 500, Every: 2 * time.Second, Duration: 30 * time.Second,
					MaxVUs: 100,
				}, GracefulStop: 30 * time.Second,
				Requests: mix,
			},
			{
				Name: "closed", Engine: EngineVegeta,
				Load: Users{
					Duration: 30 * time.Second, VUs: 10,
					ThinkTime: ThinkTime{200 * time.Millisecond, time.Second},
				}, GracefulStop: 30 * time.Second,
				Requests: mix,
			},
			{
				Name: "again", GracefulStop: 30 * time.Second, Load: Replay{MaxVUs: 20, Recording: Recording{
					File: "logs/access.log", Format: Combined, Speed: 2.5, Name: "page",
					Headers:        []Header{{Name: "X-N", Value: Template{{Value: "iteration"}}}},
					ExpectedStatus: []int{200}, Timeout: 5 * time.Second, Line: 72, Column: 29,
				}},
			},
			{
				Name: "targets", GracefulStop: 30 * time.Second,
				Load: Replay{MaxVUs: 100, Rate: 100.0 / 60, Recording: Recording{
					File: "targets.json", Speed: 1, Timeout: 30 * time.Second, Line: 73, Column: 31,
				}},
			},
		},
		Faults: []Fault{
			{10 * time.Second, "cache", 0, "", "kill"},
			{20 * time.Second, "cache", 0, "", "restart"},
			{20 * time.Second, "replica", 0, "", "pause"},
			{22500 * time.Millisecond, "replica", 0, "", "resume"},
		},
		Thresholds: []Threshold{
			{
				Metric: "http_req_duration", Selector: map[string]string{"scenario": "warm", "kind": "write"},
				Aggregation: Aggregation{"p", 95}, Op: "<", Limit: 50, Source: "p(95)<50", Line: 80, Column: 54,
			},
			{
				Metric: "http_req_duration", Selector: map[string]string{"scenario": "warm", "kind": "write"},
				Aggregation: Aggregation{Name: "med"}, Op: "<=", Limit: 10, Source: "med <= 10", Line: 80, Column: 66,
			},
			{
				Metric: "http_req_failed", Aggregation: Aggregation{Name: "rate"}, Op: "<", Limit: 0.01,
				Source: "rate<0.01", Line: 81, Column: 20,
			},
			{
				Metric: "http_reqs", Selector: map[string]string{"scenario": "ramp"},
				Aggregation: Aggregation{Name: "rate"}, Op: ">", Limit: 10000, Source: "rate>10000",
				AbortOnFail: true, DelayAbortEval: 5 * time.Second, Line: 83, Column: 8,
			},
			{
				Metric: "cache_hit_ratio", Selector: map[string]string{"tier": "l1"},
				Aggregation: Aggregation{Name: "rate"}, Op: ">", Limit: 0.5, Source: "rate>0.5", Line: 84, Column: 29,
			},
		},
		Experiment: Experiment{
			Base: Arm{Revision: "main"}, Head: Arm{Revision: "feature/x"},
			Build: "make -C api", Command: "./bin/api --listen {{address}}",
			Ready: "/health", ReadyWithin: 20 * time.Second,
			MaxTime: 15 * time.Minute, Tolerance: 0.025, Alpha: 0.05,
			Slice: 3 * time.Second, Discard: time.Second, Warmup: 4 * time.Second,
			Regressions: []Regression{
				{
					Metric: "http_req_duration", Selector: map[string]string{"name": "get_hot"},
					Aggregation: Aggregation{"p", 95}, Tolerance: 0.05, Source: "p(95)<+5%", Line: 99, Column: 39,
				},
				{
					Metric: "http_req_duration", Selector: map[string]string{"name": "get_hot"},
					Aggregation: Aggregation{"p", 99}, Tolerance: 0.1, Source: "p(99) <= +10 %", Line: 99, Column: 52,
				},
				{
					Metric: "http_reqs", Aggregation: Aggregation{Name: "rate"}, Tolerance: 0.025, MoreIsBetter: true,
					Source: "rate>-2.5%", Line: 100, Column: 14,
				},
				{
					Metric: "cpu_per_request", Aggregation: Aggregation{Name: "value"}, Tolerance: 0.03,
					Source: "value<+3%", Line: 101, Column: 21,
				},
			},
		},
		Source: Source{File: path, Text: string(src)},
	}
	for name, text := range map[string][]byte{
		"as it is":          src,
		"with Windows' CRs": []byte(strings.ReplaceAll(string(src), "\n", "\r\n")),
	} {
		t.Run(name, func(t *testing.T) {
			want.Source.Text = string(text)
			got, err := Parse(path, text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

const smallest = `scenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: /}]}}`

func TestParseDefaults(t *testing.T) {
	plan, err := Parse("/some/where/small-one.yml", []byte(smallest))
	if err != nil {
		t.Fatal(err)
	}
	if plan.Name != "small-one" || plan.Seed != 1 {
		t.Errorf("name %q, seed %d; want small-one and 1", plan.Name, plan.Seed)
	}
	want := Environment{
		Resources: 100_000, Instances: 1, PostgresImage: "postgres:15",
		CacheImage: "docker.dragonflydb.io/dragonflydb/dragonfly:latest",
	}
	if !reflect.DeepEqual(plan.Environment, want) {
		t.Errorf("environment %+v, want %+v", plan.Environment, want)
	}
}

// TestParseWindows: as an editor of Windows saves it.
func TestParseWindows(t *testing.T) {
	lines := []string{
		"scenarios:", "  s:", "    executor: constant-vus", "    vus: 1", "    duration: 1s",
		"    requests: [{name: a, path: /}]", "",
	}
	plan, err := Parse("w.yaml", []byte("\ufeff"+strings.Join(lines, "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if s := plan.Scenarios[0]; s.Name != "s" || s.Load.Executor() != "constant-vus" || s.Requests[0].Name != "a" {
		t.Errorf("%+v", s)
	}
}

// TestParseInstances: a service may have several instances, and so may the reference server.
func TestParseInstances(t *testing.T) {
	plan, err := Parse("own.yaml", []byte("target: {urls: ['HTTP://a:1/base/', 'http://b:2/base']}\n"+smallest))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"http://a:1/base", "http://b:2/base"}; !slices.Equal(plan.Target.URLs(), want) ||
		plan.Target.URL != want[0] || plan.Environment.Instances != 0 {
		t.Errorf("%+v, want %v", plan.Target, want)
	}
	plan, err = Parse("own.yaml", []byte("target: {urls: ['http://a:1']}\n"+smallest))
	if err != nil || !slices.Equal(plan.Target.URLs(), []string{"http://a:1"}) {
		t.Errorf("%+v, %v", plan, err)
	}
	plan, err = Parse("three.yaml", []byte("environment: {instances: 3}\n"+smallest))
	if err != nil || plan.Environment.Instances != 3 || plan.Target.URLs() != nil {
		t.Errorf("%+v, %v", plan, err)
	}
	plan, err = Parse("balanced.yaml", []byte(`
environment: {instances: 2, balancer: haproxy, images: {balancer: "haproxy:2.8"}}
faults:
  - {at: 100ms, instance: 2, action: kill}
  - {at: 200ms, instance: 2, action: restart}
  - {at: 300ms, target: instances, action: rolling-restart}
`+smallest))
	if err != nil {
		t.Fatal(err)
	}
	if e := plan.Environment; e.Balancer != "haproxy" || e.BalancerImage != "haproxy:2.8" {
		t.Errorf("environment %+v", e)
	}
	var faults []string
	for _, f := range plan.Faults {
		faults = append(faults, f.String())
	}
	if got := strings.Join(faults, ", "); got != "kill instance 2, restart instance 2, rolling-restart instances" {
		t.Errorf("faults %s", got)
	}
}

func TestParseOwnTarget(t *testing.T) {
	plan, err := Parse("own.yaml", []byte("target: {url: 'https://example.test:8443/base//'}\n"+smallest))
	if err != nil {
		t.Fatal(err)
	}
	if plan.Target.URL != "https://example.test:8443/base" {
		t.Errorf("URL %q has kept its slashes", plan.Target.URL)
	}
	if !reflect.DeepEqual(plan.Environment, Environment{}) {
		t.Errorf("environment %+v of a service that is not ours", plan.Environment)
	}
}

func TestParseMergesKeys(t *testing.T) {
	plan, err := Parse("merge.yaml", []byte(`
scenarios:
  a: &base
    executor: constant-vus
    vus: 1
    duration: 1s
    requests: [{name: a, path: /}]
  b:
    <<: *base
    vus: 7
`), "scenarios.b.requests.a.path=/changed")
	if err != nil {
		t.Fatal(err)
	}
	a, b := plan.Scenarios[0], plan.Scenarios[1]
	if b.Load != (Users{VUs: 7, Duration: time.Second}) {
		t.Errorf("merged scenario: %+v", b)
	}
	if a.Requests[0].Path[0].Literal != "/" || b.Requests[0].Path[0].Literal != "/changed" {
		t.Errorf("an override of a merged scenario changed the other too: %v and %v", a.Requests[0].Path,
			b.Requests[0].Path)
	}
}

func TestParseFaults(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "faults", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(filepath.Base(file), src)
			if err == nil {
				t.Fatal("no error")
			}
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".golden", err.Error()+"\n")
		})
	}
}

func compareGolden(t *testing.T, golden, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference\ngot:\n%s\nwant:\n%s", golden, got, want)
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := Parse("x.yaml", []byte("scenarios: {}\nbogus: 1\n"), "name")
	var all Errors
	if !errors.As(err, &all) || len(all) != 3 {
		t.Fatalf("got %v (%T), want three Errors", err, err)
	}
	var first Error
	if !errors.As(err, &first) || first.File != "x.yaml" || first.Line != 1 || first.Column != 12 {
		t.Errorf("first fault %+v, want it at x.yaml:1:12", first)
	}
	if last := all[2]; last.File != "--set name" || last.Line != 0 {
		t.Errorf("last fault %+v, want that of the override", last)
	}
}

func TestParseRefusesHugeFiles(t *testing.T) {
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		n, m := string(rune('1'+i)), string(rune('0'+i))
		bomb += "a" + n + ": &a" + n + " [" + strings.Repeat("*a"+m+", ", 9) + "*a" + m + "]\n"
	}
	tests := map[string]struct{ src, want string }{
		"many bytes":  {strings.Repeat("#\n", 1<<19) + "#", "at most 1048576 are read"},
		"many values": {bomb, "at most 100000 values"},
		"many levels": {strings.Repeat("[", 200) + strings.Repeat("]", 200), "100 levels"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("huge.yaml", []byte(test.src))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %.300v, want it to contain %q", err, test.want)
			}
		})
	}
}

func TestShippedScenariosAreValid(t *testing.T) {
	want := []string{
		"capacity", "demo", "edge", "flow", "frontend", "full", "graphql", "healing", "inference", "instances",
		"outage", "policies", "realtime", "reference", "regions", "regression", "smoke", "soak", "steady",
	}
	if got := Shipped(); !reflect.DeepEqual(got, want) {
		t.Fatalf("shipped %v, want %v", got, want)
	}
	for _, name := range Shipped() {
		for _, path := range []string{name, name + ".yaml", "scenarios/" + name + ".yaml"} {
			plan, err := Read(path)
			if err != nil {
				t.Fatal(err)
			}
			if plan.Name != name || plan.Source.File != path {
				t.Errorf("%s is plan %q from %q", path, plan.Name, plan.Source.File)
			}
		}
	}
}

// The reference scenario is what the project's targets are proven with: none may get lost.
func TestReferenceHasEveryTarget(t *testing.T) {
	plan, err := Read("reference")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, threshold := range plan.Thresholds {
		got[threshold.Name()+": "+threshold.Source] = true
	}
	for _, want := range []string{
		"http_req_duration{scenario:warm}: p(95)<50", "http_req_duration{scenario:warm}: p(50)<10",
		"http_req_duration{scenario:cold}: p(95)<50", "http_req_duration{scenario:cold}: p(50)<10",
		"db_query_duration: p(95)<5", "db_query_duration: p(50)<1",
		"http_req_cache_hit{name:get_hot,scenario:warm}: rate>0.95",
		"cache_hit_ratio{scenario:warm}: rate>0.95",
		"cache_hit_ratio{scenario:warm,tier:l1}: rate>0.90", "cache_hit_ratio{scenario:warm,tier:l2}: rate>0.10",
		"cache_hit_ratio{scenario:recovery,tier:l3}: rate>0.20", "http_req_failed{scenario:recovery}: rate==0",
		"http_reqs{scenario:warm}: rate>10000",
		"http_req_failed: rate<0.001",
	} {
		if !got[want] {
			t.Errorf("no gate %s", want)
		}
	}
	if !plan.Environment.Replica {
		t.Error("the environment has no replica")
	}
	cold, warm, recovery := plan.Scenarios[0], plan.Scenarios[1], plan.Scenarios[2]
	if end := warm.StartTime + warm.Load.Length() + warm.GracefulStop; recovery.StartTime < end ||
		plan.Faults[0].At < recovery.StartTime {
		t.Errorf("recovery begins at %v and the faults at %v, while warm may go on until %v", recovery.StartTime,
			plan.Faults[0].At, end)
	}
	if end := cold.StartTime + cold.Load.Length() + cold.GracefulStop; warm.StartTime < end {
		t.Errorf("warm begins at %v, while cold may go on until %v", warm.StartTime, end)
	}
	if measured := warm.Load.Length() - warm.Warmup; measured != 30*time.Second {
		t.Errorf("warm measures %v, want 30s", measured)
	}
}

func TestLoad(t *testing.T) {
	own := filepath.Join(t.TempDir(), "smoke.yaml")
	if err := os.WriteFile(own, []byte(smallest), 0o600); err != nil {
		t.Fatal(err)
	}
	plan, err := Read(own, "scenarios.s.vus=3")
	if err != nil {
		t.Fatal(err)
	}
	if plan.Scenarios[0].Load.Workers() != 3 {
		t.Errorf("the file was not read, or the override not applied: %+v", plan.Scenarios[0])
	}
	if want := (Source{
		File: own, Text: smallest,
		Overrides: []string{"scenarios.s.vus=3"},
	}); !reflect.DeepEqual(plan.Source, want) {
		t.Errorf("source %+v, want %+v", plan.Source, want)
	}

	_, err = Read("nowhere/smok.yaml")
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "regression, smoke") {
		t.Errorf("got %v, want fs.ErrNotExist with the shipped scenarios", err)
	}
	_, err = Read(t.TempDir())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading a folder gave %v", err)
	}
}

// TestOtherFilesAreRecognized: what is given for a scenario by mistake is named for what it is.
func TestOtherFilesAreRecognized(t *testing.T) {
	for name, test := range map[string]struct{ src, want string }{
		"k6": {"// load\nimport http from 'k6/http';\nexport default function () { " +
			"http.get('http://h/'); }\n", "f:2:1: this is a k6 script, and a scenario is YAML; headroom import FILE"},
		"Postman": {
			"{\"info\": {\n\"_postman_id\": \"2f7c6f0e-7c8a\", \"name\": \"x\"}}",
			"f:1:1: this is a collection of Postman, and a scenario is YAML; headroom import FILE makes one of it",
		},
		"OpenAPI":          {"# pets\nopenapi: 3.1.0\n", "f:1:1: this is an OpenAPI document"},
		"OpenAPI, as JSON": {"{\"swagger\": \"2.0\"}", "f:1:1: this is an OpenAPI document"},
		"curl":             {"#!/bin/sh\ncurl http://127.0.0.1/\n", "f:1:1: this is a curl command"},
		"k6, another mark": {"import { check } from \"k6\";\n", "f:1:1: this is a k6 script"},
		"k6, CommonJS":     {"const http = require('k6/http');\n", "f:1:1: this is a k6 script"},
		"k6, no imports":   {"export const options = { vus: 1 };\n", "f:1:1: this is a k6 script"},
		"JMeter": {
			"<?xml version=\"1.0\"?>\n<jmeterTestPlan>",
			"f:1:1: this is XML, such as a plan of JMeter",
		},
		"Locust": {"import time\nfrom locust import HttpUser\n", "f:2:1: this is a Locust file"},
		"JSON log": {
			`{"time_iso8601":"2025-11-02T00:22:41+00:00","request":"GET /a HTTP/1.1"}` + "\n" +
				`{"time_iso8601":"2025-11-02T00:22:42+00:00","request":"GET /a HTTP/1.1"}` + "\n",
			"f:1:1: this is an access log of JSON lines, and a scenario is YAML; name it in one: executor: replay",
		},
		"JSON log, Caddy": {
			`{"level":"info","ts":1.5,"request":{"method":"GET","uri":"/"}}`,
			"f:1:1: this is an access log of JSON lines",
		},
		"vegeta JSON": {
			`{"method":"GET","url":"http://h/"}` + "\n",
			"f:1:1: this is a target file of vegeta, and a scenario is YAML; give it to headroom attack -format " +
				"json -targets",
		},
		"vegeta JSON, too": {`{"header":{"A":["b"]},"url":"http://h/","method":"GET"}` + "\n" +
			`{"method":"GET","url":"http://h/"}`, "f:1:1: this is a target file of vegeta"},
		"saved run": {
			"{\n  \"version\": 1,\n  \"name\": \"a\",\n  \"tool\": {\n",
			"f:1:1: this is a saved run, and a scenario is YAML; headroom report draws its report again, and jq -r " +
				".scenario.text FILE writes its scenario",
		},
		"gzip": {
			"\x1f\x8b\x08\x00\xff",
			"f:1:1: this is compressed by gzip, and a scenario is YAML; if it is a recording, name it in one as it " +
				"is: executor: replay, file: FILE; otherwise gunzip it",
		},
		"ZIP": {
			"PK\x03\x04\x00",
			"f:1:1: this is a ZIP archive or a spreadsheet, and a scenario is YAML; unpack it",
		},
		"HAR": {
			"{\n \"log\": {\"entries\": []}}",
			"f:1:1: this is a HAR file, and a scenario is YAML; name it in one: executor: replay",
		},
		"an access log": {
			"127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] \"GET / HTTP/1.1\" 200 5\n",
			"f:1:1: this is an access log",
		},
		"targets": {"GET http://h/\n", "f:1:1: this is a target file of vegeta"},
	} {
		_, err := Parse("f", []byte(test.src))
		if err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
	if _,
		err := Parse("f.json",
		[]byte(
			`{"tags": {"ts": "a"}, "target": {"url": "http://h"}, "scenarios": {"s": {"executor": "constant-vus", "vus": 1, "duration": "1s", "requests": [{"name": "a", "method": "GET", "path": "/"}]}}}`)); err != nil {
		t.Errorf("a scenario in JSON: %v", err)
	}
	const within = "target: {url: 'http://h'}\nscenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, " +
		"requests: [{name: a, path: /, method: POST, body: \"import x from 'k6'\"}]}}\n"
	if _, err := Parse("f.yaml", []byte(within)); err != nil {
		t.Errorf("a body about k6: %v", err)
	}
}

// TestManyBrackets: the library took half a minute for 100 kB of them.
func TestManyBrackets(t *testing.T) {
	src := "name: a\nx: " + strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000)
	_, err := Parse("deep.yaml", []byte(src))
	if err == nil || !strings.HasPrefix(err.Error(), "deep.yaml:2:1004: more than 1000 brackets are open") {
		t.Error(err)
	}
}
