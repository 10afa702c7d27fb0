package scenarios

import (
	"fmt"
	"strings"
)

// Objective reads a threshold that is given apart from the file: "metric{tag:value}: expression", or an expression
// alone, which is on the response time of all requests. The requests that it selects are held against those of the
// plan.
func (p *Plan) Objective(text string) (Threshold, error) {
	name, source := string(HTTPReqDuration), text
	if before, after, found := cutMetric(text); found {
		name, source = before, after
	}
	t, err := ParseThreshold(strings.TrimSpace(name), strings.TrimSpace(source))
	if err != nil {
		return t, err
	}
	metric, _ := t.Metric.Metric()
	switch {
	case metric.From == FromServer && p.Target.URL != "":
		return t, fmt.Errorf("%s is answered by the reference server alone, and target names another service",
			t.Metric)
	case metric.From == FromMetrics && p.Target.URL != "" && len(p.Target.Metrics) == 0:
		return t, fmt.Errorf("%s needs target.metrics, the address of the service's metrics", t.Metric)
	case metric.perRequest() && t.Metric != Checks && !newTagIndex(p.tagSets()).picks(t.Selector):
		return t, fmt.Errorf("no request of the scenario has the tags of %s", t.Name())
	}
	return t, nil
}

// cutMetric cuts a text at the colon behind a metric, which is not one of its selector.
func cutMetric(text string) (metric, expression string, found bool) {
	end := max(0, strings.Index(text, "}"))
	colon := strings.Index(text[end:], ":")
	if colon < 0 {
		return "", text, false
	}
	return text[:end+colon], text[end+colon+1:], true
}

// PeakRate is the highest rate that the plan's schedules reach together, in iterations per second; 0 without any.
// recorded are the peaks of the scenarios that replay a recording with times, by name. They count for as long as those
// run, so that of several recordings it is the sum of their peaks, though they may not be at the same time.
func (p *Plan) PeakRate(recorded map[string]float64) (peak float64) {
	for _, at := range p.Scenarios {
		sum := 0.0
		for _, s := range p.Scenarios {
			if s.StartTime <= at.StartTime && at.StartTime < s.StartTime+s.Load.Length() {
				sum += max(recorded[s.Name], peakOf(s.Load))
			}
		}
		peak = max(peak, sum)
	}
	return peak
}

// peakOf is the highest rate of a load.
func peakOf(load Load) float64 {
	switch l := load.(type) {
	case ConstantRate:
		return l.Rate
	case RampingRate:
		peak := l.StartRate
		for _, s := range l.Stages {
			peak = max(peak, s.Target)
		}
		return peak
	case SineRate:
		return l.Rate + l.Amplitude
	case Bursts:
		if l.Every > 0 {
			return float64(l.Size) / l.Every.Seconds()
		}
	case Replay:
		return l.Rate
	}
	return 0
}
