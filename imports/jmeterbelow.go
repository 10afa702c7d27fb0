package imports

import (
	"regexp"
	"strconv"
	"strings"
)

// below takes what stands below a sampler, or above it for all: headers, extractors and assertions.
func (p *plan) below(e *element, in scope, r *request) {
	for _, c := range append(in.after[:len(in.after):len(in.after)], e.children...) {
		switch {
		case !c.enabled:
			p.d.leaveOut(c.line, c.column, "%s %.80q, which is disabled", c.kind, c.name)
			continue
		case p.configures(c), p.isTimer(c), passedOver[c.kind]:
			continue
		}
		p.passed(c, c.prop)
		switch c.kind {
		case "JSONPostProcessor":
			p.jsonExtractor(c, r)
		case "RegexExtractor":
			p.regexExtractor(c, r)
		case "BoundaryExtractor":
			p.boundaryExtractor(c, r)
		case "ResponseAssertion":
			p.assertion(c, r)
		case "JSONPathAssertion":
			p.jsonAssertion(c, r)
		case "SizeAssertion":
			p.sizeAssertion(c, r)
		default:
			p.d.leaveOut(c.line, c.column, "%.60s %.80q", c.kind, c.name)
		}
	}
}

// isAfter reports whether an element looks at the answers of all samplers beside and below it.
func isAfter(kind string) bool {
	return strings.HasSuffix(kind, "Assertion") || strings.HasSuffix(kind, "Extractor") ||
		strings.HasSuffix(kind, "PostProcessor") || strings.HasSuffix(kind, "PreProcessor")
}

func (p *plan) jsonExtractor(e *element, r *request) {
	names := strings.Split(e.prop("JSONPostProcessor.referenceNames"), ";")
	paths := strings.Split(e.prop("JSONPostProcessor.jsonPathExprs"), ";")
	defaults := strings.Split(e.prop("JSONPostProcessor.defaultValues"), ";")
	for i, name := range names {
		if i >= len(paths) || !singlePath.MatchString(strings.TrimSpace(paths[i])) || nameOf(name, "") == "" {
			p.d.leaveOut(e.line, e.column, "what %.80q takes of answers: its path leads to more than one value",
				e.name)
			continue
		}
		x := extraction{name: nameOf(name, "text"), json: strings.TrimSpace(paths[i])}
		if i < len(defaults) {
			x.fallback(defaults[i], "")
		}
		r.extract = append(r.extract, x)
	}
}

// singlePath is a JSON path that leads to one value.
var singlePath = regexp.MustCompile(`^\$(\.[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]{1,9}\]|\['[^'\\]+'\]){1,30}$`)

func (p *plan) regexExtractor(e *element, r *request) {
	pattern, template := e.prop("RegexExtractor.regex"), e.prop("RegexExtractor.template")
	compiled, err := regexp.Compile(pattern)
	headers := e.prop("RegexExtractor.useHeaders")
	name := nameOf(e.prop("RegexExtractor.refname"), "")
	number := e.prop("RegexExtractor.match_number")
	odd := template != "" && template != "$1$" || headers != "" && headers != "false" ||
		number != "" && number != "1" && number != "0"
	if err != nil || odd || compiled.NumSubexp() != 1 || name == "" || len(pattern) > 1000 {
		p.d.leaveOut(e.line, e.column, "what %.80q takes of answers: write a regular expression (RE2) with one group",
			e.name)
		return
	}
	x := extraction{name: name, regex: pattern}
	x.fallback(e.prop("RegexExtractor.default"), e.prop("RegexExtractor.default_empty_value"))
	r.extract = append(r.extract, x)
}

// boundaryExtractor takes what stands between two texts.
func (p *plan) boundaryExtractor(e *element, r *request) {
	name := nameOf(e.prop("BoundaryExtractor.refname"), "")
	headers := e.prop("BoundaryExtractor.useHeaders")
	if name == "" || headers != "" && headers != "false" {
		p.d.leaveOut(e.line, e.column, "what %.80q takes of answers, besides their bodies", e.name)
		return
	}
	pattern := "(?s)" + regexp.QuoteMeta(p.plain(e.prop("BoundaryExtractor.lboundary"))) + "(.*?)" +
		regexp.QuoteMeta(p.plain(e.prop("BoundaryExtractor.rboundary")))
	x := extraction{name: name, regex: pattern}
	x.fallback(e.prop("BoundaryExtractor.default"), e.prop("BoundaryExtractor.default_empty_value"))
	r.extract = append(r.extract, x)
}

// fallback is what is taken where there is nothing.
func (x *extraction) fallback(text, empty string) {
	if text != "" || empty == "true" {
		x.otherwise = &text
	}
}

// Bits of what an assertion tests.
const (
	assertsContains  = 2  // a regular expression somewhere in the text
	assertsNot       = 4  // none of it may hold
	assertsSubstring = 16 // a text somewhere in it
)

// assertion makes checks of an assertion on the status, or on the text of the body.
func (p *plan) assertion(e *element, r *request) {
	kind, _ := strconv.Atoi(e.prop("Assertion.test_type"))
	if e.prop("Assertion.test_field") == "Assertion.response_data" && p.textAssertion(e, r, kind) {
		return
	}
	var statuses []int
	if list := e.props["Asserion.test_strings"]; list != nil { // so JMeter spells it
		for _, s := range list.inner {
			if n, err := strconv.Atoi(strings.TrimSpace(s.text)); err == nil && n >= 200 && n <= 599 {
				statuses = append(statuses, n)
			}
		}
	}
	if e.prop("Assertion.test_field") != "Assertion.response_code" || len(statuses) == 0 || kind&assertsNot != 0 {
		p.d.leaveOut(e.line, e.column, "the assertion %.80q", e.name)
		return
	}
	if e.prop("Assertion.assume_success") == "true" {
		r.status = statuses
		return
	}
	r.checks = append(r.checks, check{name: e.name, list: statuses})
}

// textAssertion makes a check of each text that a body is to have; ok is false where no check can say it.
func (p *plan) textAssertion(e *element, r *request, kind int) (ok bool) {
	list := e.props["Asserion.test_strings"]
	key := map[int]string{assertsContains: "regex", assertsSubstring: "contains"}[kind]
	if list == nil || key == "" || len(list.inner) == 0 {
		return false
	}
	var checks []check
	for _, s := range list.inner {
		text := p.plain(s.text)
		_, err := regexp.Compile(text)
		if text == "" || strings.Contains(text, "${") || len(text) > 1000 || key == "regex" && err != nil {
			return false
		}
		checks = append(checks, check{name: e.name, keys: []setting{{key, text}}})
	}
	r.checks = append(r.checks, checks...)
	return true
}

// jsonAssertion makes a check of a JSON path.
func (p *plan) jsonAssertion(e *element, r *request) {
	path := strings.TrimSpace(e.prop("JSON_PATH"))
	if !singlePath.MatchString(path) || e.prop("INVERT") == "true" || e.prop("EXPECT_NULL") == "true" {
		p.d.leaveOut(e.line, e.column, "the assertion %.80q", e.name)
		return
	}
	keys := []setting{{"json", path}}
	expected := p.plain(e.prop("EXPECTED_VALUE"))
	_, err := regexp.Compile(expected)
	switch {
	case e.prop("JSONVALIDATION") != "true":
	case strings.Contains(expected, "${"), e.prop("ISREGEX") == "true" && err != nil:
		p.d.leaveOut(e.line, e.column, "what value the assertion %.80q expects", e.name)
	case e.prop("ISREGEX") == "true":
		keys = append(keys, setting{"regex", expected})
	default:
		keys = append(keys, setting{"equals", expected})
	}
	r.checks = append(r.checks, check{name: e.name, keys: keys})
}

// sizeAssertion makes a check of the length of a body.
func (p *plan) sizeAssertion(e *element, r *request) {
	n, err := strconv.ParseInt(p.plain(e.prop("SizeAssertion.size")), 10, 64)
	field := e.prop("Assertion.test_field")
	bounds := map[string]string{
		"1": "{min: " + strconv.FormatInt(n, 10) + ", max: " + strconv.FormatInt(n, 10) + "}",
		"3": "{min: " + strconv.FormatInt(n+1, 10) + "}", "4": "{max: " + strconv.FormatInt(n-1, 10) + "}",
		"5": "{min: " + strconv.FormatInt(n, 10) + "}", "6": "{max: " + strconv.FormatInt(n, 10) + "}",
	}
	bound := bounds[e.prop("SizeAssertion.operator")]
	if err != nil || n < 1 || n > 1<<40 || bound == "" || !strings.HasSuffix(field, "response_data") {
		p.d.leaveOut(e.line, e.column, "the assertion %.80q", e.name)
		return
	}
	r.checks = append(r.checks, check{name: e.name, raw: ", bodySize: " + bound})
}
