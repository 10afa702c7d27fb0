package imports

import (
	"slices"
	"strings"
	"testing"
)

// TestDefaultsOfSecrets: the default of a variable that stands where a secret does is a secret as well.
func TestDefaultsOfSecrets(t *testing.T) {
	const secret = "s3cr3t-k-live-123"
	for name, send := range map[string]string{
		"a header":         "http.get(U, { headers: { 'X-Api-Key': V } });",
		"a part of one":    "http.get(U, { headers: { 'X-Api-Key': `live ${V}` } });",
		"a cookie":         "http.get(U, { headers: { Cookie: `sid=${V}` } });",
		"a token":          "http.get(U, { headers: { Authorization: `Bearer ${V}` } });",
		"the whole header": "http.get(U, { headers: { Authorization: V } });",
		"a password":       "http.get(U, { headers: { Authorization: `Basic ${encoding.b64encode(`bob:${V}`)}` } });",
		"a query":          "http.get(`${U}/a?x=1&api_key=${V}`);",
		"a form":           "http.post(U, { password: V });",
		"JSON": "http.post(U, JSON.stringify({ password: V }), " +
			"{ headers: { 'Content-Type': 'application/json' } });",
		"JSON in a text":   "http.post(U, `{\"a\": {\"password\": \"${V}\"}} and more`);",
		"a number of JSON": "http.post(U, `{\"password\": ${V}} and more`);",
		"a form in a text": "http.post(U, `a=b&password=${V}`);",
		"XML":              "http.post(U, `<a><password>${V}</password></a>`);",
		"a path as well":   "http.get(`${U}/${V}/" + secret + "`, { headers: { 'X-Api-Key': V } });",
	} {
		t.Run(name, func(t *testing.T) {
			r := converted(t, K6, "import http from 'k6/http';\nimport encoding from 'k6/encoding';\n"+
				"const U = 'http://127.0.0.1:1', V = __ENV.GIVEN || '"+secret+"';\n"+
				"export default function () { "+send+" }")
			i := slices.IndexFunc(r.Variables, func(v Variable) bool { return v.Name == "GIVEN" })
			if i < 0 || !r.Variables[i].Secret {
				t.Errorf("GIVEN is no secret of %v", r.Variables)
			}
			if got := listed(r); strings.Contains(got, secret) || !strings.Contains(got, "${GIVEN:-set-GIVEN}") {
				t.Errorf("got\n%s", got)
			}
		})
	}
	r := converted(t, K6, "import http from 'k6/http';\nconst U = __ENV.BASE || 'http://bob:"+secret+"@127.0.0.1:1';\n"+
		"export default function () { http.get(`${U}/a`); }")
	if got := listed(r); strings.Contains(got, secret) || !strings.Contains(got, "${BASE:-http://127.0.0.1:1}") {
		t.Errorf("got\n%s", got)
	}
}
