package api

import "github.com/prometheus/client_golang/prometheus"

// family is a metric whose samples are read from their owner at each scrape, so that counting them costs requests
// nothing.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func counts(name, help string, labels ...string) family {
	return family{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

func gauges(name, help string, labels ...string) family {
	return family{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

// number is what counts and gauges are read as.
type number interface {
	~int | ~int32 | ~int64 | ~uint64 | ~float64
}

// send emits a sample of a family.
func send[N number](to chan<- prometheus.Metric, f family, value N, labels ...string) {
	to <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(value), labels...)
}

func describe(to chan<- *prometheus.Desc, families ...family) {
	for _, f := range families {
		to <- f.desc
	}
}
