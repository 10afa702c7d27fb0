package imports

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Options that are read, and those without a meaning here: they change neither what is sent nor when.
var k6Options = []string{
	"scenarios", "thresholds", "vus", "duration", "iterations", "stages", "tags", "userAgent", "maxRedirects", "hosts",
	"insecureSkipTLSVerify", "tlsAuth", "tlsVersion", "noConnectionReuse", "noCookiesReset", "executor", "startVUs",
	"summaryTrendStats", "summaryTimeUnit", "systemTags", "discardResponseBodies", "noSummary", "noUsageReport",
	"linger",
	"paused", "httpDebug", "setupTimeout", "teardownTimeout", "noThresholds", "noSetup", "noTeardown", "ext", "cloud",
	"throw",
}

// options makes scenarios of what a script exports as options
// (https://grafana.com/docs/k6/latest/using-k6/k6-options/reference/).
func (s *script) options(options *jsValue) {
	if all := options.member("scenarios"); all != nil && len(all.members) > 0 {
		for _, m := range all.members {
			s.scenario(m.name, m.value)
		}
	} else {
		s.scenario("default", options)
	}
	for _, m := range members(options.member("thresholds")) {
		s.threshold(m.name, m.value)
	}
	for _, m := range options.members {
		if !slices.Contains(k6Options, m.name) {
			s.d.leaveOut(0, 0, "the option %.60s of the script", m.name)
		}
	}
	if options.kind == jsUnknown && s.exports["options"] != nil {
		s.d.leaveOut(0, 0, "the options, which the script computes")
	}
}

// connections takes in the options that say how to get to the service. Functions are read after them.
func (s *script) connections(options *jsValue) {
	d := s.d
	truth := func(name string) bool {
		v := options.member(name)
		return v != nil && v.kind == jsBoolean && v.truth
	}
	if truth("insecureSkipTLSVerify") {
		d.connect(&d.tls, "insecureSkipVerify", "true", 0, 0)
	}
	if truth("noConnectionReuse") {
		d.connect(&d.http, "keepAlive", "false", 0, 0)
	}
	s.noReset = truth("noCookiesReset")
	s.tlsVersion(options.member("tlsVersion"))
	s.certificates(options.member("tlsAuth"))
	if n := options.member("maxRedirects"); n != nil && n.kind == jsNumber {
		s.redirects, s.follows = int(math.Min(20, math.Max(0, n.number))), true
	}
	for _, m := range members(options.member("hosts")) {
		s.host(m.name, m.value)
	}
	d.tags = append(d.tags, s.tags(options.member("tags"))...)
	if agent, ok := literalOf(options.member("userAgent")); ok && agent != "" {
		s.agent = agent
	}
}

func (s *script) tags(v *jsValue) (all []setting) {
	for _, m := range members(v) {
		text, ok := m.value.literal()
		if value := tagValue(text); ok && value != "" {
			all = append(all, setting{nameOf(m.name, "tag"), value})
		} else {
			s.d.leaveOut(0, 0, "the tag %.40s, whose value the script computes", m.name)
		}
	}
	return all
}

// tlsVersion takes in the versions of TLS: one, or {min, max}.
func (s *script) tlsVersion(v *jsValue) {
	if v == nil {
		return
	}
	least, most := v, v
	if v.kind == jsObject {
		least, most = v.member("min"), v.member("max")
	}
	name := func(v *jsValue) string {
		text, _ := literalOf(v)
		if v != nil && v.kind == jsBuiltin { // http.TLS_1_3
			text = strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(v.name, "http.")), "_", ".")
		}
		return strings.Replace(text, "tls.", "tls", 1)
	}
	switch name(least) {
	case "tls1.3":
		s.d.connect(&s.d.tls, "minVersion", "1.3", 0, 0)
	case "tls1.2", "":
	default:
		s.d.leaveOut(0, 0, "versions of TLS before 1.2")
	}
	if most := name(most); most != "" && most != "tls1.3" {
		s.d.leaveOut(0, 0, "tlsVersion: TLS 1.3 is used where the server has it")
	}
}

// certificates takes in the first certificate of tlsAuth that is in a file.
func (s *script) certificates(list *jsValue) {
	if list == nil {
		return
	}
	for i, one := range list.items {
		cert, key := one.member("cert"), one.member("key")
		if i > 0 || cert == nil || key == nil || cert.name != "file" || key.name != "file" {
			s.d.leaveOut(0, 0, "a certificate of tlsAuth: write it into a file, and name that under tls")
			continue
		}
		s.d.connect(&s.d.tls, "cert", flowScalar(escapeVariables(cert.text.string())), 0, 0)
		s.d.connect(&s.d.tls, "key", flowScalar(escapeVariables(key.text.string())), 0, 0)
		if one.member("password") != nil {
			s.d.leaveOut(0, 0, "the password of a key of tlsAuth: write the key without one")
		}
		if domains := one.member("domains"); domains != nil && len(domains.items) > 0 {
			s.d.leaveOut(0, 0, "the domains of a certificate of tlsAuth: it is shown to the target")
		}
	}
}

// host takes in another address of a host: "example.com" or "example.com:443", to an address with or without a port.
func (s *script) host(name string, v *jsValue) {
	to, ok := v.literal()
	hosts, addresses := splitHosts(name), splitHosts(to)
	if !ok || len(hosts) > 2 || len(addresses) > 2 || strings.Contains(name, "*") {
		s.d.leaveOut(0, 0, "the address of %.80q under hosts", name)
		return
	}
	hosts, addresses = append(hosts, ""), append(addresses, "")
	s.d.routes = append(s.d.routes, route{hosts[0], hosts[1], addresses[0], addresses[1]})
}

// scenario makes a scenario of one of k6, and of the options themselves, which stand for one.
func (s *script) scenario(name string, o *jsValue) {
	function := "default"
	if exec := o.member("exec"); exec != nil {
		function, _ = exec.literal()
	}
	f := s.exports[function]
	if f == nil || f.function == nil {
		s.d.leaveOut(0, 0, "the scenario %s: the script exports no function %s", name, function)
		return
	}
	s.begin(name)
	s.env = o.member("env")
	s.call(f.function, []*jsValue{s.data})
	s.env = nil
	steps, values := s.flow.steps, s.flow.values
	s.flow = nil
	if s.steps > mostSteps {
		s.d.leaveOut(0, 0, "the scenario %s: what follows the first %d statements of its function", name, mostSteps)
	}
	if len(steps) == 0 {
		s.d.leaveOut(0, 0, "the scenario %s: its function sends nothing that can be read from the script", name)
		return
	}
	steps[0].values = append(steps[0].values, values...)
	before := len(s.d.groups)
	s.d.sequence(nameOf(name, "default"), steps, s.load(name, o))
	for _, g := range s.d.groups[before:] {
		s.session(g, len(steps), o)
	}
}

// session gives a scenario what all of its requests share.
func (s *script) session(g *group, steps int, o *jsValue) {
	g.cookies = steps > 1 || s.noReset || s.usesJar
	if g.cookies && g.hasUsers() && !s.noReset {
		s.d.leaveOut(0, 0, "that k6 forgets cookies after an iteration: here the users of %s keep them", g.name)
	}
	if o.member("scenarios") == nil && o.member("exec") != nil || o.member("executor") != nil {
		g.tags = s.tags(o.member("tags"))
	}
	if s.agent != "" {
		g.headers = append(g.headers, pair{"User-Agent", plain(s.agent)})
	}
}

func members(v *jsValue) []jsMember {
	if v == nil {
		return nil
	}
	return v.members
}

// durationOf is a duration of k6 as scenario files have it; empty for one that is none, or longer than a day.
func durationOf(s string) string {
	s = strings.TrimSpace(s)
	var days time.Duration
	if before, after, found := strings.Cut(s, "d"); found {
		n, err := strconv.ParseFloat(before, 64)
		if err != nil {
			return ""
		}
		days, s = time.Duration(n*24*float64(time.Hour)), after
		if s == "" {
			s = "0s"
		}
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil { // milliseconds
		s = strconv.FormatFloat(n, 'f', -1, 64) + "ms"
	}
	length, err := time.ParseDuration(s)
	if err != nil || length+days < 0 || length+days > 24*time.Hour {
		return ""
	}
	return durationText(length + days)
}

// threshold adds a gate. Whether there is such a one here is found out when the scenario is written.
func (s *script) threshold(metric string, v *jsValue) {
	g := &gate{metric: metricName(metric)}
	items := v.items
	if v.kind != jsArray {
		items = []*jsValue{v}
	}
	for _, item := range items {
		e := expression{}
		if item.kind == jsObject {
			e.text, _ = literalOf(item.member("threshold"))
			if abort := item.member("abortOnFail"); abort != nil {
				e.abort = abort.truth
			}
			delay, _ := literalOf(item.member("delayAbortEval"))
			e.delay = durationOf(delay)
		} else {
			e.text, _ = item.literal()
		}
		if e.text != "" {
			g.expressions = append(g.expressions, e)
		}
	}
	twice := slices.ContainsFunc(s.d.gates, func(o *gate) bool { return o.metric == g.metric })
	if len(g.expressions) > 0 && !twice {
		s.d.gates = append(s.d.gates, g)
	}
}

// metricName is a metric with its selector. Names of requests are what a scenario file makes of them.
func metricName(metric string) string {
	base, selector, found := strings.Cut(strings.TrimSuffix(metric, "}"), "{")
	if !found {
		return base
	}
	var kept []string
	for tag := range strings.SplitSeq(selector, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(tag), ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if name == "name" {
			value = nameOf(value, value)
		}
		kept = append(kept, name+":"+value)
	}
	return base + "{" + strings.Join(kept, ",") + "}"
}
