package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/policycortex/headroom/server/tuning"
)

var (
	tuningActions = prometheus.NewDesc("headroom_tuning_actions_total",
		"Changes of settings by outcome. Every one that was made counts as trying, and then by what became of it.",
		[]string{"knob", "outcome"}, nil)
	tuningValue = prometheus.NewDesc("headroom_tuning_value",
		"Present setting of a knob: connections, bytes, seconds, percent, a number, or 1 for on and 0 for off.",
		[]string{"knob"}, nil)
	tuningMode = prometheus.NewDesc("headroom_tuning_mode", "1 for the mode in force.", []string{"mode"}, nil)
)

// tuningMetrics exports what a tuner does.
type tuningMetrics struct{ *tuner }

// Describe implements prometheus.Collector.
func (m *tuningMetrics) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- tuningActions
	descriptions <- tuningValue
	descriptions <- tuningMode
}

// Collect implements prometheus.Collector.
func (m *tuningMetrics) Collect(samples chan<- prometheus.Metric) {
	m.mu.Lock()
	totals, values := m.controller.Totals(), m.values()
	m.mu.Unlock()
	for _, knob := range tuning.Knobs {
		for _, outcome := range tuning.Outcomes {
			samples <- prometheus.MustNewConstMetric(tuningActions, prometheus.CounterValue,
				float64(totals[knob][outcome]), string(knob), outcome)
		}
		samples <- prometheus.MustNewConstMetric(tuningValue, prometheus.GaugeValue, values[knob], string(knob))
	}
	samples <- prometheus.MustNewConstMetric(tuningMode, prometheus.GaugeValue, 1, string(m.mode))
}
