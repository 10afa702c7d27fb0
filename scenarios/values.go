package scenarios

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxRangeEnd bounds a range so that its size and every number in it are exact in floating point.
const maxRangeEnd = 1 << 52

func (r *reader) values(n *node, target Target) []Value {
	if n == nil {
		return nil
	}
	if len(n.entries) > maxValues {
		r.fault(n, "", "%s has %d values; a request takes at most %d", n.path, len(n.entries), maxValues)
	}
	var values []Value
	for _, e := range n.entries {
		r.name(e.at, "the value", e.key)
		if e.key == ValueIteration || e.key == ValueUUID {
			r.faultAt(e.at, "choose another name", "the value %s is built in", e.key)
		} else if r.shared.knows(e.key) {
			r.faultAt(e.at, "choose another name", "%s is extracted by %s already", e.key, r.shared.source(e.key))
		}
		if !e.value.bad && e.value.get("secret") == nil { // a secret stands in the templates
			values = append(values, r.value(e, target))
		}
	}
	return values
}

func (r *reader) value(e entry, target Target) Value {
	n := e.value
	v := Value{Name: e.key, Keys: r.keys(n, target)}
	switch v.Keys.(type) {
	case StringKeys, TimeKeys: // nothing is chosen
		for _, key := range []string{"choice", "exponent"} {
			if k := n.get(key); k != nil {
				r.faultAt(k.keyAt, "remove it", "%s does not go with string and time", k.path)
			}
		}
		v.Choice = Uniform
		return v
	}
	if n.get("feeder") == nil { // a feeder chooses for all its values
		v.Choice, v.Exponent = r.choice(n)
	}
	return v
}

// choice reads how a key or a row is picked.
func (r *reader) choice(n *node) (c Choice, exponent float64) {
	choice, power := n.get("choice"), n.get("exponent")
	c = Choice(r.word(choice, string(Uniform), []string{string(Uniform), string(Zipf), string(Sequential)}))
	switch {
	case c == Zipf && power != nil:
		exponent, _ = r.positive(power, 10)
	case c == Zipf:
		exponent = 1
	case given(power) && (choice == nil || choice.text == string(c)):
		r.faultAt(power.keyAt, "add choice: zipf", "%s has an exponent, which only zipf takes", n.path)
	}
	return c, exponent
}

// keys reads the set that a value chooses from.
func (r *reader) keys(n *node, target Target) Keys {
	sources := slices.DeleteFunc([]string{"fixture", "list", "range", "string", "time", "feeder", "secret"},
		func(key string) bool { return n.get(key) == nil })
	if len(sources) != 1 {
		has := "none"
		if len(sources) > 0 {
			has = strings.Join(sources, " and ")
		}
		r.faultAt(n.keyAt, "",
			"%s needs exactly one of fixture, list, range, string, time, feeder and secret, and has %s", n.path, has)
		return nil
	}
	source := n.get(sources[0])
	if first := n.get("first"); first != nil && sources[0] != "fixture" {
		r.faultAt(first.keyAt, "", "%s.first goes with fixture only", n.path)
	}
	if alphabet := n.get("alphabet"); alphabet != nil && sources[0] != "string" {
		r.faultAt(alphabet.keyAt, "", "%s goes with string only", alphabet.path)
	}
	for _, key := range []string{"column", "field"} {
		if c := n.get(key); c != nil && sources[0] != "feeder" {
			r.faultAt(c.keyAt, "", "%s goes with feeder only", c.path)
		}
	}
	if source.bad {
		return nil
	}
	switch sources[0] {
	case "fixture":
		if target.URL != "" {
			r.fault(source, "use list or range",
				"%s takes keys of the reference fixture, which the service at target.url does not have", n.path)
		}
		return FixtureKeys{
			Set:   r.word(source, "", FixtureSets),
			First: int(r.whole(n.get("first"), 0, 1, maxResources)),
		}
	case "list":
		return ListKeys(r.list(source))
	case "feeder":
		return r.feederKeys(n, source)
	case "string":
		return StringKeys{Length: int(r.whole(source, 1, 1, maxString)), Alphabet: r.alphabet(n.get("alphabet"))}
	case "time":
		return TimeKeys{TimeFormat(r.word(source, string(RFC3339), timeFormats))}
	}
	return r.rangeKeys(source)
}

func (r *reader) list(n *node) []string {
	if len(n.items) == 0 {
		r.fault(n, "", "%s is empty", n.path)
	}
	list := make([]string, 0, len(n.items))
	for _, item := range n.items {
		if !item.bad {
			list = append(list, item.text)
		}
	}
	return list
}

func (r *reader) rangeKeys(n *node) RangeKeys {
	if len(n.items) != 2 {
		r.fault(n, "for example [1, 1000]", "%s needs a first and a last number, and has %d items", n.path,
			len(n.items))
		return RangeKeys{}
	}
	faults := len(r.errs)
	keys := RangeKeys{Decimals: max(decimalsOf(n.items[0]), decimalsOf(n.items[1]))}
	keys.From, keys.To = r.rangeEnd(n.items[0], keys.Decimals), r.rangeEnd(n.items[1], keys.Decimals)
	if len(r.errs) == faults && keys.From > keys.To && given(n.items[0]) && given(n.items[1]) {
		r.fault(n, "write the lower number first", "%s is empty: %s is greater than %s", n.path, n.items[0].text,
			n.items[1].text)
	}
	return keys
}

// maxDecimals bounds the decimals of a range.
const maxDecimals = 9

// decimal is a number with decimals, as ranges have them.
var decimal = regexp.MustCompile(`^-?[0-9]+\.[0-9]+$`)

// decimalsOf is how many decimals the end of a range is written with.
func decimalsOf(n *node) int {
	if !given(n) || !decimal.MatchString(n.text) {
		return 0
	}
	return len(n.text) - strings.IndexByte(n.text, '.') - 1
}

// rangeEnd reads an end of a range, in units of the last of so many decimals.
func (r *reader) rangeEnd(n *node, decimals int) int64 {
	if !given(n) || decimals == 0 {
		return r.whole(n, 0, -maxRangeEnd, maxRangeEnd)
	}
	if decimals > maxDecimals {
		r.fault(n, "", "%s: a range has at most %d decimals", n.path, maxDecimals)
		return 0
	}
	whole, fraction, _ := strings.Cut(n.text, ".")
	scaled := whole + fraction + strings.Repeat("0", max(0, decimals-len(fraction)))
	x, err := strconv.ParseInt(scaled, 10, 64)
	if err == nil && -maxRangeEnd <= x && x <= maxRangeEnd {
		return x
	}
	r.fault(n, "", "%s cannot be the end of a range: with %d decimals it is a number of at most 15 digits, not %.120q",
		n.path, decimals, n.text)
	return 0
}

const (
	maxString       = 10_000 // characters
	maxAlphabet     = 1_000
	defaultAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// alphabet reads the characters of which a string is made.
func (r *reader) alphabet(n *node) string {
	if !given(n) {
		return defaultAlphabet
	}
	if count := utf8.RuneCountInString(n.text); count == 0 || count > maxAlphabet || !isHeaderText(n.text) {
		r.fault(n, "for example 0123456789abcdef", "%s needs 1 to %s characters, and no control characters", n.path,
			grouped(maxAlphabet))
	}
	return n.text
}

// holes reads the templates of one request, or of a flow's steps one after the other, and keeps which values they use.
type holes struct {
	*reader
	values    *node             // the declared ones; may be nil
	secretOf  map[string]string // those of them that are secrets
	steps     *node             // of a flow; nil for a request
	extracted []entry           // by the steps so far
	used      map[string]bool
	unread    bool // a template could not be read, so it is not known what it would have used
}

// newHoles prepares the reading of the templates that share values.
func (r *reader) newHoles(values, steps *node) *holes {
	h := &holes{reader: r, values: values, secretOf: map[string]string{}, steps: steps, used: map[string]bool{}}
	if values == nil {
		return h
	}
	for _, e := range values.entries {
		source := e.value.get("secret")
		if source == nil {
			continue
		}
		if len(e.value.entries) > 1 {
			r.faultAt(e.value.keyAt, "", "%s has a secret and something else", e.value.path)
		}
		text, ok := r.secret(source)
		h.secretOf[e.key], h.unread = text, h.unread || !ok
	}
	return h
}

// template reads text with holes {{name}}. A brace that stands alone is a literal one. What fills a hole with a secret
// is a literal.
func (h *holes) template(n *node, w writing) Template {
	var t Template
	rest := n.text
	if n.literal {
		t.text(w.text.text(rest))
		return t
	}
	var inside stringsOfJSON
	for {
		open := strings.Index(rest, "{{")
		if open < 0 {
			break
		}
		for strings.HasPrefix(rest[open+1:], "{{") {
			open++ // of more than two braces the last two open the hole
		}
		end := strings.Index(rest[open:], "}}")
		if end < 0 {
			h.unread = true
			h.fault(n, "close it with }}", "%s has a {{ without its }}: %.60q", n.path, rest[open:])
			return t
		}
		t.text(w.text.text(rest[:open]))
		inside.pass(rest[:open])
		part := h.part(n, rest[open+2:open+end])
		if part.Encoding == ByPlace && (inside.within || !w.json) {
			part.Encoding = w.holes
		}
		if secret, isSecret := h.secretOf[part.Value]; isSecret {
			t.text(w.secret(part, secret))
		} else {
			t = append(t, part)
		}
		h.use(n, part.Value)
		rest = rest[open+end+2:]
	}
	t.text(w.text.text(rest))
	return t
}

func (h *holes) use(n *node, name string) {
	h.used[name] = true
	if name == ValueIteration || name == ValueUUID || h.values != nil && (h.values.bad || h.values.get(name) != nil) {
		return
	}
	if slices.ContainsFunc(h.extracted, func(e entry) bool { return e.key == name }) {
		return
	}
	if h.shared.knows(name) {
		h.shared.use(name)
		return
	}
	if laterStep(h.steps, name) {
		h.fault(n, "only what an earlier step extracts is known",
			"%s names %.60q, which this step or a later one extracts", n.path, name)
		return
	}
	known := []string{ValueIteration, ValueUUID}
	if h.values != nil {
		for _, e := range h.values.entries {
			known = append(known, e.key)
		}
	}
	for _, e := range h.extracted {
		known = append(known, e.key)
	}
	known = append(known, slices.Sorted(maps.Keys(h.shared.setup))...)
	known = append(known, slices.Sorted(maps.Keys(h.shared.login))...)
	h.used[Nearest(name, known)] = true // one typing error is one fault
	undeclared := "which is not declared under values"
	if h.steps != nil {
		undeclared = "which is not declared under values, and no step extracts it"
	}
	h.fault(n, suggest(name, known), "%s names the value %.60q, %s", n.path, name, undeclared)
}

func (h *holes) reportUnused() {
	if h.unread {
		return
	}
	h.reportUnusedExtractions()
	if h.values == nil {
		return
	}
	for _, e := range h.values.entries {
		if !h.used[e.key] {
			h.faultAt(e.at, "remove it or write {{"+e.key+"}}", "%s is used nowhere", e.value.path)
		}
	}
}
