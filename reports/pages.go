package reports

import (
	"encoding/base64"
	"html/template"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// pageColumns are the figures that reports show of the pages that a browser loaded.
var pageColumns = []struct {
	Title      string
	Metric     scenarios.MetricName
	Percentile float64
}{
	{"TTFB", scenarios.BrowserTTFB, 75},
	{"FCP", scenarios.BrowserFCP, 75},
	{"LCP", scenarios.BrowserLCP, 75},
	{"Load", scenarios.BrowserLoad, 75},
	{"INP", scenarios.BrowserINP, 75},
	{"CLS", scenarios.BrowserCLS, 75},
	{"Bytes", scenarios.BrowserBytes, 50},
	{"Requests", scenarios.BrowserRequests, 50},
}

// pageFigures are the figures of a page, by pageColumns.
func pageFigures(p *results.Pages) []string {
	figures := make([]string, len(pageColumns))
	for i, c := range pageColumns {
		v, ok := p.Percentile(c.Metric, c.Percentile)
		switch {
		case !ok:
			figures[i] = none
		case c.Metric == scenarios.BrowserBytes:
			figures[i] = bytesText(int64(v))
		case c.Metric == scenarios.BrowserRequests:
			figures[i] = count(int64(v))
		default:
			figures[i] = threeDigits(v)
		}
	}
	return figures
}

// filmed is a page with its pictures.
type filmed struct {
	Scenario, Name string
	Pictures       []filmPicture
}

type filmPicture struct {
	At, Name string
	Source   template.URL
}

// films are the pages that have pictures.
func films(pages []*results.Pages) (all []filmed) {
	for _, p := range pages {
		f := filmed{Scenario: p.Scenario, Name: p.Name}
		for _, one := range p.Pictures {
			at := threeDigits(one.At) + " ms"
			f.Pictures = append(f.Pictures, filmPicture{
				At: at, Name: p.Name + " after " + at,
				Source: template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(one.JPEG)),
			})
		}
		if len(f.Pictures) > 0 {
			all = append(all, f)
		}
	}
	return all
}

// pageTitles are the titles of pageColumns.
func pageTitles() []string {
	titles := make([]string, len(pageColumns))
	for i, c := range pageColumns {
		titles[i] = c.Title
	}
	return titles
}

func pagesText(pages []*results.Pages) string {
	t := textTable{left: 2, rows: [][]string{append([]string{"scenario", "page", "loads"}, pageTitles()...)}}
	for _, p := range pages {
		t.add(append([]string{p.Scenario, p.Name, count(int64(len(p.Loads)))}, pageFigures(p)...)...)
	}
	return t.String()
}
