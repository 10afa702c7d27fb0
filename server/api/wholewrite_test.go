package api

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// Answers of every length arrive whole, one after the other on one connection, those to HEAD without a body.
func TestWholeWrites(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<13)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length, err := strconv.Atoi(r.URL.Query().Get("length"))
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(length))
		writeBody(w, r, body[:length])
		if conn := r.Context().Value(connKey{}).(*wholeConn); conn.keeping || len(conn.kept) > 0 {
			t.Errorf("length %d: %d bytes are kept back", length, len(conn.kept))
		}
	}))
	server.Listener = WholeWrites(server.Listener)
	server.Config.ConnContext = ConnContext
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, length := range []int{0, 1, 2047, 4000, 4096, 8191, 8192, 8193, 12_288, 20_000, len(body)} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r, _ := http.NewRequest(method, fmt.Sprintf("http://test/?length=%d", length), nil)
			if err := r.Write(conn); err != nil {
				t.Fatal(err)
			}
			response, err := http.ReadResponse(answers, r)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			want := body[:length]
			if method == http.MethodHead {
				want = nil
			}
			if err != nil || !bytes.Equal(got, want) || response.ContentLength != int64(length) {
				t.Errorf("%s of %d bytes: %d bytes, length %d, error %v", method, length, len(got),
					response.ContentLength, err)
			}
		}
	}
}

// The first write of a long answer is kept back and leaves with the second one.
func TestWholeConnJoinsTwoWrites(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	accepted, err := WholeWrites(listener).Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := accepted.(*wholeConn)
	conn.keeping = true
	first, second := bytes.Repeat([]byte{'1'}, netHTTPBuffer), bytes.Repeat([]byte{'2'}, 10_000)
	if n, err := conn.Write(first); n != len(first) || err != nil || !bytes.Equal(conn.kept, first) {
		t.Fatalf("wrote %d bytes of the first part, error %v; %d are kept", n, err, len(conn.kept))
	}
	if n, err := conn.Write(second); n != len(second) || err != nil || len(conn.kept) != 0 {
		t.Fatalf("wrote %d bytes of the second part, error %v; %d are kept", n, err, len(conn.kept))
	}
	conn.Write(first)
	conn.release() // writes what is kept
	conn.Close()
	got, err := io.ReadAll(client)
	if want := append(append(append([]byte{}, first...), second...), first...); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, error %v, want %d", len(got), err, len(want))
	}
}
