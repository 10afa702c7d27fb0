package server_test

import (
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"
)

// relay makes a database as far away as a test says, while connections are open: containers/distance sets it once. What
// waits for a round trip takes no CPU time, so that it is the same on a busy machine.
type relay struct {
	upstream  string
	roundTrip atomic.Int64 // nanoseconds
}

// distant returns the address of a database at a distance.
func distant(t testing.TB, database string, roundTrip time.Duration) (address string, r *relay) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r = &relay{upstream: u.Host}
	r.roundTrip.Store(int64(roundTrip))
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client)
		}
	}()
	u.Host = listener.Addr().String()
	return u.String(), r
}

func (r *relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.upstream)
	if err != nil {
		client.Close()
		return
	}
	go r.carry(server, client)
	r.carry(client, server)
}

// carry passes on what one side says half of a round trip later, until either is done.
func (r *relay) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			time.Sleep(time.Duration(r.roundTrip.Load()) / 2)
			_, errWrite := to.Write(buffer[:n])
			if errWrite != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
