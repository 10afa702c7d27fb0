package imports

import (
	"strings"
	"testing"
)

// planOf is a test plan with a thread group of 10 users, with what stands in the group and below it.
func planOf(group, below string) string {
	return `<?xml version="1.0" encoding="UTF-8"?>
<jmeterTestPlan version="1.2" properties="5.0" jmeter="5.6.3"><hashTree>
<TestPlan testname="P"/><hashTree>
<ThreadGroup testname="Users">
  <stringProp name="ThreadGroup.num_threads">10</stringProp>` + group + `
</ThreadGroup><hashTree>` + below + `</hashTree></hashTree></hashTree></jmeterTestPlan>`
}

// samplerOf is a sampler with properties, and elements below it.
func samplerOf(path, properties, below string) string {
	return `<HTTPSamplerProxy testname="S"><stringProp name="HTTPSampler.domain">h</stringProp>
<stringProp name="HTTPSampler.path">` + path + `</stringProp>` + properties + `</HTTPSamplerProxy><hashTree>` + below +
		`</hashTree>`
}

// elementOf is an element with texts as its properties, by name and value.
func elementOf(kind string, properties ...string) string {
	var b strings.Builder
	b.WriteString("<" + kind + ` testname="E">`)
	for i := 0; i+1 < len(properties); i += 2 {
		b.WriteString(`<stringProp name="` + properties[i] + `">` + properties[i+1] + `</stringProp>`)
	}
	b.WriteString("</" + kind + "><hashTree/>")
	return b.String()
}

// loopOf is a controller that goes three times through what is below it.
func loopOf(below string) string {
	return `<LoopController testname="L"><stringProp name="LoopController.loops">3</stringProp></LoopController><hashTree>` +
		below + `</hashTree>`
}

func loops(n string) string {
	return `<elementProp name="ThreadGroup.main_controller" elementType="LoopController" testname="Loop Controller">
<stringProp name="LoopController.loops">` + n + `</stringProp></elementProp>`
}

const minute = `<boolProp name="ThreadGroup.scheduler">true</boolProp><stringProp name="ThreadGroup.duration">60</stringProp>`

// TestJMeterLoads holds what thread groups and their timers become.
func TestJMeterLoads(t *testing.T) {
	one, two := samplerOf("/a", "", ""), samplerOf("/a", "", "")+samplerOf("/b", "", "")
	const ramp = `<stringProp name="ThreadGroup.ramp_time">20</stringProp>`
	for name, test := range map[string]struct {
		group, below string
		has          []string
		lacks        string
	}{
		"loops": {
			loops("7"), one, []string{"executor: per-vu-iterations", "vus: 10", "iterations: 7", "24h"}, "",
		},
		"loops with a ramp-up": {loops("7") + ramp, one, nil, `the ramp-up of "Users", 20s: all users start at once`},
		"a duration": {
			loops("-1") + minute, one, []string{"executor: constant-vus", "vus: 10", "duration: 1m"}, "",
		},
		"a duration with a ramp-up": {
			loops("-1") + minute + ramp, one,
			[]string{"startVUs: 0", "[{target: 10, duration: 20s}, {target: 10, duration: 40s}]"},
			"",
		},
		"a ramp-up that is longer": {
			loops("-1") + minute + `<stringProp name="ThreadGroup.ramp_time">120</stringProp>`, one,
			[]string{"stages: [{target: 5, duration: 1m}]"},
			"",
		},
		"a delay": {
			loops("-1") + minute + `<stringProp name="ThreadGroup.delay">5</stringProp>`, one,
			[]string{"startTime: 5s"},
			"",
		},
		"no end": {loops("-1"), one, []string{"duration: 1m"}, `"Users" goes on without an end`},
		"an error that ends something": {
			loops("1") + `<stringProp name="ThreadGroup.on_sample_error">stoptest</stringProp>`, one, nil,
			`what happens after an error in "Users"`,
		},
		"a timer of all": {
			loops("1"), elementOf("ConstantTimer", "ConstantTimer.delay", "300") + two,
			[]string{"pause: 300ms", "thinkTime: 300ms"},
			"",
		},
		"a timer of one": {
			loops("1"), one + samplerOf("/b", "", elementOf("UniformRandomTimer", "ConstantTimer.delay", "100",
				"RandomTimer.range", "200.0")),
			[]string{"path: /a\n            pause: {min: 100ms, max: 300ms}"},
			"",
		},
		"a Gaussian timer": {
			loops("1"), elementOf("GaussianRandomTimer", "ConstantTimer.delay", "1000",
				"RandomTimer.range", "100") + two,
			[]string{"pause: {min: 827ms, max: 1.173s}"},
			"the distribution of the timer",
		},
		"a random delay": {
			loops("1"), elementOf("ConstantTimer", "ConstantTimer.delay", "${__Random(100,900)}") + two,
			[]string{"pause: {min: 100ms, max: 900ms}"},
			"",
		},
		"a delay that is computed": {
			loops("1"), elementOf("ConstantTimer", "ConstantTimer.delay", "${x}") + two, nil, "how long the timer",
		},
		"a pause": {
			loops("1"), one + elementOf("TestAction", "ActionProcessor.action", "1",
				"ActionProcessor.duration", "2000") + one,
			[]string{"pause: 2s"},
			"",
		},
		"a throughput timer": {
			loops("-1") + minute, elementOf("ConstantThroughputTimer", "throughput", "600.0", "calcMode", "2") + two,
			[]string{"executor: constant-arrival-rate", "rate: 300", "timeUnit: 1m", "maxVUs: 10"},
			"that a slow service",
		},
		"a throughput timer of each thread": {
			loops("-1") + minute, elementOf("ConstantThroughputTimer", "throughput", "6", "calcMode", "0") + one,
			[]string{"rate: 60"},
			"",
		},
		"a loop in a loop": {
			loops("1"), one + `<LoopController testname="L"><stringProp name="LoopController.loops">3</stringProp></LoopController>
<hashTree>` + one + `<LoopController testname="M"><stringProp name="LoopController.loops">2</stringProp></LoopController>
<hashTree>` + one + `</hashTree></hashTree>`,
			[]string{"- repeat: 3\n            name: L"},
			`the loop "M" in a loop`,
		},
		"a throughput timer and a loop": {
			loops("-1") + minute, elementOf("ConstantThroughputTimer", "throughput", "600.0", "calcMode", "2") + one +
				`<LoopController testname="L"><stringProp name="LoopController.loops">4</stringProp></LoopController>
<hashTree>` + one + `</hashTree>`,
			[]string{"rate: 120"},
			"",
		},
		"a throughput timer of one sampler": {
			loops("-1") + minute, samplerOf("/a", "", elementOf("ConstantThroughputTimer", "throughput", "60",
				"calcMode", "2")),
			[]string{"rate: 60"},
			`that the timer "E" holds a part of "Users" to its rate`,
		},
		"twice once for each user": {
			loops("5"), `<OnceOnlyController testname="O"/><hashTree>` + samplerOf("/login", "", "") + `</hashTree>` +
				`<OnceOnlyController testname="Q"/><hashTree>` + `<LoopController testname="L">
<stringProp name="LoopController.loops">4</stringProp></LoopController><hashTree>` + samplerOf("/basket", "", "") +
				`</hashTree></hashTree>` + one,
			[]string{"path: /login\n        - name: S_2\n          path: /basket"},
			`that "S" is sent 4 times`,
		},
		"a timer of all and a loop": {
			loops("1"), elementOf("ConstantTimer", "ConstantTimer.delay", "300") + one +
				loopOf(samplerOf("/b", "", "")) +
				samplerOf("/c", "", ""),
			[]string{
				"thinkTime: 300ms", "path: /a\n            pause: 300ms\n",
				"path: /b\n                pause: 300ms\n          - name: S_3\n            path: /c\n",
			},
			"",
		},
		"a timer of all and a loop at the end": {
			loops("1"), elementOf("ConstantTimer", "ConstantTimer.delay", "300") + one +
				loopOf(samplerOf("/b", "", "")),
			[]string{
				"thinkTime: 300ms", "path: /a\n            pause: 300ms\n", "path: /b\n                pause: 300ms\n",
			},
			"",
		},
		"a timer in a loop": {
			loops("1"), one + loopOf(elementOf("ConstantTimer", "ConstantTimer.delay", "300")+samplerOf("/b", "", "")) +
				samplerOf("/c", "", ""),
			[]string{
				"path: /a\n          - repeat: 3", "path: /b\n                pause: 300ms\n          - name: S_3\n",
			},
			"",
		},
		"a pause behind a loop": {
			loops("1"), loopOf(samplerOf("/b", "", "")) + elementOf("TestAction", "ActionProcessor.action", "1",
				"ActionProcessor.duration", "2000") + samplerOf("/c", "", ""),
			[]string{"thinkTime: 2s", "path: /b\n          - name: S_2\n            path: /c\n"},
			"",
		},
		"a pause behind a loop at the end": {
			loops("1"), one + loopOf(samplerOf("/b", "", "")) + elementOf("TestAction", "ActionProcessor.action", "1",
				"ActionProcessor.duration", "2000"),
			[]string{"thinkTime: 2s", "path: /b\n"},
			"",
		},
		"a loop of one sampler alone": {
			loops("1"), `<LoopController testname="L"><stringProp name="LoopController.loops">3</stringProp></LoopController>
<hashTree>` + one + `</hashTree>`,
			[]string{"- repeat: 3\n            name: L"},
			"",
		},
		"once for each user": {
			loops("5"), `<OnceOnlyController testname="O"/><hashTree>` + samplerOf("/login", "", "") + `</hashTree>` + one,
			[]string{
				"login:\n      steps:\n        - name: S\n          path: /login",
				"requests:\n      - name: S\n        path: /a",
			},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) { becomes(t, JMeter, planOf(test.group, test.below), test.has, test.lacks) })
	}
}

// TestJMeterSamplers holds what samplers and what configures them become.
func TestJMeterSamplers(t *testing.T) {
	for name, test := range map[string]struct {
		below string
		has   []string
		lacks string
	}{
		"cookies": {
			elementOf("CookieManager", "CookieManager.clearEachIteration", "true") + samplerOf("/", "", ""),
			[]string{"cookies: true"},
			"that cookies are forgotten after an iteration",
		},
		"connections": {
			samplerOf("/", `<boolProp name="HTTPSampler.use_keepalive">false</boolProp>`, ""),
			[]string{"http:\n  keepAlive: false"},
			"",
		},
		"some connections": {
			samplerOf("/", `<boolProp name="HTTPSampler.use_keepalive">false</boolProp>`, "") + samplerOf("/", "", ""), nil,
			"that some requests close their connections",
		},
		"HTTPS": {
			samplerOf("/", `<stringProp name="HTTPSampler.protocol">https</stringProp>`, ""),
			[]string{`url: "https://h"`, "http:\n  version: 1.1"},
			"",
		},
		"a body": {
			elementOf("HeaderManager") + samplerOf("/", `<stringProp name="HTTPSampler.method">PUT</stringProp>
<elementProp name="HTTPSampler.header_manager" elementType="HeaderManager"/><elementProp name="HTTPsampler.Arguments"
 elementType="Arguments"><collectionProp name="Arguments.arguments"><elementProp name="" elementType="HTTPArgument">
<stringProp name="Argument.value">just text</stringProp></elementProp></collectionProp></elementProp>`, ""),
			[]string{"body: just text"},
			"",
		},
		"a file": {
			samplerOf("/", `<stringProp name="HTTPSampler.method">PUT</stringProp><elementProp name="HTTPsampler.Files"
 elementType="HTTPFileArgs"><collectionProp name="HTTPFileArgs.files"><elementProp name="x" elementType="HTTPFileArg">
<stringProp name="File.path">x.png</stringProp><stringProp name="File.mimetype">image/png</stringProp></elementProp>
</collectionProp></elementProp>`, ""),
			[]string{`bodyFile: "x.png"`, "Content-Type: image/png"},
			"",
		},
		"checks": {
			samplerOf("/", "", elementOf("JSONPathAssertion", "JSON_PATH", "$.a", "EXPECTED_VALUE", "b",
				"JSONVALIDATION", "true",
				"ISREGEX", "false")+elementOf("SizeAssertion", "Assertion.test_field", "SizeAssertion.response_data",
				"SizeAssertion.size", "100", "SizeAssertion.operator", "5")),
			[]string{`{name: "E", json: "$.a", equals: "b"}`, `{name: "E_2", bodySize: {min: 100}}`},
			"",
		},
		"an assertion on all": {
			elementOf("JSONPathAssertion", "JSON_PATH", "$.a") + samplerOf("/", "", ""),
			[]string{`{name: "E", json: "$.a"}`},
			"",
		},
		"an extractor with a default": {
			samplerOf("/", "", elementOf("JSONPostProcessor", "JSONPostProcessor.referenceNames", "id",
				"JSONPostProcessor.jsonPathExprs", "$.id", "JSONPostProcessor.defaultValues", "none")) +
				samplerOf("/${id}", "", ""),
			[]string{`id: {json: "$.id", default: "none"}`, `path: "/{{id}}"`},
			"",
		},
		"a counter": {
			elementOf("CounterConfig", "CounterConfig.start", "5", "CounterConfig.end", "9", "CounterConfig.incr", "1",
				"CounterConfig.name", "n") + samplerOf("/${n}", "", ""),
			[]string{"n: {range: [5, 9], choice: sequential}"},
			"",
		},
		"a random variable": {
			elementOf("RandomVariableConfig", "variableName", "n", "minimumValue", "1", "maximumValue", "6") +
				samplerOf("/${n}", "", ""),
			[]string{"n: {range: [1, 6]}"},
			"",
		},
		"functions": {
			samplerOf("/${__time(/1000,)}/${__RandomString(5,abc,)}/${__property(x,,7)}/${__UUID}", "", ""),
			[]string{
				`path: "/{{time_seconds}}/{{text_2}}/7/{{uuid}}"`, `text_2: {string: 5, alphabet: "abc"}`,
				"time_seconds: {time: unix}",
			},
			"",
		},
		"a CSV file that names its columns": {
			elementOf("CSVDataSet", "filename", "u.csv", "variableNames", "") + samplerOf("/${city}", "", ""),
			[]string{`u: {csv: "u.csv", choice: sequential}`, `city: {feeder: u, column: "city"}`},
			"",
		},
		"signing in by another way": {
			`<AuthManager testname="A"><collectionProp name="AuthManager.auth_list"><elementProp name="" elementType="Authorization">
<stringProp name="Authorization.mechanism">DIGEST</stringProp></elementProp></collectionProp></AuthManager><hashTree/>` +
				samplerOf("/", "", ""),
			nil, "signing in by DIGEST",
		},
		"another address": {
			`<DNSCacheManager testname="D"><collectionProp name="DNSCacheManager.hosts"><elementProp name="h" elementType="StaticHost">
<stringProp name="StaticHost.Name">h</stringProp><stringProp name="StaticHost.Address">127.0.0.1</stringProp></elementProp>
</collectionProp></DNSCacheManager><hashTree/>` + samplerOf("/", "", ""),
			[]string{`url: "http://127.0.0.1:80"`, `host: "h"`},
			"",
		},
		"properties that are passed over": {
			elementOf("CSVDataSet", "filename", "u.csv", "variableNames", "city", "ignoreFirstLine", "true",
				"recycle", "false", "stopThread", "false", "shareMode", "shareMode.all") +
				samplerOf("/${city}", "", ""),
			nil, `that the rows of the file do not begin again: here they do, in "E"`,
		},
		"a match that is drawn": {
			samplerOf("/", "", elementOf("RegexExtractor", "RegexExtractor.refname", "id", "RegexExtractor.regex",
				"id=(.)", "RegexExtractor.match_number", "0")) + samplerOf("/${id}", "", ""),
			[]string{`id: {regex: "id=(.)"}`},
			`which match is taken: here it is the first, by "E"`,
		},
		"a variable that is looked at": {
			samplerOf("/", "", elementOf("BoundaryExtractor", "BoundaryExtractor.refname", "id",
				"BoundaryExtractor.lboundary", "a", "BoundaryExtractor.rboundary", "b", "Sample.scope", "variable",
				"Scope.variable", "x")) + samplerOf("/${id}", "", ""),
			nil, `that it looks at something else than the answer itself: "E"`,
		},
		"the time for a connection": {
			`<ConfigTestElement testname="D"><stringProp name="HTTPSampler.connect_timeout">500</stringProp>
</ConfigTestElement><hashTree/>` + samplerOf("/", "", ""),
			nil, `how long connecting may take, of "S"`,
		},
		"the number of the thread": {
			samplerOf("/${__threadNum}/${__counter(TRUE,)}", "", ""),
			[]string{`path: "/${THREAD_NUM:-set-THREAD_NUM}/{{iteration}}"`},
			"that ${__counter(TRUE,)} counts for each thread",
		},
		"a cache": {elementOf("CacheManager") + samplerOf("/", "", ""), nil, "CacheManager"},
		"what is embedded": {
			samplerOf("/", `<boolProp name="HTTPSampler.image_parser">true</boolProp>`, ""), nil, "what pages embed",
		},
	} {
		t.Run(name, func(t *testing.T) { becomes(t, JMeter, planOf(loops("1"), test.below), test.has, test.lacks) })
	}
}

// TestJMeterPlans holds what stands beside thread groups: it goes for all of them, unless it is disabled.
func TestJMeterPlans(t *testing.T) {
	group := func(name string) string {
		return `<ThreadGroup testname="` + name + `"><stringProp name="ThreadGroup.num_threads">2</stringProp>` + minute +
			loops("-1") + `</ThreadGroup><hashTree>` + samplerOf("/${n}/${x}", "", "") + `</hashTree>`
	}
	const arguments = `<collectionProp name="Arguments.arguments">
<elementProp name="x" elementType="Argument"><stringProp name="Argument.name">x</stringProp>
<stringProp name="Argument.value">disabled</stringProp></elementProp></collectionProp>`
	r := converted(t, JMeter, `<jmeterTestPlan><hashTree><TestPlan testname="P"/><hashTree>`+
		elementOf("ConstantThroughputTimer", "throughput", "60", "calcMode", "1")+
		elementOf("RandomVariableConfig", "variableName", "n", "minimumValue", "1", "maximumValue", "6")+
		group("A")+group("B")+
		`<GenericController testname="C" enabled="false"/><hashTree><Arguments testname="D">`+arguments+
		`</Arguments><hashTree/></hashTree></hashTree></hashTree></jmeterTestPlan>`)
	for _, both := range []string{"rate: 60\n", "n: {range: [1, 6]}"} {
		if n := strings.Count(string(r.Text), both); n != 2 {
			t.Errorf("%s is %d times in\n%s", both, n, r.Text)
		}
	}
	n := 0
	for _, left := range r.LeftOut {
		if strings.HasPrefix(left.Text, "that the rate of the timer is that of all thread groups together") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d times that the rate is that of both in %v", n, r.LeftOut)
	}
	if strings.Contains(string(r.Text), "/disabled") {
		t.Errorf("a disabled variable is in\n%s", r.Text)
	}
}
