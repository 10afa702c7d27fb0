package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/server/api"
	"github.com/policycortex/headroom/server/inference"
)

const explanationPath = "/api/v1/costs/explanation"

// explaining is an API over HTTP whose explanations come as the options say.
func explaining(t *testing.T, o inference.Options) (s *service, url string) {
	t.Helper()
	s = newService(t)
	s.API = api.New(api.Options{
		Store: s.store, Cache: s.cache, Hub: s.hub, Logger: slog.New(slog.NewTextHandler(s.log, nil)), Explanations: o,
		StreamWriteTimeout: 2 * time.Second, MaxUnderWay: 10,
	})
	server := httptest.NewServer(s.API)
	t.Cleanup(server.Close)
	return s, server.URL
}

func ask(t *testing.T, ctx context.Context, url, tenant, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+explanationPath, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", tenant)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

// model answers with what it is told to; each request that its client has left is told to gone.
func model(t *testing.T, answer func(w http.ResponseWriter, say func(string), r *http.Request)) (
	url string, gone chan struct{},
) {
	t.Helper()
	gone = make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		answer(w, func(text string) {
			fmt.Fprintf(w, "data: {\"model\":\"tiny\",\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text)
			w.(http.Flusher).Flush()
		}, r)
		if r.Context().Err() != nil {
			gone <- struct{}{}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, gone
}

// TestExplanationIsASummary of the tenant's own costs, where there is no model server.
func TestExplanationIsASummary(t *testing.T) {
	s, tenant := newService(t), newTenant()
	_, err := s.store.MaintainCosts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := s.insert(t, tenant, 0, 1)[0]
	s.spend(t, tenant, id, "compute", costsOf(60, 100, map[int]float64{50: 400}))
	w := s.call(t, http.MethodPost, tenant, explanationPath, strings.NewReader(`{"horizon":10,"level":0.9}`))
	text := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("X-Explanation-Source") != "summary" ||
		!strings.HasSuffix(text, "data: [DONE]\n\n") || !strings.Contains(text, `"model":"headroom-summary"`) {
		t.Fatalf("status %d, %v: %s", w.Code, w.Header(), text)
	}
	var said strings.Builder
	for line := range strings.Lines(text) {
		_, after, ok := strings.Cut(line, `"delta":{"content":"`)
		if word, _, ended := strings.Cut(after, `"}`); ok && ended {
			said.WriteString(word)
		}
	}
	for _, part := range []string{
		"(60 days)", "The next 10 days", "90 % interval", "1 day was out of the ordinary. " + dayAgo(10),
	} {
		if !strings.Contains(said.String(), part) {
			t.Errorf("the summary does not say %q: %s", part, &said)
		}
	}
	for body, status := range map[string]int{
		"": http.StatusOK, "{}": http.StatusOK, "[]": http.StatusBadRequest, `{"horizon":0}`: http.StatusBadRequest,
		`{"service_name":""}`: http.StatusBadRequest, `{"who":1}`: http.StatusBadRequest,
		`{"level":2}`: http.StatusBadRequest,
		`{"question":"` + strings.Repeat("x", 1001) + `"}`: http.StatusBadRequest,
	} {
		w := s.call(t, http.MethodPost, tenant, explanationPath, strings.NewReader(body))
		if w.Code != status {
			t.Errorf("%.40s: status %d: %.200s", body, w.Code, w.Body)
		}
	}
	expectProblem(t, s.call(t, http.MethodPost, tenant, explanationPath+"?horizon=3", nil), http.StatusBadRequest)
	expectProblem(t, s.call(t, http.MethodPost, "", explanationPath, nil), http.StatusBadRequest)
}

// TestExplanationOfAModel: its pieces reach the client as they come, and the request to the model ends with the client.
func TestExplanationOfAModel(t *testing.T) {
	heard := make(chan struct{})
	url, gone := model(t, func(_ http.ResponseWriter, say func(string), r *http.Request) {
		say("Listen: ")
		<-heard // the client has it, and nothing more was said
		say("more")
		<-r.Context().Done()
	})
	s, address := explaining(t, inference.Options{Model: inference.Model{URL: url, Silence: time.Minute}})
	ctx, cancel := context.WithCancel(t.Context())
	response := ask(t, ctx, address, newTenant(), "")
	if response.StatusCode != http.StatusOK || response.Header.Get("X-Explanation-Source") != "model" {
		t.Fatalf("status %d, %v", response.StatusCode, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	wait := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("no %q came: %v", text, lines.Err())
	}
	wait(`"content":"Listen: "`)
	close(heard)
	wait(`"content":"more"`)
	cancel()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("the model still works for a client who has left")
	}
	eventually(t, "the place of the explanation", func() bool {
		return strings.Contains(s.get(t, "", "/metrics").Body.String(), "headroom_inference_running 0")
	})
}

// TestExplanationThatBreaksOff does not look whole to its client.
func TestExplanationThatBreaksOff(t *testing.T) {
	url, _ := model(t, func(_ http.ResponseWriter, say func(string), _ *http.Request) { say("Well, ") })
	_, address := explaining(t, inference.Options{Model: inference.Model{URL: url}})
	body, err := io.ReadAll(ask(t, t.Context(), address, newTenant(), "").Body)
	if err == nil || !strings.Contains(string(body), `"error":`) || strings.Contains(string(body), "[DONE]") {
		t.Errorf("%v: %s", err, body)
	}
}

// TestExplanationsAreBounded: so many are generated, so many wait, and the next is told to come back. Other requests
// are served meanwhile, and all who left their places are followed by others.
func TestExplanationsAreBounded(t *testing.T) {
	url, _ := model(t, func(_ http.ResponseWriter, say func(string), r *http.Request) {
		say("Hm ")
		<-r.Context().Done()
	})
	s, address := explaining(t, inference.Options{
		Model: inference.Model{URL: url, Silence: time.Minute}, Running: 2, Queue: 1, Wait: 500 * time.Millisecond,
	})
	tenant := newTenant()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 { // a tenant may have but one of two places
		ask(t, ctx, address, newTenant(), "")
	}
	began := time.Now()
	statuses := make(chan *http.Response, 4)
	for range cap(statuses) {
		go func() { statuses <- ask(t, t.Context(), address, tenant, "") }()
	}
	for range cap(statuses) {
		response := <-statuses
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("status %d, %v", response.StatusCode, response.Header)
		}
	}
	if waited := time.Since(began); waited < 500*time.Millisecond {
		t.Errorf("the one in the queue waited %s", waited)
	}
	metrics := s.get(t, "", "/metrics").Body.String()
	for _, line := range []string{
		"headroom_inference_running 2", "headroom_inference_waiting 0", "headroom_inference_refused_total 4",
	} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no %q in the metrics", line)
		}
	}
	cancel()
	eventually(t, "a place", func() bool {
		one, leave := context.WithCancel(t.Context())
		defer leave()
		return ask(t, one, address, tenant, "").StatusCode == http.StatusOK
	})
}

// TestSlowReaderOfAnExplanation holds back the model, and is cut off when it takes nothing for too long.
func TestSlowReaderOfAnExplanation(t *testing.T) {
	said := make(chan int, 1)
	url, gone := model(t, func(_ http.ResponseWriter, say func(string), r *http.Request) {
		n := 0
		for ; r.Context().Err() == nil && n < 1_000_000; n++ {
			say(strings.Repeat("x", 1000))
			time.Sleep(100 * time.Microsecond)
		}
		said <- n
	})
	_, address := explaining(t, inference.Options{Model: inference.Model{URL: url, Silence: time.Minute}})
	conn, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: %s\r\nContent-Length: 0\r\n\r\n", explanationPath,
		newTenant())
	select {
	case <-gone:
		t.Logf("the model was asked for %d pieces", <-said)
	case <-time.After(30 * time.Second):
		t.Error("the model still works for a client who reads nothing")
	}
}
