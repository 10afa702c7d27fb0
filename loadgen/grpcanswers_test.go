package loadgen

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/policycortex/headroom/loadgen/record"
)

// TestMalformedAnswersToCalls: what comes before the status OK is no answer where the client cannot read it.
func TestMalformedAnswersToCalls(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h := w.Header()
		h.Set("Content-Type", "application/grpc")
		h.Set("Trailer", "Grpc-Status")
		switch kind := r.Header.Get("Kind"); kind {
		case "none":
			w.WriteHeader(http.StatusOK)
		case "large":
			_, _ = io.WriteString(w, "\x00\x20\x00\x00\x00")
		case "coded":
			h.Set("Grpc-Encoding", "no-such")
			_, _ = io.WriteString(w, "\x01\x00\x00\x00\x01a")
		case "two":
			_, _ = io.WriteString(w, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		}
		h.Set("Grpc-Status", "0")
	}))
	web.Config.Protocols = &http.Protocols{}
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	defer web.Close()
	sections := fmt.Sprintf("target: {url: \"grpc://%s\"}\ngrpc: {descriptors: %s}", web.Listener.Addr(),
		descriptorFile(t))
	for kind, want := range map[string]string{
		"none":  "received no response message",
		"large": "grpc: received message larger than max",
		"coded": "grpc: Decompressor is not installed",
		"two":   "received another message",
	} {
		m := runCallsOf(t, sections, "executor: per-vu-iterations\nvus: 1\niterations: 5\nmaxDuration: 20s",
			"      - {name: check, grpc: {method: grpc.health.v1.Health/Check}, headers: {kind: "+kind+"}}\n")
		s := seriesOf(t, m, "check")
		if s.Errors[record.ErrorMalformed] != 5 || !strings.Contains(s.ErrorSamples[record.ErrorMalformed], want) {
			t.Errorf("%s: %d requests: %v %v", kind, s.Requests, s.Errors, s.ErrorSamples)
		}
	}
}

// TestPartsOfStreams: a stream that the client ends has no metadata at its end, and of a long one nothing is kept.
func TestPartsOfStreams(t *testing.T) {
	t.Parallel()
	m := runCalls(t, grpcServer(t), "executor: per-vu-iterations\nvus: 4\niterations: 20\nmaxDuration: 30s", `
      - name: some
        grpc:
          method: grpc.testing.TestService/StreamingOutputCall
          message: {responseParameters: [{size: 1}, {size: 1}]}
          receive: 2
        checks: [{name: end, header: cost, exists: false}]
      - name: whole
        grpc:
          method: grpc.testing.TestService/StreamingOutputCall
          message: {responseParameters: [{size: 1}, {size: 1}]}
          receive: 3
        checks: [{name: end, header: cost, equals: "3"}]
      - name: long
        grpc:
          method: grpc.testing.TestService/StreamingOutputCall
          message: {responseParameters: [{size: 3000000}, {size: 3000000}]}
        checks: [{name: first, json: "$[0]"}]
`)
	fine(t, m, "some")
	fine(t, m, "whole")
	long := seriesOf(t, m, "long")
	if c := long.Checks[0]; long.Requests == 0 || long.Failed > 0 || c.Failed != long.Requests ||
		!strings.Contains(c.Unmet, "the body has more than 1048576 bytes") ||
		long.BytesReceived < 6_000_000*long.Requests {
		t.Errorf("%d calls of long, %d bytes: %+v", long.Requests, long.BytesReceived, long.Checks)
	}
}

// TestEarlyRefusals: a service that refuses a stream is heard before the pauses between its messages end.
func TestEarlyRefusals(t *testing.T) {
	t.Parallel()
	m := runCalls(t, grpcServer(t), "executor: per-vu-iterations\nvus: 2\niterations: 3\nmaxDuration: 20s", `
      - name: refused
        grpc: {method: grpc.testing.TestService/StreamingInputCall, messages: [{}, {}], interval: 20s}
        headers: {refuse: "yes"}
        timeout: 10s
`)
	s := seriesOf(t, m, "refused")
	if s.Requests != 6 || s.Errors["status RESOURCE_EXHAUSTED"] != 6 {
		t.Errorf("%d requests: %v %v", s.Requests, s.Errors, s.ErrorSamples)
	}
}

// TestConnectionsEnd: none outlives the run or the trial that it was made for.
func TestConnectionsEnd(t *testing.T) {
	t.Parallel()
	seen := &connectionsOf{}
	sections := fmt.Sprintf(`target: {url: "grpc://%s"}
setup: [{name: before, grpc: {method: grpc.health.v1.Health/Check}}]
teardown: [{name: after, grpc: {method: grpc.health.v1.Health/Check}}]`, grpcServer(t, grpc.StatsHandler(seen)))
	plan := callsPlan(t, sections, "executor: per-vu-iterations\nvus: 1\niterations: 3\nmaxDuration: 20s", oneCheck)
	_, err := Run(t.Context(), plan, plan.Target.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	trials, _, err := Trials(plan, nil, nil)
	if err == nil {
		err = Try(t.Context(), plan, plan.Target.URL, Options{}, trials, func(*Tried) {})
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2000 {
		if seen.ended.Load() == seen.made.Load() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if made, ended := seen.made.Load(), seen.ended.Load(); made < 6 || ended != made {
		t.Errorf("%d connections were made, %d have ended", made, ended)
	}
}

// TestTriedCallOverTLS: a trial says which version of TLS it was.
func TestTriedCallOverTLS(t *testing.T) {
	t.Parallel()
	issuer := newAuthority(t)
	at := grpcServer(t, grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{issuer.pair(t, "server", "api.example.com", -time.Hour, time.Hour)},
	})))
	plan := callsPlan(t, fmt.Sprintf("tls: {ca: %s, serverName: api.example.com}\ntarget: {url: \"grpcs://%s\"}",
		issuer.file, at), openLoad, oneCheck)
	trials, _, err := Trials(plan, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	err = Try(t.Context(), plan, plan.Target.URL, Options{}, trials, func(one *Tried) {
		tried++
		if one.Protocol != "gRPC, TLS 1.3" || !one.Fine() {
			t.Errorf("%s: %s", one.Protocol, one.Failure)
		}
	})
	if err != nil || tried != 1 {
		t.Errorf("%d requests: %v", tried, err)
	}
}
