package metrics

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/policycortex/headroom/results"
)

var started = time.Date(2026, 11, 23, 21, 4, 5, 0, time.UTC)

// sampleSeconds are two seconds of a run with a scenario of one request and one of subscribers.
func sampleSeconds() []Second {
	return []Second{
		{
			Started: started, Elapsed: time.Second, InFlight: map[string]int64{"browse": 3},
			Points: []results.Point{
				{Scenario: "browse", Second: 0, Asked: 100, Requests: 98, Failed: 2, P50: 1, P95: 2, P99: 3, Max: 4},
				{
					Scenario: "browse", Request: "get", Second: 0, Requests: 98, Failed: 2,
					P50: 1, P95: 2, P99: 3, Max: 4,
				},
			},
			Streams: []results.StreamPoint{
				{Scenario: "feed", Second: 0, Connected: 5, Events: 50, Breaks: 1, P50: 10, P95: 20, P99: 30, Max: 40},
			},
			Health: []results.HealthSecond{{At: 1, Length: 1, Generator: 0.5, Others: new(0.25)}},
		},
		{
			Started: started, Elapsed: 2 * time.Second, InFlight: map[string]int64{"browse": 0},
			Points: []results.Point{
				{Scenario: "browse", Second: 1, Asked: 0, Requests: 10},
				{Scenario: "browse", Request: "get", Second: 1, Requests: 10},
			},
		},
	}
}

// got is what a receiver made of what it received, as "name{labels} value @ milliseconds", with the labels in the order
// in which they came.
type got struct {
	mu    sync.Mutex
	lines []string
	stale int
}

func (g *got) add(name string, labels []string, value float64, at int64) {
	if math.Float64bits(value) == math.Float64bits(staleMarker) {
		g.stale++
		return
	}
	var pairs []string
	for i := 0; i+1 < len(labels); i += 2 {
		pairs = append(pairs, labels[i]+"="+labels[i+1])
	}
	g.lines = append(g.lines, fmt.Sprintf("%s{%s} %g @ %d", name, strings.Join(pairs, ","), value,
		at-started.UnixMilli()))
}

// hold holds that all that is wanted has been received.
func (g *got) hold(t *testing.T, want []string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, line := range want {
		if !slices.Contains(g.lines, line) {
			t.Errorf("%s was not received, but\n%s", line, strings.Join(g.lines, "\n"))
			return
		}
	}
}

// store decodes remote write with Prometheus' own types.
type store struct {
	*got
	t       *testing.T
	headers http.Header
}

func (s *store) Store(req *http.Request, kind remote.WriteMessageType) (*remote.WriteResponse, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var message writev2.Request
	if err := proto.Unmarshal(body, &message); err != nil || kind != remote.WriteV2MessageType {
		s.t.Errorf("a message of kind %v: %v", kind, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = req.Header.Clone()
	response := remote.NewWriteResponse()
	for _, series := range message.Timeseries {
		labels := writev2.DesymbolizeLabels(series.LabelsRefs, message.Symbols, nil)
		var names []string
		for i := 0; i < len(labels); i += 2 {
			names = append(names, labels[i])
		}
		if !slices.IsSorted(names) || labels[0] != "__name__" {
			s.t.Errorf("labels that are not in order: %q", labels)
		}
		if counts := series.Metadata.GetType() == writev2.Metadata_METRIC_TYPE_COUNTER; counts !=
			strings.HasSuffix(labels[1], "_total") {
			s.t.Errorf("%s is of type %v", labels[1], series.Metadata.GetType())
		}
		if !slices.Contains(PrometheusNames(), labels[1]) {
			s.t.Errorf("%s is not in the table", labels[1])
		}
		for _, one := range series.Samples {
			s.add(labels[1], labels[2:], one.Value, one.Timestamp)
			response.Samples++
		}
	}
	return response, nil
}

// send sends seconds through an output and closes it.
func send(t *testing.T, value string, seconds []Second) Loss {
	t.Helper()
	to, err := ParseDestination(value)
	if err != nil {
		t.Fatal(err)
	}
	o, err := Open(to, Run{Test: "shop", Shard: "0/2"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range seconds {
		o.Send(s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return o.Close(ctx)
}

func TestRemoteWrite(t *testing.T) {
	s := &store{got: &got{}, t: t}
	receiver := httptest.NewServer(remote.NewWriteHandler(s, remote.MessageTypes{remote.WriteV2MessageType}))
	t.Cleanup(receiver.Close)
	url := strings.Replace(receiver.URL, "http://", "http://me:word@", 1) + "/api/v1/write"
	if loss := send(t, "remote-write="+url, sampleSeconds()); loss.Text() != "" {
		t.Error(loss.Text())
	}
	const of = "run=2026-11-23T21:04:05Z,scenario=browse,shard=0/2,test=shop"
	s.hold(t, []string{
		"headroom_http_reqs_total{name=get," + of + "} 0 @ 0",
		"headroom_http_reqs_total{name=get," + of + "} 98 @ 1000",
		"headroom_http_reqs_total{name=get," + of + "} 108 @ 2000",
		"headroom_http_req_failed_total{name=get," + of + "} 2 @ 2000",
		"headroom_http_req_duration_seconds{name=get,quantile=0.95," + of + "} 0.002 @ 1000",
		"headroom_scenario_duration_seconds{quantile=1," + of + "} 0.004 @ 1000",
		"headroom_iterations_asked_total{" + of + "} 100 @ 1000",
		"headroom_iterations_asked_total{" + of + "} 100 @ 2000",
		"headroom_in_flight{" + of + "} 3 @ 1000",
		"headroom_stream_connected{" + strings.Replace(of, "browse", "feed", 1) + "} 5 @ 1000",
		"headroom_stream_breaks_total{" + strings.Replace(of, "browse", "feed", 1) + "} 1 @ 1000",
		"headroom_generator_cpu_cores{run=2026-11-23T21:04:05Z,shard=0/2,test=shop} 0.5 @ 1000",
	})
	if s.stale < 20 {
		t.Errorf("%d series were ended", s.stale)
	}
	if user, password, _ := (&http.Request{Header: s.headers}).BasicAuth(); user != "me" || password != "word" {
		t.Errorf("user %q and password %q of the URL were sent", user, password)
	}
	for _, line := range s.lines {
		if strings.Contains(line, "quantile") && strings.HasSuffix(line, "@ 2000") {
			t.Errorf("%s, though no duration was recorded", line)
		}
	}
}

// otlpReceiver decodes OTLP with OpenTelemetry's own types. Its first answers are the statuses.
func otlpReceiver(t *testing.T, into *got, statuses ...int) string {
	t.Helper()
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		into.mu.Lock()
		defer into.mu.Unlock()
		if len(statuses) > 0 {
			status := statuses[0]
			statuses = statuses[1:]
			if status != http.StatusOK {
				http.Error(w, "not now", status)
				return
			}
		}
		body, err := io.ReadAll(r.Body)
		var message collector.ExportMetricsServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &message)
		}
		if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("content type %s: %v", r.Header.Get("Content-Type"), err)
		}
		for _, from := range message.ResourceMetrics {
			for _, m := range from.ScopeMetrics[0].Metrics {
				points := m.GetGauge().GetDataPoints()
				if sum := m.GetSum(); sum != nil {
					points = sum.DataPoints
					if !sum.IsMonotonic || sum.AggregationTemporality !=
						otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE {
						t.Errorf("%s is no counter that goes on", m.Name)
					}
				}
				for _, p := range points {
					into.add(m.Name+"["+m.Unit+"]", append(pairsOf(p.Attributes), pairsOf(from.Resource.Attributes)...),
						p.GetAsDouble(), int64(p.TimeUnixNano/1e6))
				}
			}
		}
	}))
	t.Cleanup(receiver.Close)
	return receiver.URL + "/v1/metrics"
}

func pairsOf(attributes []*common.KeyValue) (pairs []string) {
	for _, a := range attributes {
		pairs = append(pairs, a.Key, a.Value.GetStringValue())
	}
	return pairs
}

func TestOTLP(t *testing.T) {
	t.Setenv(headersVariable, "x-key=secret, x-other=1")
	g := &got{}
	// A receiver that is busy at first gets it later.
	url := otlpReceiver(t, g, http.StatusServiceUnavailable, http.StatusTooManyRequests)
	if loss := send(t, "otlp="+url, sampleSeconds()); loss.Text() != "" {
		t.Error(loss.Text())
	}
	const of = "service.name=headroom,run=2026-11-23T21:04:05Z,shard=0/2,test=shop"
	g.hold(t, []string{
		"headroom.http_reqs[{request}]{name=get,scenario=browse," + of + "} 0 @ 0",
		"headroom.http_reqs[{request}]{name=get,scenario=browse," + of + "} 108 @ 2000",
		"headroom.http_req_duration[s]{name=get,quantile=0.99,scenario=browse," + of + "} 0.003 @ 1000",
		"headroom.others_cpu_cores[{cpu}]{" + of + "} 0.25 @ 1000",
		"headroom.stream_delivery[s]{quantile=0.5,scenario=feed," + of + "} 0.01 @ 1000",
	})
}

func TestJSONLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run.jsonl")
	if loss := send(t, "jsonl="+file, sampleSeconds()); loss.Text() != "" {
		t.Error(loss.Text())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]int{}
	for one := range bytes.Lines(text) {
		var line map[string]any
		if err := json.Unmarshal(one, &line); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		types[line["type"].(string)]++
		if line["test"] != "shop" || line["shard"] != "0/2" {
			t.Errorf("%s is of another run", one)
		}
		if line["type"] == "request" && line["second"] == 0.0 && (line["time"] != "2026-11-23T21:04:06Z" ||
			line["request"] != "get" || line["requests"] != 98.0 || line["p95_ms"] != 2.0) {
			t.Errorf("the line of a request is %s", one)
		}
	}
	want := map[string]int{"scenario": 2, "request": 2, "stream": 1, "health": 1}
	if !maps.Equal(types, want) {
		t.Errorf("lines %v, want %v", types, want)
	}
}

// TestLossIsCounted: what a receiver does not take is counted and said, and a URL's password is not.
func TestLossIsCounted(t *testing.T) {
	g := &got{}
	for name, tt := range map[string]struct{ to, why string }{
		"refused":  {"otlp=" + otlpReceiver(t, g, 400, 400), "400 Bad Request"},
		"away":     {"remote-write=http://me:word@127.0.0.1:1/api/v1/write", "refused"},
		"not OTLP": {"otlp=http://127.0.0.1:1/v1/metrics", "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loss := send(t, tt.to, sampleSeconds())
			if loss.Seconds < 2 || !strings.Contains(loss.Text(), tt.why) || strings.Contains(loss.Text(), "word") {
				t.Errorf("%d losses: %s", loss.Seconds, loss.Text())
			}
		})
	}
}

// TestReceiverThatHangs: the run is not held up, and what did not find room is counted.
func TestReceiverThatHangs(t *testing.T) {
	release := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(receiver.Close)
	t.Cleanup(func() { close(release) })
	o, err := Open(Destination{formatOTLP, receiver.URL}, Run{Test: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	const more = 10
	for range mostWaiting + more {
		o.Send(sampleSeconds()[0])
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if loss := o.Close(ended); loss.Seconds != mostWaiting+more {
		t.Errorf("%d of %d were lost: %s", loss.Seconds, mostWaiting+more, loss.Text())
	}
	if again := o.Close(ended); again.Seconds != mostWaiting+more {
		t.Errorf("closed again, %d were lost", again.Seconds)
	}
}

func TestFileThatCannotBeWritten(t *testing.T) {
	if _, err := Open(Destination{formatJSONLines, filepath.Join(t.TempDir(), "no", "such")}, Run{}); err == nil {
		t.Error("a file in a directory that is not there was opened")
	}
}

func TestDestinations(t *testing.T) {
	for value, fault := range map[string]string{
		"jsonl=run.jsonl":                          "",
		"otlp=http://127.0.0.1:4318/v1/metrics":    "",
		"remote-write=https://example.com/write":   "",
		"jsonl":                                    "write FORMAT=DESTINATION",
		"jsonl=":                                   "write FORMAT=DESTINATION",
		"influx=http://127.0.0.1":                  "there is no format",
		"otlp=127.0.0.1:4318":                      "http://127.0.0.1:4318/v1/metrics",
		"remote-write=grpc://127.0.0.1:4317/write": "http://127.0.0.1:9090/api/v1/write",
	} {
		_, err := ParseDestination(value)
		if (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", value, err, fault)
		}
	}
	if text := (Destination{formatOTLP, "https://me:word@example.com/v1"}).String(); strings.Contains(text, "word") {
		t.Errorf("the destination is shown as %s", text)
	}
}

func FuzzDestination(f *testing.F) {
	for _, seed := range []string{
		"jsonl=a", "otlp=http://127.0.0.1/v1", "remote-write=https://a:b@c/d?e", "=", "otlp=:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		d, err := ParseDestination(value)
		if err == nil && (d.To == "" || d.String() == "") {
			t.Errorf("%q is taken as %+v", value, d)
		}
	})
}

// BenchmarkSamples is what a second of 34 requests costs before it is encoded.
func BenchmarkSamples(b *testing.B) {
	var s Second
	for i := range 34 {
		p := sampleSeconds()[0].Points[1]
		p.Request = fmt.Sprintf("page-%d", i)
		s.Points = append(s.Points, p)
	}
	l := newLedger()
	b.ReportAllocs()
	for b.Loop() {
		l.samples(s)
	}
}
