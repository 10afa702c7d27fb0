package http2

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// client drives a connection over a real one, as a loop does.
type client struct {
	Conn
	fields  Fields
	net     net.Conn
	buffer  []byte
	piece   int // what is fed at once
	streams []*exchange
}

// exchange is what came of a request.
type exchange struct {
	Stream
	method, path string
	body         []byte
	begins       int
	header       []string
	heads        int
	answer       bytes.Buffer
	done         bool
}

func newExchange(method, path, body string) *exchange {
	x := &exchange{method: method, path: path, body: []byte(body)}
	x.OnBegin = func() { x.begins++ }
	x.OnHeader = func(name, value []byte) { x.header = append(x.header, string(name)+": "+string(value)) }
	x.OnHead = func() { x.heads++ }
	x.OnBody = func(piece []byte) { x.answer.Write(piece) }
	return x
}

// open sends a request with more fields, given as name and value in turns.
func (c *client) open(x *exchange, more ...string) {
	e := &c.Encoder
	block := e.Begin(nil)
	block = e.AppendField(block, c.fields.Field(":method", x.method))
	block = e.AppendField(block, c.fields.Field(":scheme", "http"))
	block = e.AppendField(block, c.fields.Field(":authority", "test.example"))
	block = e.AppendValue(block, NewName(":path"), []byte(x.path))
	for i := 0; i < len(more); i += 2 {
		block = e.AppendField(block, c.fields.Field(more[i], more[i+1]))
	}
	x.Tag = int32(len(c.streams))
	c.streams = append(c.streams, x)
	c.Open(&x.Stream, block, x.body, x.method == http.MethodHead)
}

// exchangeAll sends what there is to send, and reads until all streams have ended.
func (c *client) exchangeAll(t *testing.T) {
	t.Helper()
	for c.Active() > 0 || c.HasOutput() {
		if c.HasOutput() {
			if _, err := c.net.Write(c.TakeOutput(nil)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		n, err := c.net.Read(c.buffer)
		if err != nil {
			t.Fatal(err)
		}
		for piece := range slices.Chunk(c.buffer[:n], c.piece) {
			err = c.Feed(piece)
			for _, s := range c.Ended() {
				c.streams[s.Tag].done = true
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// serve starts a server that speaks HTTP/2 alone, and connects to it. The client is fed so many bytes at once.
func serve(t *testing.T, limits *http.HTTP2Config, handler http.HandlerFunc, piece int) *client {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, HTTP2: limits, Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(func() { server.Close() })
	go server.Serve(l)
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &client{net: conn, buffer: make([]byte, 64<<10), piece: piece}
	c.Start(&c.fields)
	return c
}

// TestServer exchanges all kinds of requests and answers with another implementation, many at once on one connection,
// in pieces of several sizes.
func TestServer(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 20<<10) // 320 KiB: beyond each window at first
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("%s: %v", r.URL, err)
		}
		switch r.URL.Path {
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/not-modified":
			w.Header().Set("ETag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		case "/large":
			io.WriteString(w, large)
		case "/hints":
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("X-Final", "yes")
			io.WriteString(w, "hinted")
		case "/trailer":
			w.Header().Set("Trailer", "X-Sum")
			io.WriteString(w, "with trailer")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Sum", "1")
		case "/head-fields": // more than a frame
			for i := range 40 {
				w.Header().Set(fmt.Sprintf("X-Field-%d", i), strings.Repeat("v", 1000))
			}
		case "/echo":
			fmt.Fprintf(w, "%s %s %s %d", r.Method, r.Host, r.Header.Get("X-Own"), len(body))
		}
	}
	for _, piece := range []int{1, 7, 1000, 64 << 10} {
		t.Run(fmt.Sprint(piece), func(t *testing.T) {
			c := serve(t, nil, handler, piece)
			wide := strings.Repeat("w", 40<<10)
			type want struct {
				x      *exchange
				more   []string
				status int
				answer string
			}
			tests := []want{
				{
					x: newExchange("GET", "/echo", ""), more: []string{"x-own", "mine"}, status: 200,
					answer: "GET test.example mine 0",
				},
				{
					x: newExchange("POST", "/echo", large), status: 200,
					answer: fmt.Sprintf("POST test.example  %d", len(large)),
				},
				{
					x: newExchange("PUT", "/echo", large), status: 200,
					answer: fmt.Sprintf("PUT test.example  %d", len(large)),
				},
				{
					x: newExchange("GET", "/echo", ""), more: []string{"x-own", wide}, status: 200,
					answer: "GET test.example " + wide + " 0",
				},
				{x: newExchange("HEAD", "/large", ""), status: 200},
				{x: newExchange("HEAD", "/echo", ""), status: 200},
				{x: newExchange("DELETE", "/empty", ""), status: 204},
				{x: newExchange("GET", "/not-modified", ""), status: 304},
				{x: newExchange("GET", "/large", ""), status: 200, answer: large},
				{x: newExchange("GET", "/hints", ""), status: 200, answer: "hinted"},
				{x: newExchange("GET", "/trailer", ""), status: 200, answer: "with trailer"},
				{x: newExchange("GET", "/head-fields", ""), status: 200},
			}
			for range 2 { // the tables of fields have entries the second time
				for i := range tests {
					again := newExchange(tests[i].x.method, tests[i].x.path, string(tests[i].x.body))
					tests[i].x = again
					c.open(again, tests[i].more...)
				}
				c.exchangeAll(t)
				for _, tt := range tests {
					x := tt.x
					if !x.done || x.Err != nil || x.Status != tt.status || x.answer.String() != tt.answer ||
						x.Body != int64(len(tt.answer)) || x.begins != 1 || x.heads != 1 {
						t.Errorf("%s %s: done %v, %v, status %d, %d bytes %.60q; began %d times, %d heads", x.method,
							x.path, x.done, x.Err, x.Status, x.Body, x.answer.String(), x.begins, x.heads)
					}
					if int(x.Sent()) != len(x.body) {
						t.Errorf("%s %s: %d of %d bytes of the body were sent", x.method, x.path, x.Sent(), len(x.body))
					}
				}
			}
			if h := tests[9].x.header; !slices.Contains(h, "x-final: yes") {
				t.Errorf("the final answer after hints has the header %q", h)
			}
			if h := tests[11].x.header; len(h) < 40 {
				t.Errorf("%d fields came of 40", len(h))
			}
		})
	}
}

// TestStreamLimit: no more requests are open than the server takes, as soon as it has said how many these are.
func TestStreamLimit(t *testing.T) {
	var now, most atomic.Int64
	c := serve(t, &http.HTTP2Config{MaxConcurrentStreams: 3}, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		for {
			before := most.Load()
			if n <= before || most.CompareAndSwap(before, n) {
				break
			}
		}
		now.Add(-1)
		io.WriteString(w, "ok")
	}, 1000)
	if c.Room() != firstStreams || c.SettingsKnown() {
		t.Errorf("room for %d before the settings", c.Room())
	}
	c.open(newExchange("GET", "/", ""))
	c.exchangeAll(t)
	if c.Room() != 3 || !c.SettingsKnown() {
		t.Errorf("room for %d afterwards, want 3", c.Room())
	}
	for range 50 {
		for c.Room() > 0 {
			c.open(newExchange("GET", "/", ""))
		}
		c.exchangeAll(t)
	}
	for _, x := range c.streams {
		if x.Err != nil || x.answer.String() != "ok" {
			t.Fatalf("%v %q", x.Err, x.answer.String())
		}
	}
	if len(c.streams) != 151 || most.Load() > 3 {
		t.Errorf("%d requests, up to %d at once", len(c.streams), most.Load())
	}
}
