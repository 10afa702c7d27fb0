package containers

import (
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Names inside the servers that this package starts.
const (
	loopback     = "127.0.0.1"
	databaseName = "headroom"
	databaseUser = "headroom"
)

// errPortTaken means that a server found its port in use: another process took it between the search for a free port
// and the start of the server.
var errPortTaken = errors.New("the port was taken by another process")

// portAttempts is how often a server is started anew on another port after errPortTaken.
const portAttempts = 5

// onFreePort calls start with a free port of loopback, and again with another as long as it returns errPortTaken.
func onFreePort(start func(port int) error) error {
	var err error
	for range portAttempts {
		var port int
		port, err = freePort()
		if err != nil {
			return err
		}
		err = start(port)
		if !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return err
}

// freePort returns a TCP port of loopback that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort(loopback, "0"))
	if err != nil {
		return 0, fmt.Errorf("look for a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("look for a free port: %w", err)
	}
	return port, nil
}

// serverFailure is the error of a server that ended while it started: the end of what it wrote, and errPortTaken when
// that was the cause.
func serverFailure(name, output string) error {
	err := fmt.Errorf("%s ended while it started; the end of its output:\n%s", name, output)
	// PostgreSQL: "Address already in use"; Redis and Dragonfly the same, Redis with a small a in some versions.
	if strings.Contains(strings.ToLower(output), "address already in use") {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return err
}

func postgresURL(host string, port int, password, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(databaseUser, password),
		Host:     net.JoinHostPort(host, strconv.Itoa(port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func cacheURL(host string, port int) string {
	return "redis://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/0"
}

// newPassword returns a password that nobody on the machine can guess, of letters and digits.
func newPassword() string { return rand.Text() }

// firstLasting and lastLasting bound the ports of LastingAddress. Linux, macOS and Windows give outgoing connections
// ports above them, unless they are told otherwise.
const (
	firstLasting = 20000
	lastLasting  = 32000
)

// LastingAddress returns an address, host:port, on loopback that is free. Its port is not one of those that the system
// gives to outgoing connections, so none of them takes it while a server that had it is started again.
func LastingAddress() (string, error) {
	var last error
	for range 100 {
		address := net.JoinHostPort(loopback, strconv.Itoa(firstLasting+mathrand.IntN(lastLasting-firstLasting)))
		l, err := net.Listen("tcp4", address)
		if err == nil {
			return address, l.Close()
		}
		last = err
	}
	return "", fmt.Errorf("look for a free port from %d to %d: %w", firstLasting, lastLasting, last)
}
