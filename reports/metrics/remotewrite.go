package metrics

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
)

// remoteWriter sends Prometheus' remote write in version 2.0:
// https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/.
type remoteWriter struct {
	api    *remote.API
	client *http.Client
	run    Run
	ledger *ledger
	last   map[string]sample // of each series
	common []string          // the labels of the run
}

func newRemoteWrite(url string, run Run) (*remoteWriter, error) {
	client := &http.Client{Timeout: patience}
	api, err := remote.NewAPI(url, remote.WithAPIPath(""), remote.WithAPIHTTPClient(client),
		remote.WithAPIBackoff(remote.BackoffConfig{
			Min: 200 * time.Millisecond, Max: time.Second, MaxRetries: attempts - 1,
		}))
	if err != nil {
		return nil, err
	}
	return &remoteWriter{api: api, client: client, run: run, ledger: newLedger(), last: map[string]sample{}}, nil
}

func (w *remoteWriter) write(ctx context.Context, s Second) error {
	w.common = w.run.labels(s.Started)
	samples := w.ledger.samples(s)
	for _, one := range samples {
		w.last[one.key()] = one
	}
	return w.send(ctx, samples)
}

// staleMarker is the value with which Prometheus ends a series; else it would be drawn on for five minutes.
var staleMarker = math.Float64frombits(0x7ff0000000000002)

// close ends the series.
func (w *remoteWriter) close(ctx context.Context) error {
	defer w.client.CloseIdleConnections()
	var ends []sample
	for _, one := range w.last {
		one.value, one.at = staleMarker, one.at.Add(time.Millisecond)
		ends = append(ends, one)
	}
	return w.send(ctx, ends)
}

func (w *remoteWriter) send(ctx context.Context, samples []sample) error {
	if len(samples) == 0 {
		return nil
	}
	wrote, err := w.api.Write(ctx, remote.WriteV2MessageType, w.message(samples))
	if err != nil {
		return err
	}
	if wrote.Samples < len(samples) {
		return fmt.Errorf("the receiver took %d of %d samples", wrote.Samples, len(samples))
	}
	return nil
}

// message is the request of the protocol: the samples of each series together, in the order of time.
func (w *remoteWriter) message(samples []sample) *writev2.Request {
	symbols := writev2.NewSymbolTable()
	out := &writev2.Request{}
	of := map[string]*writev2.TimeSeries{}
	for _, one := range samples {
		series := of[one.key()]
		if series == nil {
			kind := writev2.Metadata_METRIC_TYPE_GAUGE
			if one.metric.counter {
				kind = writev2.Metadata_METRIC_TYPE_COUNTER
			}
			series = &writev2.TimeSeries{
				LabelsRefs: symbols.SymbolizeLabels(sortedLabels(one, w.common), nil),
				Metadata:   &writev2.Metadata{Type: kind, HelpRef: symbols.Symbolize(one.metric.help)},
			}
			of[one.key()] = series
			out.Timeseries = append(out.Timeseries, series)
		}
		series.Samples = append(series.Samples, &writev2.Sample{Value: one.value, Timestamp: one.at.UnixMilli()})
	}
	out.Symbols = symbols.Symbols()
	return out
}

// sortedLabels are all labels of a sample, in the order of their names.
func sortedLabels(s sample, common []string) []string {
	all := append(append([]string{"__name__", s.metric.prometheus}, s.labels...), common...)
	var pairs [][2]string
	for i := 0; i+1 < len(all); i += 2 {
		pairs = append(pairs, [2]string{all[i], all[i+1]})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	all = all[:0]
	for _, p := range pairs {
		all = append(all, p[0], p[1])
	}
	return all
}
