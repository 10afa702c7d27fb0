package results

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/policycortex/headroom/scenarios"
)

func TestSaveAndRead(t *testing.T) {
	dir := t.TempDir()
	run := &Run{Name: "x", Measurements: *measured(), Command: []string{"headroom", "run", "x.yaml"}}
	if err := Save(dir, run); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "run.json")} {
		back, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		s, l, v := back.Measurements.Series[0], back.Measurements.Loads[0], back.Measurements.View("")
		if s.Response.Count() != 1000 || !near(s.Response.Percentile(95), 950) ||
			!near(s.Service.Percentile(95), 475) ||
			l.OwnLag.Count() != 1 || v.Queries["get_resource"].Duration.Count() != 2 {
			t.Errorf("the histograms changed on the way: %d responses", s.Response.Count())
		}
		again := t.TempDir()
		if err := Save(again, back); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{runFile, histogramsFile} {
			if !bytes.Equal(read(t, filepath.Join(dir, name)), read(t, filepath.Join(again, name))) {
				t.Errorf("%s differs after reading and saving it", name)
			}
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "holds no run.json") {
		t.Errorf("an empty directory: %v", err)
	}
	run := &Run{Measurements: *measured()}
	if err := Save(dir, run); err != nil {
		t.Fatal(err)
	}
	doc := read(t, filepath.Join(dir, runFile))
	for change, want := range map[string]string{`"version": 9`: "version 9", `"version": 1x`: "invalid character"} {
		os.WriteFile(filepath.Join(dir, runFile), bytes.Replace(doc, []byte(`"version": 1`), []byte(change), 1), 0o644)
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", change, err)
		}
	}
	os.WriteFile(filepath.Join(dir, runFile), bytes.Replace(doc, []byte(`"series": [`), []byte(`"series": [null,`), 1),
		0o644)
	_, err := Read(dir)
	if err == nil || !strings.Contains(err.Error(), "null where an object belongs") {
		t.Errorf("a series that is null: %v", err)
	}
	err = (&Measurements{Points: []Point{{Second: 1 << 60}}}).sound()
	if err == nil || !strings.Contains(err.Error(), "from 0 to 2678400") {
		t.Errorf("a point after the end of time: %v", err)
	}
	os.WriteFile(filepath.Join(dir, runFile), doc, 0o644)
	os.WriteFile(filepath.Join(dir, histogramsFile), nil, 0o644)
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "no histogram response:warm/get") {
		t.Errorf("lost histograms: %v", err)
	}
}

// serverHistogram encodes durations as the reference server does: another range than ours.
func serverHistogram(t testing.TB, values ...time.Duration) string {
	h := hdr.New(1, 60_000_000, 3)
	for _, v := range values {
		if err := h.RecordValue(v.Microseconds()); err != nil {
			t.Fatal(err)
		}
	}
	text, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func snapshotJSON(t testing.TB, second int, hits int, durations ...time.Duration) []byte {
	doc, err := json.Marshal(map[string]any{
		"version": 1, "at": time.Unix(int64(second), 0).UTC(),
		"db": map[string]any{"get": map[string]any{
			"count": len(durations), "errors": 0,
			"hdr": serverHistogram(t, durations...),
		}},
		"cache": map[string]any{"l1": map[string]any{"hits": hits, "misses": 1, "errors": 0}},
		"process": map[string]any{
			"cpu_seconds": float64(second), "allocated_bytes": 1000 * second, "allocated_objects": 10 * second,
			"gc_cpu_seconds": float64(second) / 4, "gc_pauses_us_total": 1000 * second,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestServerViewIsTheExactDifference(t *testing.T) {
	parse := func(doc []byte) Snapshot {
		s, err := ParseSnapshot(doc)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const ms = time.Millisecond
	a := parse(snapshotJSON(t, 10, 5, 100*ms, 200*ms))
	b := parse(snapshotJSON(t, 20, 9, 100*ms, 200*ms, ms, ms))
	c := parse(snapshotJSON(t, 30, 10, 100*ms, 200*ms, ms, ms, 50*ms))
	v := NewServerView("warm")
	if err := v.Add(a, b); err != nil {
		t.Fatal(err)
	}
	if err := v.Add(b, c); err != nil {
		t.Fatal(err)
	}
	q := v.Queries["get"]
	if q.Count != 3 || q.Duration.Count() != 3 || !near(q.Duration.Max(), 50) || v.Tiers["l1"].Hits != 5 ||
		v.Seconds != 20 || v.CPUSeconds != 20 || v.AllocatedBytes != 20_000 || v.AllocatedObjects != 200 ||
		v.GCSeconds != 5 || !near(v.GCPauses, 0.02) {
		t.Errorf("%+v, max %v", v, q.Duration.Max())
	}
	if !near(v.DatabaseTime(), 52) || v.Statements() != 3 {
		t.Errorf("%v ms in %d statements, want 52 in 3", v.DatabaseTime(), v.Statements())
	}
	if empty := NewServerView(""); empty.DatabaseTime() != 0 || empty.Statements() != 0 {
		t.Errorf("an empty view: %v ms in %d statements", empty.DatabaseTime(), empty.Statements())
	}
	if err := v.Add(c, a); err == nil {
		t.Error("a server that was restarted made no error")
	}
}

func TestParseSnapshotRefuses(t *testing.T) {
	for _, doc := range []string{
		``, `{"version":2}`, `{"version":1,"db":{"x":{"hdr":"%%%"}}}`,
		`{"version":1,"db":{"x":{"hdr":"AAAA"}}}`,
	} {
		if _, err := ParseSnapshot([]byte(doc)); err == nil {
			t.Errorf("%s: no error", doc)
		}
	}
}

func FuzzParseSnapshot(f *testing.F) {
	f.Add(snapshotJSON(f, 1, 2, time.Millisecond))
	f.Add([]byte(fmt.Sprintf(`{"version":1,"db":{"x":{"hdr":%q}}}`,
		base64.StdEncoding.EncodeToString(make([]byte, 60)))))
	f.Fuzz(func(_ *testing.T, doc []byte) {
		if s, err := ParseSnapshot(doc); err == nil {
			v := NewServerView("")
			_ = v.Add(Snapshot{}, s)
		}
	})
}

// TestReadGivesGatesTheirThresholds: a gate has its threshold again, and the margin of a share that was saved before
// that was one of what may be lost is renewed.
func TestReadGivesGatesTheirThresholds(t *testing.T) {
	dir := t.TempDir()
	gates := []Gate{
		{
			Metric: "http_req_duration{name:a b,scenario:s}", Expression: "p(95) < 50 for 10s", Op: "<", Target: 50,
			Actual: 40, Samples: 9, Margin: 0.2,
		},
		{Metric: "checks", Expression: "rate>0.9", Op: ">", Target: 0.9, Actual: 0.95, Samples: 9, Margin: 0.05},
	}
	run := &Run{Measurements: *measured(), Verdict: Verdict{Gates: gates}}
	if err := Save(dir, run); err != nil {
		t.Fatal(err)
	}
	back, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	g := back.Verdict.Gates
	want := scenarios.Threshold{
		Metric: scenarios.HTTPReqDuration, Selector: map[string]string{"name": "a b", "scenario": "s"}, Op: "<",
		Limit: 50, Window: 10 * time.Second,
		Aggregation: scenarios.Aggregation{Name: "p", Percentile: 95}, Source: "p(95) < 50 for 10s",
	}
	if !reflect.DeepEqual(g[0].Threshold, want) || g[0].Margin != 0.2 {
		t.Errorf("got %+v, want %+v", g[0].Threshold, want)
	}
	if g[1].Threshold.Metric != scenarios.Checks || !near(g[1].Margin, 0.5) {
		t.Errorf("got %+v, a margin of %v", g[1].Threshold, g[1].Margin)
	}
	run.Verdict.Gates[1].Expression = "rate>"
	if err := Save(dir, run); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), `the gate checks rate>: "" is not a number`) {
		t.Errorf("a damaged gate: %v", err)
	}
}
