package secure

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// configs are of a server, and of a client that trusts it.
func configs(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	some := httptest.NewTLSServer(nil)
	defer some.Close()
	client = &tls.Config{ServerName: "127.0.0.1", RootCAs: x509.NewCertPool()}
	client.RootCAs.AddCert(some.Certificate())
	return &tls.Config{Certificates: some.TLS.Certificates}, client
}

// session is a connection whose bytes go over a net.Conn, read in pieces of a given size.
type session struct {
	*Conn
	over  net.Conn
	piece []byte
	plain []byte // decrypted
	end   error  // of reading
}

func newSession(over net.Conn, config *tls.Config, piece int) *session {
	return &session{Conn: New(config), over: over, piece: make([]byte, piece)}
}

// step sends what there is to send, and takes the next piece.
func (s *session) step() error {
	if s.end != nil {
		return s.end
	}
	if s.HasOutput() {
		if _, err := s.over.Write(s.SwapOutput(nil)); err != nil {
			return err
		}
	}
	n, err := s.over.Read(s.piece)
	if err != nil {
		return err
	}
	return s.take(append([]byte(nil), s.piece[:n]...))
}

// take takes what has come.
func (s *session) take(data []byte) error {
	s.Feed(data)
	if over, err := s.Shake(); err != nil || !over {
		s.Keep()
		return err
	}
	var buffer [16<<10 + 1]byte
	for s.Ready() {
		n, err := s.Read(buffer[:])
		s.plain = append(s.plain, buffer[:n]...)
		if err != nil {
			s.end = err
			return err
		}
	}
	s.Keep()
	for i := range data {
		data[i] = 0xff // it is the caller's again
	}
	return nil
}

// until goes on until so many bytes were decrypted.
func (s *session) until(t *testing.T, n int) {
	t.Helper()
	for len(s.plain) < n || !s.Established() {
		if err := s.step(); err != nil && len(s.plain) < n {
			t.Fatalf("after %d of %d bytes: %v", len(s.plain), n, err)
		}
	}
}

// dial serves one connection by f, and returns the client's end.
func dial(t *testing.T, f func(net.Conn)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		defer l.Close()
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			f(conn)
		}
	})
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() {
		conn.Close()
		ended.Wait()
	})
	return conn
}

// TestEcho: what is sent comes back, by each version and cipher suite, in pieces of any size, and the server's
// announcement that nothing follows is the end.
func TestEcho(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 5<<10) // several records
	for _, suite := range []uint16{
		0, // TLS 1.3
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	} {
		for _, piece := range []int{1, 7, 1460, 64 << 10} {
			t.Run(fmt.Sprintf("%s by %d", tls.CipherSuiteName(suite), piece), func(t *testing.T) {
				server, client := configs(t)
				if suite != 0 {
					client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{suite}
				}
				s := newSession(dial(t, func(raw net.Conn) {
					conn := tls.Server(raw, server)
					_, _ = io.CopyN(conn, conn, int64(len(text)))
					conn.CloseWrite()
					_, _ = io.Copy(io.Discard, raw)
				}), client, piece)
				defer s.Close()
				s.until(t, 0)
				if err := s.Write([]byte(text)); err != nil {
					t.Fatal(err)
				}
				s.until(t, len(text))
				if string(s.plain) != text {
					t.Errorf("%d bytes came back, and they are others", len(s.plain))
				}
				if got := s.State().CipherSuite; suite != 0 && got != suite {
					t.Errorf("the cipher suite is %s", tls.CipherSuiteName(got))
				}
				err := s.step()
				for err == nil {
					err = s.step()
				}
				if !errors.Is(err, io.EOF) {
					t.Errorf("the end came as %v", err)
				}
			})
		}
	}
}

// TestHandshakeFails: a handshake that cannot succeed says why, and one that is given up leaves nothing behind.
func TestHandshakeFails(t *testing.T) {
	server, client := configs(t)
	before := runtime.NumGoroutine()
	t.Run("untrusted", func(t *testing.T) {
		s := newSession(dial(t, func(raw net.Conn) { _ = tls.Server(raw, server).Handshake() }),
			&tls.Config{ServerName: "127.0.0.1"}, 4096)
		defer s.Close()
		var err error
		for err == nil && !s.Established() {
			err = s.step()
		}
		if !errors.As(err, new(x509.UnknownAuthorityError)) || s.Established() || !s.HasOutput() {
			t.Errorf("error %v, established: %v, an alert to be sent: %v", err, s.Established(), s.HasOutput())
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		s := New(client)
		defer s.Close()
		s.Feed([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		over, err := s.Shake()
		if !over || !errors.As(err, new(tls.RecordHeaderError)) {
			t.Errorf("over: %v, error %v", over, err)
		}
	})
	t.Run("given up", func(t *testing.T) {
		s := New(client)
		s.Feed([]byte{22, 3, 3})
		if over, err := s.Shake(); over || err != nil {
			t.Errorf("over: %v, error %v", over, err)
		}
		s.Close()
		s.Close()
	})
	for range 100 { // those of the server may be about to end
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d goroutines, and there were %d", runtime.NumGoroutine(), before)
}

// TestTampered: a record that was changed on its way is an error of all reading that follows.
func TestTampered(t *testing.T) {
	server, client := configs(t)
	s := newSession(dial(t, func(raw net.Conn) {
		conn := tls.Server(raw, server)
		_, _ = io.WriteString(conn, "hello")
		_, _ = io.Copy(io.Discard, raw)
	}), client, 4096)
	defer s.Close()
	s.until(t, 5)
	for range 2 {
		err := s.take(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
		if err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("error %v", err)
		}
	}
}

// TestKeyUpdate: OpenSSL changes its keys, alone and with ours, between what it sends and what it is sent.
func TestKeyUpdate(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatalf("this test needs openssl (apt-get install openssl): %v", err)
	}
	server, client := configs(t)
	dir := t.TempDir()
	files := writePair(t, dir, server.Certificates[0])
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	command := exec.CommandContext(t.Context(), program, "s_server", "-accept", address, "-cert", files[0], "-key",
		files[1], "-tls1_3", "-naccept", "1")
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	var conn net.Conn
	for range 300 {
		conn, err = net.Dial("tcp", address)
		if err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	s := newSession(conn, client, 4096)
	defer s.Close()
	s.until(t, 0)
	want := ""
	for i, line := range []string{"first\n", "k\n", "second\n", "K\n", "third\n", "fourth\n"} {
		if _, err := io.WriteString(in, line); err != nil {
			t.Fatal(err)
		}
		if len(line) > 2 {
			want += line
		}
		s.until(t, len(want))
		if err := s.Write(fmt.Appendf(nil, "to the server %d\n", i)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(s.SwapOutput(nil)); err != nil {
			t.Fatal(err)
		}
		for range 300 { // it reads one command after the other
			if strings.Contains(out.String(), fmt.Sprintf("to the server %d\n", i)) {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if string(s.plain) != want || !strings.Contains(out.String(), "to the server 5\n") {
		t.Errorf("OpenSSL has sent %q, want %q; it says\n%s", s.plain, want, out.String())
	}
}

// writePair writes a certificate and its key into files.
func writePair(t *testing.T, dir string, pair tls.Certificate) (files [2]string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range []pem.Block{
		{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, {Type: "PRIVATE KEY", Bytes: der},
	} {
		files[i] = filepath.Join(dir, block.Type+".pem")
		if err := os.WriteFile(files[i], pem.EncodeToMemory(&block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// lockedBuffer is what a program writes while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// FuzzRecords: memory gives whole records alone, one at a time, with all of their bytes in order, however they come.
func FuzzRecords(f *testing.F) {
	f.Add([]byte{23, 3, 3, 0, 2, 1, 2, 22, 3, 3, 0, 0, 23, 3, 3}, byte(3), byte(4))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), byte(1), byte(200))
	f.Fuzz(func(t *testing.T, data []byte, piece, buffer byte) {
		var m memory
		var got []byte
		b := make([]byte, int(buffer)+1)
		for rest := data; len(rest) > 0; {
			n := min(int(piece)+1, len(rest))
			m.feed(append([]byte(nil), rest[:n]...))
			rest = rest[n:]
			for m.ready() {
				n, err := m.Read(b)
				if n == 0 || err != nil {
					t.Fatalf("ready, and read %d bytes, %v", n, err)
				}
				got = append(got, b[:n]...)
			}
			if n, err := m.Read(b); n > 0 || err != errLater {
				t.Fatalf("not ready, and read %d bytes, %v", n, err)
			}
			m.keep()
		}
		end := 0
		for n := recordLength(data); n > 0 && end+n <= len(data); n = recordLength(data[end:]) {
			end += n
		}
		if !bytes.Equal(got, data[:end]) {
			t.Errorf("read %d bytes, and the records have %d", len(got), end)
		}
	})
}

// FuzzServer: nothing that a server says is more than an error.
func FuzzServer(f *testing.F) {
	f.Add([]byte{22, 3, 3, 0, 4, 2, 0, 0, 0}, byte(1))
	f.Add([]byte{21, 3, 3, 0, 2, 2, 40}, byte(9))
	f.Fuzz(func(t *testing.T, data []byte, piece byte) {
		s := &session{Conn: New(&tls.Config{InsecureSkipVerify: true})}
		defer s.Close()
		for len(data) > 0 {
			n := min(int(piece)+1, len(data))
			if s.take(append([]byte(nil), data[:n]...)) != nil {
				return
			}
			data = data[n:]
		}
	})
}

// pass hands over what one end has to send to the other.
func pass(b *testing.B, from, to *Conn, out []byte) []byte {
	out = from.SwapOutput(out)
	to.Feed(out)
	if _, err := to.Shake(); err != nil {
		b.Fatal(err)
	}
	return out
}

// BenchmarkRequest encrypts a request and decrypts an answer of 120 bytes each, and does the same for the server.
func BenchmarkRequest(b *testing.B) {
	server, client := configs(b)
	ours, theirs := New(client), begin(func(m *memory) *tls.Conn { return tls.Server(m, server) })
	defer ours.Close()
	defer theirs.Close()
	for !ours.Established() || !theirs.Established() {
		pass(b, ours, theirs, nil)
		theirs.Keep()
		pass(b, theirs, ours, nil)
		ours.Keep()
	}
	text, buffer := make([]byte, 120), make([]byte, 16<<10+1)
	var there, back []byte
	send := func(from, to *Conn, out []byte) []byte {
		if err := from.Write(text); err != nil {
			b.Fatal(err)
		}
		out = pass(b, from, to, out)
		for to.Ready() {
			if _, err := to.Read(buffer); err != nil {
				b.Fatal(err)
			}
		}
		to.Keep()
		return out
	}
	b.ReportAllocs()
	for b.Loop() {
		there = send(ours, theirs, there)
		back = send(theirs, ours, back)
	}
}
