package loadgen

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/scenarios"
)

// descriptorFile writes the descriptors of the test services to a file, and returns its name.
func descriptorFile(t *testing.T) string {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range []protoreflect.FileDescriptor{
		grpc_testing.File_grpc_testing_empty_proto, grpc_testing.File_grpc_testing_messages_proto,
		grpc_testing.File_grpc_testing_test_proto, grpc_health_v1.File_grpc_health_v1_health_proto,
	} {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
	}
	wire, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "services.protoset")
	if err := os.WriteFile(name, wire, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const oneCheck = "      - {name: check, grpc: {method: grpc.health.v1.Health/Check}, timeout: 10s}\n"

// TestCallsWithoutStatus: a call that the service gives no status has the class of its cause, whatever code the library
// makes up for it.
func TestCallsWithoutStatus(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.Protocols = &http.Protocols{}
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	defer web.Close()
	closing := acceptAnd(t, func(c net.Conn) { // once it has spoken HTTP/2
		_, _ = c.Write([]byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
		_, _ = io.ReadAtLeast(c, make([]byte, 1000), 100)
	})
	silent := acceptAnd(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	for class, address := range map[string]string{
		record.ErrorRefused:   unusedAddress(t),
		record.ErrorMalformed: web.Listener.Addr().String(),
		record.ErrorClosed:    closing,
		record.ErrorTimeout:   silent,
	} {
		sections := fmt.Sprintf("target: {url: \"grpc://%s\"}\ngrpc: {descriptors: %s}", address, descriptorFile(t))
		requests := oneCheck
		if class == record.ErrorTimeout {
			requests = strings.Replace(requests, "10s", "300ms", 1)
		}
		m := runCallsOf(t, sections, openLoad, requests)
		s := seriesOf(t, m, "check")
		counted := s.Errors[class]
		if class == record.ErrorClosed { // by a reset where something that was sent has not been read
			counted += s.Errors[record.ErrorReset]
		}
		if s.Requests == 0 || counted != s.Requests {
			t.Errorf("%s: %d requests: %v %v", class, s.Requests, s.Errors, s.ErrorSamples)
		}
		if text := s.ErrorSamples[class]; strings.Contains(text, "desc =") {
			t.Errorf("the library's own words: %s", text)
		}
	}
}

// unusedAddress is one at which nobody listens.
func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// acceptAnd serves each connection with f, and closes it then.
func acceptAnd(t *testing.T, f func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				f(c)
				c.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

// TestStatusesOfTheService: what the service says is a status, also where it reads like an error of the client; only
// the deadline of the call is a timeout whoever says so.
func TestStatusesOfTheService(t *testing.T) {
	t.Parallel()
	const forged = `connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.3:80: connect: ` +
		`connection refused"`
	m := runCalls(t, grpcServer(t, grpc.UnaryInterceptor(whatever)), openLoad, fmt.Sprintf(`
      - name: forged
        grpc:
          method: grpc.testing.TestService/UnaryCall
          message: {responseStatus: {code: 14, message: %q}}
      - name: early
        grpc: {method: grpc.testing.TestService/UnaryCall, message: {responseStatus: {code: 4}}}
        expectedStatus: [OK, DEADLINE_EXCEEDED]
      - name: late
        grpc: {method: grpc.testing.TestService/UnaryCall, message: {responseStatus: {code: 1004}}}
        timeout: 50ms
      - name: odd
        grpc: {method: grpc.testing.TestService/UnaryCall, message: {responseStatus: {code: 77}}}
        expectedStatus: [INTERNAL]
`, forged))
	for name, class := range map[string]string{
		"forged": "status UNAVAILABLE", "late": "timeout", "odd": "status CODE_77",
	} {
		s := seriesOf(t, m, name)
		if s.Requests == 0 || s.Errors[class] != s.Requests {
			t.Errorf("%s: %d requests: %v %v", name, s.Requests, s.Errors, s.ErrorSamples)
		}
	}
	if text := seriesOf(t, m, "forged").ErrorSamples["status UNAVAILABLE"]; !strings.Contains(text, "10.0.0.3") {
		t.Error(text)
	}
	if s := seriesOf(t, m, "early"); s.Failed > 0 || s.Requests == 0 {
		t.Errorf("%d of %d failed: %v", s.Failed, s.Requests, s.Errors)
	}
}

// whatever has calls that ask for code 1004 end by their deadline, with words of the service's own.
func whatever(ctx context.Context, in any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if q, ok := in.(*grpc_testing.SimpleRequest); ok && q.GetResponseStatus().GetCode() == 1004 {
		<-ctx.Done()
		return nil, status.Error(codes.DeadlineExceeded, "too slow")
	}
	return handler(ctx, in)
}

// TestUnansweredCalls: what the end of gracefulStop cuts has not been answered.
func TestUnansweredCalls(t *testing.T) {
	t.Parallel()
	m := runCalls(t, grpcServer(t), "executor: constant-arrival-rate\nrate: 20\nduration: 1s\ngracefulStop: 100ms",
		"      - {name: watch, grpc: {method: grpc.health.v1.Health/Watch}}\n")
	if s := seriesOf(t, m, "watch"); s.Errors[record.ErrorUnanswered] != 20 {
		t.Errorf("%d requests: %v", s.Requests, s.Errors)
	}
}

// connectionsOf counts those of a server, and notes the authorities that calls were sent to.
type connectionsOf struct {
	made      atomic.Int64
	ended     atomic.Int64
	authority atomic.Value
}

func (c *connectionsOf) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if md, ok := metadata.FromIncomingContext(ctx); ok && len(md[":authority"]) > 0 {
		c.authority.Store(md[":authority"][0])
	}
	return ctx
}

func (c *connectionsOf) HandleRPC(context.Context, stats.RPCStats) {}

func (c *connectionsOf) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return ctx
}

func (c *connectionsOf) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		c.made.Add(1)
	case *stats.ConnEnd:
		c.ended.Add(1)
	}
}

// TestConnectionsOfCalls: a scenario has as many as the file says, to a Unix socket as well, with TLS and a name.
func TestConnectionsOfCalls(t *testing.T) {
	t.Parallel()
	issuer := newAuthority(t)
	secure := grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{issuer.pair(t, "server", "api.example.com", -time.Hour, time.Hour)},
	}))
	trust := fmt.Sprintf("tls: {ca: %s, serverName: api.example.com}\n", issuer.file)
	socket := filepath.Join(t.TempDir(), "grpc.sock")
	for name, tt := range map[string]struct {
		secure           bool
		network, address string
		sections, want   string
		connections      int64
		engine           string
	}{
		"one": {sections: `target: {url: "grpc://%s"}`, connections: 1, want: "ADDRESS"},
		"three": {
			sections: "target: {url: \"http://%s\"}\nhttp: {maxConnections: 3, host: my.example.com}", connections: 3,
			want: "my.example.com",
		},
		"socket": {
			network: "unix", address: socket, connections: 1, want: "localhost:80",
			sections: `target: {url: "grpc://localhost", socket: %s}`,
		},
		"TLS": {
			secure: true, sections: trust + `target: {url: "grpcs://%s"}`, connections: 1, want: "ADDRESS",
			engine: "vegeta v12 (gRPC, TLS)",
		},
		"TLS and host": {
			secure: true, sections: trust + `target: {url: "grpcs://%s"}` + "\nhttp: {host: my.example.com}",
			connections: 1, want: "my.example.com", engine: "vegeta v12 (gRPC, TLS)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			seen := &connectionsOf{}
			options := []grpc.ServerOption{grpc.StatsHandler(seen)}
			if tt.secure {
				options = append(options, secure)
			}
			network, address := "tcp", "127.0.0.1:0"
			if tt.network != "" {
				network, address = tt.network, tt.address
			}
			at := serveCalls(t, network, address, options...)
			want := strings.Replace(tt.want, "ADDRESS", at, 1)
			sections := fmt.Sprintf(tt.sections, at) + "\ngrpc: {descriptors: " + descriptorFile(t) + "}"
			m := runCallsOf(t, sections, "executor: constant-vus\nvus: 8\nduration: 1s", oneCheck)
			fine(t, m, "check")
			if got := seen.made.Load(); got != tt.connections {
				t.Errorf("%d connections, want %d", got, tt.connections)
			}
			if got := seen.authority.Load(); want != "" && got != want {
				t.Errorf("sent to %v, want %s", got, want)
			}
			if tt.engine != "" && m.Engine != tt.engine {
				t.Errorf("engine %s, want %s", m.Engine, tt.engine)
			}
		})
	}
	at := grpcServer(t, secure)
	sections := fmt.Sprintf("target: {url: \"grpcs://%s\"}\ngrpc: {descriptors: %s}", at, descriptorFile(t))
	m := runCallsOf(t, sections, openLoad, oneCheck)
	if s := seriesOf(t, m, "check"); s.Errors[record.ErrorTLS] != s.Requests || s.Requests == 0 {
		t.Errorf("a certificate that nobody trusts: %v %v", s.Errors, s.ErrorSamples)
	}
}

// TestCallsThroughARestart: a service that is gone for a while fails calls by their causes, and is found again when it
// is back.
func TestCallsThroughARestart(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	grpc_testing.RegisterTestServiceServer(server, testService{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	back := grpc.NewServer()
	defer back.Stop()
	grpc_testing.RegisterTestServiceServer(back, testService{})
	gone := time.AfterFunc(700*time.Millisecond, func() {
		server.Stop()
		time.Sleep(500 * time.Millisecond)
		again, err := net.Listen("tcp", listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		_ = back.Serve(again)
	})
	defer gone.Stop()
	sections := fmt.Sprintf("target: {url: \"grpc://%s\"}\ngrpc: {descriptors: %s}", listener.Addr(), descriptorFile(t))
	m := runCallsOf(t, sections, "executor: constant-arrival-rate\nrate: 100\nduration: 4s\nmaxVUs: 20", `
      - name: call
        grpc: {method: grpc.testing.TestService/UnaryCall}
        timeout: 2s
`)
	s := seriesOf(t, m, "call")
	counted := s.Statuses[scenarios.GRPCStatus]
	for _, class := range []string{
		record.ErrorRefused, record.ErrorClosed, record.ErrorReset, record.ErrorTurnedAway,
	} {
		counted += s.Errors[class]
	}
	if counted != s.Requests || s.Errors[record.ErrorRefused] == 0 || s.Statuses[scenarios.GRPCStatus] < 150 {
		t.Errorf("%d requests: %v %v %v", s.Requests, s.Statuses, s.Errors, s.ErrorSamples)
	}
}
