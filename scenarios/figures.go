package scenarios

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
)

// What Prometheus calls metrics and labels.
var (
	isMetricName = regexp.MustCompile(`^[A-Za-z_:][A-Za-z0-9_:]*$`).MatchString
	isLabelName  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString
)

// figureSelector holds a selector of the service's own metrics against what such can be. Which there are, is known when
// the service is asked.
func (r *reader) figureSelector(e entry, selector map[string]string, scope thresholdScope) {
	if target := scope.plan.Target; target.URL != "" && len(target.Metrics) == 0 {
		r.faultAt(e.at, "for example target: {url: …, metrics: http://127.0.0.1:9090/metrics}",
			"%s needs target.metrics, the address of the service's metrics", e.key)
		return
	}
	name, found := selector[tagName]
	switch {
	case !found:
		r.faultAt(e.at, "for example server_metric{name:go_goroutines}", "%s needs the tag name", e.key)
	case !isMetricName(name):
		r.faultAt(e.at, "use letters, digits and _", "%.120q cannot be the name of a metric", name)
	}
	for _, tag := range slices.Sorted(maps.Keys(selector)) {
		switch {
		case tag == tagScenario && !r.vague:
			r.selects(e, tag, selector[tag], []string{tagScenario}, scope.scenarios)
		case !isLabelName(tag):
			r.faultAt(e.at, "use letters, digits and _", "%.60q cannot be the name of a label", tag)
		}
	}
}

// Figures are the thresholds on the service's own metrics.
func (p *Plan) Figures() (all []Threshold) {
	for _, t := range p.Thresholds {
		if metric, _ := t.Metric.Metric(); metric.From == FromMetrics {
			all = append(all, t)
		}
	}
	return all
}

// SelectsFigure reports whether a threshold is about a metric of the service with these labels.
func (t Threshold) SelectsFigure(name string, labels map[string]string) bool {
	for tag, value := range t.Selector {
		switch {
		case tag == tagScenario:
		case tag == tagName && name != value, tag != tagName && labels[tag] != value:
			return false
		}
	}
	return true
}

// FigureName is the name of the metric that a threshold is about.
func (t Threshold) FigureName() string { return t.Selector[tagName] }

// metricsOf reads where the instances of a service give their metrics: an address, or one for each.
func (r *reader) metricsOf(target *node) (all []string) {
	n := target.get("metrics")
	if !given(n) {
		return nil
	}
	items := n.items
	if n.kind == scalar {
		items = []*node{n}
	}
	if len(items) == 0 || len(items) > MostInstances {
		r.fault(n, "", "%s has %d addresses; it must have 1 to %d", n.path, len(items), MostInstances)
	}
	for _, item := range items {
		if !given(item) {
			continue
		}
		u, err := url.Parse(item.text)
		switch {
		case err != nil:
			r.notAddress(item, "write it as http://host:port/metrics", err)
		case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "":
			r.fault(item, "write it as http://host:port/metrics", "%s %.120q is not the address of metrics", item.path,
				r.secrets.address(item.text))
		case slices.Contains(all, item.text):
			r.fault(item, "remove one of the two", "%s %.120q is there twice", item.path, item.text)
		}
		all = append(all, item.text)
	}
	return all
}
