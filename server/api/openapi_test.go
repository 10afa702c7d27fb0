package api_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/policycortex/headroom/server/api"
)

// serveDescription answers a request for the description, which needs neither store nor cache.
func serveDescription(w http.ResponseWriter, authenticated bool) {
	api.ServeDescription(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil), authenticated)
}

func TestDescriptionIsServed(t *testing.T) {
	s := newService(t)
	first := s.get(t, "", "/openapi.json")
	if first.Code != http.StatusOK || first.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, headers %v", first.Code, first.Header())
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.json", nil)
	r.Header.Set("If-None-Match", first.Header().Get("ETag"))
	if w := s.answer(t, r); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("asked with its ETag: status %d, %d bytes", w.Code, w.Body.Len())
	}
}

// TestEveryRouteIsDescribed, and nothing else is. HEAD is said of all GETs at once.
func TestEveryRouteIsDescribed(t *testing.T) {
	var served, documented []string
	for _, route := range newServiceWithGraphQL(t).Routes() {
		path := regexp.MustCompile(`:([a-z_]+)`).ReplaceAllString(route.Path, "{$1}")
		if route.Method != http.MethodHead {
			served = append(served, route.Method+" "+path)
		}
	}
	for _, o := range operations(describe(t)) {
		documented = append(documented, o.method+" "+o.path)
	}
	slices.Sort(served)
	slices.Sort(documented)
	for _, route := range served {
		if !slices.Contains(documented, route) {
			t.Errorf("%s is served and not described: add it to server/api/openapi", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(served, route) {
			t.Errorf("%s is described and not served", route)
		}
	}
}

// operation is a described operation with the parameters of its path.
type operation struct {
	method, path string
	parameters   []map[string]any
}

func operations(d *description) (all []operation) {
	paths := d.at("paths").(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for method, value := range paths[path].(map[string]any) {
			if method == "parameters" {
				continue
			}
			o := operation{method: strings.ToUpper(method), path: path}
			for _, from := range []any{d.at("paths", path, "parameters"), value.(map[string]any)["parameters"]} {
				list, _ := from.([]any)
				for _, parameter := range list {
					o.parameters = append(o.parameters, d.resolve(parameter).(map[string]any))
				}
			}
			all = append(all, o)
		}
	}
	return all
}

// target is the operation's path with a value for its parameters.
func (o *operation) target() string {
	path := o.path
	for _, p := range o.parameters {
		if p["in"] == "path" {
			path = strings.ReplaceAll(path, "{"+p["name"].(string)+"}", p["example"].(string))
		}
	}
	return path
}

// TestParametersAreTheDescribedOnes: each described query parameter is taken with its example, and one that is not
// described is refused, as is the lack of a required header.
func TestParametersAreTheDescribedOnes(t *testing.T) {
	s, tenant := newService(t), newTenant()
	taken := 0
	for _, o := range operations(describe(t)) {
		if !strings.HasPrefix(o.path, "/api/") || o.method != http.MethodGet {
			continue
		}
		if w := s.get(t, tenant, o.target()+"?no_such_parameter=1"); w.Code != http.StatusBadRequest {
			t.Errorf("%s with an unknown parameter: status %d", o.path, w.Code)
		}
		for _, p := range o.parameters {
			name := p["name"].(string)
			switch {
			case name == "X-Tenant-ID":
				if w := s.get(t, "", o.target()); w.Code != http.StatusBadRequest {
					t.Errorf("%s without a tenant: status %d", o.path, w.Code)
				}
			case p["in"] == "query" && name != "cursor": // a cursor is taken only by the list that gave it out
				taken++
				target := o.target() + "?" + required(o.parameters, name) + url.Values{name: examples(p)}.Encode()
				if w := s.get(t, tenant, target); w.Code != http.StatusOK && w.Code != http.StatusNotFound {
					t.Errorf("%s: status %d: %s", target, w.Code, w.Body)
				}
			}
		}
	}
	if taken < 5 {
		t.Errorf("only %d parameters were tried", taken)
	}
}

// required are the query parameters, other than one, that must be there for the request to be taken.
func required(parameters []map[string]any, other string) string {
	values := url.Values{}
	for _, p := range parameters {
		if p["in"] == "query" && p["required"] == true && p["name"] != other {
			values[p["name"].(string)] = examples(p)
		}
	}
	if len(values) == 0 {
		return ""
	}
	return values.Encode() + "&"
}

func examples(parameter map[string]any) (values []string) {
	list, ok := parameter["example"].([]any)
	if !ok {
		list = []any{parameter["example"]}
	}
	for _, value := range list {
		switch v := value.(type) {
		case string:
			values = append(values, v)
		case interface{ String() string }: // a number
			values = append(values, v.String())
		case bool:
			values = append(values, map[bool]string{true: "true", false: "false"}[v])
		}
	}
	return values
}
