package containers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// readyPath is where the instances of these tests say that they are ready.
const readyPath = "/ready"

// forBalancers runs a test with each of the balancers.
func forBalancers(t *testing.T, test func(t *testing.T, name string)) {
	for _, f := range balancers {
		t.Run(f.name, func(t *testing.T) {
			need(t, f.find(), f.name)
			test(t, f.name)
		})
	}
}

// standIn is an instance in this process.
type standIn struct {
	address     string
	requests    atomic.Int64 // without those that ask whether it is ready
	connections atomic.Int64 // without those that only asked that
}

func startStandIn(t *testing.T, handler http.HandlerFunc) *standIn {
	t.Helper()
	s := &standIn{}
	type key struct{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == readyPath {
			return
		}
		if r.Context().Value(key{}).(*atomic.Bool).CompareAndSwap(false, true) {
			s.connections.Add(1)
		}
		s.requests.Add(1)
		handler(w, r)
	}))
	server.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, key{}, &atomic.Bool{})
	}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.address = server.Listener.Addr().String()
	return s
}

// startBalancer starts a balancer alone, in front of instances.
func startBalancer(t *testing.T, name string, instances ...string) *Environment {
	t.Helper()
	env := &Environment{
		Provider: providerExternal, options: Options{Balancer: name, Progress: func(string) {}},
	}
	t.Cleanup(func() { _ = env.Stop(context.Background()) })
	err := env.StartBalancer(bounded(t), BalancerSpec{Instances: instances, Ready: readyPath})
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// ask sends one request and returns its status and the instance that answered. The status is 0 without an answer: where
// HAProxy loses a connection to an instance that it has used before, it closes its client's in turn.
func ask(t *testing.T, method, url string) (status int, instance string) {
	t.Helper()
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = strings.NewReader("{}")
	}
	req, err := http.NewRequestWithContext(bounded(t), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, ""
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get(InstanceHeader)
}

func fine(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "fine") }

// gone ends the connection in place of an answer, as an instance does that is killed.
func gone(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func TestBalancerSpreadsAndLeavesNothing(t *testing.T) {
	forBalancers(t, func(t *testing.T, name string) {
		dir := publicTemp(t)
		instances := []*standIn{startStandIn(t, fine), startStandIn(t, fine)}
		env := startBalancer(t, name, instances[0].address, instances[1].address)
		if !strings.EqualFold(env.Balancer.Name, name) || env.Balancer.Version == "" || env.Balancer.Binary == "" {
			t.Errorf("the balancer is %+v", env.Balancer)
		}
		named := map[string]int64{}
		for range 40 {
			status, instance := ask(t, http.MethodGet, env.BalancerURL+"/x")
			named[instance]++
			if status != http.StatusOK {
				t.Fatalf("status %d", status)
			}
		}
		for i, s := range instances {
			// Each worker of nginx begins its turns anew.
			if n := s.requests.Load(); n < 10 || n != named[fmt.Sprint(i+1)] {
				t.Errorf("instance %d got %d requests, and answers name it %d times", i+1, n, named[fmt.Sprint(i+1)])
			}
			if n := s.connections.Load(); n > 8 {
				t.Errorf("instance %d got %d connections for 20 requests: they are not kept", i+1, n)
			}
		}
		if left := env.Incidents(t.Context(), true); len(left) > 0 {
			t.Errorf("incidents %q", left)
		}
		mustStop(t, env)
		requireNothingLeft(t, dir, env.BalancerURL)
	})
}

// TestBalancerSendsAgainWhatMayBe: of two instances one ends its connections in place of answers, and where a third is
// to be nobody listens.
func TestBalancerSendsAgainWhatMayBe(t *testing.T) {
	nobody, err := LastingAddress()
	if err != nil {
		t.Fatal(err)
	}
	forBalancers(t, func(t *testing.T, name string) {
		publicTemp(t)
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
			good, bad := startStandIn(t, fine), startStandIn(t, gone)
			env := startBalancer(t, name, bad.address, nobody, good.address)
			for range 12 {
				status, instance := ask(t, method, env.BalancerURL+"/x")
				if status != http.StatusOK || instance != "3" {
					t.Errorf("%s: status %d by instance %q", method, status, instance)
				}
			}
			if bad.requests.Load() == 0 || good.requests.Load() != 12 {
				t.Errorf("%s: the bad instance got %d requests, the good one %d", method, bad.requests.Load(),
					good.requests.Load())
			}
			mustStop(t, env)
		}
		good, bad := startStandIn(t, fine), startStandIn(t, gone)
		env := startBalancer(t, name, bad.address, nobody, good.address)
		failed := int64(0)
		for range 12 {
			status, _ := ask(t, http.MethodPost, env.BalancerURL+"/x")
			if status != http.StatusOK {
				failed++
			}
		}
		// What went to the bad instance failed and was sent nowhere else; what went to nobody was.
		if g, b := good.requests.Load(), bad.requests.Load(); b == 0 || failed != b || g+b != 12 {
			t.Errorf("of 12 POSTs %d failed: the bad instance got %d, the good one %d", failed, b, g)
		}
	})
}

// TestBalancerAndWhatTakesLong: an instance that says nothing for too long loses a GET to another one, but not a POST
// or a stream of events.
func TestBalancerAndWhatTakesLong(t *testing.T) {
	t.Parallel()
	const long = (balancerPatience + 1) * time.Second
	forBalancers(t, func(t *testing.T, name string) {
		frozen := startStandIn(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		env := startBalancer(t, name, frozen.address, startStandIn(t, fine).address)
		for range 2 {
			status, instance := ask(t, http.MethodGet, env.BalancerURL+"/x")
			if status != http.StatusOK || instance != "2" {
				t.Errorf("status %d by instance %q", status, instance)
			}
		}
		if frozen.requests.Load() == 0 {
			t.Error("the frozen instance got no request")
		}
		slow := startStandIn(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprint(w, "data: 1\n\n")
				_ = http.NewResponseController(w).Flush()
			}
			time.Sleep(long)
			fmt.Fprint(w, "data: 2\n\n")
		})
		env = startBalancer(t, name, slow.address)
		posted := make(chan int)
		go func() {
			resp, err := http.Post(env.BalancerURL+"/x", "text/plain", nil)
			if err != nil {
				posted <- 0
				return
			}
			_ = resp.Body.Close()
			posted <- resp.StatusCode
		}()
		if got := events(t, env.BalancerURL+"/x"); got != "data: 1, data: 2" {
			t.Errorf("the stream is %q", got)
		}
		if status := <-posted; status != http.StatusOK {
			t.Errorf("the POST had status %d", status)
		}
	})
}

// TestBalancerAndOtherProtocols: a connection that leaves HTTP, as that of a WebSocket, leads to an instance.
func TestBalancerAndOtherProtocols(t *testing.T) {
	forBalancers(t, func(t *testing.T, name string) {
		publicTemp(t)
		env := startBalancer(t, name, startEcho(t).address)
		isHeard(t, env.BalancerURL)
	})
}

// startEcho starts an instance that leaves HTTP and repeats a line.
func startEcho(t *testing.T) *standIn {
	t.Helper()
	return startStandIn(t, func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n",
			r.Header.Get("Upgrade"))
		line, _ := buffered.ReadString('\n')
		fmt.Fprint(conn, "heard "+line)
	})
}

// isHeard holds that a URL leads to what startEcho started.
func isHeard(t *testing.T, url string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(conn, "GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "echo" {
		t.Errorf("status %d, upgraded to %q", resp.StatusCode, resp.Header.Get("Upgrade"))
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := answers.ReadString('\n'); err != nil || line != "heard hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

// events reads a stream of events to its end.
func events(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(bounded(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var all []string
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if text := lines.Text(); text != "" {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

func TestBalancerLeavesNothingWhenKilled(t *testing.T) {
	t.Parallel()
	forBalancers(t, func(t *testing.T, name string) {
		dir := publicDir(t)
		h := startHelper(t, name, dir, "")
		r := h.report(t)
		if r.Error != "" {
			t.Fatal(r.Error)
		}
		if !listens(t, r.Environment.BalancerURL) {
			t.Fatal("the helper's balancer does not listen")
		}
		h.kill(t)
		requireNothingLeft(t, dir, r.Environment.BalancerURL)
	})
}

func TestBalancerThatCannotBeHad(t *testing.T) {
	_, err := Start(t.Context(), Options{Provider: "process", Balancer: "envoy"})
	if err == nil || !strings.Contains(err.Error(), `unknown balancer "envoy": use nginx or haproxy`) {
		t.Errorf("got %v", err)
	}
	known := balancers
	defer func() { balancers = known }()
	balancers = []front{{name: "no-such-balancer", program: "no-such-balancer", image: "no-such-balancer:latest"}}
	err = checkFronts(providerProcess, Options{Balancer: "no-such-balancer"})
	if err == nil || !strings.Contains(err.Error(), "apt-get install no-such-balancer") {
		t.Errorf("got %v, want how to get it", err)
	}
	if all := Fronts(t.Context()); all[0].OK || !strings.Contains(all[0].Todo, "apt-get install no-such-balancer") {
		t.Errorf("found %+v", all)
	}
	o, err := Options{Balancer: "no-such-balancer"}.withDefaults()
	if err != nil || !strings.Contains(strings.Join(neededImages(o), " "), "no-such-balancer:latest") {
		t.Errorf("%v, and the docker provider looks for %q", err, neededImages(o))
	}
}

func TestLastingAddress(t *testing.T) {
	address, err := LastingAddress()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // a server, and the same server started again
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	}
}
