package recording

import (
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

// TestAccessLogsAsServersWriteThem has a line or two of the JSON logs of servers and services, in their own words.
func TestAccessLogsAsServersWriteThem(t *testing.T) {
	const end = " | User-Agent: headroom = GET "
	for name, test := range map[string]struct{ file, want string }{
		"nginx, the rewritten before what was asked": {
			`{"time":"2025-11-02T00:22:41+00:00","method":"GET","uri":"/search","args":"q=1","request_uri":"/search?q=1"}`,
			"0s GET /search?q=1" + end + "/search\n1s",
		},
		"nginx, the query apart": {
			`{"time":"2025-11-02T00:22:41+00:00","method":"GET","uri":"/search","args":"q=1"}`,
			"0s GET /search?q=1" + end + "/search\n1s",
		},
		"nginx, no query": {
			`{"time":"2025-11-02T00:22:41+00:00","method":"GET","uri":"/search","args":"-"}`,
			"0s GET /search" + end + "/search\n1s",
		},
		"a method in small letters": {
			`{"time":"2025-11-02T00:22:41Z","method":"get","url":"/a"}`,
			"0s GET /a" + end + "/a\n1s",
		},
		"a rewritten url":                {`{"time":"2025-11-02T00:22:41Z","method":"GET","path":"/index.php","url":"/a?b"}`, "0s GET /a?b" + end + "/a\n1s"},
		"nginx, time_local, referer":     {`{"time_local":"02/Nov/2025:00:22:41 +0000","request":"GET /a?b=c HTTP/1.1","status":200,"http_referer":"http://r/","http_user_agent":"curl/8"}`, "0s GET /a?b=c | Referer: http://r/ | User-Agent: curl/8 = GET /a\n1s"},
		"nginx, finer milliseconds":      {`{"time_iso8601":"2025-11-02T00:22:41+00:00","msec":"1762042961.250","request":"GET /a HTTP/1.1"}` + "\n" + `{"time_local":"02/Nov/2025:00:22:41 +0000","msec":1762042961.450,"request":"GET /b HTTP/1.1"}`, "0s GET /a" + end + "/a\n200ms GET /b" + end + "/b\n202ms"},
		"Tomcat":                         {`{"time":"[02/Nov/2025:00:22:41 +0000]","method":"GET","uri":"/a","query":"?b=c","status":"200"}`, "0s GET /a?b=c" + end + "/a\n1s"},
		"Apache, a zone without a colon": {`{"timestamp":"2025-11-02T00:22:41+0000","request_method":"GET","request_url":"/a","query":"?b=c"}`, "0s GET /a?b=c" + end + "/a\n1s"},
		"Caddy": {
			`{"level":"info","ts":1646861401.5241024,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"127.0.0.1","proto":"HTTP/2.0","method":"GET","host":"localhost","uri":"/a?b=c","headers":{"User-Agent":["curl/7.82.0"],"Accept":["*/*"],"Cookie":["REDACTED"]}},"bytes_read":0,"duration":0.000929675,"size":10900,"status":200,"resp_headers":{"Server":["Caddy"]}}` + "\n" +
				`{"level":"info","ts":1646861402.1,"msg":"serving initial configuration"}`,
			"0s GET /a?b=c | User-Agent: curl/7.82.0 | Accept: */* = GET /a\n2ms\nleft out: 1 × header \"Cookie\", " +
				"whose value the log hides\nleft out: 1 × line without method and URL, such as a message of the " +
				"server about itself",
		},
		"Traefik":            {`{"ClientHost":"203.0.113.7","RequestHost":"www.example.test","RequestMethod":"GET","RequestPath":"/page/1?x=2","DownstreamStatus":200,"StartUTC":"2026-08-19T18:06:38.123Z","time":"2026-08-19T18:06:39Z","request_User-Agent":"curl/8"}`, "0s GET /page/1?x=2 | User-Agent: curl/8 = GET /page/:id\n2ms"},
		"Envoy":              {`{"start_time":"2025-10-25T21:11:49.123Z","method":"GET","path":"/a?b","protocol":"HTTP/1.1","response_code":200,"user_agent":"curl"}`, "0s GET /a?b | User-Agent: curl = GET /a\n2ms"},
		"Cloudflare":         {`{"ClientRequestHost":"h.example.com","ClientRequestMethod":"GET","ClientRequestPath":"/a","ClientRequestURI":"/a?b","EdgeStartTimestamp":1762042961123000000,"EdgeResponseStatus":200,"ClientRequestUserAgent":"curl"}`, "0s GET /a?b | User-Agent: curl = GET /a\n2ms"},
		"Google Cloud":       {`{"timestamp":"2025-10-25T21:11:49.123Z","httpRequest":{"requestMethod":"GET","requestUrl":"https://h/a?b","status":200,"userAgent":"curl","referer":"http://r/"}}`, "0s GET /a?b | Referer: http://r/ | User-Agent: curl = GET /a\n2ms"},
		"pino":               {`{"level":30,"time":1531171074631,"req":{"id":1,"method":"GET","url":"/a?b","headers":{"host":"localhost","x-n":1.10}},"res":{"statusCode":200}}`, "0s GET /a?b | X-N: 1.10" + end + "/a\n2ms"},
		"Elastic":            {`{"@timestamp":"2025-10-25T21:11:49.123Z","http":{"request":{"method":"GET"},"response":{"status_code":200}},"url":{"path":"/a","query":"b=c"},"user_agent":{"original":"curl"}}`, "0s GET /a?b=c | User-Agent: curl = GET /a\n2ms"},
		"Elastic, with dots": {`{"@timestamp":"2025-10-25T21:11:49.123Z","http.request.method":"GET","url.original":"/a?b=c"}`, "0s GET /a?b=c" + end + "/a\n2ms"},
		"microseconds":       {`{"ts":1762042961123456,"method":"GET","url":"/a"}`, "0s GET /a" + end + "/a\n2ms"},
		"user and password": {
			`{"ts":1,"method":"GET","url":"http://bob:p%40w@h/a"}`,
			"0s GET /a | Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("bob:p@w")) + end + "/a\n1s",
		},
		"a virtual host": {
			"a.example:443 10.0.0.1 - - [10/Oct/2025:13:55:36 +0200] \"GET /a HTTP/1.1\" 200 5\n",
			"0s GET /a" + end + "/a\n1s",
		},
		"of Kubernetes": {"2025-10-10T11:55:36.000000001Z stdout F 10.0.0.1 - - [10/Oct/2025:13:55:36 +0200] " +
			"\"GET /a HTTP/1.1\" 200 5\n", "0s GET /a" + end + "/a\n1s"},
		"a websocket": {
			at0 + `"GET /a HTTP/1.1" 200 5` + "\n" + at0 + `"GET /ws HTTP/1.1" 101 5`,
			"0s GET /a" + end + "/a\n1s\nleft out: 1 × websocket, which is not replayed",
		},
		"a websocket, in JSON": {
			`{"ts":1,"method":"GET","uri":"/a","status":"200"}` + "\n" +
				`{"ts":1,"method":"GET","uri":"/ws","status":"101"}`,
			"0s GET /a" + end + "/a\n1s\nleft out: 1 × websocket, which is not replayed",
		},
		"bodies": {
			`{"ts":1,"method":"GET","uri":"/a"}` + "\n" +
				`{"ts":1,"method":"POST","uri":"/a","request_body":"-"}` + "\n" +
				`{"ts":1,"method":"POST","uri":"/a","request_body":"","headers":{"Content-Length":"5"}}` + "\n" +
				`{"ts":1,"method":"POST","uri":"/a","request_body":"ab","headers":{"Content-Length":"5"}}`,
			"0s GET /a" + end + "/a\n1s\nleft out: 2 × POST, whose body the file does not have\nleft out: 1 × POST, " +
				"of whose body the file has another length than was sent",
		},
		"nonsense of clients": {
			`{"time":"2025-11-02T00:22:41Z","request":"GET /a HTTP/1.1","status":200}` + "\n" +
				`{"time":"2025-11-02T00:22:41Z","request":"","status":400}` + "\n" +
				`{"time":"2025-11-02T00:22:41Z","request_method":"","request_uri":"","status":400}`,
			"0s GET /a" + end + "/a\n1s\nleft out: 2 × no HTTP request, to which the server could only have " +
				"answered that",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Read(strings.NewReader(test.file), "f", Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := written(l); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// TestHARAsProgramsWriteIt has the entries that are no request over the network, as each program writes them.
func TestHARAsProgramsWriteIt(t *testing.T) {
	const (
		zeros  = `{"blocked": 0, "dns": 0, "connect": 0, "ssl": 0, "send": 0, "wait": 0, "receive": 0}`
		timing = `"timings": {"send": 0, "wait": 3, "receive": 1}`
		ok     = `"response": {"status": 200}, ` + timing
	)
	get := func(rest string) string {
		return `{"startedDateTime": "2025-10-10T11:55:36.500Z", "request": {"method": "GET", "url": "https://h/x", "headers": []}, ` + rest + `}`
	}
	post := func(request, rest string) string {
		return `{"startedDateTime": "2025-10-10T11:55:36.500Z", "request": {"method": "POST", "url": "https://h/x", ` +
			request + `}, ` + rest + `}`
	}
	const noAnswer = "without an answer: blocked, offline, cancelled or failed"
	for name, test := range map[string]struct{ entry, leftOut string }{
		"Chrome, blocked": {
			get(
				`"response": {"status": 0, "_error": "net::ERR_BLOCKED_BY_CLIENT"}, ` + timing),
			noAnswer + ` ("net::ERR_BLOCKED_BY_CLIENT")`,
		},
		"Chrome, offline": {
			get(
				`"response": {"status": 0, "_error": "net::ERR_INTERNET_DISCONNECTED"}`),
			noAnswer + ` ("net::ERR_INTERNET_DISCONNECTED")`,
		},
		"Chrome, memory cache": {get(`"_fromCache": "memory", ` + ok), fromCache},
		"a cache, as true":     {get(`"_fromCache": true, ` + ok), fromCache},
		"Chrome, service worker": {get(
			`"response": {"status": 200, "_fetchedViaServiceWorker": true, "_serviceWorkerResponseSource": "cache-storage"}`), byWorker},
		"Chrome, websocket": {
			get(`"_resourceType": "websocket", "_webSocketMessages": [], ` + ok),
			webSocket,
		},
		"a websocket of https": {get(`"response": {"status": 101}, ` + timing), webSocket},
		"Chrome, data URL": {strings.Replace(get(ok), "https://h/x", "data:image/png;base64,AAAA",
			1), "no HTTP URL (data:)"},
		"Chrome, blob URL": {
			strings.Replace(get(ok), "https://h/x", "blob:https://h/9e2", 1),
			"no HTTP URL (blob:)",
		},
		"Chrome, extension": {
			strings.Replace(get(ok), "https://h/x", "chrome-extension://abc/x", 1),
			"no HTTP URL (chrome-extension:)",
		},
		"Firefox, image cache": {get(
			`"response": {"status": 200}, "cache": {}, "timings": {}, "time": 0`), withoutTimings},
		"Firefox, cache": {get(
			`"response": {"status": 200}, "cache": {"afterRequest": null}, "time": 0, "timings": ` + zeros), fromCache},
		"Firefox, blocked": {get(
			`"response": {"status": 0, "statusText": ""}, "cache": {}, "timings": ` + zeros), noAnswer},
		"Firefox, websocket":     {strings.Replace(get(ok), "https://", "wss://", 1), webSocket},
		"Safari, memory cache":   {get(`"_fetchType": "Memory Cache", ` + ok), fromCache},
		"Safari, disk cache":     {get(`"_fetchType": "Disk Cache", ` + ok), fromCache},
		"Safari, service worker": {get(`"_fetchType": "Service Worker", ` + ok), byWorker},
		"Safari, override": {
			get(`"_fetchType": "Inspector Override", ` + ok),
			`not from the network, but from "Inspector Override", never sent`,
		},
		"Safari, blocked, without an instant": {strings.Replace(get(`"response": {"status": 0}`),
			"2025-10-10T11:55:36.500Z", "", 1), noAnswer},
		"Playwright, failed": {get(
			`"response": {"status": -1, "_failureText": "net::ERR_FAILED"}, "timings": {"send": -1, "wait": -1, "receive": -1}`), noAnswer + ` ("net::ERR_FAILED")`},
		"Playwright, fulfilled": {
			get(`"_wasFulfilled": true, ` + ok),
			"answered by the test's own mock, never sent",
		},
		"Playwright, aborted": {
			get(`"_wasAborted": true, "response": {"status": -1}`),
			"stopped by the test's own route, never sent",
		},
		"mitmproxy, no answer": {get(`"response": {"status": 0, "_error": null}, ` + timing), noAnswer},
		"chrome-har, pushed": {
			get(`"_was_pushed": 1, ` + ok),
			"pushed by the server, never asked for",
		},
		"a body that is not there": {
			post(`"bodySize": 12345, "headers": []`, ok),
			"POST, whose body the file does not have",
		},
		"a body that nobody knows of": {
			post(`"bodySize": -1, "headers": []`, ok),
			"POST, whose body the file does not have",
		},
		"a body by its header": {
			post(
				`"bodySize": 0, "headers": [{"name": "content-length", "value": "7"}]`, ok),
			"POST, whose body the file does not have",
		},
		"Playwright, a body beside": {post(
			`"bodySize": -1, "headers": [], "postData": {"mimeType": "application/json", "params": [], "text": "", "_file": "a.json"}`, ok), "POST, whose body the file does not have"},
		"Firefox, a body that was discarded": {post(
			`"bodySize": 0, "headers": [], "postData": {"mimeType": "", "params": [], "text": "", "comment": "Request bodies are not included"}`, ok), "POST, whose body the file does not have"},
		"Chrome, an upload without its file": {post(
			`"bodySize": 3, "headers": [{"name": "Content-Length", "value": "4096"}], "postData": {"mimeType": "multipart/form-data", "text": "a=b"}`, ok), "POST, of whose body the file has another length than was sent"},
		"a method": {
			strings.Replace(get(ok), "GET", "CONNECT", 1),
			`method "CONNECT", which is not replayed`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			sent := get(ok)
			l, err := Read(strings.NewReader(har+sent+","+test.entry+"]}}"), "f", Options{})
			if err != nil {
				t.Fatal(err)
			}
			if l.Len() != 1 || len(l.LeftOut) != 1 || l.LeftOut[0] != "1 × "+test.leftOut {
				t.Errorf("%d requests, left out %q, want %q", l.Len(), l.LeftOut, test.leftOut)
			}
		})
	}
	for name, test := range map[string]struct{ entry, want string }{
		"a preflight": {
			strings.Replace(get(`"_resourceType": "preflight", `+ok), "GET", "OPTIONS", 1),
			"OPTIONS /x |",
		},
		"Safari, network": {get(`"_fetchType": "Network Load", ` + ok), "GET /x |"},
		"not modified":    {get(`"response": {"status": 304}, ` + timing), "GET /x |"},
		"stored after it": {get(`"response": {"status": 200}, "cache": {"afterRequest": {"hitCount": 0}}, ` +
			timing), "GET /x |"},
		"cut off after the status": {
			get(`"response": {"status": 200, "_error": "net::ERR_ABORTED"}, ` + timing),
			"GET /x |",
		},
		"false is no": {get(
			`"_fromCache": false, "_was_pushed": "0", "response": {"status": "200", "_fetchedViaServiceWorker": false}, ` + timing), "GET /x |"},
		"no timings anywhere": {get(`"response": {"status": 200}, "timings": {}`), "GET /x |"},
		"small letters":       {strings.Replace(get(ok), "GET", "get", 1), "GET /x |"},
		"user and password": {
			strings.Replace(get(ok), "https://", "https://bob:S3CRET@", 1),
			"GET /x | Authorization: Basic Ym9iOlMzQ1JFVA== |",
		},
		"no body, and none lost": {post(`"bodySize": 0, "headers": []`, ok), "POST /x |"},
		"a body in base64": {
			post(
				`"bodySize": 3, "headers": [], "postData": {"text": "YWJj", "encoding": "base64"}`, ok),
			`POST /x | User-Agent: headroom | "abc"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := Read(strings.NewReader(har+test.entry+"]}}"), "f", Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := written(l); !strings.HasPrefix(got, "0s "+test.want) || len(l.LeftOut) > 0 {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// TestPasswordsOfHosts: a warning names the hosts of a file, and not who was signed in there.
func TestPasswordsOfHosts(t *testing.T) {
	l, err := Read(strings.NewReader(`{"method": "GET", "url": "http://bob:S3CRET@a/"}`+"\n"+
		`{"method": "GET", "url": "http://b:1/", "header": {"Authorization": ["mine"]}}`+"\n"+
		`{"method": "GET", "url": "http://eve:x@b:1/", "header": {"authorization": ["mine"]}}`), "f", Options{})
	if err != nil || strings.Join(l.Hosts, " ") != "a b:1" {
		t.Fatalf("%v, %v", l, err)
	}
	const end = " | User-Agent: headroom = GET /\n"
	if got := written(l); got != "0s GET / | Authorization: Basic Ym9iOlMzQ1JFVA=="+end+
		"0s GET / | Authorization: mine"+end+"0s GET / | Authorization: mine"+end+"0s" {
		t.Errorf("%s", got)
	}
	l, err = Read(strings.NewReader(`{"method": "GET", "url": "http://bob:S3CRET@a/"}`), "f",
		Options{Replaced: []string{"authorization"}})
	if err != nil || strings.Contains(written(l), "Authorization") {
		t.Errorf("%v, %v", l, err)
	}
}

func TestSeveralHostsOfLogs(t *testing.T) {
	for name, file := range map[string]string{
		"JSON": `{"ts":1,"method":"GET","uri":"/","host":"a"}` + "\n" +
			`{"ts":1,"method":"GET","uri":"/","host":"b"}`,
		"combined": `a 10.0.0.1 - - [10/Oct/2025:13:55:36 +0200] "GET / HTTP/1.1" 200 5` + "\n" +
			`b ::1 - - [10/Oct/2025:13:55:36 +0200] "GET / HTTP/1.1" 200 5`,
	} {
		l, err := Read(strings.NewReader(file), "f", Options{})
		if err != nil || strings.Join(l.Hosts, " ") != "a b" {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
}

// TestOtherFiles: what is no recording is named for what it is, with what to do.
func TestOtherFiles(t *testing.T) {
	utf16 := "\xff\xfe" + strings.Join(strings.Split("127.0.0.1 - -", ""), "\x00")
	for name, test := range map[string]struct {
		format     scenarios.RecordingFormat
		file, want string
	}{
		"Docker": {
			"",
			`{"log":"127.0.0.1 - - [10/Oct/2025:13:55:36 +0200] \"GET / HTTP/1.1\" 200 5\n","stream":"stdout","time":"2025-10-10T11:55:36Z"}`, "it is the log that Docker keeps of a container",
		},
		"Docker, as combined": {
			scenarios.Combined, `{"log":"x\n","stream":"stdout","time":"2025-10-10T11:55:36Z"}`,
			"f:1: it is the log that Docker keeps",
		},
		"Docker, as JSON lines": {
			scenarios.RecordedJSONLines,
			`{"log":"x\n","stream":"stdout","time":"2025-10-10T11:55:36Z"}`, "f:1: it is the log that Docker keeps",
		},
		"journal":               {"", `{"MESSAGE":"x","__REALTIME_TIMESTAMP":"1"}`, "it is a journal of systemd"},
		"a JSON array":          {"", `[{"ts":1,"method":"GET","uri":"/"}]`, "it is a JSON array"},
		"UTF-16":                {"", utf16, "f:1: it is UTF-16"},
		"UTF-16 without a mark": {scenarios.Combined, utf16[2:], "f:1: it is UTF-16"},
		"zstd":                  {"", "\x28\xb5\x2f\xfd\x04", "f:1: it is compressed by zstd; decompress it"},
		"no requests": {
			scenarios.RecordedJSONLines, `{"level":"info"}`,
			"f: nothing of it can be replayed: 1 × line without method and URL",
		},
		"a query that is none": {
			"", `{"ts":1,"method":"GET","uri":"/","query":{"a":"b"}}`,
			"f:1: the query is not a text",
		},
		"vegeta, an array": {
			scenarios.VegetaJSON, `[{"method":"GET","url":"http://h/"}]`,
			"f:1: the line begins a JSON array",
		},
		"vegeta, a plain body": {
			scenarios.VegetaJSON, `{"method":"POST","url":"http://h/","body":"hello!"}`,
			"its body must be in base64",
		},
		"vegeta, a body object": {
			scenarios.VegetaJSON, `{"method":"POST","url":"http://h/","body":{"a":1}}`,
			"its body must be in base64",
		},
		"vegeta, another key": {
			scenarios.VegetaJSON, `{"method":"GET","url":"http://h/","headers":{}}`,
			`unknown field "headers"; there are method, url, body and header`,
		},
		"vegeta, a plain header": {
			scenarios.VegetaJSON, `{"method":"GET","url":"http://h/","header":{"A":"b"}}`,
			"its header must be an object of lists",
		},
		"vegeta, two in a line": {
			scenarios.VegetaJSON,
			`{"method":"GET","url":"http://h/"} {"method":"GET","url":"http://h/"}`, "something follows the object",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(strings.NewReader(test.file), "f", Options{Format: test.format})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestDocsNameTheKeys: the names that are read are those that the documentation lists.
func TestDocsNameTheKeys(t *testing.T) {
	docs, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	for p, keys := range jsonKeys {
		if p == int(partHost) || p == int(partStatus) { // for warnings alone
			continue
		}
		for _, key := range keys {
			if !strings.Contains(string(docs), "`"+key+"`") {
				t.Errorf("docs/scenarios.md does not name %q", key)
			}
		}
	}
}
