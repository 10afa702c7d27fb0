package api_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"github.com/policycortex/headroom/server/cache"
	"github.com/policycortex/headroom/server/store"
)

// wire passes on what a server and Postgres say to each other. Once it has been told to lose an answer, it cuts the
// server off when that sends the words, and passes them on to Postgres when deliver is called: as a primary does that
// was frozen, or a network that was parted.
type wire struct {
	url string

	mu      sync.Mutex
	words   []byte // nil: nothing is lost
	deliver chan struct{}
	done    chan struct{}
}

func newWire(t *testing.T, postgresURL string) *wire {
	t.Helper()
	address, err := url.Parse(postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	postgres := address.Host
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	address.Host = listener.Addr().String()
	w := &wire{url: address.String()}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go w.connect(client, postgres)
		}
	}()
	return w
}

// lose makes the next connection that sends the words lose what Postgres answers. deliver has Postgres hear them, and
// returns when it has answered.
func (w *wire) lose(words string) (deliver func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.words, w.deliver, w.done = []byte(words), make(chan struct{}), make(chan struct{})
	return sync.OnceFunc(func() {
		close(w.deliver)
		w.mu.Lock()
		lost := w.words == nil
		w.mu.Unlock()
		if lost {
			<-w.done
		}
	})
}

func (w *wire) loses(sent []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.words == nil || !bytes.Contains(sent, w.words) {
		return false
	}
	w.words = nil
	return true
}

func (w *wire) connect(client net.Conn, postgres string) {
	defer client.Close()
	server, err := net.Dial("tcp", postgres)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan struct{}, 1)
	go func() {
		defer client.Close()
		defer close(answers)
		chunk := make([]byte, 64<<10)
		for {
			n, err := server.Read(chunk)
			if err != nil {
				return
			}
			select {
			case answers <- struct{}{}:
			default:
			}
			client.Write(chunk[:n]) // may be cut off
		}
	}()
	chunk := make([]byte, 64<<10)
	for {
		n, err := client.Read(chunk)
		if err != nil {
			return
		}
		if w.loses(chunk[:n]) {
			w.cutOff(client, server, chunk[:n], answers)
			return
		}
		select {
		case <-answers: // to what was sent before
		default:
		}
		if _, err := server.Write(chunk[:n]); err != nil {
			return
		}
	}
}

func (w *wire) cutOff(client, server io.ReadWriteCloser, sent []byte, answers <-chan struct{}) {
	defer close(w.done)
	client.Close()
	<-w.deliver
	select {
	case <-answers:
	default:
	}
	if _, err := server.Write(sent); err == nil {
		<-answers
	}
}

// A change that the primary makes after its client was refused, because it was frozen or cut off meanwhile, is seen as
// soon as it is made, whatever was cached in between.
func TestChangeMadeAfterItWasRefused(t *testing.T) {
	w, tenant := newWire(t, servers(t).PostgresURL), newTenant()
	s := newServiceWith(t, store.Options{URL: w.url}, cache.Options{L2URL: servers(t).CacheURL})
	target := s.send(t, http.MethodPost, tenant, resourcesPath, resourceJSON("a", "first")).Header().Get("Location")
	name := func() string {
		var r resource
		decode(t, s.get(t, tenant, target), http.StatusOK, &r)
		return r.Name
	}
	deliver := w.lose("made later")
	defer deliver()
	expectProblem(t, s.send(t, http.MethodPut, tenant, target, resourceJSON("a", "made later")),
		http.StatusServiceUnavailable)
	if got := name(); got != "first" {
		t.Fatalf("the name is %s before Postgres has heard of another one", got)
	}
	s.expectNames(t, tenant, "first")
	deliver()
	eventually(t, "the change", func() bool { return name() == "made later" })
	s.expectNames(t, tenant, "made later")
}

// What a job takes out of the resources' status is not served either when it does not hear that it has.
func TestRetirementWhoseAnswerIsLost(t *testing.T) {
	w, tenant := newWire(t, servers(t).PostgresURL), newTenant()
	s := newServiceWith(t, store.Options{URL: w.url}, cache.Options{L2URL: servers(t).CacheURL})
	id := s.insert(t, tenant, 0, 1)[0]
	policy := s.createPolicy(t, tenant, "p")
	s.call(t, http.MethodPost, tenant, "/api/v1/evaluations",
		evaluationsJSON(evaluation{id, policy.ID, "non_compliant"}))
	status := func() string {
		var r struct {
			Status string `json:"compliance_status"`
		}
		decode(t, s.get(t, tenant, resourcesPath+"/"+id.String()), http.StatusOK, &r)
		return r.Status
	}
	s.call(t, http.MethodDelete, tenant, "/api/v1/policies/"+policy.ID.String(), nil)
	if got := status(); got != "non_compliant" {
		t.Fatalf("before the retirement the resource is %q", got)
	}
	deliver := w.lose("Q\x00\x00\x00\x0bcommit\x00")
	go deliver()
	if n, err := s.RetireEvaluations(t.Context()); err == nil {
		t.Fatalf("%d resources are retired though the answer to the commit was lost", n)
	}
	deliver()
	eventually(t, "the status without the policy", func() bool { return status() == "unknown" })
}
