package main

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/policycortex/headroom/results"
)

// planted are secrets, each in one place that takes a value.
type planted struct {
	t   *testing.T
	dir string
	all map[string]string // the place by the secret
}

func plant(t *testing.T) *planted { return &planted{t, t.TempDir(), map[string]string{}} }

// in makes a secret for a place.
func (p *planted) in(place string) string {
	b := make([]byte, 12)
	if _, err := rand.Read(b); err != nil {
		p.t.Fatal(err)
	}
	secret := "Pl4+" + hex.EncodeToString(b)
	p.all[secret] = place
	return secret
}

// escaped is a secret for a place in a URL.
func (p *planted) escaped(place string) string { return url.QueryEscape(p.in(place)) }

func (p *planted) file(name, content string) string {
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// search holds that no planted secret is in a text, in whatever form.
func (p *planted) search(where, text string) {
	p.t.Helper()
	for secret, place := range p.all {
		forms := []string{
			secret, secret[4:12], secret[12:20], secret[20:], url.QueryEscape(secret),
			url.PathEscape(secret),
		}
		for before := range 3 {
			encoded := base64.StdEncoding.EncodeToString([]byte("bob:"[:before] + secret + "xx"))
			forms = append(forms, encoded[4:len(encoded)-6])
		}
		for _, form := range forms {
			if at := strings.Index(text, form); at >= 0 {
				p.t.Errorf("%s has the secret of %s, as %q: …%s…", where, place, form,
					text[max(0, at-80):min(len(text), at+60)])
				break
			}
		}
	}
}

// runs runs the program, and searches what it prints. It returns what it printed.
func (p *planted) runs(env []string, args ...string) string {
	p.t.Helper()
	c := headroom(p.t, args...)
	c.Dir = p.dir
	c.Env = append(os.Environ(), env...)
	_ = c.Run() // whatever comes of it
	if code := c.ProcessState.ExitCode(); code < 0 || code == 2 {
		p.t.Errorf("%q ended with %d: %s", args, code, &c.stderr)
	}
	p.search(fmt.Sprintf("standard output of %q", args[0]), c.stdout.String())
	p.search(fmt.Sprintf("standard error of %q", args[0]), c.stderr.String())
	return c.stdout.String() + c.stderr.String()
}

// runsAll runs the program with each of the argument lists, four at a time: some of them wait for an address that does
// not answer.
func (p *planted) runsAll(commands ...[]string) {
	p.t.Helper()
	slots := make(chan struct{}, 4)
	var all sync.WaitGroup
	for _, args := range commands {
		slots <- struct{}{}
		all.Go(func() {
			p.runs(nil, args...)
			<-slots
		})
	}
	all.Wait()
}

// searchFiles searches all files of a run, and its names.
func (p *planted) searchFiles(dir string) {
	p.t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		p.search(path, path+"\n"+string(content))
		return err
	})
	if err != nil || files < 3 {
		p.t.Errorf("%s has %d files: %v", dir, files, err)
	}
}

// talkative is a service that repeats what it was sent, with the worst of manners.
func talkative(t *testing.T, token string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/login":
			w.Header().Set("Set-Cookie", "session="+token)
			_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token, "type": "bearer"})
		case "/malformed":
			conn, out, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			writeLine(out, r.Header.Get("Authorization")+" is what you sent")
		default:
			w.WriteHeader(http.StatusForbidden)
			user, password, _ := r.BasicAuth()
			fmt.Fprintf(w, "%s %s|%s|%s ", r.Header.Get("Authorization"), r.Header.Get("X-Env"), user, password)
			fmt.Fprintf(w, "%v %s %s", r.Header, r.URL, body)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func writeLine(w *bufio.ReadWriter, line string) {
	fmt.Fprintf(w, "%s\r\n\r\n", line)
	_ = w.Flush()
}

// secretScenario is a scenario with a secret in each place that takes one.
func (p *planted) secretScenario(name string) (file string, env, flags []string) {
	p.file("secret.txt", p.in("a secret's file")+"\n")
	p.file("vars.env", "# of this test\nexport FILE_TOKEN='"+p.in("--env-file")+"'\n")
	p.file("users.csv", "name,pass\nalice,"+p.in("a feeder's column in Authorization")+"\n")
	env = []string{
		"ENV_SECRET=" + p.in("a secret's variable"),
		"NAMED_TOKEN=" + p.in("a variable with the name of a secret"), "PLAIN=" + p.in("a variable in a secret header"),
	}
	headers := ""
	for _, h := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", "Set-Cookie", "X-Api-Key", "api-key",
		"X-Auth-Token", "X-CSRF-Token", "X-Amz-Security-Token", "X-Partner",
	} {
		value := p.in(h)
		switch h {
		case "Authorization":
			value = "Basic " + base64.StdEncoding.EncodeToString([]byte("bob:"+value))
		case "Cookie":
			value = "theme=dark; sid=" + value
		}
		headers += fmt.Sprintf("          %s: %q\n", h, value)
	}
	file = p.file(name, `target: {url: "${TARGET}"}
redact: [x-partner]
tags: {team: core}
scenarios:
  load:
    executor: constant-arrival-rate
    rate: 40
    duration: 1s
    requests:
      - name: headers
        path: /echo?api_key=`+p.escaped("a query")+`&access_token={{listed}}
        headers:
`+headers+`          X-Env: {secret: {env: ENV_SECRET}}
          X-File: "a {{file}}"
          X-Named: "${NAMED_TOKEN}"
          X-Vault-Token: "x${PLAIN}"
          X-From-File: ${FILE_TOKEN}
          X-Default: ${UNSET_PASSWORD:-`+p.in("a default")+`}
          X-Referer: http://bob:`+p.escaped("a URL in a header")+`@elsewhere/
        values:
          file: {secret: {file: secret.txt}}
          listed: {list: [`+p.in("a list")+`]}
      - {name: json, method: POST, path: /echo, body: '{"user": "bob", "password": "`+p.in("a JSON body")+`"}'}
      - {name: form, method: POST, path: /echo, body: 'user=bob&client_secret=`+p.escaped("a form")+`'}
      - {name: fed, path: /malformed, headers: {Authorization: "Bearer {{pw}}"}, values: {pw: {feeder: users, column: pass}}}
      - {name: set, path: /echo, headers: {X-Auth-Token: none}}
      - name: flow
        steps:
          - name: login
            path: /login
            extract: {token: {json: $.access_token}}
            checks: [{name: kind, json: $.access_token, equals: none}, {name: cookie, header: Set-Cookie, equals: none}]
          - {name: use, path: /malformed, headers: {Authorization: "Bearer {{token}}"}}
feeders: {users: {csv: users.csv}}
thresholds: {http_req_failed: "rate<0.01"}
`)
	flags = []string{"--env-file", "vars.env", "--set", "scenarios.load.requests.set.headers.X-Auth-Token=" +
		p.in("--set"), "--set=scenarios.load.requests.set.path=/echo?sig=" + p.escaped("--set of a path")}
	return file, env, flags
}

// TestSecrets plants a secret in each place that takes a value, and finds none of them in what the program writes.
func TestSecrets(t *testing.T) {
	t.Parallel()
	p := plant(t)
	token := p.in("what was extracted")
	target := talkative(t, token)
	file, env, flags := p.secretScenario("secrets.yaml")
	env = append(env, "TARGET="+target)
	with := func(args ...string) []string { return append(args, flags...) }
	out := func(name string) string { return filepath.Join(p.dir, name) }

	says(t, p.runs(env, with("validate", file)...), "valid (1 scenario")
	said := p.runs(env, with("run", file, "--out", "first")...)
	says(t, said, "403 Forbidden", "report: ")
	p.runs(env, with("run", file, "--out", "second", "--set", "engine=vegeta", "--json")...)
	for _, dir := range []string{"first", "second"} {
		p.runs(nil, "report", dir, "--hdr")
		p.searchFiles(out(dir))
	}
	run, err := results.Read(out("first"))
	if err != nil {
		t.Fatal(err)
	}
	if text := run.Scenario.Text; !strings.Contains(text, "${TARGET}") || !strings.Contains(text, "REDACTED") ||
		run.Scenario.Variables["TARGET"] != target || run.Scenario.Variables["NAMED_TOKEN"] != "REDACTED" {
		t.Errorf("the record has not the scenario as it was written: %v\n%s", run.Scenario.Variables, text)
	}

	// With another token, and where nothing of the environment is set, a run is still one of the same load.
	env[0] = "ENV_SECRET=" + p.in("another secret's variable")
	p.runs(env, with("run", file, "--out", "third", "--quiet")...)
	says(t, p.runs(nil, "compare", "first", "third"), "request figures")
	p.runs(nil, "compare", "first", "third", "--json")
	p.runs(env, with("run", file, "--out", "part", "--shard", "0/1")...)
	says(t, p.runs(nil, "merge", "part", "--out", "whole"), "report: ")
	p.searchFiles(out("part"))
	p.searchFiles(out("whole"))
}

// TestSecretsOfRecordings plants them in files of recorded traffic and in vegeta's targets.
func TestSecretsOfRecordings(t *testing.T) {
	t.Parallel()
	p := plant(t)
	target := talkative(t, p.in("the service's own"))
	host := strings.TrimPrefix(target, "http://")
	har := func(at int, url, header, value, body string) string {
		return fmt.Sprintf(
			`{"startedDateTime":"2026-01-02T03:04:0%d.000Z","request":{"method":"POST","url":%q,"headers":[{"name":%q,"value":%q}],"postData":{"mimeType":"application/json","text":%q}},"response":{"status":200},"timings":{"send":1,"wait":1,"receive":1}}`, at, url, header, value, body)
	}
	p.file("some.har", `{"log":{"version":"1.2","entries":[`+strings.Join([]string{
		har(1, "https://bob:"+p.escaped("a HAR's URL")+"@one/echo?token="+p.escaped("a HAR's query"), "Authorization",
			"Bearer "+p.in("a HAR's header"), `{"password":"`+p.in("a HAR's body")+`"}`),
		har(2, "https://two/malformed", "authorization", "Bearer "+p.in("a HAR's header of a malformed answer"), "{}"),
		har(2, "https://bob:"+p.escaped("a HAR's second URL")+"@three/echo", "Cookie",
			"sid="+p.in("a HAR's cookie"), "x=1"),
		har(2, "ftp://bob:"+p.escaped("a HAR's URL that is none")+"@three/echo", "A", "b", "x=1"),
	}, ",")+"]}}")
	p.file("lines.log", `{"time":1700000000.5,"method":"GET","path":"/echo?api_key=`+p.escaped("a line's query")+
		`","headers":{"X-Api-Key":"`+p.in("a line's header")+`"}}`+"\n")
	p.file("targets.json", `{"method":"GET","url":"http://bob:`+p.escaped("a target's URL")+"@"+host+
		`/echo","header":{"Authorization":["Bearer `+p.in("a target's header")+`"]}}`+"\n"+
		`{"method":"GET","url":"http://bob:`+p.escaped("a target's URL alone")+"@"+host+`/echo"}`+"\n")
	p.file("replay.yaml", `target: {url: "`+target+`"}
scenarios:
  har: {executor: replay, file: some.har}
  lines: {executor: replay, file: lines.log}
  targets: {executor: replay, file: targets.json, format: vegeta-json, rate: 20}
  own: {executor: replay, file: lines.log, headers: {X-Api-Key: "`+p.in("a replay's own header")+`"}}
`)
	says(t, p.runs(nil, "validate", "replay.yaml"), "several hosts")
	for _, engine := range []string{"wire", "vegeta"} {
		says(t, p.runs(nil, "run", "replay.yaml", "--out", engine, "--set", "engine="+engine), "several hosts")
		p.searchFiles(filepath.Join(p.dir, engine))
	}

	p.file("targets.txt", "GET http://bob:"+p.escaped("a target's URL")+"@"+host+"/echo?token="+
		p.escaped("a target's query")+"\nAuthorization: Bearer "+p.in("a target's header")+
		"\n\nGET http://bob:"+p.escaped("a target's URL alone")+"@"+host+"/echo\n\nGET "+target+
		"/malformed\nAuthorization: Bearer "+p.in("a malformed target's header")+"\n\nGET "+target+"/login\n")
	for _, encoding := range []string{"json", "csv", "gob"} {
		p.runs(nil, "attack", "-targets", "targets.txt", "-rate", "20", "-duration", "300ms", "-encoding", encoding,
			"-max-body", "-1", "-output", "out."+encoding, "-header", "X-Api-Key: "+p.in("-header"))
		content, err := os.ReadFile(filepath.Join(p.dir, "out."+encoding))
		if err != nil || len(content) < 100 {
			t.Errorf("%d bytes of %s, %v", len(content), encoding, err)
		}
		p.search("out."+encoding, string(content))
	}
	p.runs(nil, "attack", "-header", "Authorization "+p.in("a wrong -header"))
	p.runs(nil, "attack", "-targets",
		p.file("bad.txt", "GET http://bob:"+p.escaped("a wrong target")+"@"+host+":port/\nAuthorization Bearer "+
			p.in("a wrong target's header")+"\n"))
}

// TestSecretsOfMistakes plants them in what is refused, and in addresses at which nothing answers.
func TestSecretsOfMistakes(t *testing.T) {
	t.Parallel()
	p := plant(t)
	closed := "127.0.0.1:1"
	load := "\nscenarios: {s: {executor: constant-vus, vus: 1, duration: 100ms, requests: [{name: a, path: /}]}}\n"
	header := func(value string) string {
		return "target: {url: http://" + closed +
			"}\nscenarios: {s: {executor: constant-vus, vus: 1, duration: 1s, requests: [{name: a, path: /, headers: " +
			"{Authorization: " + value + "}}]}}\n"
	}
	for i, src := range []string{
		"target: {url: 'https://bob:" + p.escaped("target.url") + "@h/'}" + load,
		"target: {url: 'https://bob:" + p.escaped("a target.url with a wrong port") + "@h:port/'}" + load,
		"target: {url: 'postgres://bob:" + p.in("a target.url of another kind") + "@h/'}" + load,
		"target: {url: 'http://" + closed + "', proxy: 'ftp://bob:" + p.escaped("a wrong proxy") + "@h'}" + load,
		"target: {url: 'http://" + closed + "', proxy: 'http://bob:" + p.escaped("a proxy") + "@" + closed +
			"'}" + load,
		header("'Bearer " + p.in("an open quote")),
		header("'Bearer " + p.in("an open hole") + "{{'"),
		header("[Bearer, " + p.in("a list in place of a text") + "]"),
		header("\"Bearer " + p.in("a wrong escape") + "\\q\""),
		header("Bearer " + p.in("a line that ends the mapping") + "}}}}"),
		header("{secret: {env: UNSET, value: '" + p.in("a secret in the file") + "'}}"),
		header("{secret: '" + p.in("a secret without a source") + "'}"),
	} {
		file := p.file(fmt.Sprintf("%d.yaml", i), src)
		if said := p.runs(nil, "run", file); !strings.Contains(said, filepath.Base(file)) &&
			!strings.HasPrefix(said, "headroom: the proxy ") {
			t.Errorf("%s: %s", src, said)
		}
	}
	whole := p.file("whole.yaml", "target: {url: http://"+closed+"}"+load)
	var commands [][]string
	for _, set := range []string{
		"scenarios.s.requests.b.headers.Authorization=Bearer " + p.in("--set at an unknown request"),
		"scenarios.s.requests.a.headers.Cookie='sid=" + p.in("--set with an open quote"),
		"target.url=http://bob:" + p.escaped("--set target.url") + "@h/",
		"target.urll=http://bob:" + p.escaped("--set of an unknown key") + "@h/",
		"scenarios.s.requests.a.body={\"password\": \"" + p.in("--set of a body") + "\"}",
	} {
		commands = append(commands, []string{"run", whole, "--set", set}, []string{"validate", whole, "--set=" + set})
	}
	password := func(place string) string { return "bob:" + p.escaped(place) + "@" + closed }
	p.runsAll(append(commands,
		[]string{"run", whole, "--env-file", p.file("bad.env", "PASSWORD "+p.in("a line that is none")+"\n")},
		[]string{"run", whole, "--env-file", p.file("bad2.env", "PASSWORD='"+p.in("an open quote")+"\n")},
		[]string{
			"run", "smoke", "--provider", "external", "--postgres",
			"postgres://" + password("--postgres") + "/db?connect_timeout=1", "--cache",
			"redis://" + password("--cache") + "/0",
		},
		[]string{
			"run", "smoke", "--provider", "external", "--postgres",
			"postgres://bob:" + p.in("a wrong --postgres") + "/x@h/db",
			"--cache=redis://:" + p.in("a wrong --cache") + "@h:port/0",
		},
		[]string{"seed", "--postgres", "postgres://" + password("seed") + "/db?connect_timeout=1"},
		[]string{
			"serve", "--postgres", "host=127.0.0.1 port=x password=" + p.in("a wrong DSN"), "--cache",
			"redis://h",
		},
	)...)
	p.runs([]string{
		"HEADROOM_POSTGRES_URL=postgres://" + password("HEADROOM_POSTGRES_URL") + "/db",
		"HEADROOM_CACHE_URL=redis://" + password("HEADROOM_CACHE_URL") + "/x",
	}, "serve", "--addr", "127.0.0.1:0")
	p.runs([]string{
		"HEADROOM_POSTGRES_URL=postgres://bob:" + p.in("a wrong HEADROOM_POSTGRES_URL") + "@h:port/db",
		"HEADROOM_CACHE_URL=redis://h",
	}, "serve", "--addr", "127.0.0.1:0")
}

// TestSecretsOfOldRuns holds that reports of a run that an older version saved have no secrets.
func TestSecretsOfOldRuns(t *testing.T) {
	t.Parallel()
	p := plant(t)
	target := talkative(t, "none")
	file := p.file("old.yaml", "target: {url: "+target+"}\nscenarios: {s: {executor: constant-vus, vus: 1, duration: "+
		"300ms, requests: [{name: a, path: /, headers: {X-Old: OLD}}]}}\n")
	p.runs(nil, "run", file, "--out", "old")
	saved := filepath.Join(p.dir, "old", "run.json")
	content, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	header := p.in("a header")
	for old, replacement := range map[string]string{
		"X-Old: OLD":                     "Authorization: Bearer " + header,
		`"target": "http://`:             `"target": "http://bob:` + p.escaped("a target") + "@",
		`"--out"`:                        `"--postgres", "postgres://bob:` + p.escaped("a command") + `@h/db", "--out"`,
		`"status 403": "403 Forbidden: `: `"status 403": "403 Forbidden: Bearer ` + header,
	} {
		if !strings.Contains(string(content), old) {
			t.Fatalf("there is no %s in:\n%.2000s", old, content)
		}
		content = []byte(strings.ReplaceAll(string(content), old, replacement))
	}
	if err := os.WriteFile(saved, content, 0o600); err != nil {
		t.Fatal(err)
	}
	p.runs(nil, "report", "old")
	p.runs(nil, "compare", "old", "old")
	for _, name := range []string{"report.html", "summary.json", "junit.xml"} {
		drawn, err := os.ReadFile(filepath.Join(p.dir, "old", name))
		if err != nil {
			t.Fatal(err)
		}
		p.search(name, string(drawn))
	}
}

// TestProxyWithCredentials sends them, and shows them nowhere.
func TestProxyWithCredentials(t *testing.T) {
	t.Parallel()
	p := plant(t)
	password := p.in("the proxy's password")
	got := make(chan string, 1000)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case got <- r.Header.Get("Proxy-Authorization"):
		default:
		}
		w.WriteHeader(http.StatusProxyAuthRequired)
		fmt.Fprint(w, r.Header)
	}))
	defer proxy.Close()
	file := p.file("proxy.yaml", `target: {url: "http://127.0.0.1:1", proxy: "http://bob:${PROXY_PW}@`+strings.TrimPrefix(proxy.URL, "http://")+`"}
scenarios: {s: {executor: constant-vus, vus: 1, duration: 200ms, requests: [{name: a, path: /}]}}
`)
	p.runs([]string{"PROXY_PW=" + url.QueryEscape(password)}, "run", file, "--out", "out")
	select {
	case sent := <-got:
		if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("bob:"+password)); sent != want {
			t.Errorf("the proxy got %q, want %q", sent, want)
		}
	case <-time.After(time.Minute):
		t.Error("the proxy got nothing")
	}
	p.searchFiles(filepath.Join(p.dir, "out"))
}
