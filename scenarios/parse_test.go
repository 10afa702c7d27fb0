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
