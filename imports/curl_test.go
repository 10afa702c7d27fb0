package imports

import (
	"slices"
	"strings"
	"testing"
)

// TestCurlOptions holds what options become that are more than a method, a header, or a text.
func TestCurlOptions(t *testing.T) {
	for command, want := range map[string][]string{
		"curl -k https://h/a": {"tls:\n  insecureSkipVerify: true\n"},
		"curl --cacert ca.pem --cert me.pem --key me-key.pem --tlsv1.3 https://h/a": {
			`  ca: "ca.pem"`, `  cert: "me.pem"`, `  key: "me-key.pem"`, "  minVersion: 1.3",
		},
		"curl --cert me.pem https://h/":            {`  cert: "me.pem"`, `  key: "me.pem"`},
		"curl --http1.1 https://h/":                {"http:\n  version: 1.1"},
		"curl --http2-prior-knowledge http://h/":   {"http:\n  version: 2"},
		"curl --resolve h:443:127.0.0.1 https://h": {`url: "https://127.0.0.1:443"`, `host: "h"`, `serverName: "h"`},
		"curl --connect-to h:80:127.0.0.1:8080 http://h/x": {
			`url: "http://127.0.0.1:8080"`, `host: "h"`,
		},
		"curl --unix-socket /run/docker.sock http://localhost/v1/info": {`socket: "/run/docker.sock"`},
		"curl -x proxy.example.com:3128 http://h/":                     {`proxy: "http://proxy.example.com:3128"`},
		"curl -c jar http://h/login; curl -b jar http://h/account":     {"cookies: true"},
		"curl -u ann:secretpw1 http://h/": {
			`auth: {basic: {user: "${BASIC_USER:-set-BASIC_USER}", password: "${BASIC_PASSWORD:-set-BASIC_PASSWORD}"}}`,
		},
		"curl -u \"ann:$PW\" http://h/":                     {`password: "${PW:-set-PW}"`},
		"curl --oauth2-bearer \"$TOKEN\" http://h/":         {`auth: {bearer: "${TOKEN:-set-TOKEN}"}`},
		"curl -H 'Authorization: Basic YW5uOnB3' http://h/": {`auth: {basic: {user: "${BASIC_USER`},
		"curl http://ann:pw@h/x":                            {`url: "http://h"`, `auth: {basic: {user: "${BASIC_USER`},
		"curl --data-binary @order.json -H 'Content-Type: application/json' http://h/": {
			"method: POST", `bodyFile: "order.json"`, "Content-Type: application/json",
		},
		"curl --json @order.json http://h/": {`bodyFile: "order.json"`, "Accept: application/json"},
		`curl --json '{"a": 1}' http://h/`:  {"json: {a: 1}", "Accept: application/json"},
		"curl -T big.bin http://h/":         {"method: PUT", "path: /big.bin", `bodyFile: "big.bin"`},
		`curl --json '{"a": 1' --json ', "b": 2}' -H 'Accept: text/plain' http://h/`: {
			"json: {a: 1, b: 2}", "Accept: text/plain\n",
		},
		"curl -H 'User-Agent: mine' -A other -e http://r/ -H 'Referer: http://s/' http://h/": {
			"headers:\n          User-Agent: mine\n          Referer: \"http://s/\"\n",
		},
		"curl -H 'Accept-Encoding:' --compressed -A x/1 http://h/": {"headers:\n          User-Agent: x/1\n"},
		"curl -F a=1 -F 'p=@x.png;type=image/png;filename=y.png' -F 'j={};type=application/json' http://h/": {
			`a: "1"`, `p: {file: "x.png", filename: "y.png", contentType: "image/png"}`,
			`j: {text: "{}", contentType: "application/json"}`,
		},
		"curl --url-query 'q=a b' http://h/x?y=1": {`path: "/x?y=1&q=a+b"`},
		"curl -r 0-99 http://h/":                  {`Range: "bytes=0-99"`},
	} {
		text := string(converted(t, Curl, command).Text)
		for _, one := range want {
			if !strings.Contains(text, one) {
				t.Errorf("%s: %s is not in\n%s", command, one, text)
			}
		}
	}
}

// TestCurlLeavesOut holds that what cannot be carried over is named.
func TestCurlLeavesOut(t *testing.T) {
	for command, want := range map[string]string{
		"curl --digest -u a:bcdefghij http://h/":                                "signing in by --digest",
		"curl -b cookies.txt http://h/":                                         `the cookies that are in the file "cookies.txt" before`,
		"curl -d @- http://h/":                                                  `the part of the body that is in the file "-"`,
		"curl -F 'a=<x.txt' http://h/":                                          `the part "a" of a form, which is "<x.txt"`,
		"curl -H @headers.txt http://h/":                                        `the headers that are in the file "headers.txt"`,
		"curl 'http://h/{a,b}/[1-3]'":                                           `that "http://h/{a,b}/[1-3]" stands for several URLs`,
		"curl --retry 3 http://h/":                                              "the option --retry of curl",
		"curl --proxy-header 'X: y' --tlsuser u https://h/":                     "the option --tlsuser of curl",
		"curl --key me.pem https://h/":                                          "tls.key: it has no certificate",
		"curl -k http://h":                                                      "insecureSkipVerify: the target is",
		"curl --http1.1 https://h; curl --http2-prior-knowledge https://h":      "version: 2, which is 1.1 for",
		"curl -H 'Authorization: Bearer abcdefghi' -H authorization:x http://h": "",
	} {
		r := converted(t, Curl, command)
		if want != "" && !slices.ContainsFunc(r.LeftOut, func(n Note) bool { return strings.Contains(n.Text, want) }) {
			t.Errorf("%s: %q is not in %v", command, want, r.LeftOut)
		}
		if strings.Contains(string(r.Text), "bcdefghi") {
			t.Errorf("%s: the secret is in\n%s", command, r.Text)
		}
	}
}
