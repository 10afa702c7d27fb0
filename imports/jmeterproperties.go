package imports

import (
	"slices"
	"strings"
)

// passedProperties are properties that say something that no scenario can, unless they have one of some values; an
// empty one always is as good as none.
var passedProperties = []struct {
	of     string // what the kinds of elements end in
	name   string
	normal []string
	lacks  string // before the name of the element
}{
	{"CSVDataSet", "recycle", []string{"true"}, "that the rows of the file do not begin again: here they do, in"},
	{"CSVDataSet", "stopThread", []string{"false"}, "that threads stop at the end of the file of"},
	{
		"CSVDataSet", "shareMode",
		[]string{"shareMode.all"},
		"who shares the rows: here all users do, which take them one after the other, of",
	},
	{"ThreadGroup", "ThreadGroup.on_sample_error", []string{"continue"}, "what happens after an error in"},
	{
		"ThreadGroup", "ThreadGroup.same_user_on_next_iteration",
		[]string{"true"},
		"that each iteration is another user: here users stay the same in",
	},
	{"Extractor", "Sample.scope", []string{"parent"}, "that it looks at something else than the answer itself:"},
	{"PostProcessor", "Sample.scope", []string{"parent"}, "that it looks at something else than the answer itself:"},
	{"Assertion", "Assertion.scope", []string{"parent"}, "that it looks at something else than the answer itself:"},
	{"RegexExtractor", "RegexExtractor.match_number", []string{"1"}, "which match is taken: here it is the first, by"},
	{
		"BoundaryExtractor", "BoundaryExtractor.match_number",
		[]string{"1"},
		"which match is taken: here it is the first, by",
	},
	{"", "HTTPSampler.contentEncoding", []string{"utf-8"}, "the encoding of"},
	{"", "HTTPSampler.connect_timeout", []string{"0"}, "how long connecting may take, of"},
	{"", "HTTPSampler.proxyUser", nil, "the user of the proxy of"},
	{"", "HTTPSampler.proxyPass", nil, "the password of the proxy of"},
}

// passed lists the properties of an element that are passed over. get is the value of one.
func (p *plan) passed(e *element, get func(name string) string) {
	for _, rule := range passedProperties {
		ofSampler := rule.of == "" && strings.HasPrefix(e.kind, "HTTPSampler")
		if !ofSampler && (rule.of == "" || !strings.HasSuffix(e.kind, rule.of)) {
			continue
		}
		v := p.plain(get(rule.name))
		normal := slices.ContainsFunc(rule.normal, func(n string) bool { return strings.EqualFold(n, v) })
		if v != "" && !normal {
			p.d.leaveOut(e.line, e.column, "%s %.80q", rule.lacks, e.name)
		}
	}
}
