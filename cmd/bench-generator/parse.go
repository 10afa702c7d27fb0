package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// report is what a generator says about its turn.
type report struct {
	requests, failed int
	rate             float64 // answers a second
	p50, p95, p99    float64 // milliseconds; NaN where it does not say
}

// errFormat is the error of a generator that says something else than expected.
var errFormat = errors.New("not the expected output")

// field is the number that a pattern's group finds in text.
func field(text []byte, pattern *regexp.Regexp) (float64, error) {
	m := pattern.FindSubmatch(text)
	if m == nil {
		return math.NaN(), fmt.Errorf("%w: no %v", errFormat, pattern)
	}
	return strconv.ParseFloat(string(m[1]), 64)
}

// optional is field, with a value for what is only said when it is there.
func optional(text []byte, pattern *regexp.Regexp, otherwise float64) float64 {
	if v, err := field(text, pattern); err == nil {
		return v
	}
	return otherwise
}

func regexps(patterns ...string) []*regexp.Regexp {
	var all []*regexp.Regexp
	for _, p := range patterns {
		all = append(all, regexp.MustCompile(p))
	}
	return all
}

var (
	wrkFields = regexps(`(\d+) requests in `, `Requests/sec:\s+([\d.]+)`)
	wrkFailed = regexps(`Non-2xx or 3xx responses: (\d+)`, `connect (\d+), read`, `read (\d+), write`,
		`write (\d+), timeout`, `timeout (\d+)`)
	h2Fields   = regexps(`, (\d+) succeeded`, `([\d.]+) req/s`)
	h2Failed   = regexps(`, (\d+) failed`, `, (\d+) errored`, `, (\d+) timeout`, `, (\d+) 4xx`, `, (\d+) 5xx`)
	heyFields  = regexps(`\[200\]\s+(\d+) responses`, `Requests/sec:\s+([\d.]+)`)
	heyFailed  = regexps(`\[[1345]\d\d\]\s+(\d+) responses`, `\[(\d+)\]\t[^\t\n]*http`)
	heyLatency = regexps(`50%+ in ([\d.]+) secs`, `95%+ in ([\d.]+) secs`, `99%+ in ([\d.]+) secs`)
)

// parseText takes a report from text: requests and rate have to be there, failures only when there are some.
func parseText(text []byte, fields, failed []*regexp.Regexp) (report, error) {
	r := report{p50: math.NaN(), p95: math.NaN(), p99: math.NaN()}
	requests, err1 := field(text, fields[0])
	rate, err2 := field(text, fields[1])
	for _, pattern := range failed {
		r.failed += int(optional(text, pattern, 0))
	}
	r.requests, r.rate = int(requests), rate
	return r, errors.Join(err1, err2)
}

func parseWrk(text []byte) (report, error) { return parseText(text, wrkFields, wrkFailed) }

func parseH2load(text []byte) (report, error) { return parseText(text, h2Fields, h2Failed) }

func parseHey(text []byte) (report, error) {
	r, err := parseText(text, heyFields, heyFailed)
	for i, p := range []*float64{&r.p50, &r.p95, &r.p99} {
		*p = 1000 * optional(text, heyLatency[i], math.NaN())
	}
	return r, err
}

// parseJSON reads into what a generator writes.
func parseJSON(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%w: %w", errFormat, err)
	}
	return nil
}

func parseHeadroom(text []byte) (report, error) {
	var s struct {
		Overall struct {
			Requests, Failed int
			Rate             float64
			Response         struct{ P50, P95, P99 float64 } `json:"response_ms"`
		}
	}
	err := parseJSON(text, &s)
	o := s.Overall
	return report{o.Requests, o.Failed, o.Rate, o.Response.P50, o.Response.P95, o.Response.P99}, err
}

func parseFortio(text []byte) (report, error) {
	var s struct {
		ActualQPS         float64
		RetCodes          map[string]int
		DurationHistogram struct {
			Count       int
			Percentiles []struct{ Percentile, Value float64 } // of seconds
		}
	}
	if err := parseJSON(text, &s); err != nil {
		return report{}, err
	}
	r := report{
		requests: s.DurationHistogram.Count, rate: s.ActualQPS, p50: math.NaN(), p95: math.NaN(),
		p99: math.NaN(),
	}
	r.failed = r.requests - s.RetCodes["200"]
	at := map[float64]*float64{50: &r.p50, 95: &r.p95, 99: &r.p99}
	for _, p := range s.DurationHistogram.Percentiles {
		if to := at[p.Percentile]; to != nil {
			*to = 1000 * p.Value
		}
	}
	return r, nil
}

func parseBombardier(text []byte) (report, error) {
	var s struct {
		Result struct {
			Seconds float64 `json:"timeTakenSeconds"`
			OK      int     `json:"req2xx"`
			Code1   int     `json:"req1xx"`
			Code3   int     `json:"req3xx"`
			Code4   int     `json:"req4xx"`
			Code5   int     `json:"req5xx"`
			Others  int
			Latency struct{ Percentiles map[string]float64 } // microseconds
		}
	}
	if err := parseJSON(text, &s); err != nil {
		return report{}, err
	}
	r, p := s.Result, s.Result.Latency.Percentiles
	failed := r.Code1 + r.Code3 + r.Code4 + r.Code5 + r.Others
	return report{r.OK + failed, failed, float64(r.OK) / r.Seconds, p["50"] / 1000, p["95"] / 1000, p["99"] / 1000}, nil
}

func parseVegeta(text []byte) (report, error) {
	var s struct {
		Requests   int
		Throughput float64
		Success    float64
		Latencies  struct { // nanoseconds
			P50 float64 `json:"50th"`
			P95 float64 `json:"95th"`
			P99 float64 `json:"99th"`
		}
	}
	err := parseJSON(text, &s)
	failed := int(math.Round(float64(s.Requests) * (1 - s.Success)))
	return report{
		s.Requests, failed, s.Throughput, s.Latencies.P50 / 1e6, s.Latencies.P95 / 1e6,
		s.Latencies.P99 / 1e6,
	}, err
}

func parseK6(text []byte) (report, error) {
	var s struct {
		Metrics struct {
			Requests struct {
				Count int
				Rate  float64
			} `json:"http_reqs"`
			Failed   struct{ Value float64 } `json:"http_req_failed"`
			Duration struct {                // milliseconds
				P50 float64 `json:"p(50)"`
				P95 float64 `json:"p(95)"`
				P99 float64 `json:"p(99)"`
			} `json:"http_req_duration"`
		}
	}
	err := parseJSON(text, &s)
	m := s.Metrics
	failed := int(math.Round(float64(m.Requests.Count) * m.Failed.Value))
	return report{m.Requests.Count, failed, m.Requests.Rate, m.Duration.P50, m.Duration.P95, m.Duration.P99}, err
}
