package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/api"
)

// mostPerSubscriber is what a subscriber may take of the server's memory, in bytes, with the client's end of its
// connection in the same process.
const mostPerSubscriber = 64 << 10

// BenchmarkSubscribers opens 1,000 streams, has each receive an event, and reports what one takes of this process's
// heap and stacks. The kernel's buffers of the connections are not in it. It fails beyond mostPerSubscriber.
func BenchmarkSubscribers(b *testing.B) {
	const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	b.Run("ServerSentEvents", func(b *testing.B) { benchmarkSubscribers(b, "", eventsBegun) })
	b.Run("WebSocket", func(b *testing.B) { benchmarkSubscribers(b, upgrade, `"place"`) })
}

// eventsBegun is what a stream of server-sent events has sent when it has begun.
const eventsBegun = "\nid: "

func benchmarkSubscribers(b *testing.B, upgrade, begun string) {
	const subscribers = 1000
	s, tenant := newService(b), newTenant()
	address := serveWhole(b, s)
	perSubscriber := 0.0
	for b.Loop() {
		before := memoryInUse()
		var open []net.Conn
		for range subscribers {
			open = append(open, requestStream(b, address, tenant, upgrade))
		}
		for _, conn := range open {
			await(b, conn, begun)
		}
		s.appendEvent(b, tenant, "e", 500)
		for _, conn := range open {
			await(b, conn, "test.happened")
		}
		perSubscriber = float64(memoryInUse()-before) / subscribers
		for _, conn := range open {
			conn.Close()
		}
		for s.hub.Subscribers() > 0 {
			runtime.Gosched()
		}
	}
	b.ReportMetric(perSubscriber, "B/subscriber")
	if perSubscriber > mostPerSubscriber {
		b.Errorf("a subscriber takes %.0f bytes, more than %d", perSubscriber, mostPerSubscriber)
	}
}

// serveWhole serves as the server does, and returns its address.
func serveWhole(b *testing.B, s *service) string {
	b.Helper()
	server := httptest.NewUnstartedServer(s.API)
	server.Config.ConnContext = api.ConnContext
	server.Listener = api.WholeWrites(server.Listener)
	server.Start()
	b.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// requestStream opens a stream by as little as possible, and returns before it is answered.
func requestStream(b *testing.B, address, tenant, headers string) net.Conn {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: %s\r\n%s\r\n", streamPath, tenant, headers)
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// await reads until a text has come.
func await(b *testing.B, conn net.Conn, text string) {
	b.Helper()
	var got []byte
	part := make([]byte, 4<<10)
	for !bytes.Contains(got, []byte(text)) {
		n, err := conn.Read(part)
		if err != nil {
			b.Fatal(err)
		}
		got = append(got, part[:n]...)
	}
}

// BenchmarkCommitToReceipt makes 100 changes a second while 1,000 subscribers, of ten tenants, read in this process. It
// reports the times from occurred_at to the receipt, which contain the transaction and its commit. Run it with
// -benchtime 1000x for ten seconds of changes.
func BenchmarkCommitToReceipt(b *testing.B) {
	const tenants, each, every = 10, 100, 10 * time.Millisecond
	s := newService(b)
	address := serveWhole(b, s)
	names, times := make([]string, tenants), make(chan time.Duration, 10*each)
	for i := range names {
		names[i] = newTenant()
		for range each {
			conn := requestStream(b, address, names[i], "")
			b.Cleanup(func() { conn.Close() })
			await(b, conn, eventsBegun)
			go reportReceipts(conn, times)
		}
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	changes := 0
	var took []time.Duration
	collected := make(chan struct{})
	all := make(chan int, 1)
	go func() {
		defer close(collected)
		for want := -1; want < 0 || len(took) < want; {
			select {
			case want = <-all:
			case t := <-times:
				took = append(took, t)
			}
		}
	}()
	for b.Loop() {
		<-ticker.C
		s.appendEvent(b, names[changes%tenants], "e", 500)
		changes++
	}
	all <- changes * each
	<-collected
	slices.Sort(took)
	for name, share := range map[string]float64{"p50-ms": .5, "p95-ms": .95, "p99-ms": .99, "max-ms": 1} {
		at := min(int(share*float64(len(took))), len(took)-1)
		b.ReportMetric(float64(took[at].Microseconds())/1000, name)
	}
}

// reportReceipts sends how old each event is when it has been read, until the connection is closed.
func reportReceipts(conn net.Conn, times chan<- time.Duration) {
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		_, rest, event := strings.Cut(line, `"occurred_at":"`)
		if !event {
			continue
		}
		text, _, _ := strings.Cut(rest, `"`)
		occurred, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			panic(err)
		}
		times <- time.Since(occurred)
	}
}

// memoryInUse is the heap that is reachable and the stacks, in bytes.
func memoryInUse() int64 {
	runtime.GC()
	runtime.GC() // what the first one has freed is swept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
