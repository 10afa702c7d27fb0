package imports

import "testing"

// TestK6Options holds what options become.
func TestK6Options(t *testing.T) {
	const after = "\nexport default function () { http.get('https://h.example.com/a'); }"
	for options, test := range map[string]struct {
		has   []string
		lacks string
	}{
		"insecureSkipTLSVerify: true, vus: 1, duration: '1m'":  {[]string{"tls:\n  insecureSkipVerify: true"}, ""},
		"noConnectionReuse: true":                              {[]string{"http:\n  keepAlive: false"}, ""},
		"noVUConnectionReuse: true":                            {nil, "the option noVUConnectionReuse"},
		"noCookiesReset: true":                                 {[]string{"cookies: true"}, ""},
		"tlsVersion: 'tls1.3'":                                 {[]string{"minVersion: 1.3"}, ""},
		"tlsVersion: { min: http.TLS_1_2, max: http.TLS_1_2 }": {nil, "tlsVersion: TLS 1.3 is used"},
		"tlsAuth: [{ domains: ['h.example.com'], cert: open('./c.pem'), key: open('./k.pem') }]": {
			[]string{`cert: "./c.pem"`, `key: "./k.pem"`}, "the domains of a certificate",
		},
		"hosts: { 'h.example.com': '10.0.0.7:8443' }": {
			[]string{`url: "https://10.0.0.7:8443"`, `host: "h.example.com"`, `serverName: "h.example.com"`}, "",
		},
		"vus: compute(), duration: '5s'": {[]string{"vus: 1"}, "the vus of default, which the script computes"},
		"vus: 200000, duration: '5s'":    {[]string{"vus: 100000"}, "the vus of default: a scenario has at most"},
		"scenarios: { s: { executor: 'ramping-arrival-rate', startRate: 0, timeUnit: f(), maxVUs: 9, " +
			"stages: [{target: 5, duration: '10s'}] } }": {
			[]string{"startRate: 0", "maxVUs: 9"}, "the timeUnit of s, which the script computes",
		},
		"maxRedirects: 4":                        {[]string{"redirects: 4"}, ""},
		"userAgent: 'mine/1'":                    {[]string{"User-Agent: mine/1"}, ""},
		"tags: { team: 'shop', n: 7 }":           {[]string{`tags: {team: "shop", n: "7"}`}, ""},
		"rps: 100":                               {nil, "the option rps of the script"},
		"vus: 3, iterations: 2":                  {[]string{"vus: 2", "iterations: 2"}, ""},
		"vus: __ENV.VUS || 4, stages: undefined": {[]string{"executor: constant-vus", "vus: ${VUS:-4}"}, ""},
		`scenarios: { s: { executor: 'per-vu-iterations', vus: 3, iterations: 9, maxDuration: '2m', startTime: '5s' } }`: {
			[]string{"executor: per-vu-iterations", "vus: 3", "iterations: 9", "maxDuration: 2m", "startTime: 5s"}, "",
		},
		"scenarios: { s: { executor: 'ramping-vus', startVUs: 0, stages: [{target: __ENV.N || 5, duration: '10s'}], " +
			"gracefulRampDown: '0s', gracefulStop: '3s' } }": {
			[]string{"startVUs: 0", `stages: [{target: "${N:-5}", duration: 10s}]`, "gracefulStop: 3s"}, "gracefulRampDown of s",
		},
		"scenarios: { s: { executor: 'constant-arrival-rate', rate: 30, timeUnit: '1m', duration: '2m', " +
			"preAllocatedVUs: 7, env: { HOST: 'x' }, tags: { kind: 'api' } } }": {
			[]string{"rate: 30", "timeUnit: 1m", "duration: 2m", "maxVUs: 7", `tags: {kind: "api"}`}, "",
		},
		"scenarios: { s: { executor: 'externally-controlled', vus: 10, maxVUs: 50, duration: '10m' } }": {
			[]string{"executor: constant-vus", "vus: 10", "duration: 10m"}, "the executor externally-controlled of s",
		},
	} {
		t.Run(options, func(t *testing.T) {
			before := "import http from 'k6/http';\nexport const options = { " + options + " };"
			becomes(t, K6, before+after, test.has, test.lacks)
		})
	}
}

// TestK6Flows holds what else a script says.
func TestK6Flows(t *testing.T) {
	const before = `import http from 'k6/http';
import { check, group, sleep } from 'k6';
import encoding from 'k6/encoding';
import { SharedArray } from 'k6/data';
import { randomIntBetween, randomString } from 'https://jslib.k6.io/k6-utils/1.4.0/index.js';
import { FormData } from 'https://jslib.k6.io/formdata/0.0.2/index.js';
import { URL } from 'https://jslib.k6.io/url/1.0.0/index.js';
const U = 'http://127.0.0.1:1';
export const options = { vus: 2, duration: '10s', thresholds: { 'http_req_duration{group:::buy}': ['p(95)<500'] } };
`
	for name, test := range map[string]struct {
		script string
		has    []string
		lacks  string
	}{
		"setup": {
			`export function setup() { const r = http.post(U + '/login'); http.get(U + '/x'); return { token: r.json('token') }; }` + "\n" +
				"export default (data) => { http.get(U, { headers: { Authorization: `Bearer ${data.token}` } }); }\n" +
				"export function teardown(data) { http.del(`${U}/sessions/${data.token}`); sleep(1); }",
			[]string{
				"setup:\n  steps:\n    - name: post_login\n", `token: {json: "$.token"}`, `auth: {bearer: "{{token}}"}`,
				"teardown:\n  steps:\n    - name: delete_sessions_id\n", `path: "/sessions/{{token}}"`,
			},
			"",
		},
		"setup that destructures": {
			"export function setup() { return { a: http.get(U).headers['X-A'], b: 7 }; }\n" +
				"export default ({ a, b }) => { http.get(`${U}/${a}/${b}`); }",
			[]string{`X-A: {header: "X-A"}`, `path: "/{{X-A}}/7"`},
			"",
		},
		"pauses": {
			"export default () => { http.get(U + '/a'); sleep(1); sleep(randomIntBetween(1, 3)); http.get(U + '/b'); " +
				"sleep(Math.random() * 2 + 0.5); http.get(U + '/c'); sleep(__ENV.THINK || 3); }",
			[]string{"pause: {min: 2s, max: 4s}", "pause: {min: 500ms, max: 2.5s}", "thinkTime: ${THINK:-3}s"},
			"",
		},
		"a pause before all": {
			"export default () => { sleep(5); http.get(U); }", nil, "the pause before the first request",
		},
		"groups": {
			`export default () => { group('buy', () => { http.get(U + '/a'); group('pay', () => { http.get(U + '/b'); }); }); }`,
			[]string{`tags: {group: "::buy"}`, `tags: {group: "::buy::pay"}`, `"http_req_duration{group:::buy}":`},
			"",
		},
		"a loop": {
			`export default () => { for (let i = 0; i < 30; i++) { http.get(U + '/a'); sleep(1); } http.get(U + '/b'); }`,
			[]string{"- repeat: 30\n            steps:\n              - name: get_a\n", "pause: 1s"},
			"",
		},
		"a long loop": {
			"export default () => { for (let i = 0; i < 30; i++) { http.get(`${U}/${i}`); } }",
			[]string{"path: /19"},
			"the loop: it is sent 20 times",
		},
		"files": {
			"const photo = open('./photo.jpg', 'b');\nexport default () => { " +
				`http.post(U + '/p', { title: 'x', photo: http.file(photo, 'me.jpg', 'image/jpeg') }); http.put(U + '/q', photo); }`,
			[]string{
				`photo: {file: "./photo.jpg", filename: "me.jpg", contentType: "image/jpeg"}`,
				`bodyFile: "./photo.jpg"`,
			},
			"",
		},
		"form data": {
			"export default () => { const fd = new FormData(); fd.append('a', 'b'); http.post(U, fd.body(), " +
				"{ headers: { 'Content-Type': 'multipart/form-data; boundary=' + fd.boundary } }); }",
			[]string{`multipart: {a: "b"}`},
			"",
		},
		"credentials": {
			"export default () => { http.get(U, { headers: { " +
				"Authorization: 'Basic ' + encoding.b64encode(`ann:${__ENV.PW}`) } }); }",
			[]string{`password: "${PW:-set-PW}"`, "auth: {basic: {user: "},
			"",
		},
		"JSON rows": {
			"const users = new SharedArray('u', () => JSON.parse(open('./users.json')).users);\n" +
				"export default () => { const u = users[Math.floor(Math.random() * users.length)]; " +
				`http.post(U, JSON.stringify({ name: u.name, city: u.home.city }), { headers: { 'Content-Type': 'application/json' } }); }`,
			[]string{
				`users-users: {jsonl: "./users-users.jsonl", choice: uniform}`, `city: {feeder: users-users, field: "$.home.city"}`,
				`json: {name: "{{name}}", city: "{{city}}"}`,
			},
			`the file "./users.json" is no feeder yet: make one by jq -c '.users[]' ./users.json > ./users-users.jsonl`,
		},
		"generated values": {
			"export default () => { http.get(`${U}/${Date.now()}/${randomString(8, 'abc')}/` + " +
				"new Date().toISOString()); }",
			[]string{"now: {time: unixMilli}", `text: {string: 8, alphabet: "abc"}`, "{time: rfc3339}"},
			"",
		},
		"a URL": {
			`export default () => { const u = new URL(U + '/s'); u.searchParams.append('q', 'a b'); http.get(u.toString()); }`,
			[]string{`path: "/s?q=a+b"`},
			"",
		},
		"cookies of a jar and of an answer": {
			"export default () => { http.cookieJar().set(U, 'sid', 'abcdefgh1'); const r = http.get(U); " +
				"http.get(`${U}/${r.cookies.csrf[0].value}`); }",
			[]string{"cookies: true", `Cookie: "${COOKIE:-set-COOKIE}"`, `csrf: {cookie: "csrf"}`},
			"that k6 forgets cookies after an iteration",
		},
		"checks": {
			`export default () => { const r = http.get(U); check(r, { a: (r) => r.body.match(/a+b/), b: (r) => r.body === 'x.y', ` +
				`c: (r) => r.headers['Content-Type'].startsWith('text/'), d: (r) => /z/.test(r.body), e: (r) => r.body.length === 5 }); }`,
			[]string{
				`{name: "a", regex: "a+b"}`, `{name: "b", regex: '^x\.y$'}`, `{name: "c", header: "Content-Type", regex: "^text/"}`,
				`{name: "d", regex: "z"}`, `{name: "e", bodySize: {min: 5, max: 5}}`,
			},
			"",
		},
		"expected statuses": {
			"http.setResponseCallback(http.expectedStatuses(200, 404));\nexport default () => { http.get(U); " +
				"http.get(U + '/b', { responseCallback: http.expectedStatuses({ min: 200, max: 201 }) }); }",
			[]string{"expectedStatus: [200, 404]", "expectedStatus: [200, 201]"},
			"",
		},
		"what cannot be followed": {
			"class A { go() { http.get(U + '/in-a-class'); } }\nexport default () => { http.get(U); new A().go(); }",
			nil, "http.get, which is in a part of the script that cannot be followed",
		},
		"headers that are computed": {
			"export default () => { http.get(U, { headers: makeThem() }); }", nil,
			"the parameter headers of a request, which the script computes",
		},
		"the other branch": {
			"export default () => { if (Math.random() < 0.5) { console.log('no'); } else { http.get(U + '/b'); } }",
			[]string{"path: /b"},
			"the condition: what it guards is always sent",
		},
		"a name that is taken": {
			`const users = ['a', 'b'];` + "\n" + `export default () => { const n = users[Math.floor(Math.random() * users.length)]; ` +
				"const r = http.get(`${U}/${n}`); http.get(`${U}/${r.json('item')}`); }",
			[]string{`path: "/{{item}}"`, `item_2: {json: "$.item"}`, `path: "/{{item_2}}"`},
			"",
		},
	} {
		t.Run(name, func(t *testing.T) { becomes(t, K6, before+test.script, test.has, test.lacks) })
	}
}
