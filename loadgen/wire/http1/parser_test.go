package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

// read is what came of one answer.
type read struct {
	status int
	body   string
	keep   bool
	used   int // bytes of the answer; -1: it reached to the end of the connection
	failed bool
}

// parse feeds data in pieces of the sizes that next gives, then closes the connection.
func parse(data []byte, head bool, next func() int) read {
	var body bytes.Buffer
	p := Parser{OnBody: func(piece []byte) { body.Write(piece) }}
	p.Start(head)
	for at := 0; at < len(data); {
		size := min(max(next(), 1), len(data)-at)
		n, done, err := p.Feed(data[at : at+size])
		at += n
		if err != nil {
			return read{failed: true}
		}
		if done {
			return read{p.Status, body.String(), p.KeepAlive, at, false}
		}
		if n != size {
			panic("an unfinished answer left bytes over")
		}
	}
	if p.Close() != nil {
		return read{failed: true}
	}
	return read{p.Status, body.String(), p.KeepAlive, -1, false}
}

func whole() int { return 1 << 30 }

// oracle is what net/http makes of the same bytes.
func oracle(data []byte, head bool) read {
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	source := bytes.NewReader(data)
	r := bufio.NewReaderSize(source, 1<<16)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			return read{failed: true}
		}
		if resp.StatusCode < 200 && resp.StatusCode >= 100 && resp.StatusCode != 101 {
			continue
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return read{failed: true}
		}
		used := len(data) - source.Len() - r.Buffered()
		// What follows a 101 is another protocol.
		return read{resp.StatusCode, string(body), !resp.Close && resp.StatusCode != 101, used, false}
	}
}

const ok = "HTTP/1.1 200 OK\r\n"

// An answer of 0 bytes used is one that data holds whole.
var answers = []struct {
	name, data string
	head       bool
	want       read
}{
	{"length", ok + "Content-Length: 5\r\n\r\nhello", false, read{200, "hello", true, 0, false}},
	{"length and what follows", ok + "Content-Length: 2\r\n\r\nhiHTTP/1.1", false, read{200, "hi", true, 0, false}},
	{"no body", ok + "Content-Length: 0\r\n\r\n", false, read{200, "", true, 0, false}},
	{"until close", ok + "\r\nhello", false, read{200, "hello", false, -1, false}},
	{"close", ok + "Connection: close\r\nContent-Length: 1\r\n\r\nx", false, read{200, "x", false, 0, false}},
	{
		"close in a list", ok + "Connection: x, Close\r\nContent-Length: 1\r\n\r\nx", false,
		read{200, "x", false, 0, false},
	},
	{"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", false, read{200, "x", false, 0, false}},
	{
		"1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", false,
		read{200, "x", true, 0, false},
	},
	{
		"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", false,
		read{200, "abcde", true, 0, false},
	},
	{
		"trailer", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\r\n\r\n", false,
		read{200, "a", true, 0, false},
	},
	{
		"chunks before length", ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
		read{200, "", true, 0, false},
	},
	{"head", ok + "Content-Length: 5\r\n\r\n", true, read{200, "", true, 0, false}},
	{"204", "HTTP/1.1 204 No Content\r\n\r\n", false, read{204, "", true, 0, false}},
	{
		"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false,
		read{304, "", true, 0, false},
	},
	{
		"100 before", "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 1\r\n\r\nx", false,
		read{200, "x", true, 0, false},
	},
	{
		"103 with headers before", "HTTP/1.1 103 Early\r\nContent-Length: 7\r\n\r\n" + ok +
			"Content-Length: 1\r\n\r\nx",
		false,
		read{200, "x", true, 0, false},
	},
	{
		"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\n\r\n", false,
		read{101, "", false, 0, false},
	},
	{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 1\n\nx", false, read{200, "x", true, 0, false}},
	{"folded", ok + "X: a\r\n b\r\nContent-Length: 1\r\n\r\nx", false, read{200, "x", true, 0, false}},
	{"cut head", ok + "Content-Le", false, read{failed: true}},
	{"cut body", ok + "Content-Length: 5\r\n\r\nhell", false, read{failed: true}},
	{"cut chunk", ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nab", false, read{failed: true}},
	{"two lengths", ok + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", false, read{failed: true}},
	{
		"same length twice", ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", false,
		read{200, "x", true, 0, false},
	},
	{"negative length", ok + "Content-Length: -1\r\n\r\nx", false, read{failed: true}},
	{"no length", ok + "Content-Length:\r\n\r\nx", false, read{failed: true}},
	{"gzip coding", ok + "Transfer-Encoding: gzip\r\n\r\nx", false, read{failed: true}},
	{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", false, read{failed: true}},
	{"no colon", ok + "nonsense\r\n\r\n", false, read{failed: true}},
	{"chunk size", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", false, read{failed: true}},
	{"huge chunk", ok + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n", false, read{failed: true}},
	{"nothing", "", false, read{failed: true}},
}

func TestParser(t *testing.T) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			if c.want.used == 0 && !c.want.failed { // all but the beginning of another answer
				c.want.used = len(strings.TrimSuffix(c.data, "HTTP/1.1"))
			}
			if got := parse([]byte(c.data), c.head, whole); got != c.want {
				t.Errorf("whole: %+v, want %+v", got, c.want)
			}
			if got := parse([]byte(c.data), c.head, func() int { return 1 }); got != c.want {
				t.Errorf("byte by byte: %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestHeadTooBig(t *testing.T) {
	data := []byte(ok + "X: " + strings.Repeat("x", MaxHead) + "\r\n\r\n")
	for _, size := range []int{len(data), 4096} {
		var p Parser
		p.Start(false)
		var err error
		for at := 0; at < len(data) && err == nil; {
			var n int
			n, _, err = p.Feed(data[at:min(at+size, len(data))])
			at += n
		}
		if !errors.Is(err, ErrHeadTooBig) || !errors.Is(err, ErrMalformed) {
			t.Errorf("in pieces of %d: %v", size, err)
		}
	}
}

// TestNotHTTP: what answers by another protocol is known by its first bytes, also where it says no more.
func TestNotHTTP(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"SSH-2.0-Open", `malformed HTTP answer: it begins with "SSH-2.0-Open"`},
		{"\r\n", `malformed HTTP answer: it begins with "\r\n"`},
		{"HTTP/2", `malformed HTTP answer: it begins with "HTTP/2"`},
		{"HTTP/1", ""},
		{"HTTP/1.1 2", ""},
	} {
		var p Parser
		p.Start(false)
		_, done, err := p.Feed([]byte(c.data))
		if done || err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("%q: %v %v", c.data, done, err)
		}
	}
}

func TestHeaders(t *testing.T) {
	var got []string
	p := Parser{OnHeader: func(name, value []byte) { got = append(got, string(name)+"="+string(value)) }}
	p.Start(false)
	_, done, err := p.Feed([]byte("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok +
		"X-Cache:  l1 \r\nContent-Length: 0\r\n\r\n"))
	if err != nil || !done || strings.Join(got, ",") != "X-Cache=l1,Content-Length=0" {
		t.Errorf("%v %v %v", got, done, err)
	}
}

// FuzzParser holds the parser against net/http, whole and in pieces.
func FuzzParser(f *testing.F) {
	for _, c := range answers {
		f.Add([]byte(c.data), c.head, uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, head bool, seed uint64) {
		want := oracle(data, head)
		got := parse(data, head, whole)
		random := rand.New(rand.NewPCG(seed, 1))
		pieces := parse(data, head, func() int { return 1 + random.IntN(9) })
		if got != pieces {
			t.Errorf("whole %+v, in pieces %+v", got, pieces)
		}
		if got.used < 0 {
			got.used = len(data) // until the end of the connection is all there is
		}
		if got != want && !stricter(got, want) {
			t.Errorf("%q\nis     %+v\nbut to net/http %+v", data, got, want)
		}
	})
}

// stricter says that the parser refuses what net/http takes, which it may.
func stricter(got, want read) bool { return got.failed && !want.failed }

func BenchmarkParser(b *testing.B) {
	data := []byte(ok + "Content-Type: application/json\r\nX-Cache: l1\r\nETag: " +
		"\"0123456789abcdef\"\r\nCache-Control: private\r\n" +
		"Date: Wed, 25 Nov 2026 02:00:00 GMT\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	b.Run("ours", func(b *testing.B) {
		var p Parser
		b.ReportAllocs()
		for b.Loop() {
			p.Start(false)
			if _, done, err := p.Feed(data); !done || err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/http", func(b *testing.B) {
		source := bytes.NewReader(data)
		r := bufio.NewReader(source)
		b.ReportAllocs()
		for b.Loop() {
			source.Reset(data)
			r.Reset(source)
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				b.Fatal(err)
			}
			io.Copy(io.Discard, resp.Body)
		}
	})
}
