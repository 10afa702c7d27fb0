package imports

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// parameters are those of an operation and of its path; the operation's go before.
func (a *api) parameters(o operation) (all []*openapi3.Parameter) {
	for _, list := range []openapi3.Parameters{o.of.Parameters, o.item.Parameters} {
		for _, ref := range list {
			if ref == nil || ref.Value == nil {
				continue
			}
			p := ref.Value
			same := func(q *openapi3.Parameter) bool { return q.Name == p.Name && q.In == p.In }
			if !slices.ContainsFunc(all, same) {
				all = append(all, p)
			}
		}
	}
	return all
}

// query adds a parameter of the query. What is a list is sent as its style says: several times, unless it has commas.
func (a *api) query(r *request, p *openapi3.Parameter, v text) {
	name := url.QueryEscape(p.Name)
	isList := p.Schema != nil && p.Schema.Value != nil && p.Schema.Value.Type.Is("array")
	explode := (p.Style == "" || p.Style == openapi3.SerializationForm) && (p.Explode == nil || *p.Explode)
	if !isList || !explode || !v.isLiteral() {
		r.withQuery(joined(plain(name+"="), encoded(v)))
		return
	}
	for item := range strings.SplitSeq(v.string(), ",") {
		r.withQuery(joined(plain(name+"="), encoded(plain(item))))
	}
}

var pathParameter = regexp.MustCompile(`\{([^{}]+)\}`)

// path is the path of an operation with its parameters.
func (a *api) path(r *request, path string, parameters []*openapi3.Parameter) (t text) {
	last := 0
	for _, m := range pathParameter.FindAllStringSubmatchIndex(path, -1) {
		name := path[m[2]:m[3]]
		v := hole(nameOf(name, "id"))
		i := slices.IndexFunc(parameters, func(p *openapi3.Parameter) bool { return p.In == "path" && p.Name == name })
		if i >= 0 {
			if given, ok := a.valueOf(r, parameters[i]); ok {
				v = encodedPath(given)
			}
		}
		t = joined(t, plain(path[last:m[0]]), v)
		last = m[1]
	}
	return joined(t, plain(path[last:]))
}

func encodedPath(t text) (out text) {
	for _, p := range t {
		if p.literal != "" {
			p.literal = url.PathEscape(p.literal)
		}
		out = append(out, p)
	}
	return out
}

// valueOf is a value of a parameter; ok is false where the document has none for it, and only its type can be guessed.
func (a *api) valueOf(r *request, p *openapi3.Parameter) (t text, ok bool) {
	if v, given := example(p.Example, p.Examples); given {
		return plain(asText(v)), true
	}
	var s *openapi3.Schema
	if p.Schema != nil {
		s = p.Schema.Value
	}
	for _, kind := range slices.Sorted(maps.Keys(p.Content)) {
		if media := p.Content[kind]; s == nil && media != nil {
			if v, ok := a.d.sampleOfMedia(media); ok {
				return plain(asText(v)), p.Required
			}
		}
	}
	if s == nil {
		return hole(nameOf(p.Name, "value")), false
	}
	given := func(v value) (text, bool) {
		v.name = nameOf(p.Name, "value")
		r.values = append(r.values, v)
		return hole(v.name), p.Required
	}
	switch {
	case s.Example != nil:
		return plain(asText(s.Example)), true
	case len(s.Examples) > 0:
		return plain(asText(s.Examples[0])), true
	case s.Default != nil:
		return plain(asText(s.Default)), true
	case s.Const != nil:
		return plain(asText(s.Const)), true
	case len(s.Enum) > 0:
		var list []string
		for _, v := range s.Enum {
			list = append(list, asText(v))
		}
		return given(value{list: list})
	case s.Type.Is("integer"):
		return given(bounds(s))
	case s.Format == "uuid":
		return hole("uuid"), p.Required
	case s.Format != "" || s.Type.Is("boolean") || s.Type.Is("number"):
		return plain(asText(a.d.sampleOf(s))), p.Required
	}
	return hole(nameOf(p.Name, "value")), false
}

// bounds are the numbers that an integer may be, at most a hundred.
func bounds(s *openapi3.Schema) value {
	from := int64(1)
	if s.Min != nil && math.Abs(*s.Min) < 1<<50 {
		from = int64(math.Ceil(*s.Min))
	}
	to := from + 99
	if s.Max != nil && *s.Max < float64(to) && *s.Max >= float64(from) {
		to = int64(*s.Max)
	}
	return value{from: from, to: to}
}

// example is the first example of something.
func example(one any, several openapi3.Examples) (v any, ok bool) {
	if one != nil {
		return one, true
	}
	names := make([]string, 0, len(several))
	for name := range several {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if ref := several[name]; ref != nil && ref.Value != nil && ref.Value.Value != nil {
			return ref.Value.Value, true
		}
	}
	return nil, false
}

// asText is a value as a parameter has it; a list has commas.
func asText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return numberText(v)
	case []any:
		all := make([]string, len(v))
		for i, item := range v {
			all[i] = asText(item)
		}
		return strings.Join(all, ",")
	case map[string]any:
		encoded, err := json.Marshal(v)
		if err == nil {
			return string(encoded)
		}
	}
	return fmt.Sprint(v)
}

// signIn gives a request what the first of its ways to sign in asks for.
func (a *api) signIn(r *request, o operation) {
	security := a.doc.Security
	if o.of.Security != nil {
		security = *o.of.Security
	}
	if len(security) == 0 || a.doc.Components == nil {
		return
	}
	names := make([]string, 0, len(security[0]))
	for name := range security[0] {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		ref := a.doc.Components.SecuritySchemes[name]
		if ref == nil || ref.Value == nil {
			continue
		}
		s := ref.Value
		key := func() text {
			return a.d.needs(variableName(name), "the key of the security scheme "+nameOf(name, "key"), true)
		}
		switch {
		case s.Type == "apiKey" && s.In == "header":
			r.headers = append(r.headers, pair{s.Name, key()})
		case s.Type == "apiKey" && s.In == "query":
			r.withQuery(joined(plain(url.QueryEscape(s.Name)+"="), key()))
		case s.Type == "apiKey" && s.In == "cookie":
			r.headers = append(r.headers, pair{"Cookie", joined(plain(s.Name+"="), key())})
		case s.Type == "http" && strings.EqualFold(s.Scheme, "basic"):
			r.auth = &credentials{
				user:     a.d.needs("BASIC_USER", "the user of basic authentication", true),
				password: a.d.needs("BASIC_PASSWORD", "the password of basic authentication", true), basic: true,
			}
		case s.Type == "http" && strings.EqualFold(s.Scheme, "bearer"), s.Type == "oauth2", s.Type == "openIdConnect":
			r.auth = &credentials{
				bearer: a.d.needs("API_TOKEN", "what follows Bearer in the header Authorization", true),
			}
		default:
			a.d.leaveOut(place(s.Origin), 0, "the security scheme %.60q", name)
		}
	}
}
