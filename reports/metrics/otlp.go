package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// headersVariable has headers of OTLP's requests, as OpenTelemetry defines it: "name=value,name=value".
const headersVariable = "OTEL_EXPORTER_OTLP_HEADERS"

// otlpWriter sends OTLP over HTTP in protobuf: https://opentelemetry.io/docs/specs/otlp/#otlphttp.
type otlpWriter struct {
	url     string
	headers map[string]string
	run     Run
	ledger  *ledger
	client  http.Client
}

func newOTLP(url string, run Run) *otlpWriter {
	headers := map[string]string{}
	for _, one := range strings.Split(os.Getenv(headersVariable), ",") {
		if name, value, ok := strings.Cut(one, "="); ok {
			headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return &otlpWriter{
		url: url, headers: headers, run: run, ledger: newLedger(), client: http.Client{Timeout: patience},
	}
}

func (w *otlpWriter) write(ctx context.Context, s Second) error {
	samples := w.ledger.samples(s)
	if len(samples) == 0 {
		return nil
	}
	body, err := proto.Marshal(w.message(s, samples))
	if err != nil {
		return err
	}
	return retried(ctx, func() (again bool, err error) { return w.post(ctx, body) })
}

// message is the request of the protocol.
func (w *otlpWriter) message(s Second, samples []sample) *collector.ExportMetricsServiceRequest {
	of := map[*metric]*otlp.Metric{}
	scope := &otlp.ScopeMetrics{Scope: &common.InstrumentationScope{Name: "headroom"}}
	for _, one := range samples {
		m := of[one.metric]
		if m == nil {
			m = newOTLPMetric(one.metric)
			of[one.metric] = m
			scope.Metrics = append(scope.Metrics, m)
		}
		point := &otlp.NumberDataPoint{
			Attributes: attributes(one.labels), TimeUnixNano: uint64(one.at.UnixNano()),
			Value: &otlp.NumberDataPoint_AsDouble{AsDouble: one.value},
		}
		if sum := m.GetSum(); sum != nil {
			point.StartTimeUnixNano = uint64(one.begun.UnixNano())
			sum.DataPoints = append(sum.DataPoints, point)
		} else {
			m.GetGauge().DataPoints = append(m.GetGauge().DataPoints, point)
		}
	}
	about := append([]string{"service.name", "headroom"}, w.run.labels(s.Started)...)
	return &collector.ExportMetricsServiceRequest{ResourceMetrics: []*otlp.ResourceMetrics{{
		Resource: &resource.Resource{Attributes: attributes(about)}, ScopeMetrics: []*otlp.ScopeMetrics{scope},
	}}}
}

func newOTLPMetric(m *metric) *otlp.Metric {
	out := &otlp.Metric{Name: m.name, Unit: m.unit, Description: m.help}
	if m.counter {
		out.Data = &otlp.Metric_Sum{Sum: &otlp.Sum{
			AggregationTemporality: otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, IsMonotonic: true,
		}}
	} else {
		out.Data = &otlp.Metric_Gauge{Gauge: &otlp.Gauge{}}
	}
	return out
}

func attributes(pairs []string) (all []*common.KeyValue) {
	for i := 0; i+1 < len(pairs); i += 2 {
		all = append(all, &common.KeyValue{
			Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pairs[i+1]}},
		})
	}
	return all
}

// post sends a message. again says that it may be tried again: by the specification after 429, 502, 503 and 504.
func (w *otlpWriter) post(ctx context.Context, body []byte) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	for name, value := range w.headers {
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return true, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, mostOfAnswer))
	if err != nil {
		return true, err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		return false, partly(answer)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return false, fmt.Errorf("the receiver answered %s: %.200q", resp.Status, answer)
}

// mostOfAnswer bounds what is read of an answer, in bytes.
const mostOfAnswer = 64 << 10

// partly is an error where a receiver that answered 200 says that it did not take all.
func partly(answer []byte) error {
	var said collector.ExportMetricsServiceResponse
	err := proto.Unmarshal(answer, &said)
	if err != nil {
		return nil // the status says that it was taken
	}
	if n := said.GetPartialSuccess().GetRejectedDataPoints(); n > 0 {
		return fmt.Errorf("the receiver did not take %d data points: %.200q", n,
			said.GetPartialSuccess().GetErrorMessage())
	}
	return nil
}

func (w *otlpWriter) close(context.Context) error {
	w.client.CloseIdleConnections()
	return nil
}

// retried tries to deliver, up to attempts times, with growing pauses.
func retried(ctx context.Context, deliver func() (again bool, err error)) error {
	pause := 200 * time.Millisecond
	for n := 1; ; n++ {
		again, err := deliver()
		if err == nil || !again || n == attempts {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-wait.C:
		}
		pause *= 2
	}
}
