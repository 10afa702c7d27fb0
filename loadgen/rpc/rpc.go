// Package rpc makes calls of gRPC by grpc-go: it asks a service by reflection for its methods, and sends the calls of a
// scenario over connections that they share.
package rpc

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/policycortex/headroom/loadgen/connect"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// Client makes the calls of a scenario.
type Client struct {
	requests *request.Set
	keep     bool // all messages that are received
	methods  []*method
	places   []place
}

// method is a request that is a call.
type method struct {
	call      *request.Call
	path      string // "/package.Service/Method"
	stream    *grpc.StreamDesc
	headers   bool // of answers are looked at
	inspected bool // likewise their messages
	fixed     bool // the metadata are always the same: those of header
	header    http.Header
	sent      metadata.MD
}

// NewClient prepares the calls of a scenario to places. keep has the messages of all answers kept, and not only of
// those that checks and extractions look at. Connections end with ctx.
func NewClient(ctx context.Context, to *connect.To, target []connect.Place, requests *request.Set, keep bool,
) (*Client, error) {
	c := &Client{requests: requests, keep: keep, places: make([]place, len(target))}
	host := ""
	for i := range requests.Len() {
		call := requests.Call(i)
		if call == nil {
			c.methods = append(c.methods, nil)
			continue
		}
		of, in := call.Plan().Of, requests.Inspection(i)
		m := &method{
			call: call, path: "/" + call.Plan().Name(), headers: in != nil, inspected: in != nil && in.LooksAtBody(),
			stream: &grpc.StreamDesc{ServerStreams: of.IsStreamingServer(), ClientStreams: of.IsStreamingClient()},
		}
		m.header, m.fixed = requests.FixedHeader(i)
		if m.fixed {
			var err error
			m.sent, err = metadataOf(m.header)
			if err != nil {
				return nil, err
			}
		}
		host = requests.FixedHost(i) // which is that of all
		c.methods = append(c.methods, m)
	}
	for i := range target {
		p := &c.places[i]
		err := p.connect(ctx, to, target[i], host)
		if err != nil {
			return nil, err
		}
		for _, m := range c.methods {
			var u *url.URL
			if m != nil {
				u, err = url.Parse(strings.TrimSuffix(target[i].URL, p.prefix) + p.prefix + m.path)
				if err != nil {
					return nil, err
				}
			}
			p.urls = append(p.urls, u)
		}
	}
	return c, nil
}

// Needed reports whether requests are calls.
func Needed(requests *request.Set) bool {
	for i := range requests.Len() {
		if requests.Call(i) != nil {
			return true
		}
	}
	return false
}

// watcher takes note of when an answer begins, and of whether a status is the service's or made here.
type watcher struct{}

func (watcher) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (watcher) HandleRPC(ctx context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.InHeader, *stats.InTrailer:
	default:
		return
	}
	x, ok := ctx.Value(exchangeKey{}).(*Exchange)
	if !ok {
		return
	}
	x.first.CompareAndSwap(0, int64(time.Since(x.began)))
	if _, end := s.(*stats.InTrailer); end {
		x.answered.Store(true)
	}
}

func (watcher) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (watcher) HandleConn(context.Context, stats.ConnStats) {}

type exchangeKey struct{}

// Exchange is a call and what comes of it. It is the body of the [http.Request] and the [http.Response] that stand for
// the call; as such it is empty.
type Exchange struct {
	Messages [][]byte        // that came, as they were sent, where they are kept
	Arrivals []time.Duration // of the messages since Began, but for those beyond the first hundred thousand
	Count    int64           // of the messages
	Size     int64           // of the messages, in bytes
	TooBig   bool            // none are kept, because there were too many
	Reason   string          // what the status comes with

	method   *method
	sent     [][]byte
	md       metadata.MD
	began    time.Time
	first    atomic.Int64 // nanoseconds after began
	answered atomic.Bool  // a status of the service's came
	ended    bool         // the answer was taken to its end
}

const maxArrivals = 100_000

// maxKept bounds the messages of an answer that are kept, in bytes. Checks look at less of an answer.
const maxKept = 4 << 20

// Call is the call that the exchange is of.
func (x *Exchange) Call() *request.Call { return x.method.call }

// Began is when the call was sent.
func (x *Exchange) Began() time.Time { return x.began }

// First is how long after that its answer began; 0: it did not.
func (x *Exchange) First() time.Duration { return time.Duration(x.first.Load()) }

// Read has nothing to read.
func (x *Exchange) Read([]byte) (int, error) { return 0, io.EOF }

// Close has nothing to close.
func (x *Exchange) Close() error { return nil }

// Request is the call that d chose, to the place of that index. Its length is that of the messages.
func (c *Client) Request(d *request.Draw, to int) (*http.Request, error) {
	m, p := c.methods[d.Request], &c.places[to]
	x := &Exchange{method: m, md: m.sent}
	u := p.urls[d.Request]
	req := &http.Request{Method: http.MethodPost, URL: u, Host: u.Host, Header: m.header, Body: x}
	if c.keep {
		req.GetBody = func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(m.call.AppendText(nil, d))), nil
		}
	}
	var err error
	if !m.fixed || d.Trace.Sampled() {
		req.Header = c.requests.Header(d)
		x.md, err = metadataOf(req.Header)
		if err != nil {
			return nil, err
		}
	}
	x.sent = make([][]byte, m.call.Len())
	for i := range x.sent {
		x.sent[i], err = m.call.Message(i, d)
		if err != nil {
			return nil, err
		}
		req.ContentLength += int64(len(x.sent[i]))
	}
	return req, nil
}

// metadataOf are headers as grpc-go takes them: those of bytes without their base64.
func metadataOf(h http.Header) (metadata.MD, error) {
	md := metadata.MD{}
	for name, values := range h {
		name = strings.ToLower(name)
		if name == "user-agent" || name == "host" {
			continue
		}
		for _, v := range values {
			if strings.HasSuffix(name, scenarios.BinaryMetadata) {
				content, err := scenarios.DecodeMetadata(v)
				if err != nil {
					return nil, errors.New("the header " + name + " is of bytes, and its value is not base64")
				}
				v = string(content)
			}
			md.Append(name, v)
		}
	}
	return md, nil
}

// Do makes the call that a request of [Client.Request] stands for, to the place of that index. ctx has its deadline.
// The response has the status of gRPC, as [scenarios.GRPCStatus] says, and metadata as headers. An error says that the
// service has not given the call a status.
func (c *Client) Do(ctx context.Context, req *http.Request, to int) (*http.Response, error) {
	x := req.Body.(*Exchange)
	p := &c.places[to]
	connection := p.connections[0]
	if n := uint32(len(p.connections)); n > 1 {
		connection = p.connections[p.next.Add(1)%n]
	}
	own, cancel := context.WithCancel(context.WithValue(ctx, exchangeKey{}, x))
	defer cancel()
	if len(x.md) > 0 {
		own = metadata.NewOutgoingContext(own, x.md)
	}
	x.began = time.Now()
	resp := &http.Response{
		StatusCode: scenarios.GRPCStatus, Proto: "gRPC", ProtoMajor: 2, Body: x, Request: req, TLS: p.tls,
	}
	stream, err := connection.NewStream(own, x.method.stream, p.prefix+x.method.path)
	if err == nil {
		err = x.exchange(own, stream, c.keep || x.method.inspected, cancel)
	}
	if err != nil {
		state := status.Convert(err)
		switch {
		case (state.Code() == codes.DeadlineExceeded || state.Code() == codes.Canceled) && expired(ctx):
			return nil, because(context.DeadlineExceeded, state)
		case state.Code() == codes.Canceled && errors.Is(ctx.Err(), context.Canceled): // before all of it was read
			return nil, because(context.Canceled, state)
		case x.answered.Load() && !madeHere(state.Message()):
		case errors.Is(ctx.Err(), context.Canceled): // and with it the connection, which may be what err is about
			return nil, because(context.Canceled, state)
		default:
			return nil, errors.New(reasonOf(state))
		}
		resp.StatusCode += int(min(state.Code(), maxCode))
		x.Reason = state.Message()
	}
	resp.Status = scenarios.StatusName(resp.StatusCode)
	if c.keep && p.tls != nil && stream != nil {
		resp.TLS = cmp.Or(tlsOf(stream), p.tls)
	}
	if c.keep || x.method.headers || resp.StatusCode != scenarios.GRPCStatus {
		resp.Header = x.headersOf(stream)
	}
	return resp, nil
}

// maxCode is the highest code that is told apart.
const maxCode = codes.Code(99)

// exchange sends the messages of the call and takes those of its answer.
func (x *Exchange) exchange(ctx context.Context, stream grpc.ClientStream, keep bool, end func()) error {
	if !x.method.stream.ClientStreams || len(x.sent) < 2 {
		x.send(ctx, stream)
		return x.receive(stream, keep)
	}
	var sending sync.WaitGroup
	sending.Go(func() { x.send(ctx, stream) })
	err := x.receive(stream, keep)
	end() // also of a pause, and of a message that the service does not take
	sending.Wait()
	return err
}

// send sends the messages of the call. What is wrong with that the receiver learns.
func (x *Exchange) send(ctx context.Context, stream grpc.ClientStream) {
	interval := x.method.call.Plan().Interval
	for i, message := range x.sent {
		if i > 0 && interval > 0 && !pause(ctx, interval) {
			return
		}
		err := stream.SendMsg(message)
		if err != nil {
			return
		}
	}
	_ = stream.CloseSend() // it does not fail
}

// pause waits, and reports whether ctx lasted as long.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// receive takes the messages of the answer until its end, or as many as are wanted.
func (x *Exchange) receive(stream grpc.ClientStream, keep bool) error {
	x.ended = true
	most := int64(x.method.call.Plan().Receive)
	for {
		m := received{keep: keep}
		err := stream.RecvMsg(&m)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		x.Count++
		x.Size += int64(m.size)
		if x.method.stream.ServerStreams && len(x.Arrivals) < maxArrivals {
			x.Arrivals = append(x.Arrivals, time.Since(x.began))
		}
		if keep && x.Size > maxKept {
			keep, x.Messages, x.TooBig = false, nil, true
		}
		if keep {
			x.Messages = append(x.Messages, m.content)
		}
		if !x.method.stream.ServerStreams {
			return nil // grpc-go has looked at what follows
		}
		if x.Count == most {
			x.ended = false
			return nil
		}
	}
}

// headersOf are the metadata of the answer: those at its beginning and, where it was taken to there, at its end.
func (x *Exchange) headersOf(stream grpc.ClientStream) http.Header {
	h := http.Header{}
	if stream == nil {
		return h
	}
	first, err := stream.Header()
	if err != nil {
		return h
	}
	all := []metadata.MD{first}
	if x.ended {
		all = append(all, stream.Trailer()) // which grpc-go writes until then
	}
	for _, md := range all {
		for name, values := range md {
			for _, v := range values {
				if strings.HasSuffix(name, scenarios.BinaryMetadata) {
					v = base64.StdEncoding.EncodeToString([]byte(v))
				}
				h.Add(name, v)
			}
		}
	}
	return h
}
