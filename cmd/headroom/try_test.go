package main

import (
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// shop is a service with a login whose token the rest needs.
func shop(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/login":
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "c00kie-of-ann", Path: "/"})
		if string(body) == `{"user":"eve"}` {
			fmt.Fprint(w, `{"error":"unknown"}`)
			return
		}
		fmt.Fprint(w, `{"token":"t0ken-of-ann","name":"Ann"}`)
	case "/orders":
		if r.Header.Get("Authorization") != "Bearer t0ken-of-ann" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, "{\"id\":7,\n \"note\":\"\u009b2Jgone\"}")
	case "/echo":
		fmt.Fprintf(w, "%s of %s", r.Header.Get("X-Api-Key"), r.URL.RawQuery)
	case "/large":
		fmt.Fprint(w, strings.Repeat("0123456789", 10_000))
	case "/old":
		http.Redirect(w, r, "/new", http.StatusFound)
	case "/binary":
		_, _ = w.Write([]byte{0, 1, 2, 0xff})
	default:
		fmt.Fprintf(w, "%s over %s", r.URL.Path, r.Proto)
	}
}

const shopScenario = `target: {url: %q}
scenarios:
  users:
    executor: constant-arrival-rate
    rate: 1000
    duration: 10m
    requests:
      - name: buy
        values: {user: {list: [%s]}}
        steps:
          - name: login
            method: POST
            path: /login
            body: '{"user":"{{user}}"}'
            headers: {Content-Type: application/json}
            extract: {token: {json: $.token}, name: {json: $.name}}
            checks: [{name: fast name, json: $.name, equals: Ann}]
          - name: order
            method: POST
            path: /orders?for={{name}}
            headers: {Authorization: "Bearer {{token}}"}
            expectedStatus: 201
            checks: [{name: has an id, json: $.id, equals: 7}]
  pages:
    executor: constant-vus
    vus: 3
    duration: 1m
    requests:
      - {name: home, path: /, weight: 100}
      - {name: echo, path: "/echo?api_key=k3y-in-the-query&n={{iteration}}", headers: {X-Api-Key: k3y-of-the-header}}
      - {name: large, path: /large, checks: [{name: small, bodySize: {max: 100}}]}
      - {name: old, path: /old, redirects: 2}
      - {name: binary, path: /binary}
`

func shopFile(t *testing.T, url, user string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, shopScenario, url, user), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTry: every request and flow is sent once, whatever the rates and weights; all of it is shown but for the secrets;
// and a check that does not hold is an exit code.
func TestTry(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		shop(w, r)
	}))
	defer server.Close()
	p := headroom(t, "try", shopFile(t, server.URL, "ann"))
	p.exits(t, exitCrossed)
	out := p.stdout.String()
	says(t, out, "scenario users, flow buy, request login\n> POST "+server.URL+"/login\n", "> User-Agent: headroom\n",
		"> Content-Type: application/json\n",
		"> Content-Length: 14\n", "\n>\n> {\"user\":\"ann\"}\n< 200 OK, HTTP/1.1, after ",
		"\n<\n< {\"token\":\"REDACTED\",\"name\":\"Ann\"}\n", "< Set-Cookie: REDACTED",
		"extracted token: REDACTED\nextracted name: Ann\ncheck fast name: held\n",
		"> POST "+server.URL+"/orders?for=Ann\n", "> Authorization: REDACTED\n",
		"< 201 Created", `< {"id":7,`+"\n< "+` "note":"\u009b2Jgone"}`, "check has an id: held\n", "request home\n",
		"< / over HTTP/1.1\n", "api_key=REDACTED&n=0", "< REDACTED of api_key=",
		"… (100000 bytes in total)\n", "check small: NOT HELD: 100000 bytes\n", "redirected to "+server.URL+"/new\n",
		"< (4 bytes that are not text)\n", "7 requests, 6 as expected\n")
	for _, secret := range []string{"t0ken", "c00kie", "k3y", "\u009b"} {
		if strings.Contains(out+p.stderr.String(), secret) {
			t.Errorf("%q is shown:\n%s", secret, out)
		}
	}
	if asked.Load() != 8 || p.stderr.Len() > 0 { // one of them was redirected
		t.Errorf("the server was asked %d times; stderr %q", asked.Load(), &p.stderr)
	}
}

// TestTryWhatFails: a flow ends where it broke, and says why.
func TestTryWhatFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(shop))
	defer server.Close()
	p := headroom(t, "try", shopFile(t, server.URL, "eve"), "--requests", "buy,home")
	p.exits(t, exitCrossed)
	says(t, p.stdout.String(), "check fast name: NOT HELD: no $.name; the answer was 200 OK: {\"error\":\"unknown\"}\n",
		"FAILED: extraction failed: token: the body has no $.token\n",
		"request order\nnot sent: login failed before it\n", "request home\n", "3 requests, 1 as expected\n")

	file := shopFile(t, server.URL, "ann")
	p = headroom(t, "try", file, "--requests", "login", "--requests", "home")
	p.exits(t, exitOK)
	if out := p.stdout.String(); strings.Contains(out, "request order") ||
		!strings.HasSuffix(out, "2 requests, 2 as expected\n") {
		t.Errorf("not only login and home were sent:\n%s", out)
	}
	p = headroom(t, "try", file, "--requests", "hoem")
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), `there is no request or flow "hoem"; did you mean "home"?`)
	headroom(t, "try").exits(t, exitUsage)
	headroom(t, "try", file, file).exits(t, exitUsage)
}

// TestTryByTLS: the client is that of the load, with its certificates and its HTTP/2.
func TestTryByTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(shop))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	file := shopFile(t, server.URL, "ann")
	p := headroom(t, "try", file, "--requests", "home")
	p.exits(t, exitCrossed, exitError) // before the load, or by the request
	says(t, p.stdout.String()+p.stderr.String(), "x509: certificate signed by unknown authority")

	roots := filepath.Join(t.TempDir(), "roots.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(roots, certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	p = headroom(t, "try", file, "--requests", "home,order")
	p.Env = append(os.Environ(), "SSL_CERT_FILE="+roots)
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "< 200 OK, HTTP/2.0, TLS 1.3, after ", "< / over HTTP/2.0\n",
		"3 requests, 3 as expected\n")
}

// TestTryInterrupted: a signal ends a request that is not answered.
func TestTryInterrupted(t *testing.T) {
	t.Parallel()
	came := make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		came <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	p := headroom(t, "try", shopFile(t, server.URL, "ann"), "--requests", "home")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-came:
	case <-time.After(time.Minute):
		t.Error("it sent nothing")
	}
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if p.ProcessState.ExitCode() != exitInterrupted || p.stderr.String() != "headroom: interrupted\n" {
		t.Errorf("exit code %d: %s", p.ProcessState.ExitCode(), &p.stderr)
	}
}

// TestTryRecording: of a recording it is the first request of each name.
func TestTryRecording(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(shop))
	defer server.Close()
	dir := t.TempDir()
	var log strings.Builder
	for i, path := range []string{"/a/1", "/a/2", "/b", "/a/3"} {
		fmt.Fprintf(&log,
			`{"time":"2025-11-02T00:22:4%dZ","method":"GET","path":%q,"headers":{"Cookie":"session=c00kie-of-bob"}}`+"\n",
			i, path)
	}
	file := filepath.Join(dir, "replay.yaml")
	text := fmt.Sprintf("target: {url: %q}\nscenarios: {log: {executor: replay, file: access.jsonl}}\n", server.URL)
	if err := os.WriteFile(filepath.Join(dir, "access.jsonl"), []byte(log.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := headroom(t, "try", file)
	p.exits(t, exitOK)
	out := p.stdout.String()
	says(t, out, "request GET /a/:id\n> GET "+server.URL+"/a/1\n", "request GET /b\n", "> Cookie: REDACTED\n",
		"2 requests, 2 as expected\n")
	if strings.Contains(out, "c00kie") || strings.Contains(out, "/a/2") {
		t.Errorf("too much is shown:\n%s", out)
	}
}

// TestTryReferenceServer starts the system that the scenario needs, and sends the flow that it comes with.
func TestTryReferenceServer(t *testing.T) {
	t.Parallel()
	p := headroom(t, "try", "flow.yaml", "--provider", "process", "--set", "environment.fixtures.resources=500")
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "flow life_of_a_resource, request ", "extracted ", "5 requests, 5 as expected\n")
	says(t, p.stderr.String(), "environment: process, ")
}
