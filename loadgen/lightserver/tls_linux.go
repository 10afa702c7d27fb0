package lightserver

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// TLS 1.3 as lightly as it can be served: crypto/tls makes the handshake, on the server's own thread, and has the keys
// of what follows logged. From then on requests are not even decrypted, as each is a record of application data, and
// every answer is encrypted with the key and the number of its record (RFC 8446, sections 5.2, 5.3 and 7.3).

// secured is a connection by TLS.
type secured struct {
	aead   cipher.AEAD
	iv     [12]byte
	number uint64 // of the next record
	record []byte // the last answer, which the kernel may still be sending

	head []byte // of the record that is coming
	left int    // bytes of it
	asks bool   // it is a request
}

const (
	recordHead      = 5
	applicationData = 23
	// leastRequest is less than any encrypted request has, and more than an alert or a handshake message, in bytes.
	leastRequest = 40
	// handshakeLimit is how long a client may hold up the server in its handshake.
	handshakeLimit = 2 * time.Second
)

// serverConfig is of a server with a certificate of its own, made anew.
func serverConfig() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{{127, 0, 0, 1}},
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13,
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true, // they would be the first records
	}, nil
}

// secure makes the handshake of a new connection.
func (s *Server) secure(fd int) error {
	if err := unix.SetNonblock(fd, false); err != nil {
		return err
	}
	limit := unix.NsecToTimeval(int64(handshakeLimit))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		return err
	}
	var log bytes.Buffer
	config := s.config.Clone()
	config.KeyLogWriter = &log
	conn := tls.Server(&socket{fd: fd}, config)
	if err := conn.Handshake(); err != nil {
		return err
	}
	if suite := conn.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		return fmt.Errorf("a client wants the cipher suite %s", tls.CipherSuiteName(suite))
	}
	one, err := newSecured(log.Bytes())
	if err != nil {
		return err
	}
	for len(s.secured) <= fd {
		s.secured = append(s.secured, nil)
	}
	s.secured[fd] = one
	return unix.SetNonblock(fd, true)
}

// newSecured takes the key of the server's records out of what crypto/tls has logged.
func newSecured(log []byte) (*secured, error) {
	for line := range bytes.Lines(log) {
		words := bytes.Fields(line)
		if len(words) != 3 || string(words[0]) != "SERVER_TRAFFIC_SECRET_0" {
			continue
		}
		secret, err := hex.DecodeString(string(words[2]))
		if err != nil {
			return nil, err
		}
		key, err := expandLabel(secret, "key", 16)
		if err != nil {
			return nil, err
		}
		iv, err := expandLabel(secret, "iv", 12)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		c := &secured{iv: [12]byte(iv)}
		c.aead, err = cipher.NewGCM(block)
		return c, err
	}
	return nil, errors.New("crypto/tls has logged no key of the server's records")
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446, section 7.1).
func expandLabel(secret []byte, label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := append([]byte{0, byte(length), byte(len(label))}, label...)
	return hkdf.Expand(sha256.New, secret, string(append(info, 0)), length)
}

// seal makes the record of an answer.
func (c *secured) seal(text []byte) []byte {
	nonce := c.iv
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^c.number)
	c.number++
	inner := len(text) + 1
	head := [recordHead]byte{applicationData, 3, 3}
	binary.BigEndian.PutUint16(head[3:], uint16(inner+c.aead.Overhead()))
	c.record = append(append(append(c.record[:0], head[:]...), text...), applicationData)
	c.record = c.aead.Seal(c.record[:recordHead], nonce[:], c.record[recordHead:], head[:])
	return c.record
}

// requests counts the requests of which the end has come.
func (c *secured) requests(data []byte) (n int) {
	for len(data) > 0 {
		if c.left == 0 {
			take := min(recordHead-len(c.head), len(data))
			c.head = append(c.head, data[:take]...)
			data = data[take:]
			if len(c.head) < recordHead {
				return n
			}
			c.left = int(binary.BigEndian.Uint16(c.head[3:]))
			c.asks = c.head[0] == applicationData && c.left >= leastRequest
			c.head = c.head[:0]
			continue
		}
		take := min(c.left, len(data))
		c.left -= take
		data = data[take:]
		if c.left == 0 && c.asks {
			n++
		}
	}
	return n
}

// socket is a blocking socket for a handshake. It reads one record at a time: what follows the handshake is for others.
type socket struct {
	fd   int
	head []byte
	left int // bytes of the record's payload
}

func (s *socket) Read(b []byte) (int, error) {
	if s.left == 0 && len(s.head) == 0 {
		head := make([]byte, recordHead)
		for n := 0; n < recordHead; {
			got, err := s.read(head[n:])
			if err != nil {
				return 0, err
			}
			n += got
		}
		s.head, s.left = head, int(binary.BigEndian.Uint16(head[3:]))
	}
	if len(s.head) > 0 {
		n := copy(b, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	n, err := s.read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

func (s *socket) read(b []byte) (int, error) {
	for {
		n, err := unix.Read(s.fd, b)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s *socket) Write(b []byte) (int, error) { return unix.Write(s.fd, b) }

// What else a net.Conn has is not needed in a handshake.

func (s *socket) Close() error                     { return nil }
func (s *socket) LocalAddr() net.Addr              { return nil }
func (s *socket) RemoteAddr() net.Addr             { return nil }
func (s *socket) SetDeadline(time.Time) error      { return nil }
func (s *socket) SetReadDeadline(time.Time) error  { return nil }
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
