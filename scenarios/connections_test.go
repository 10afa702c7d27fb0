package scenarios

import (
	"reflect"
	"testing"
)

// TestConnections: what the sections tls and http and the target's socket say.
func TestConnections(t *testing.T) {
	const src = `target: {url: "https://127.0.0.1/base", socket: /run/app.sock}
tls: {ca: ca.pem, cert: user.pem, key: user.key, serverName: api.example, minVersion: 1.3}
http: {version: 2, keepAlive: false, host: "api.example:8443"}
scenarios:
  steady:
    executor: constant-vus
    vus: 1
    duration: 1s
    requests:
      - {name: home, path: /}
      - {name: own, path: /, headers: {host: other.example, X-A: b}}
  again: {executor: replay, file: access.log}
`
	plan, err := Inputs{}.Parse("connections.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := Target{
		URL: "https://127.0.0.1/base", Socket: "/run/app.sock", TLS: TLS{
			CA: File{"ca.pem", 2, 7}, Cert: File{"user.pem", 2, 19}, Key: File{"user.key", 2, 35},
			ServerName: "api.example", MinVersion: TLS13,
		},
		HTTP: HTTP{Version: HTTP2, Close: true},
	}
	if !reflect.DeepEqual(plan.Target, want) {
		t.Errorf("the target is\n%+v, want\n%+v", plan.Target, want)
	}
	one := func(name, value string) Header { return Header{Name: name, Value: Template{{Literal: value}}} }
	host, last := one("Host", "api.example:8443"), one("Connection", "close")
	for i, want := range [][]Header{
		{host, last},
		{one("host", "other.example"), one("X-A", "b"), last},
	} {
		if got := plan.Scenarios[0].Requests[i].Headers; !reflect.DeepEqual(got, want) {
			t.Errorf("request %d has the headers %v, want %v", i, got, want)
		}
	}
	if got := plan.Scenarios[1].Load.(Replay).Recording.Headers; !reflect.DeepEqual(got, []Header{host, last}) {
		t.Errorf("the recording has the headers %v", got)
	}
}
