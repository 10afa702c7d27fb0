package imports

import (
	"strings"
	"testing"
)

// collectionOf is a collection of Postman with items, and other members.
func collectionOf(items, others string) string {
	return `{"info": {"name": "c", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
"item": [` + items + `]` + others + `}`
}

// TestPostmanItems holds what single items become.
func TestPostmanItems(t *testing.T) {
	const second = `,{"name": "next", "request": {"url": "http://h/{{id}}"}}`
	for name, test := range map[string]struct {
		items, others string
		has           []string
		lacks         string
	}{
		"form data": {
			`{"request": {"method": "POST", "url": "http://h", "body": {"mode": "formdata", "formdata": [
{"key": "a", "value": "1"}, {"key": "f", "type": "file", "src": ["x.png", "y.png"], "contentType": "image/png"}]}}}`, "",
			[]string{
				`a: "1"`, `f: [{file: "x.png", contentType: "image/png"}, {file: "y.png", contentType: "image/png"}]`,
			},
			"",
		},
		"a file without a name": {
			`{"request": {"method": "POST", "url": "http://h", "body": {"mode": "formdata", "formdata": [
{"key": "a", "value": "1"}, {"key": "f", "type": "file", "src": []}]}}}`, "", nil, `the part "f" of a form`,
		},
		"basic": {
			`{"request": {"url": "http://h"}}`, `, "auth": {"type": "basic", "basic": [{"key": "username", "value": "ann"},
{"key": "password", "value": "{{pw}}"}]}`,
			[]string{`auth: {basic: {user: "${BASIC_USER:-set-BASIC_USER}", password: "${PW:-set-PW}"}}`},
			"",
		},
		"OAuth 2.0": {
			`{"request": {"url": "http://h", "auth": {"type": "oauth2", "oauth2": [{"key": "accessToken", "value": "{{t}}"}]}}}`, "",
			[]string{`auth: {bearer: "${T:-set-T}"}`},
			"",
		},
		"settings": {
			`{"request": {"url": "https://h"}, "protocolProfileBehavior": {"strictSSL": false, "maxRedirects": 3}}`, "",
			[]string{"tls:\n  insecureSkipVerify: true", "redirects: 3"},
			"",
		},
		"a certificate": {
			`{"request": {"url": "https://h", "certificate": {"cert": {"src": "c.pem"}, "key": {"src": "k.pem"}}}}`, "",
			[]string{`cert: "c.pem"`, `key: "k.pem"`},
			"",
		},
		"folders and cookies": {
			`{"name": "A", "item": [{"name": "B", "item": [{"name": "x", "request": {"url": "http://h/x"}}]}]}` + second, "",
			[]string{`tags: {folder: "A/B"}`, "cookies: true"},
			"",
		},
		"no cookies": {
			`{"request": {"url": "http://h/x"}, "protocolProfileBehavior": {"disableCookies": true}}` + second, "",
			[]string{"path: /x"},
			"",
		},
		"tests": {
			`{"request": {"url": "http://h"}, "event": [{"listen": "test", "script": {"exec": [
"let d; try { d = JSON.parse(responseBody); } catch (e) {}", "tests['code'] = responseCode.code === 200;",
"tests['text'] = responseBody.has('hello');", "pm.test('many', () => {", "  pm.expect(d).to.have.property('a', 'b');",
"  pm.response.to.have.header('ETag');", "  pm.expect(pm.response.code).to.be.oneOf([200, 201]);",
"  pm.expect(d.list).to.exist;", "  pm.expect(d.n).to.be.at.least(3);", "});",
"postman.setEnvironmentVariable('id', d.id);"]}}]}` + second, "",
			[]string{
				`{name: "code", status: [200]}`, `{name: "text", contains: "hello"}`, `{name: "many", json: "$.a", equals: "b"}`,
				`{name: "many_2", header: "ETag"}`, `{name: "many_3", status: [200, 201]}`, `{name: "many_4", json: "$.list"}`,
				`{name: "many_5", json: "$.n", min: "3"}`, `id: {json: "$.id"}`, `path: "/{{id}}"`,
			},
			"",
		},
		"a condition": {
			`{"request": {"url": "http://h"}, "event": [{"listen": "test", "script": {"exec":
"if (pm.response.code === 200) { pm.environment.set('id', pm.response.json().id); }"}}]}` + second, "",
			[]string{`id: {json: "$.id"}`},
			"what the script of",
		},
		"a variable that is set": {
			`{"request": {"url": "http://h"}, "event": [{"listen": "test", "script": {"exec": "pm.globals.set('id', '17');"}}]}` +
				second, "", []string{"path: /17"}, "",
		},
		"random values": {
			`{"request": {"url": "http://h/{{$timestamp}}/{{$isoTimestamp}}/{{$randomEmail}}"}}`, "",
			[]string{"timestamp: {time: unix}", "iso_timestamp: {time: rfc3339}", "{{random_email}}@example.com"},
			"",
		},
		"GraphQL": {
			`{"request": {"method": "POST", "url": "http://h", "body": {"mode": "graphql",
"graphql": {"query": "{ a }", "variables": "{\"x\": {{n}}}"}}}}`, `, "variable": [{"key": "n", "value": "3"}]`,
			[]string{`json: {query: "{ a }", variables: {x: 3}}`},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			becomes(t, Postman, collectionOf(test.items, test.others), test.has, test.lacks)
		})
	}
	_, err := Convert("e", []byte(`{"values": [{"key": "baseUrl", "value": "http://h"}], "_postman_variable_scope": "environment"}`),
		Postman)
	if err == nil || err.Error() != "e:1: it is an environment of Postman: import the collection, and write the "+
		"values as NAME=value into a file for --env-file: BASE_URL" {
		t.Errorf("an environment: %v", err)
	}
}

// TestOpenAPIOperations holds what operations become.
func TestOpenAPIOperations(t *testing.T) {
	const before = "openapi: 3.0.3\ninfo: {title: a, version: 1.0}\n"
	for name, test := range map[string]struct {
		document string
		has      []string
		lacks    string
	}{
		"a form with files": {
			`paths: {/p: {post: {requestBody: {content: {multipart/form-data: {schema: {type: object, properties: {title: {type: string},
  photo: {type: string, format: binary}}}}}}, responses: {"200": {description: x}}}}}`,
			[]string{
				`multipart:`, `photo: {text: "sample", filename: "photo.bin", contentType: "application/octet-stream"}`,
			},
			"",
		},
		"basic": {
			`paths: {/p: {get: {responses: {"200": {description: x}}}}}
security: [{b: []}]
components: {securitySchemes: {b: {type: http, scheme: basic}}}`,
			[]string{`auth: {basic: {user: "${BASIC_USER:-set-BASIC_USER}"`},
			"",
		},
		"servers": {
			`servers: [{url: "https://{env}.example.com/v1", variables: {env: {default: api}}}, {url: https://b.example.com}]
paths: {/p: {get: {responses: {"200": {description: x}}}}}`,
			[]string{`url: "https://api.example.com/v1"`},
			"the server https://b.example.com: the target is the first one",
		},
		"lists": {
			`paths: {/p: {get: {parameters: [{name: id, in: query, schema: {type: array, items: {type: integer}}, example: [1, 2]},
  {name: c, in: query, explode: false, schema: {type: array, items: {type: string}}, example: [a, b]}],
  responses: {"200": {description: x}}}}}`,
			[]string{`path: "/p?id=1&id=2&c=a%2Cb"`},
			"",
		},
		"enumerations and defaults": {
			`paths: {"/p/{kind}": {get: {parameters: [{name: kind, in: path, required: true, schema: {type: string, enum: [x, y]}},
  {name: size, in: query, schema: {type: integer, default: 20}}], responses: {"200": {description: x}}}}}`,
			[]string{`path: "/p/{{kind}}?size=20"`, `kind: {list: ["x", "y"]}`},
			"",
		},
		"bytes": {
			`paths: {/p: {put: {requestBody: {content: {application/octet-stream: {schema: {type: string, format: binary}}}},
  responses: {"200": {description: x}}}}}`,
			[]string{"body: sample", "Content-Type: application/octet-stream"},
			"what the bytes of the body are",
		},
	} {
		t.Run(name, func(t *testing.T) { becomes(t, OpenAPI, before+test.document, test.has, test.lacks) })
	}
}

// TestHARConnections holds what an archive says of versions and cookies.
func TestHARConnections(t *testing.T) {
	const entry = `{"request": {"method": "GET", "url": "https://h/", "httpVersion": "VERSION",
"headers": [{"name": "Cookie", "value": "sid=abc"}]}, "response": {"status": 200, "headers": [
{"name": "Set-Cookie", "value": "sid=def; Path=/"}]}}`
	for name, test := range map[string]struct {
		entries string
		has     []string
		lacks   string
	}{
		"HTTP/1.1": {`"http/1.1"`, []string{"http:\n  version: 1.1", "cookies: true"}, ""},
		"HTTP/2":   {`"h2"`, []string{"http:\n  version: 2"}, ""},
		"HTTP/3":   {`"h3"`, nil, "HTTP/3: requests are sent by"},
	} {
		one := strings.ReplaceAll(entry, `"VERSION"`, test.entries)
		t.Run(name, func(t *testing.T) {
			becomes(t, HAR, `{"log": {"entries": [`+one+","+one+`]}}`, test.has, test.lacks)
		})
	}
}
