package recording

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/policycortex/headroom/scenarios"
)

// part is a part of a request in a JSON object.
type part int

const (
	partTime part = iota
	partMethod
	partURL
	partQuery
	partBody
	partHeaders
	partUserAgent
	partReferer
	partHost
	partStatus
	parts
)

// jsonKeys are the names that the parts of a request have in JSON lines, as the access logs of nginx, Apache, Tomcat,
// Caddy, Traefik, Envoy, Cloudflare, Google Cloud, pino and the Elastic Common Schema write them; a dot leads into an
// object. Of several in one line the first here counts: when a request began goes before when it was logged,
// milliseconds before whole seconds, and what was asked before what it was rewritten to.
var jsonKeys = [parts][]string{
	partTime: {
		"StartUTC", "start_time", "EdgeStartTimestamp", "common_properties.start_time", "time", "ts", "timestamp",
		"@timestamp", "msec", "time_iso8601", "time_local",
	},
	partMethod: {
		"method", "request_method", "RequestMethod", "ClientRequestMethod", "http.request.method", "request.method",
		"req.method", "requestMethod", "httpRequest.requestMethod", "http_method", "request.request_method",
	},
	partURL: {
		"request_uri", "ClientRequestURI", "url", "url.original", "request.url", "request.uri", "req.url",
		"request_url", "requestUrl", "httpRequest.requestUrl", "request.original_path", "request.path", "RequestPath",
		"request", "path", "uri", "request_path", "requestPath", "url.path", "ClientRequestPath",
	},
	partQuery: {
		"args", "query", "query_string", "request_args", "request_query", "url.query",
		"ClientRequestQuery",
	},
	partBody:    {"body", "request_body"},
	partHeaders: {"headers", "request_headers", "request.headers", "req.headers", "requestHeaders"},
	partUserAgent: {
		"http_user_agent", "user_agent", "user_agent.original", "userAgent", "ClientRequestUserAgent",
		"httpRequest.userAgent", "request.user_agent",
	},
	partReferer: {
		"http_referer", "referer", "referrer", "http.request.referrer", "ClientRequestReferer",
		"httpRequest.referer", "request.referer",
	},
	partHost: {
		"http_host", "host", "request.host", "RequestHost", "ClientRequestHost", "authority", "request.authority",
	},
	partStatus: {
		"status", "status_code", "statusCode", "response_code", "DownstreamStatus", "EdgeResponseStatus",
		"http.response.status_code", "res.statusCode", "httpRequest.status", "response.response_code",
	},
}

// jsonNames are the parts by name, and the names of the objects that have some.
var jsonNames, jsonObjects = namesOfJSON()

type rankedPart struct {
	part part
	rank int
}

func namesOfJSON() (ranked map[string]rankedPart, objects map[string]bool) {
	ranked, objects = map[string]rankedPart{}, map[string]bool{}
	for p, keys := range jsonKeys {
		for rank, name := range keys {
			ranked[name] = rankedPart{part(p), rank}
			for i, c := range name {
				if c == '.' {
					objects[name[:i]] = true
				}
			}
		}
	}
	return ranked, objects
}

// jsonRequest is what a JSON object has of a request.
type jsonRequest struct {
	found   [parts]gjson.Result
	name    [parts]string // of what was found
	rank    [parts]int    // of that name, from 1
	headers []header      // that stand each in a field of its own
}

// has reports whether the object has a part.
func (j *jsonRequest) has(p part) bool { return j.found[p].Exists() }

// read takes the parts of an object; prefix is its own name with a dot. What is null or empty counts after all else.
func (j *jsonRequest) read(object gjson.Result, prefix string) {
	object.ForEach(func(key, value gjson.Result) bool {
		name := key.Str
		if prefix != "" {
			name = prefix + name
		}
		if value.IsObject() && jsonObjects[name] {
			j.read(value, name+".")
			return true
		}
		if to, known := jsonNames[name]; known && value.Type != gjson.Null {
			rank := to.rank + 1
			if value.Str == "" && value.Type == gjson.String || value.Str == "-" {
				rank += len(jsonNames)
			}
			if best := &j.rank[to.part]; *best == 0 || rank < *best {
				*best, j.found[to.part], j.name[to.part] = rank, value, name
			}
		} else if field, ok := strings.CutPrefix(name, "request_"); ok && field != "" && 'A' <= field[0] &&
			field[0] <= 'Z' && value.Type == gjson.String {
			j.headers = append(j.headers, header{field, value.Str}) // of Traefik
		}
		return true
	})
}

// pathsOf are the paths of the parts that the user has said where to find; nil for the others.
func pathsOf(f *scenarios.RecordedFields) [parts]scenarios.JSONPath {
	return [parts]scenarios.JSONPath{
		partTime: f.Time, partMethod: f.Method, partURL: f.URL, partQuery: f.Query, partBody: f.Body,
		partHeaders: f.Headers, partUserAgent: f.UserAgent, partReferer: f.Referer,
	}
}

// mapped puts what the user's paths lead to in place of what was found by its name.
func (j *jsonRequest) mapped(object gjson.Result, paths *[parts]scenarios.JSONPath) {
	for p, path := range paths {
		if path != nil {
			j.found[p], j.name[p] = lookUp(object, path), path.String()
		}
	}
}

// lookUp finds the value that a path leads to; it does not exist where the path leads nowhere.
func lookUp(v gjson.Result, path scenarios.JSONPath) gjson.Result {
	for _, step := range path {
		var found gjson.Result
		switch {
		case step.IsIndex && v.IsArray():
			items := v.Array()
			index := step.Index
			if index < 0 {
				index += len(items)
			}
			if index >= 0 && index < len(items) {
				found = items[index]
			}
		case !step.IsIndex && v.IsObject():
			v.ForEach(func(key, value gjson.Result) bool {
				if key.Str == step.Key {
					found = value
				}
				return !found.Exists()
			})
		}
		v = found
	}
	return v
}

// firstLine is the key under which servers write the first line of a request, as in "GET / HTTP/1.1".
const firstLine = "request"

// asked is the method and the URL of the request. Neither exists where the object has none, such as a message of the
// server about itself.
func (j *jsonRequest) asked() (method, url gjson.Result) {
	method, url = j.found[partMethod], j.found[partURL]
	if j.name[partURL] == firstLine || strings.HasPrefix(j.name[partURL], "$") {
		m, u, ok := splitLine(url.Str)
		if ok {
			url.Str = u
		}
		if !method.Exists() || ok && method.Str == "" { // and is empty, if there was none
			method = gjson.Result{Type: gjson.String, Str: m}
		}
	}
	return method, url
}
