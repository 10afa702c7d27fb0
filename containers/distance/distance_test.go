package distance

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

const roundTrip = 90 * time.Millisecond

// ends are those of a connection that is relayed, in the time of a synctest bubble.
func ends(t *testing.T) (client, server net.Conn) {
	t.Helper()
	client, there := net.Pipe()
	back, server := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		relay(there, back, time.Now().Add(roundTrip), roundTrip, nil)
	}()
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
		<-done
	})
	return client, server
}

func send(t *testing.T, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Error(err)
	}
}

// arrives reads a text and returns when it was there.
func arrives(t *testing.T, from net.Conn, want string) time.Time {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	return time.Now()
}

// TestEachDirectionTakesHalf: the delay is added once in each direction, and a new connection takes a round trip more.
func TestEachDirectionTakesHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := ends(t)
		for i, want := range []time.Duration{roundTrip + roundTrip, roundTrip} {
			began := time.Now()
			send(t, client, "request")
			there := arrives(t, server, "request").Sub(began)
			send(t, server, "answer")
			back := arrives(t, client, "answer").Sub(began)
			if there != want-roundTrip/2 || back != want {
				t.Errorf("exchange %d: the request took %v and the answer was there after %v, want %v and %v", i, there,
					back, want-roundTrip/2, want)
			}
		}
	})
}

// TestAServerMaySpeakFirst: what it says is with the client when the handshake is over.
func TestAServerMaySpeakFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := ends(t)
		began := time.Now()
		send(t, server, "hello")
		if took := arrives(t, client, "hello").Sub(began); took != roundTrip {
			t.Errorf("it took %v, want %v", took, roundTrip)
		}
	})
}

// TestManyChunksTakeAsLongAsOne: chunks are delayed side by side and keep their order.
func TestManyChunksTakeAsLongAsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := ends(t)
		time.Sleep(roundTrip) // the connection is there
		began := time.Now()
		for i := range mostChunks {
			send(t, client, fmt.Sprintf("%04d", i))
		}
		for i := range mostChunks {
			if took := arrives(t, server, fmt.Sprintf("%04d", i)).Sub(began); took != roundTrip/2 {
				t.Fatalf("chunk %d took %v, want %v", i, took, roundTrip/2)
			}
		}
	})
}

// TestTheEndComesAfterWhatWasSaid, also when it was said at the same moment.
func TestTheEndComesAfterWhatWasSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := ends(t)
		began := time.Now()
		send(t, client, "last words")
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(server)
		if string(got) != "last words" || err != nil || time.Since(began) != roundTrip+roundTrip/2 {
			t.Errorf("got %q, %v after %v", got, err, time.Since(began))
		}
	})
}

// echo starts a server that says its name and repeats what it gets.
func echo(t testing.TB, name string) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.WriteString(conn, name)
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener
}

// listen starts a proxy that the test closes.
func listen(t *testing.T, upstreams ...Upstream) *Proxy {
	t.Helper()
	p, err := Listen(upstreams...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustClose(t *testing.T, p *Proxy) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestTheNextUpstreamIsTaken: connections lead to the first server that is there, at its distance, and those that are
// made once it is gone to the next.
func TestTheNextUpstreamIsTaken(t *testing.T) {
	near, far := echo(t, "near"), echo(t, "away")
	const distance = 20 * time.Millisecond
	p := listen(t, Upstream{Address: near.Addr().String()}, Upstream{far.Addr().String(), distance})
	defer mustClose(t, p)
	arrives(t, dial(t, p), "near")
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	conn := dial(t, p)
	arrives(t, conn, "away")
	send(t, conn, "still there?")
	arrives(t, conn, "still there?")
	if took := time.Since(began); took < 2*distance {
		t.Errorf("the handshake and a round trip took %v, and each takes %v", took, distance)
	}
	if err := far.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := dial(t, p).Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("with no server left: %v", err)
	}
}

// TestMuchIsRelayedWhole, in both directions at once.
func TestMuchIsRelayedWhole(t *testing.T) {
	p := listen(t, Upstream{echo(t, "").Addr().String(), 2 * time.Millisecond})
	defer mustClose(t, p)
	conn := dial(t, p)
	sent := bytes.Repeat([]byte("0123456789abcde\n"), 2*mostChunks*chunkSize/16)
	var writing sync.WaitGroup
	writing.Go(func() {
		if _, err := conn.Write(sent); err != nil {
			t.Error(err)
		}
		if err := closeWrite(conn); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(conn)
	writing.Wait()
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back, %v", len(got), len(sent), err)
	}
}

// TestCloseEndsConnections: nothing is left of a proxy, also while a client waits.
func TestCloseEndsConnections(t *testing.T) {
	p := listen(t, Upstream{echo(t, "hello").Addr().String(), time.Hour})
	conn := dial(t, p)
	send(t, conn, "is anybody there?")
	mustClose(t, p)
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("got %d bytes of a proxy that is closed", n)
	}
	if _, err := net.Dial("tcp", p.Address()); err == nil {
		t.Error("a proxy that is closed takes connections")
	}
}

// BenchmarkExchange is a question and its answer through a proxy without a delay: what it takes itself.
func BenchmarkExchange(b *testing.B) {
	p, err := Listen(Upstream{Address: echo(b, "").Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	text := make([]byte, 512)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := conn.Write(text); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, text); err != nil {
			b.Fatal(err)
		}
	}
}
