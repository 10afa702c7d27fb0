package results

import (
	"cmp"
	"maps"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// Batches are the times that the selector of a quantile threshold picks of one scenario, in equal stretches of the run by
// the instant at which the answers came. They tell how much alike neighbours in time are, which the whole does not.
type Batches struct {
	Metric   string            `json:"metric"` // http_req_duration or http_req_service_duration
	Selector map[string]string `json:"selector,omitempty"`
	Scenario string            `json:"scenario"`
	From     int               `json:"from"`    // offset of the first batch in seconds, a multiple of Seconds
	Seconds  int               `json:"seconds"` // the length of each: a power of two
	Counts   []string          `json:"counts"`  // HdrHistograms in their V2 compressed encoding, as base64; empty: nothing
}

// maxBatches bounds the memory of a run however long it is: when there are more, neighbours are put together.
const maxBatches = 128

// Batched reports whether a threshold is judged by batches: one with a window is judged window by window.
func Batched(t scenarios.Threshold) bool {
	return t.Window == 0 && Timed(t.Metric) && (t.Aggregation.Name == "p" || t.Aggregation.Name == "med")
}

// Add takes in what was counted in a second of the run, later than all seconds that were taken in before.
func (b *Batches) Add(second int, h *Histogram) error {
	if h.Count() == 0 {
		return nil
	}
	if len(b.Counts) == 0 {
		b.Seconds = max(b.Seconds, 1)
		b.From = second - second%b.Seconds
	}
	at := (second - b.From) / b.Seconds
	for at >= maxBatches {
		if err := b.halve(); err != nil {
			return err
		}
		at = (second - b.From) / b.Seconds
	}
	for len(b.Counts) <= at {
		b.Counts = append(b.Counts, "")
	}
	sum := h
	if b.Counts[at] != "" {
		before, err := decodeHistogram(b.Counts[at])
		if err != nil {
			return err
		}
		if err := before.Merge(h); err != nil {
			return err
		}
		sum = before
	}
	return b.set(at, sum)
}

func (b *Batches) set(i int, h *Histogram) error {
	text, err := encodeHistogram(h)
	b.Counts[i] = text
	return err
}

// halve doubles the length of the batches.
func (b *Batches) halve() error {
	old, from := b.Counts, b.From
	length := 2 * b.Seconds
	b.From -= b.From % length
	b.Counts = make([]string, 0, maxBatches)
	for i, text := range old {
		at := (from + i*b.Seconds - b.From) / length
		if at == len(b.Counts) {
			b.Counts = append(b.Counts, text)
			continue
		}
		if text == "" || b.Counts[at] == "" {
			b.Counts[at] += text
			continue
		}
		sum, err := decodeHistogram(b.Counts[at])
		if err != nil {
			return err
		}
		h, err := decodeHistogram(text)
		if err != nil {
			return err
		}
		if err := sum.Merge(h); err != nil {
			return err
		}
		if err := b.set(at, sum); err != nil {
			return err
		}
	}
	b.Seconds = length
	return nil
}

// group is what was counted within one stretch of time, by scenario.
type group map[string]*Histogram

// fewestGroups and mostGroups bound the number of stretches into which a run is divided: with fewer their scatter says
// little, and with more they are so short that neighbours may still be alike.
const (
	fewestGroups = 10
	mostGroups   = 20
)

// stretches is the number of stretches of a length in seconds, from a second on, in which anything was counted.
func stretches(of []*Batches, from, length int) int {
	counted := map[int]bool{}
	for _, b := range of {
		for i, text := range b.Counts {
			if text != "" {
				counted[(b.From+i*b.Seconds-from)/length] = true
			}
		}
	}
	return len(counted)
}

// groups divides what a threshold judges into equal stretches of time, without those in which nothing was counted; none when the run has no batches of it.
func (m *Measurements) groups(t scenarios.Threshold) ([]group, error) {
	length, from := 1, 0
	var of []*Batches
	for _, b := range m.Batches {
		if b.Metric != t.Metric || !maps.Equal(b.Selector, t.Selector) || len(b.Counts) == 0 {
			continue
		}
		if len(of) == 0 {
			from = b.From
		}
		of = append(of, b)
		from, length = min(from, b.From), max(length, b.Seconds)
	}
	for stretches(of, from, length) > mostGroups {
		length *= 2
	}
	byTime := map[int]group{}
	for _, b := range of {
		for i, text := range b.Counts {
			if text == "" {
				continue
			}
			h, err := decodeHistogram(text)
			if err != nil {
				return nil, err
			}
			at := (b.From + i*b.Seconds - from) / length
			if byTime[at] == nil {
				byTime[at] = group{}
			}
			if sum := byTime[at][b.Scenario]; sum == nil {
				byTime[at][b.Scenario] = h
			} else if err := sum.Merge(h); err != nil {
				return nil, err
			}
		}
	}
	keys := slices.SortedFunc(maps.Keys(byTime), cmp.Compare[int])
	groups := make([]group, 0, len(keys))
	for _, at := range keys {
		groups = append(groups, byTime[at])
	}
	return groups, nil
}
