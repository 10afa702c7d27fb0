package scenarios

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

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
