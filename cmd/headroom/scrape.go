package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/judge"
	"github.com/policycortex/headroom/scenarios"
)

// metricsPath is where an instance of the reference server gives its metrics.
const metricsPath = "/metrics"

// Bounds of what is read of a service's metrics.
const (
	mostMetrics   = 16 << 20 // bytes of one answer
	mostFigures   = 500      // series that thresholds select
	scrapeTimeout = 5 * time.Second
)

// scraper reads the metrics of one instance of the service, as far as thresholds are about them.
type scraper struct {
	url    string
	labels map[string]string // by which its figures differ from those of other instances
	wanted []scenarios.Threshold
	isDown func() bool // whether it is known not to answer; nil: never
	client *http.Client

	mu      sync.Mutex // from the question to the account, so that these are in the order of time
	lasting results.Lasting
	latest  results.Figures
}

// scrapers are those of all instances.
type scrapers []*scraper

// newScrapers returns what reads the metrics at some addresses; nil where no threshold is about them.
func newScrapers(plan *scenarios.Plan, urls []string) (all scrapers) {
	wanted := plan.Figures()
	if len(wanted) == 0 {
		return nil
	}
	// No proxy, and a connection that is kept.
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: scrapeTimeout}
	for i, url := range urls {
		s := &scraper{url: url, wanted: wanted, client: client}
		if len(urls) > 1 {
			s.labels = map[string]string{scenarios.InstanceTag: strconv.Itoa(i + 1)}
		}
		all = append(all, s)
	}
	return all
}

// watchFigures makes the system's accounts contain the metrics that thresholds are about. It asks once, so that what
// cannot be asked is known before the load, and says which metrics there are not.
func (s *system) watchFigures(ctx context.Context, plan *scenarios.Plan, say func(string)) error {
	urls := plan.Target.Metrics
	for _, server := range s.servers {
		urls = append(urls, server.url+metricsPath)
	}
	all := newScrapers(plan, urls)
	if all == nil {
		return nil
	}
	for i, server := range s.servers {
		all[i].isDown, server.figures = server.isDown, all[i]
	}
	kinds, err := all.kinds(ctx)
	if err != nil {
		return err
	}
	for _, t := range plan.Figures() {
		fault := faultOfFigure(t, kinds)
		if fault != "" {
			say("warning: " + fault)
		}
	}
	s.snapshot, s.sample = all.with(s.snapshot), all.with(s.sample)
	return nil
}

// faultOfFigure says why a threshold may find nothing among the metrics that the service has now; it may have others
// later. It is empty where nothing is wrong.
func faultOfFigure(t scenarios.Threshold, kinds map[string]results.FigureKind) string {
	name := t.FigureName()
	kind, there := kinds[name]
	switch {
	case there && kind != "":
		return judge.FaultOfKind(t, kind)
	case there:
		return ""
	}
	meant := ""
	near := scenarios.Nearest(name, slices.Sorted(maps.Keys(kinds)))
	if near != "" {
		meant = fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Sprintf("the service has no metric %s yet%s", name, meant)
}

// with adds the figures to an account, which says why there are none; nil is one of the figures alone, which fails
// without them.
func (all scrapers) with(base account) account {
	return func(ctx context.Context) (taken results.Snapshot, err error) {
		var figures results.Figures
		var errScrape error
		var wait sync.WaitGroup
		wait.Go(func() { figures, errScrape = all.scrape(ctx) })
		taken.At = time.Now()
		if base != nil {
			taken, err = base(ctx)
		}
		wait.Wait()
		if errScrape != nil && (base == nil || err != nil) {
			return taken, errors.Join(err, errScrape)
		}
		taken.Figures, taken.NoFigures = figures, errScrape
		return taken, err
	}
}

// scrape asks all instances at the same time.
func (all scrapers) scrape(ctx context.Context) (results.Figures, error) {
	taken, faults := make([]results.Figures, len(all)), make([]error, len(all))
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() { taken[i], faults[i] = s.scrape(ctx) })
	}
	wait.Wait()
	err := errors.Join(faults...)
	if err != nil {
		return nil, err // those of the other instances would pass for those of all
	}
	sum := results.Figures{}
	for _, figures := range taken {
		maps.Copy(sum, figures) // they differ in the label instance
	}
	return sum, nil
}

// scrape is what the instance has counted in all its processes. While a fault keeps it from answering, that stays as it
// was.
func (s *scraper) scrape(ctx context.Context) (results.Figures, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	down := func() bool { return s.isDown != nil && s.isDown() }
	if down() {
		return s.latest, nil
	}
	figures, err := s.take(ctx)
	if err != nil && down() { // meanwhile
		return s.latest, nil
	}
	return figures, err
}

// takeLast is for an instance that is about to go, whose figures of this moment scrape then has. If it does not say
// them in time, those that are known have to do.
func (s *scraper) takeLast(ctx context.Context) {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, accountLimit)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(ctx)
}

// take asks the instance. The caller holds s.mu.
func (s *scraper) take(ctx context.Context) (results.Figures, error) {
	text, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	figures, err := results.ParseFigures(s.linesOf(text), s.labels, s.isWanted)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.url, err)
	case len(figures) > mostFigures:
		return nil, fmt.Errorf("%s: the thresholds select %d series, and at most %d are kept: select by their labels",
			s.url, len(figures), mostFigures)
	}
	s.latest = s.lasting.Continue(figures)
	return s.latest, nil
}

// read is the whole text of the metrics.
func (s *scraper) read(ctx context.Context) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "text/plain; version=0.0.4")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask for the metrics of the service (target.metrics): %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, mostMetrics+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the metrics at %s: %w", s.url, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s responded with %s", s.url, resp.Status)
	case len(text) > mostMetrics:
		return nil, fmt.Errorf("%s has more than %d bytes", s.url, mostMetrics)
	}
	return text, nil
}

// linesOf are the lines about the metrics that are wanted: the others need not be understood every second.
func (s *scraper) linesOf(text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		if slices.ContainsFunc(s.wanted, func(t scenarios.Threshold) bool {
			return bytes.Contains(line, []byte(t.FigureName()))
		}) {
			b.Write(bytes.TrimRight(line, "\r\n"))
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func (s *scraper) isWanted(name string, labels map[string]string) bool {
	return slices.ContainsFunc(s.wanted, func(t scenarios.Threshold) bool { return t.SelectsFigure(name, labels) })
}

// nameInLine matches the name with which a line of metrics begins, or that its comment declares, with its kind.
var nameInLine = regexp.MustCompile(`^(?:# TYPE )?([A-Za-z_:][A-Za-z0-9_:]*)(?: (counter|gauge|histogram|summary)\b)?`)

// kinds are those of all metrics that there are now, by their names; empty where none is declared.
func (all scrapers) kinds(ctx context.Context) (map[string]results.FigureKind, error) {
	kinds := map[string]results.FigureKind{}
	for _, s := range all {
		text, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			found := nameInLine.FindSubmatch(line)
			if found == nil {
				continue
			}
			name := string(found[1])
			kinds[name] = cmp.Or(results.FigureKind(found[2]), kinds[name])
		}
	}
	return kinds, nil
}
