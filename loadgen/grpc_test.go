package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// testService is the service of gRPC's own tests.
type testService struct {
	grpc_testing.UnimplementedTestServiceServer
}

// UnaryCall answers with as many bytes as are asked for, and with the status that is. It says what metadata came.
func (testService) UnaryCall(ctx context.Context, in *grpc_testing.SimpleRequest,
) (*grpc_testing.SimpleResponse, error) {
	if s := in.GetResponseStatus(); s.GetCode() != 0 {
		return nil, status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	md, _ := metadata.FromIncomingContext(ctx)
	name := strings.Join(append(md["authorization"], md["trace-bin"]...), " ")
	if err := grpc.SetHeader(ctx, metadata.Pairs("region", "eu", "hash-bin", "\x00\xff")); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("cost", "3")); err != nil {
		return nil, err
	}
	return &grpc_testing.SimpleResponse{
		Username: name, Payload: &grpc_testing.Payload{Body: in.GetPayload().GetBody()},
		ServerId: in.GetPayload().GetType().String(),
	}, nil
}

// StreamingOutputCall sends a message of each size that is asked for, after the interval.
func (testService) StreamingOutputCall(in *grpc_testing.StreamingOutputCallRequest,
	stream grpc.ServerStreamingServer[grpc_testing.StreamingOutputCallResponse],
) error {
	stream.SetTrailer(metadata.Pairs("cost", "3"))
	for _, p := range in.GetResponseParameters() {
		time.Sleep(time.Duration(p.GetIntervalUs()) * time.Microsecond)
		if err := stream.Send(responseOf(p.GetSize())); err != nil {
			return err
		}
	}
	return nil
}

func responseOf(size int32) *grpc_testing.StreamingOutputCallResponse {
	return &grpc_testing.StreamingOutputCallResponse{Payload: &grpc_testing.Payload{Body: make([]byte, size)}}
}

// StreamingInputCall adds up the bytes that are sent, unless the metadata have it refuse them.
func (testService) StreamingInputCall(
	stream grpc.ClientStreamingServer[grpc_testing.StreamingInputCallRequest, grpc_testing.StreamingInputCallResponse],
) error {
	sum := 0
	md, _ := metadata.FromIncomingContext(stream.Context())
	if len(md["refuse"]) > 0 {
		return status.Error(codes.ResourceExhausted, "not now")
	}
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&grpc_testing.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		sum += len(in.GetPayload().GetBody())
	}
}

// FullDuplexCall answers each message as StreamingOutputCall.
func (s testService) FullDuplexCall(
	stream grpc.BidiStreamingServer[grpc_testing.StreamingOutputCallRequest, grpc_testing.StreamingOutputCallResponse],
) error {
	for {
		in, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.StreamingOutputCall(in, stream)
		}
		if err != nil {
			return err
		}
	}
}

// grpcServer serves the test service and that of health, with reflection, and returns its address.
func grpcServer(t *testing.T, options ...grpc.ServerOption) string {
	t.Helper()
	return serveCalls(t, "tcp", "127.0.0.1:0", options...)
}

func serveCalls(t *testing.T, network, address string, options ...grpc.ServerOption) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	grpc_testing.RegisterTestServiceServer(server, testService{})
	states := health.NewServer()
	states.SetServingStatus("db", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	grpc_health_v1.RegisterHealthServer(server, states)
	reflection.Register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// runCalls runs a scenario with these requests, in YAML, against a server.
func runCalls(t *testing.T, address, load, requests string) *results.Measurements {
	t.Helper()
	return runCallsOf(t, fmt.Sprintf("target: {url: \"grpc://%s\"}", address), load, requests)
}

// runCallsOf is runCalls with sections of the file.
func runCallsOf(t *testing.T, sections, load, requests string) *results.Measurements {
	t.Helper()
	plan := callsPlan(t, sections, load, requests)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, err := Run(ctx, plan, plan.Target.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func callsPlan(t *testing.T, sections, load, requests string) *scenarios.Plan {
	t.Helper()
	text := fmt.Sprintf("%s\nscenarios:\n  calls:\n    %s\n    requests:\n%s", sections,
		strings.ReplaceAll(strings.TrimSpace(load), "\n", "\n    "), requests)
	plan, err := scenarios.Parse("calls.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

const openLoad = "executor: constant-arrival-rate\nrate: 100\nduration: 1s\nmaxVUs: 20\ngracefulStop: 5s"

// seriesOf is what was measured of the request of a name.
func seriesOf(t *testing.T, m *results.Measurements, name string) *results.Series {
	t.Helper()
	for _, s := range m.Series {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("nothing was measured of %s", name)
	return nil
}

// fine fails unless all requests of a name were answered with OK, and their answers met all checks.
func fine(t *testing.T, m *results.Measurements, name string) *results.Series {
	t.Helper()
	s := seriesOf(t, m, name)
	if s.Requests == 0 || s.Failed > 0 || s.Statuses[scenarios.GRPCStatus] != s.Requests {
		t.Errorf("%s: %d requests, %d failed: %v %v", name, s.Requests, s.Failed, s.Statuses, s.ErrorSamples)
	}
	for _, c := range s.Checks {
		if c.Passed != s.Requests {
			t.Errorf("%s: check %s held %d times of %d: %s", name, c.Name, c.Passed, s.Requests, c.Unmet)
		}
	}
	return s
}

func TestUnaryCalls(t *testing.T) {
	t.Parallel()
	m := runCalls(t, grpcServer(t), openLoad, `
      - name: check
        grpc: {method: grpc.health.v1.Health/Check, message: {service: db}}
        checks:
          - {name: known, status: OK}
          - {name: not serving, json: $.status, equals: NOT_SERVING}
      - name: unknown
        grpc: {method: grpc.health.v1.Health/Check, message: {service: "{{which}}"}}
        values: {which: {list: [web]}}
      - name: metadata
        grpc:
          method: grpc.testing.TestService/UnaryCall
          message: {payload: {body: "{{iteration|base64}}", type: 0}, fill_username: true, responseSize: "{{size}}"}
        values: {size: {range: [1, 9]}, id: {list: [id 7]}}
        auth: {bearer: of-a-test}
        headers: {trace-bin: "{{id|base64}}"}
        checks:
          - {name: metadata came, json: $.username, equals: Bearer of-a-test id 7}
          - {name: a default is there, json: $.hostname, equals: ""}
          - {name: enum, json: $.serverId, equals: COMPRESSABLE}
          - {name: at the beginning, header: region, equals: eu}
          - {name: bytes, header: hash-bin, equals: AP8=}
          - {name: at the end, header: cost, equals: "3"}
`)
	check := fine(t, m, "check")
	if check.Method != "grpc.health.v1.Health/Check" || check.BytesSent != 4*check.Requests ||
		check.BytesReceived != 2*check.Requests || m.Engine != "vegeta v12 (gRPC)" {
		t.Errorf("%s by %s, %d bytes sent and %d received in %d calls", check.Method, m.Engine, check.BytesSent,
			check.BytesReceived, check.Requests)
	}
	if check.Waiting.Count() != check.Requests || check.Response.Count() != check.Requests {
		t.Errorf("%d waited for and %d timed of %d", check.Waiting.Count(), check.Response.Count(), check.Requests)
	}
	unknown := seriesOf(t, m, "unknown")
	if unknown.Failed != unknown.Requests || unknown.Errors["status NOT_FOUND"] != unknown.Requests ||
		unknown.ErrorSamples["status NOT_FOUND"] != "NOT_FOUND: unknown service" {
		t.Errorf("%d of %d failed: %v %v", unknown.Failed, unknown.Requests, unknown.Errors, unknown.ErrorSamples)
	}
}

// TestExampleOfCalls runs the example of the documentation.
func TestExampleOfCalls(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n### gRPC\n")
	_, text, _ := strings.Cut(section, "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	text = strings.NewReplacer("127.0.0.1:50051", grpcServer(t), "duration: 30s", "duration: 1s",
		"timeout: 500ms", "timeout: 20s").Replace(text)
	plan, err := scenarios.Parse("calls.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Run(t.Context(), plan, plan.Target.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	check, watch := seriesOf(t, m, "check"), fine(t, m, "watch")
	if check.Failed > 0 || check.Checks[0].Passed == 0 || check.Checks[0].Failed == 0 {
		t.Errorf("%d of %d failed; %+v", check.Failed, check.Requests, check.Checks)
	}
	if watch.Streamed == nil || watch.Streamed.Events != watch.Requests {
		t.Errorf("%d calls of watch had %+v", watch.Requests, watch.Streamed)
	}
}

// TestReflectedMethods: what the service lacks of the calls is said before the load, with its place in the file.
func TestReflectedMethods(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ method, message, want string }{
		{"grpc.health.v1.Helth/Check", "{}", `11:24: there is no service grpc.health.v1.Helth; ` +
			`did you mean "grpc.health.v1.Health"?`},
		{"grpc.health.v1.Health/Chek", "{}", `11:24: grpc.health.v1.Health has no method Chek; ` +
			`did you mean "Check"?`},
		{"grpc.health.v1.Health/Check", "{servise: a}", `12:20: grpc.health.v1.HealthCheckRequest has ` +
			`no field "servise"; did you mean "service"?`},
	} {
		plan := callsPlan(t, fmt.Sprintf("target: {url: \"grpc://%s\"}", grpcServer(t)), openLoad,
			"      - name: call\n        grpc: {method: "+tt.method+",\n         message: "+tt.message+"}\n")
		_, err := Run(t.Context(), plan, plan.Target.URL, Options{})
		var faults scenarios.Errors
		if !errors.As(err, &faults) || err.Error() != "calls.yaml:"+tt.want {
			t.Errorf("%s %s: %v, want %s", tt.method, tt.message, err, tt.want)
		}
		if plan.Calls()[0].Call.Of != nil {
			t.Error("the plan itself was changed")
		}
	}
	silent := grpc.NewServer()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = silent.Serve(listener) }()
	defer silent.Stop()
	plan := callsPlan(t, fmt.Sprintf("target: {url: \"grpc://%s\"}", listener.Addr()), openLoad, oneCheck)
	_, err = Run(t.Context(), plan, plan.Target.URL, Options{})
	if err == nil || !strings.Contains(err.Error(), "Unimplemented") ||
		!strings.Contains(err.Error(), "grpc: {descriptors: FILE}") {
		t.Errorf("without reflection: %v", err)
	}
}
