package rpc

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/request"
)

// place is an instance of the service.
type place struct {
	prefix      string     // that goes before the names of methods
	urls        []*url.URL // by request; nil where that is no call
	tls         *tls.ConnectionState
	connections []*grpc.ClientConn
	next        atomic.Uint32
}

// Bounds of how long a connection is waited for, and how long after one that could not be made the next is tried. The
// last is shorter than grpc-go's two minutes: a service that is back is to be found so at once.
const (
	dialTimeout  = 10 * time.Second
	firstBackoff = 50 * time.Millisecond
	mostBackoff  = time.Second
)

// How much of an answer, and of all on a connection, a service may send before it has to wait, in bytes: as on the wire
// engine.
const (
	answerWindow     = 4 << 20
	connectionWindow = 1 << 30
)

// connect prepares the connections to a place, which are made when they are first needed.
func (p *place) connect(ctx context.Context, to *connect.To, at connect.Place, host string) error {
	u, err := url.Parse(at.URL)
	if err != nil {
		return err
	}
	p.prefix = strings.TrimRight(u.EscapedPath(), "/")
	secure := insecure.NewCredentials()
	if u.Scheme == "https" {
		p.tls = &tls.ConnectionState{}
		config := to.TLSFor(u, to.HTTP.Version)
		config.NextProtos = []string{"h2"}
		secure = named{credentials.NewTLS(config), config.ServerName}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure), grpc.WithAuthority(cmp.Or(host, connect.HostAndPort(u))),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return to.Dial(ctx, at, "tcp", address)
		}),
		grpc.WithUserAgent(request.UserAgent), grpc.WithStatsHandler(watcher{}), grpc.WithIdleTimeout(0),
		grpc.WithInitialWindowSize(answerWindow), grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(), grpc.WithNoProxy(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: firstBackoff, Multiplier: 2, Jitter: 0.2, MaxDelay: mostBackoff,
			},
			MinConnectTimeout: dialTimeout,
		}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(maxMessage),
			grpc.MaxCallSendMsgSize(maxMessage)),
	}
	for range max(1, to.HTTP.MaxConnections) {
		connection, err := grpc.NewClient("passthrough:///"+connect.HostAndPort(u), options...)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { connection.Close() })
		p.connections = append(p.connections, connection)
	}
	return nil
}

// named are credentials for a server of that name, whichever :authority calls have: grpc-go takes both to be the same.
type named struct {
	credentials.TransportCredentials
	name string
}

// Info leaves out the name, which calls would be sent to.
func (n named) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: n.TransportCredentials.Info().SecurityProtocol}
}

// Clone has the name as well.
func (n named) Clone() credentials.TransportCredentials {
	return named{n.TransportCredentials.Clone(), n.name}
}

// ClientHandshake holds the server's certificate against the name.
func (n named) ClientHandshake(ctx context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return n.TransportCredentials.ClientHandshake(ctx, n.name, c)
}

// tlsOf is the TLS of the connection that a call was answered on; nil: there is none.
func tlsOf(stream grpc.ClientStream) *tls.ConnectionState {
	server, _ := peer.FromContext(stream.Context())
	if server == nil {
		return nil
	}
	info, ok := server.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil
	}
	return &info.State
}

// maxMessage bounds a message, in bytes.
const maxMessage = 256 << 20

// rawCodec leaves messages as they are sent: what is measured is not to include what they mean.
type rawCodec struct{}

func (rawCodec) Name() string { return "" } // the content type is application/grpc

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	m := v.(*received)
	m.size = data.Len()
	if m.keep {
		m.content = data.Materialize()
	}
	return nil
}

// received is a message that was received.
type received struct {
	keep    bool
	content []byte // where it is kept
	size    int
}
