package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// peer is a server of frames written by hand.
type peer struct {
	*client
	bytes.Buffer
	framer *http2.Framer
	block  bytes.Buffer
	hpack  *hpack.Encoder
}

// newPeer returns one that has sent its settings, with so many requests open.
func newPeer(t testing.TB, requests int, settings ...http2.Setting) *peer {
	t.Helper()
	p := &peer{client: &client{}}
	p.framer = http2.NewFramer(&p.Buffer, nil)
	p.framer.AllowIllegalWrites = true
	p.hpack = hpack.NewEncoder(&p.block)
	p.Start(&p.fields)
	p.framer.WriteSettings(settings...)
	if err := p.feed(); err != nil {
		t.Fatal(err)
	}
	for range requests {
		p.client.open(newExchange("GET", "/", ""))
	}
	p.TakeOutput(nil)
	return p
}

// feed hands over what was written.
func (p *peer) feed() error {
	err := p.Feed(p.Bytes())
	p.Buffer.Reset()
	for _, s := range p.Ended() {
		p.client.streams[s.Tag].done = true
	}
	return err
}

// fields encodes a header block, given as name and value in turns.
func (p *peer) fieldBlock(fields ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.hpack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return slices.Clone(p.block.Bytes())
}

func (p *peer) head(stream uint32, ends bool, fields ...string) {
	p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: p.fieldBlock(fields...), EndHeaders: true, EndStream: ends,
	})
}

// sent are the frames that the client has sent, as another implementation reads them.
func (p *peer) sent(t *testing.T) (all []string) {
	t.Helper()
	out := p.TakeOutput(nil)
	r := http2.NewFramer(nil, bytes.NewReader(bytes.TrimPrefix(out, []byte(http2.ClientPreface))))
	for {
		f, err := r.ReadFrame()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			all = append(all, fmt.Sprintf("RST_STREAM %d %v", f.StreamID, f.ErrCode))
		case *http2.GoAwayFrame:
			all = append(all, fmt.Sprintf("GOAWAY %v", f.ErrCode))
		case *http2.WindowUpdateFrame:
			all = append(all, fmt.Sprintf("WINDOW_UPDATE %d %d", f.StreamID, f.Increment))
		case *http2.DataFrame:
			all = append(all, fmt.Sprintf("DATA %d %d %v", f.StreamID, len(f.Data()), f.StreamEnded()))
		case *http2.PingFrame:
			all = append(all, fmt.Sprintf("PING %v %s", f.IsAck(), f.Data))
		case *http2.SettingsFrame:
			all = append(all, fmt.Sprintf("SETTINGS %v", f.IsAck()))
		default:
			all = append(all, fmt.Sprintf("%v %d %d", f.Header().Type, f.Header().StreamID, f.Header().Length))
		}
	}
}

// TestMalformedAnswers end their stream, and leave the others and the connection alone.
func TestMalformedAnswers(t *testing.T) {
	ok := []string{":status", "200"}
	for name, answer := range map[string]func(p *peer){
		"no status":         func(p *peer) { p.head(1, true, "a", "b") },
		"two":               func(p *peer) { p.head(1, true, ":status", "200", ":status", "200") },
		"status behind":     func(p *peer) { p.head(1, true, "a", "b", ":status", "200") },
		"status of letters": func(p *peer) { p.head(1, true, ":status", "2xx") },
		"short status":      func(p *peer) { p.head(1, true, ":status", "20") },
		"status 42":         func(p *peer) { p.head(1, true, ":status", "042") },
		"101":               func(p *peer) { p.head(1, false, ":status", "101") },
		"other pseudo":      func(p *peer) { p.head(1, true, ":status", "200", ":path", "/") },
		"capitals":          func(p *peer) { p.head(1, true, ":status", "200", "Server", "x") },
		"a space":           func(p *peer) { p.head(1, true, ":status", "200", "a b", "x") },
		"line break":        func(p *peer) { p.head(1, true, ":status", "200", "a", "b\r\nc: d") },
		"zero byte":         func(p *peer) { p.head(1, true, ":status", "200", "a", "b\x00") },
		"no name":           func(p *peer) { p.head(1, true, ":status", "200", "", "b") },
		"connection":        func(p *peer) { p.head(1, true, ":status", "200", "connection", "close") },
		"keep-alive":        func(p *peer) { p.head(1, true, ":status", "200", "keep-alive", "5") },
		"transfer-encoding": func(p *peer) { p.head(1, true, ":status", "200", "transfer-encoding", "chunked") },
		"hint that ends":    func(p *peer) { p.head(1, true, ":status", "103") },
		"body first":        func(p *peer) { p.framer.WriteData(1, true, []byte("x")) },
		"body after hint": func(p *peer) {
			p.head(1, false, ":status", "103")
			p.framer.WriteData(1, true, []byte("x"))
		},
		"trailer that does not end": func(p *peer) { p.head(1, false, ok...); p.head(1, false, "a", "b") },
		"status in the trailer":     func(p *peer) { p.head(1, false, ok...); p.head(1, true, ok...) },
		"too short": func(p *peer) {
			p.head(1, false, ":status", "200", "content-length", "2")
			p.framer.WriteData(1, true, []byte("x"))
		},
		"too long": func(p *peer) {
			p.head(1, false, ":status", "200", "content-length", "2")
			p.framer.WriteData(1, true, []byte("xyz"))
		},
		"none of it": func(p *peer) { p.head(1, true, ":status", "200", "content-length", "2") },
		"no length":  func(p *peer) { p.head(1, true, ":status", "200", "content-length", "x") },
		"two lengths": func(p *peer) {
			p.head(1, true, ":status", "204", "content-length", "1",
				"content-length", "2")
		},
		"huge length": func(p *peer) { p.head(1, true, ":status", "200", "content-length", strings.Repeat("9", 40)) },
		"204 with a body": func(p *peer) {
			p.head(1, false, ":status", "204")
			p.framer.WriteData(1, true, []byte("x"))
		},
		"window of a stream": func(p *peer) { p.framer.WriteWindowUpdate(1, lastStreamID) },
		"no window":          func(p *peer) { p.framer.WriteWindowUpdate(1, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, 2)
			answer(p)
			p.head(3, true, ok...)
			if err := p.feed(); err != nil {
				t.Fatalf("the connection: %v", err)
			}
			bad, good := p.streams[0], p.streams[1]
			if !bad.done || !errors.Is(bad.Err, ErrMalformed) {
				t.Errorf("done %v, %v", bad.done, bad.Err)
			}
			if !good.done || good.Err != nil || good.Status != 200 {
				t.Errorf("the stream beside it: done %v, %v, status %d", good.done, good.Err, good.Status)
			}
			if sent := p.sent(t); len(sent) != 1 || !strings.HasPrefix(sent[0], "RST_STREAM 1 ") {
				t.Errorf("the server was told %q", sent)
			}
		})
	}
}

// TestBrokenConnections: a server that does not keep to the protocol is told so.
func TestBrokenConnections(t *testing.T) {
	raw := func(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) func(p *peer) {
		return func(p *peer) { p.framer.WriteRawFrame(kind, flags, stream, []byte(payload)) }
	}
	begun := func(then func(p *peer)) func(p *peer) {
		return func(p *peer) {
			p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fieldBlock(":status", "200")})
			then(p)
		}
	}
	for name, tt := range map[string]struct {
		send func(p *peer)
		code http2.ErrCode
	}{
		"DATA of no stream":        {raw(http2.FrameData, 0, 0, "x"), http2.ErrCodeProtocol},
		"DATA never asked for":     {raw(http2.FrameData, 0, 5, "x"), http2.ErrCodeProtocol},
		"DATA of an even stream":   {raw(http2.FrameData, 0, 2, "x"), http2.ErrCodeProtocol},
		"padding too long":         {raw(http2.FrameData, http2.FlagDataPadded, 1, "\x05abcd"), http2.ErrCodeProtocol},
		"padding without a length": {raw(http2.FrameData, http2.FlagDataPadded, 1, ""), http2.ErrCodeFrameSize},
		"HEADERS of no stream":     {raw(http2.FrameHeaders, 4, 0, "\x88"), http2.ErrCodeProtocol},
		"HEADERS without priority": {
			raw(http2.FrameHeaders, http2.FlagHeadersPriority|4, 1, "\x88"),
			http2.ErrCodeFrameSize,
		},
		"unknown index":             {raw(http2.FrameHeaders, 4, 1, "\xff\x80\x01"), http2.ErrCodeCompression},
		"cut block":                 {raw(http2.FrameHeaders, 4, 1, "\x88\x40"), http2.ErrCodeCompression},
		"table too large":           {raw(http2.FrameHeaders, 4, 1, "\x3f\xe2\x1f\x88"), http2.ErrCodeCompression},
		"bad Huffman code":          {raw(http2.FrameHeaders, 4, 1, "\x88\x00\x81\xff\x01a"), http2.ErrCodeCompression},
		"PUSH_PROMISE":              {raw(http2.FramePushPromise, 4, 1, "\x00\x00\x00\x02\x82"), http2.ErrCodeProtocol},
		"CONTINUATION alone":        {raw(http2.FrameContinuation, 4, 1, "\x88"), http2.ErrCodeProtocol},
		"PING within a block":       {begun(raw(http2.FramePing, 0, 0, "12345678")), http2.ErrCodeProtocol},
		"other CONTINUATION":        {begun(raw(http2.FrameContinuation, 4, 3, "\x88")), http2.ErrCodeProtocol},
		"empty CONTINUATION":        {begun(raw(http2.FrameContinuation, 0, 1, "")), http2.ErrCodeEnhanceYourCalm},
		"short PING":                {raw(http2.FramePing, 0, 0, "1234567"), http2.ErrCodeFrameSize},
		"PING of a stream":          {raw(http2.FramePing, 0, 1, "12345678"), http2.ErrCodeProtocol},
		"SETTINGS of a stream":      {raw(http2.FrameSettings, 0, 1, ""), http2.ErrCodeProtocol},
		"cut SETTINGS":              {raw(http2.FrameSettings, 0, 0, "12345"), http2.ErrCodeFrameSize},
		"SETTINGS ack with content": {raw(http2.FrameSettings, 1, 0, "123456"), http2.ErrCodeFrameSize},
		"server wants pushes": {
			raw(http2.FrameSettings, 0, 0, "\x00\x02\x00\x00\x00\x01"),
			http2.ErrCodeProtocol,
		},
		"window setting": {
			raw(http2.FrameSettings, 0, 0, "\x00\x04\x80\x00\x00\x00"),
			http2.ErrCodeFlowControl,
		},
		"frame size setting": {
			raw(http2.FrameSettings, 0, 0, "\x00\x05\x00\x00\x00\x01"),
			http2.ErrCodeProtocol,
		},
		"short GOAWAY":             {raw(http2.FrameGoAway, 0, 0, "1234567"), http2.ErrCodeFrameSize},
		"GOAWAY of a stream":       {raw(http2.FrameGoAway, 0, 1, "12345678"), http2.ErrCodeProtocol},
		"short RST_STREAM":         {raw(http2.FrameRSTStream, 0, 1, "123"), http2.ErrCodeFrameSize},
		"RST_STREAM never opened":  {raw(http2.FrameRSTStream, 0, 5, "1234"), http2.ErrCodeProtocol},
		"short WINDOW_UPDATE":      {raw(http2.FrameWindowUpdate, 0, 0, "123"), http2.ErrCodeFrameSize},
		"WINDOW_UPDATE of nothing": {raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00"), http2.ErrCodeProtocol},
		"window of the connection": {raw(http2.FrameWindowUpdate, 0, 0, "\x7f\xff\xff\xff"), http2.ErrCodeFlowControl},
		"WINDOW_UPDATE unopened":   {raw(http2.FrameWindowUpdate, 0, 5, "\x00\x00\x00\x01"), http2.ErrCodeProtocol},
		"short PRIORITY":           {raw(http2.FramePriority, 0, 1, "1234"), http2.ErrCodeFrameSize},
		"frame too long": {
			raw(http2.FrameData, 0, 1, strings.Repeat("x", maxFrame+1)),
			http2.ErrCodeFrameSize,
		},
		"endless block": {begun(func(p *peer) {
			for range maxHeaders/maxFrame + 1 {
				raw(http2.FrameContinuation, 0, 1, strings.Repeat("\x88", maxFrame))(p)
			}
		}), http2.ErrCodeEnhanceYourCalm},
		"flood of pings": {func(p *peer) {
			for range maxReplies {
				p.framer.WritePing(false, [8]byte{})
			}
		}, http2.ErrCodeEnhanceYourCalm},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, 2)
			tt.send(p)
			err := p.feed()
			var fault *Error
			if !errors.As(err, &fault) || fault.Code != tt.code {
				t.Fatalf("%v, want %v", err, tt.code)
			}
			if sent := p.sent(t); len(sent) == 0 || sent[len(sent)-1] != fmt.Sprintf("GOAWAY %v", tt.code) {
				t.Errorf("the server was told %q", sent)
			}
			if p.Room() != 0 {
				t.Errorf("there is room for %d requests", p.Room())
			}
			if left := p.Abandon(); len(left) != 2 || left[0].Tag != 0 || p.Active() != 0 {
				t.Errorf("%d streams were left", len(left))
			}
		})
	}
}

// TestFirstFrame: a server begins with its settings.
func TestFirstFrame(t *testing.T) {
	for send, want := range map[string]string{
		"HTTP/1.1 400 Bad Request\r\n\r\n": `HTTP/2 HTTP_1_1_REQUIRED: the server answers by HTTP/1: "HTTP/1.1 400 Bad Request\r\n\r\n"`,
		"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678": "HTTP/2 PROTOCOL_ERROR: the server begins with a PING frame, " +
			"and not with its settings",
		"\x00\x00\x00\x04\x01\x00\x00\x00\x00": "HTTP/2 PROTOCOL_ERROR: the server begins with a SETTINGS " +
			"frame, and not with its settings",
	} {
		var c Conn
		c.Start(&Fields{})
		if err := c.Feed([]byte(send)); err == nil || err.Error() != want {
			t.Errorf("%q: %v", send, err)
		}
		c.Start(&Fields{})
		for i := range len(send) { // byte by byte
			if err := c.Feed([]byte(send[i : i+1])); err != nil {
				break
			}
			if i == len(send)-1 {
				t.Errorf("%q in pieces made no error", send)
			}
		}
	}
}

// TestGoAway: what the server does not take may be sent again, what it takes is waited for.
func TestGoAway(t *testing.T) {
	p := newPeer(t, 5)
	p.framer.WriteGoAway(lastStreamID, http2.ErrCodeNo, nil) // a warning that it will
	p.head(1, true, ":status", "200")
	if err := p.feed(); err != nil || p.Room() != 0 || p.Active() != 4 || !p.Leaving() {
		t.Fatalf("%v, room for %d, %d active", err, p.Room(), p.Active())
	}
	p.framer.WriteGoAway(5, http2.ErrCodeNo, []byte("enough"))
	if err := p.feed(); err != nil {
		t.Fatal(err)
	}
	if refused := p.Ended(); len(refused) != 2 || refused[0].Tag != 3 || refused[1].Tag != 4 ||
		!errors.Is(refused[0].Err, ErrRefused) || !strings.Contains(refused[0].Err.Error(), `NO_ERROR, "enough"`) {
		t.Errorf("refused: %d", len(refused))
	}
	p.head(3, true, ":status", "200")
	p.framer.WriteRSTStream(5, http2.ErrCodeRefusedStream)
	if err := p.feed(); err != nil || p.streams[1].Err != nil || !errors.Is(p.streams[2].Err, ErrRefused) ||
		p.Active() != 0 {
		t.Errorf("%v; %v, %v; %d active", err, p.streams[1].Err, p.streams[2].Err, p.Active())
	}
}

// TestResets: one by the server, and one by the client, of which an answer may still come.
func TestResets(t *testing.T) {
	p := newPeer(t, 3)
	p.framer.WriteRSTStream(1, http2.ErrCodeInternal)
	if err := p.feed(); err != nil || !errors.Is(p.streams[0].Err, ErrReset) ||
		!strings.Contains(p.streams[0].Err.Error(), "INTERNAL_ERROR") {
		t.Errorf("%v, %v", err, p.streams[0].Err)
	}
	p.Cancel(&p.streams[1].Stream)
	p.Cancel(&p.streams[1].Stream)
	if sent := p.sent(t); !slices.Equal(sent, []string{"RST_STREAM 3 CANCEL"}) {
		t.Errorf("sent %q", sent)
	}
	p.head(3, false, ":status", "200", "x-new", "field") // into the table nevertheless
	p.framer.WriteData(3, true, []byte("late"))
	p.framer.WriteRSTStream(3, http2.ErrCodeNo)
	p.framer.WriteWindowUpdate(3, 5)
	p.head(5, true, ":status", "200", "x-new", "field")
	if err := p.feed(); err != nil || p.streams[1].done || p.streams[1].begins > 0 || !p.streams[2].done ||
		!slices.Contains(p.streams[2].header, "x-new: field") {
		t.Errorf("%v; canceled: done %v; the other: done %v, %q", err, p.streams[1].done, p.streams[2].done,
			p.streams[2].header)
	}
}

// TestFlowControl: no more is sent than the windows allow, and the answers' windows are opened again.
func TestFlowControl(t *testing.T) {
	p := newPeer(t, 0, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	p.open(newExchange("POST", "/", strings.Repeat("x", 25)))
	p.open(newExchange("POST", "/", strings.Repeat("x", 5)))
	expect := func(want ...string) {
		t.Helper()
		if err := p.feed(); err != nil {
			t.Fatal(err)
		}
		if got := p.sent(t)[:]; !slices.Equal(got, want) {
			t.Fatalf("sent %q, want %q", got, want)
		}
	}
	if got := p.sent(t); len(got) != 4 || got[1] != "DATA 1 10 false" || got[3] != "DATA 3 5 true" {
		t.Fatalf("sent %q", got)
	}
	p.framer.WriteWindowUpdate(1, 3)
	expect("DATA 1 3 false")
	p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 5}) // now it has -5
	expect("SETTINGS true")
	p.framer.WriteWindowUpdate(1, 5)
	expect()
	p.framer.WriteWindowUpdate(1, 2)
	expect("DATA 1 2 false")
	p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
	expect("SETTINGS true", "DATA 1 10 true")

	p = newPeer(t, 1)
	p.head(1, false, ":status", "200")
	piece := make([]byte, maxFrame)
	for range streamWindow/maxFrame/2 + 1 {
		p.framer.WriteData(1, false, piece)
	}
	expect(fmt.Sprintf("WINDOW_UPDATE 1 %d", streamWindow/2+maxFrame))
	p.receiveWindow = connWindow / 2
	p.framer.WriteData(1, false, piece)
	expect(fmt.Sprintf("WINDOW_UPDATE 0 %d", connWindow/2+maxFrame))
	p.receiveWindow = maxFrame - 1
	p.framer.WriteData(1, false, piece)
	if err := p.feed(); err == nil || !strings.Contains(err.Error(), "FLOW_CONTROL_ERROR") {
		t.Errorf("more than the window came: %v", err)
	}
}

// TestWindowOfConnection: one window for all streams, which share it in the order of their requests.
func TestWindowOfConnection(t *testing.T) {
	p := newPeer(t, 0, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	p.open(newExchange("POST", "/", strings.Repeat("x", firstWindow-1)))
	p.open(newExchange("POST", "/", "abc"))
	p.open(newExchange("POST", "/", "d"))
	p.sent(t)
	p.Cancel(&p.streams[2].Stream)
	p.framer.WriteWindowUpdate(0, 100)
	if err := p.feed(); err != nil {
		t.Fatal(err)
	}
	if got := p.sent(t); !slices.Equal(got, []string{"RST_STREAM 5 CANCEL", "DATA 3 2 true"}) {
		t.Errorf("sent %q", got)
	}
}

// TestEarlyEnd: a server that answers before it has read the request is sent no more of it.
func TestEarlyEnd(t *testing.T) {
	p := newPeer(t, 0, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	p.open(newExchange("POST", "/", "body"))
	p.sent(t)
	p.head(1, true, ":status", "413")
	p.framer.WriteRSTStream(1, http2.ErrCodeNo)
	p.framer.WriteWindowUpdate(1, 100)
	if err := p.feed(); err != nil || p.streams[0].Status != 413 || p.streams[0].Err != nil {
		t.Errorf("%v; status %d, %v", err, p.streams[0].Status, p.streams[0].Err)
	}
	if got := p.sent(t); !slices.Equal(got, []string{"RST_STREAM 1 CANCEL"}) {
		t.Errorf("sent %q", got)
	}
}

// TestPingsAndOthers: a ping is answered, and what is not known is left alone.
func TestPingsAndOthers(t *testing.T) {
	p := newPeer(t, 1)
	p.framer.WritePing(false, [8]byte{'p', 'i', 'n', 'g', '1', '2', '3', '4'})
	p.framer.WritePing(true, [8]byte{})
	p.framer.WriteSettingsAck()
	p.framer.WriteRawFrame(0xbe, 0xff, 7, []byte("what"))
	p.framer.WritePriority(1, http2.PriorityParam{StreamDep: 3})
	p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: p.fieldBlock(":status", "200"), EndHeaders: true, PadLength: 9,
		Priority: http2.PriorityParam{Weight: 3},
	})
	p.framer.WriteDataPadded(1, true, []byte("body"), make([]byte, 77))
	if err := p.feed(); err != nil {
		t.Fatal(err)
	}
	if got := p.sent(t); !slices.Equal(got, []string{"PING true ping1234"}) {
		t.Errorf("sent %q", got)
	}
	if x := p.streams[0]; !x.done || x.answer.String() != "body" || x.Body != 4 {
		t.Errorf("done %v, %q", x.done, x.answer.String())
	}
}

// TestNumbersRunOut: the last number of a stream ends the connection's life.
func TestNumbersRunOut(t *testing.T) {
	p := newPeer(t, 0)
	p.nextID = lastStreamID
	p.open(newExchange("GET", "/", ""))
	if p.Room() != 0 || !p.Leaving() || p.Active() != 1 {
		t.Errorf("room for %d", p.Room())
	}
	p.head(lastStreamID, true, ":status", "200")
	if err := p.feed(); err != nil || p.streams[0].Err != nil || p.streams[0].Status != 200 {
		t.Errorf("%v, %v", err, p.streams[0].Err)
	}
}
