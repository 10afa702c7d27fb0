package reports

import (
	"bytes"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/policycortex/headroom/results"
)

// WritePercentiles writes the response times of each scenario and each request into dir, and the times of delivery of
// each scenario of subscribers, in the text format of the HdrHistogram plotters: response-warm.hgrm,
// response-warm.get_hot.hgrm, delivery-live.hgrm. It returns the paths.
func WritePercentiles(dir string, r *results.Run) ([]string, error) {
	var files []string
	writeAs := func(kind, name string, h *results.Histogram) error {
		var content bytes.Buffer
		if err := h.WritePercentiles(&content); err != nil {
			return err
		}
		path := filepath.Join(dir, kind+"-"+url.PathEscape(name)+".hgrm") // names of replayed requests have slashes
		files = append(files, path)
		return results.WriteFile(path, content.Bytes())
	}
	write := func(name string, h *results.Histogram) error { return writeAs("response", name, h) }
	for _, l := range r.Measurements.Loads {
		if isOfStreams(&r.Measurements, l) {
			continue
		}
		sum, err := r.Measurements.Summarize(map[string]string{"scenario": l.Scenario})
		if err == nil {
			err = write(l.Scenario, sum.Response)
		}
		if err != nil {
			return nil, fmt.Errorf("write percentiles of %s: %w", l.Scenario, err)
		}
	}
	requests, err := r.Measurements.ByRequest()
	if err != nil {
		return nil, fmt.Errorf("merge the stages of requests: %w", err)
	}
	for _, s := range requests { // scenario names have no dot, so no two files have the same name
		if err := write(s.Scenario+"."+s.Name, s.Response); err != nil {
			return nil, fmt.Errorf("write percentiles of %s, %s: %w", s.Scenario, s.Name, err)
		}
	}
	for _, s := range r.Measurements.Streams {
		if !s.Timed {
			continue
		}
		if err := writeAs("delivery", s.Scenario, s.Delivery); err != nil {
			return nil, fmt.Errorf("write percentiles of %s: %w", s.Scenario, err)
		}
	}
	return files, nil
}
