package loadgen

import (
	"testing"
	"time"
)

// TestStreamedCalls: messages are counted and their gaps taken, whichever side streams.
func TestStreamedCalls(t *testing.T) {
	t.Parallel()
	m := runCalls(t, grpcServer(t), openLoad, `
      - name: server
        grpc:
          method: grpc.testing.TestService/StreamingOutputCall
          message: {responseParameters: [{size: 10}, {size: 20, intervalUs: 20000}, {size: 30, intervalUs: 20000}]}
        checks:
          - {name: three, json: "$[2].payload.body"}
          - {name: no more, json: "$[3]", exists: false}
          - {name: bytes, bodySize: {min: 60, max: 100}}
      - name: client
        grpc:
          method: grpc.testing.TestService/StreamingInputCall
          messages: [{payload: {body: aGVsbG8=}}, {payload: {body: "{{word|base64}}"}}]
          interval: 5ms
        values: {word: {list: [world]}}
        checks: [{name: sum, json: $.aggregatedPayloadSize, equals: 10}]
      - name: both
        grpc:
          method: grpc.testing.TestService/FullDuplexCall
          messages: [{responseParameters: [{size: 1}]}, {responseParameters: [{size: 2}, {size: 3}]}]
          interval: 10ms
        checks: [{name: last, json: "$[-1].payload.body", equals: AAAA}]
      - name: watch
        grpc: {method: grpc.health.v1.Health/Watch, message: {service: db}, receive: 1}
        checks: [{name: status, json: "$[0].status", equals: NOT_SERVING}]
      - name: nothing
        grpc: {method: grpc.testing.TestService/StreamingOutputCall}
        checks: [{name: none, json: "$[0]", exists: false}]
`)
	for name, messages := range map[string]int64{"server": 3, "both": 3, "watch": 1, "nothing": 0} {
		s := fine(t, m, name)
		if s.Streamed == nil || s.Streamed.Events != messages*s.Requests ||
			s.Streamed.Gap.Count() != max(0, messages-1)*s.Requests {
			t.Errorf("%s: %d calls had %+v", name, s.Requests, s.Streamed)
		}
	}
	if s := fine(t, m, "client"); s.Streamed != nil || s.Service.Min() < 5 {
		t.Errorf("the answer to a stream is %+v, after %v ms at the least", s.Streamed, s.Service.Min())
	}
	server := seriesOf(t, m, "server")
	// Where a message is read late, on a busy machine, the next one seems to come sooner.
	gap, first, whole := server.Streamed.Gap.Max(), server.Streamed.First.Min(), server.Service.Min()
	if gap < 15 || first > server.Response.Min() || whole < 40 {
		t.Errorf("gaps of up to %v ms, the first message after %v ms, the end %v ms after the call", gap, first, whole)
	}
	if s := seriesOf(t, m, "both"); s.Service.Min() < 10 {
		t.Errorf("two messages 10 ms apart took %v ms", s.Service.Min())
	}
}

// TestCallsInFlow: users call one method with what another has answered, beside a stream that the deadline ends.
func TestCallsInFlow(t *testing.T) {
	t.Parallel()
	m := runCalls(t, grpcServer(t), "executor: per-vu-iterations\nvus: 3\niterations: 4\nmaxDuration: 20s", `
      - name: flow
        steps:
          - name: ask
            grpc: {method: grpc.testing.TestService/UnaryCall, message: {payload: {body: "{{iteration|base64}}"}}}
            extract: {body: {json: $.payload.body}}
          - name: use
            grpc: {method: grpc.testing.TestService/UnaryCall, message: {payload: {body: "{{body}}"}}}
            checks: [{name: came back, json: $.payload.body, regex: "^[A-Za-z0-9+/=]+$"}]
          - name: endless
            grpc: {method: grpc.health.v1.Health/Watch}
            timeout: 200ms
          - name: never
            grpc: {method: grpc.health.v1.Health/Check}
`)
	for _, name := range []string{"ask", "use"} {
		if s := fine(t, m, name); s.Requests != 12 {
			t.Errorf("%s was called %d times", name, s.Requests)
		}
	}
	endless, never := seriesOf(t, m, "endless"), seriesOf(t, m, "never")
	if endless.Errors["timeout"] != 12 || never.Requests != 0 || never.Skipped != 12 {
		t.Errorf("%v, and then %d were called and %d skipped", endless.Errors, never.Requests, never.Skipped)
	}
	// A message comes before each deadline, unless the machine is too busy for that.
	if endless.BytesReceived > 2*12 || endless.BytesReceived < 2 {
		t.Errorf("%d bytes came", endless.BytesReceived)
	}
	if least := time.Duration(endless.Service.Min() * float64(time.Millisecond)); least < 199*time.Millisecond {
		t.Errorf("a deadline of 200ms passed after %v", least)
	}
}
