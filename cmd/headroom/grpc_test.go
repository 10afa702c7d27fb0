package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

// healthService serves gRPC's service of health, by reflection of the older version alone, and returns its address.
func healthService(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	grpc_reflection_v1alpha.RegisterServerReflectionServer(server, reflection.NewServer(
		reflection.ServerOptions{Services: server}))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// TestCalls: a scenario of calls is checked, tried, and run.
func TestCalls(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "calls.yaml")
	text := fmt.Sprintf(`target: {url: "grpc://%s"}
scenarios:
  calls:
    executor: constant-arrival-rate
    rate: 50
    duration: 2s
    requests:
      - name: check
        grpc: {method: grpc.health.v1.Health/Check, message: {service: "{{service}}"}}
        values: {service: {list: [""]}}
        auth: {bearer: t0ken}
        checks: [{name: serves, json: $.status, equals: SERVING}]
      - {name: unknown, grpc: {method: grpc.health.v1.Health/Check, message: {service: db}}, expectedStatus: NOT_FOUND}
      - {name: watch, grpc: {method: grpc.health.v1.Health/Watch, receive: 1}}
thresholds:
  http_req_failed: "rate==0"
  checks: "rate==1"
  http_reqs{status:OK}: "count>0"
  http_reqs{status:UNAVAILABLE}: "count==0"
  http_reqs{method:grpc.health.v1.Health/Check}: "count>0"
  http_req_events: "count>0"
`, healthService(t))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := headroom(t, "validate", file)
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "request check: grpc.health.v1.Health/Check, which the service is asked for by ")
	p = headroom(t, "try", file)
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "> POST http://", "/grpc.health.v1.Health/Check\n", "> Authorization: REDACTED\n",
		"\n> {\"service\":\"\"}\n< OK, gRPC, after ", "\n< {\"status\":\"SERVING\"}\n", "check serves: held\n",
		"< NOT_FOUND, gRPC, after ", "\n< [{\"status\":\"SERVING\"}]\n")
	out := filepath.Join(dir, "out")
	headroom(t, "run", file, "--out", out).holds(t, out)
	for name, want := range map[string]string{
		"report.html":  "NOT_FOUND\u00a0×\u00a0",
		"summary.json": `"OK": `,
	} {
		content, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		says(t, string(content), want)
	}
	p = headroom(t, "run", file, "--set", "scenarios.calls.requests.watch.grpc.method=grpc.health.v1.Health/Wach")
	p.exits(t, exitUsage)
	says(t, p.stderr.String(), `has no method Wach; did you mean "Watch"?`)
}

// TestCallsByDescriptors: with descriptors, calls are checked without the service.
func TestCallsByDescriptors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	wire, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(grpc_health_v1.File_grpc_health_v1_health_proto),
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "calls.yaml")
	for name, content := range map[string]string{"health.protoset": string(wire), "calls.yaml": `
target: {url: "grpcs://127.0.0.1:1"}
grpc: {descriptors: [health.protoset]}
scenarios:
  calls:
    executor: constant-vus
    vus: 1
    duration: 2s
    requests:
      - {name: watch, grpc: {method: grpc.health.v1.Health/Watch}}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := headroom(t, "validate", file)
	p.exits(t, exitOK)
	says(t, p.stdout.String(), "request watch: grpc.health.v1.Health/Watch takes grpc.health.v1.HealthCheckRequest, "+
		"answers stream of grpc.health.v1.HealthCheckResponse\n")
}
