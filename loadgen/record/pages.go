package record

import (
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// newPages returns the accounts of the pages of a scenario that a browser loads; none for other scenarios.
func newPages(plan *scenarios.Plan, s *scenarios.Scenario) []*results.Pages {
	if _, ok := s.Load.(scenarios.Browser); !ok {
		return nil
	}
	var all []*results.Pages
	for i := range s.Requests {
		q := &s.Requests[i]
		all = append(all, &results.Pages{Scenario: s.Name, Name: q.Name, Tags: plan.TagsOf(s, q, "")})
	}
	return all
}

// KeepPage keeps what a browser measured of a page, by the index of its request, that it began to load at an instant
// since the scenario's start. What belongs to the warm-up is not kept.
func (c *Collector) KeepPage(request int, begun time.Duration, l results.PageLoad) {
	if !c.timing.Window.Has(begun) {
		return
	}
	l.At = (c.scenario.StartTime + begun).Seconds()
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pages[request]
	p.Loads = append(p.Loads, l)
}

// KeepPictures keeps the pictures of a page, by the index of its request.
func (c *Collector) KeepPictures(request int, pictures []results.Picture) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages[request].Pictures = pictures
}
