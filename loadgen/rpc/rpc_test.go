package rpc

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// serveHealth serves gRPC's service of health, and returns its address.
func serveHealth(tb testing.TB) string {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	go func() { _ = server.Serve(listener) }()
	tb.Cleanup(server.Stop)
	return listener.Addr().String()
}

// clientOf is a client of one request, in YAML, to an address.
func clientOf(tb testing.TB, address, call string) (*Client, *request.Set) {
	tb.Helper()
	plan, err := scenarios.Parse("calls.yaml", fmt.Appendf(nil, `target: {url: "grpc://%s"}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 1
    duration: 10s
    requests:
      - {name: a, %s}
`, address, call))
	if err != nil {
		tb.Fatal(err)
	}
	to, err := connect.Load(plan)
	if err == nil {
		plan, err = Resolve(tb.Context(), plan, to, plan.Target.URL)
	}
	if err != nil {
		tb.Fatal(err)
	}
	set, err := request.New(1, &plan.Scenarios[0], request.Sources{})
	if err != nil {
		tb.Fatal(err)
	}
	c, err := NewClient(tb.Context(), to, []connect.Place{{URL: plan.Target.URL, Instance: 1}}, set, false)
	if err != nil {
		tb.Fatal(err)
	}
	return c, set
}

// BenchmarkCall compares a call with that of the client that is generated from the same descriptors. Both include what
// the server does, which is the same.
func BenchmarkCall(b *testing.B) {
	address := serveHealth(b)
	for name, call := range map[string]string{
		"fixed":  "grpc: {method: grpc.health.v1.Health/Check}",
		"filled": `grpc: {method: grpc.health.v1.Health/Check, message: {service: "{{s}}"}}, values: {s: {list: [""]}}`,
	} {
		b.Run(name, func(b *testing.B) {
			c, set := clientOf(b, address, call)
			b.ReportAllocs()
			for n := int64(0); b.Loop(); n++ {
				d := set.Draw(n)
				req, err := c.Request(&d, 0)
				if err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
				resp, err := c.Do(ctx, req, 0)
				cancel()
				if err != nil || resp.StatusCode != scenarios.GRPCStatus {
					b.Fatal(resp, err)
				}
			}
		})
	}
	b.Run("generated", func(b *testing.B) {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer connection.Close()
		client := grpc_health_v1.NewHealthClient(connection)
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
			_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			cancel()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMessage makes the messages of calls.
func BenchmarkMessage(b *testing.B) {
	for name, call := range map[string]string{
		"fixed":  "grpc: {method: grpc.health.v1.Health/Check, message: {service: some}}",
		"filled": `grpc: {method: grpc.health.v1.Health/Check, message: {service: "{{s}}"}}, values: {s: {list: [some]}}`,
	} {
		b.Run(name, func(b *testing.B) {
			_, set := clientOf(b, serveHealth(b), call)
			b.ReportAllocs()
			for n := int64(0); b.Loop(); n++ {
				d := set.Draw(n)
				if wire, err := set.Call(0).Message(0, &d); err != nil || len(wire) != 6 {
					b.Fatal(wire, err)
				}
			}
		})
	}
}
