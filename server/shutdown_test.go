package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A request whose body is still on its way when the server is told to stop is answered, and then the server ends.
func TestShutdownFinishesRequestsUnderWay(t *testing.T) {
	r := start(t, options(t))
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/resources/batch HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: %s\r\nContent-Length: "+
		"%d\r\nExpect: 100-continue\r\n\r\n",
		uuid.NewString(), len(oneResource))
	answers := bufio.NewReader(conn)
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, error %v; want to be told to go on, which says that the handler is waiting for the body",
			line, err)
	}
	answers.ReadString('\n')
	r.shutDown()
	for { // until nobody listens any more
		late, err := net.Dial("tcp", r.addr)
		if err != nil {
			break
		}
		late.Close()
		time.Sleep(time.Millisecond)
	}
	select {
	case err := <-r.ended:
		t.Fatalf("Run returned (%v) with a request under way", err)
	default:
	}
	io.WriteString(conn, oneResource)
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		t.Errorf("status %d, want 201", response.StatusCode)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// TestDrainServesWhatStillComes: after the signal the server says that it is not ready and serves on, each answer as
// the last one of its connection, until its delay is over. Then it ends.
func TestDrainServesWhatStillComes(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.DrainDelay = 3 * time.Second
	r := start(t, o)
	get := func(path string) *http.Response {
		response, err := http.DefaultClient.Do(newRequest(t, http.MethodGet, "http://"+r.addr+path,
			uuid.NewString(), nil))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	if before := get("/api/v1/resources"); before.StatusCode != http.StatusOK || before.Close {
		t.Errorf("before the signal: status %d, the last of its connection: %v", before.StatusCode, before.Close)
	}
	r.shutDown()
	for get("/readyz").StatusCode != http.StatusServiceUnavailable {
		time.Sleep(time.Millisecond)
	}
	if after := get("/api/v1/resources"); after.StatusCode != http.StatusOK || !after.Close {
		t.Errorf("after the signal: status %d, the last of its connection: %v", after.StatusCode, after.Close)
	}
	if err := <-r.ended; err != nil {
		t.Errorf("Run returned %v", err)
	}
}

// A stream does not hold up the end of the server: it ends, and says where to continue.
func TestShutdownEndsStreams(t *testing.T) {
	t.Parallel()
	r := start(t, options(t))
	tenant := uuid.NewString()
	response, err := http.DefaultClient.Do(newRequest(t, http.MethodGet, "http://"+r.addr+"/api/v1/stream",
		tenant, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	send(t, newRequest(t, http.MethodPost, "http://"+r.addr+"/api/v1/resources/batch", tenant,
		strings.NewReader(oneResource)), http.StatusCreated)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() && !strings.Contains(lines.Text(), "resource.created") {
	}
	r.stop(t)
	var rest []string
	for lines.Scan() {
		rest = append(rest, lines.Text())
	}
	if text := strings.Join(rest, "\n"); lines.Err() != nil || !strings.Contains(text, "retry: ") ||
		!strings.Contains(text, "id: ") {
		t.Errorf("the stream ended with %q, error %v", text, lines.Err())
	}
}

func TestShutdownCutsOffWhatOutlastsTheGrace(t *testing.T) {
	o := options(t)
	o.ShutdownGrace = 50 * time.Millisecond
	r := start(t, o)
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/v1/resources/batch HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: %s\r\nContent-Length: "+
		"100\r\nExpect: 100-continue\r\n\r\n", uuid.NewString())
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	r.shutDown()
	if err := <-r.ended; !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("Run returned %v, want to hear that requests were cut off", err)
	}
}
