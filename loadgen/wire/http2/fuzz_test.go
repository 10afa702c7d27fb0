package http2

import (
	"fmt"
	"io"
	"slices"
	"testing"

	"golang.org/x/net/http2"
)

// outcome is what a server's bytes have come to, in words.
func outcome(p *peer, feed func([]byte) error, data []byte) string {
	err := feed(data)
	text := fmt.Sprintf("%v\n", err)
	for i, x := range p.streams {
		text += fmt.Sprintf("%d: %v %v %d %d %q %q\n", i, x.done, x.Err, x.Status, x.Body, x.header, x.answer.String())
	}
	return text + fmt.Sprintf("%q", p.TakeOutput(nil))
}

// FuzzFeed feeds whatever a server may send, at once and byte by byte: the outcome is the same, and nothing panics.
func FuzzFeed(f *testing.F) {
	p := newPeer(f, 0)
	p.head(1, false, ":status", "103")
	p.head(1, false, ":status", "200", "content-length", "4", "x", "y")
	p.framer.WriteData(1, true, []byte("body"))
	p.head(3, true, ":status", "204")
	p.framer.WriteGoAway(3, http2.ErrCodeNo, nil)
	f.Add(slices.Clone(p.Bytes()))
	p.Buffer.Reset()
	p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3},
		http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0},
		http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16384})
	p.framer.WriteWindowUpdate(0, 9)
	p.framer.WriteWindowUpdate(5, 9)
	p.framer.WritePing(false, [8]byte{})
	p.framer.WriteRSTStream(3, http2.ErrCodeRefusedStream)
	p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fieldBlock(":status", "200")})
	p.framer.WriteContinuation(1, true, p.fieldBlock("a", "b"))
	f.Add(slices.Clone(p.Bytes()))
	f.Fuzz(func(t *testing.T, data []byte) {
		var outcomes [2]string
		for i := range outcomes {
			p := newPeer(t, 2)
			p.open(newExchange("POST", "/", "0123456789"))
			p.TakeOutput(nil)
			ends := func() {
				for _, s := range p.Ended() {
					x := p.streams[s.Tag]
					if x.done {
						t.Fatal("a stream ended twice")
					}
					x.done = true
				}
			}
			feed := func(data []byte) error {
				err := p.Feed(data)
				ends()
				return err
			}
			if i == 1 {
				feed = func(data []byte) error {
					for piece := range slices.Chunk(data, 1) {
						err := p.Feed(piece)
						ends()
						if err != nil {
							return err
						}
					}
					return nil
				}
			}
			outcomes[i] = outcome(p, feed, data)
			for _, s := range p.Abandon() {
				if p.streams[s.Tag].done {
					t.Fatal("a stream that has ended is still open")
				}
			}
		}
		if outcomes[0] != outcomes[1] {
			t.Fatalf("at once:\n%s\nbyte by byte:\n%s", outcomes[0], outcomes[1])
		}
	})
}

// BenchmarkExchange is what a request and its answer cost without input and output: the header block encoded, the
// frames made and read, the answer's fields looked through.
func BenchmarkExchange(b *testing.B) {
	p := newPeer(b, 0)
	method, path := p.fields.Field(":method", "GET"), NewName(":path")
	rest := []Field{
		p.fields.Field(":scheme", "http"), p.fields.Field(":authority", "127.0.0.1:8080"),
		p.fields.Field("user-agent", "headroom"), p.fields.Field("accept", "*/*"),
	}
	s := &Stream{OnHeader: func(_, _ []byte) {}, OnBody: func(_ []byte) {}}
	var block, out []byte
	data := make([]byte, 0, 1000)
	body := make([]byte, 200)
	// a server that has its fields in the table
	p.head(1, false, ":status", "200", "content-type", "text/plain", "content-length", "200", "server", "some")
	p.Open(s, p.Encoder.AppendField(nil, method), nil, false)
	if err := p.feed(); err != nil {
		b.Fatal(err)
	}
	answer := p.fieldBlock(":status", "200", "content-type", "text/plain", "content-length", "200", "server", "some")
	p.Cancel(s)
	b.ReportAllocs()
	for b.Loop() {
		e := &p.Encoder
		block = e.AppendField(e.Begin(block[:0]), method)
		for _, f := range rest {
			block = e.AppendField(block, f)
		}
		block = e.AppendValue(block, path, []byte("/items/17"))
		p.Open(s, block, nil, false)
		out = p.SwapOutput(out)
		data = appendHeader(data[:0], len(answer), http2.FrameHeaders, http2.FlagHeadersEndHeaders, s.id)
		data = append(data, answer...)
		data = appendHeader(data, len(body), http2.FrameData, http2.FlagDataEndStream, s.id)
		data = append(data, body...)
		if err := p.Feed(data); err != nil {
			b.Fatal(err)
		}
		if ended := p.Ended(); len(ended) != 1 || ended[0].Err != nil {
			b.Fatal(io.ErrUnexpectedEOF)
		}
	}
}
