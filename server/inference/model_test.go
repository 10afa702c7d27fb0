package inference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// modelServer speaks the protocol of model servers. Each test says what it answers.
type modelServer struct {
	*httptest.Server
	asked chan map[string]any // what it was asked
	gone  chan struct{}       // gets a value when a client has left a request
}

func serveModel(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *modelServer {
	t.Helper()
	s := &modelServer{asked: make(chan map[string]any, 100), gone: make(chan struct{}, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked map[string]any
		err := json.NewDecoder(r.Body).Decode(&asked)
		if err != nil || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer the key" {
			t.Errorf("asked %s with %v: %v", r.URL, r.Header, err)
		}
		s.asked <- asked
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		answer(w, r)
		if r.Context().Err() != nil {
			s.gone <- struct{}{}
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func say(w http.ResponseWriter, text string) {
	fmt.Fprintf(w, `data: {"model":"tiny","choices":[{"delta":{"content":%s},"finish_reason":null}]}`+"\n\n", quoted(text))
	w.(http.Flusher).Flush()
}

// finish ends as a server that counts its tokens.
func finish(w http.ResponseWriter) {
	io.WriteString(w, `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}`+"\n\n"+
		`data: {"choices":[],"usage":{"completion_tokens":42}}`+"\n\ndata: [DONE]\n\n")
}

func stall(w http.ResponseWriter, r *http.Request) {
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func newEngine(t *testing.T, url string) *Engine {
	t.Helper()
	o := Options{Logger: slog.New(slog.DiscardHandler)}
	if url != "" {
		o.Model = Model{URL: url + "/v1/", Key: "the key", Name: "a model", Silence: 300 * time.Millisecond}
	}
	return New(o, prometheus.NewRegistry())
}

// told is what a client gets of an explanation.
type told struct {
	text, model, finish string
	tokens              int64
	done                bool
	failed              string
	err                 error
	source, failure     string
}

// explain reads all of an explanation.
func explain(t *testing.T, e *Engine, ctx context.Context) (got told) {
	t.Helper()
	x := e.Explain(ctx, sample(), "Why?", time.Now())
	defer x.Close()
	got.source, got.failure = x.Source, x.Failure
	got.err = x.Stream(ctx, func(event []byte) error {
		data, ok := strings.CutPrefix(string(event), "data: ")
		if !ok || !strings.HasSuffix(data, "\n\n") {
			t.Errorf("the event %q", event)
		}
		if data == "[DONE]\n\n" {
			got.done = true
			return nil
		}
		var c struct {
			ID, Object, Model string
			SystemFingerprint string `json:"system_fingerprint"`
			Choices           []struct {
				Delta        struct{ Role, Content string }
				FinishReason *string `json:"finish_reason"`
			}
			Usage *struct {
				CompletionTokens int64 `json:"completion_tokens"`
			}
			Error *struct{ Message string }
		}
		err := json.Unmarshal([]byte(data), &c)
		switch {
		case err != nil:
			t.Errorf("%v in %q", err, data)
		case c.Error != nil:
			got.failed = c.Error.Message
		case c.Object != "chat.completion.chunk" || !strings.HasPrefix(c.ID, "chatcmpl-") ||
			c.SystemFingerprint != x.Source || got.done:
			t.Errorf("the chunk %s", data)
		case c.Usage != nil:
			got.tokens = c.Usage.CompletionTokens
		default:
			got.model = c.Model
			got.text += c.Choices[0].Delta.Content
			if c.Choices[0].FinishReason != nil {
				got.finish = *c.Choices[0].FinishReason
			}
		}
		return nil
	})
	return got
}

func TestModelIsPassedThrough(t *testing.T) {
	t.Parallel()
	s := serveModel(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, ": a comment\r\n"+`data: {"choices":[{"delta":{"role":"assistant","content":""}}]}`+"\r\n\r\n")
		say(w, "Because ")
		say(w, "\"so\"\n")
		finish(w)
	})
	got := explain(t, newEngine(t, s.URL), t.Context())
	want := told{
		text: "Because \"so\"\n", model: "tiny", finish: "stop", tokens: 42, done: true, source: FromModel,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	asked := <-s.asked
	prompt := fmt.Sprint(asked["messages"])
	if asked["model"] != "a model" || asked["stream"] != true || !strings.Contains(prompt, "Why?") ||
		!strings.Contains(prompt, `"forecast_total":4567.8`) {
		t.Errorf("it was asked %v", asked)
	}
}

// TestSummaryStandsIn for a model that fails before its first piece of text, whatever the failure is.
func TestSummaryStandsIn(t *testing.T) {
	t.Parallel()
	for reason, answers := range map[string]map[string]func(http.ResponseWriter, *http.Request){
		"status": {
			"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			"429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
			"redirect": func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/elsewhere", http.StatusFound)
			},
		},
		"timeout": {"stall": stall, "no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		"malformed": {
			"no JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "data: {\"choices\n\n") },
			"a page": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, "<p>Welcome")
			},
			"nothing said": func(w http.ResponseWriter, _ *http.Request) { finish(w) },
			"an endless line": func(w http.ResponseWriter, _ *http.Request) {
				io.WriteString(w, "data: "+strings.Repeat("x", maxLine+1))
			},
			"another type": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `data: {"choices":"x"}`+"\n\n") },
		},
		"error": {"an error": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `data: {"error":{"message":"no"}}`+"\n\n")
		}},
		"broken": {"an early end": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, ": hello\n\n") }},
	} {
		for name, answer := range answers {
			s := serveModel(t, answer)
			got := explain(t, newEngine(t, s.URL), t.Context())
			if got.source != FromSummary || got.failure != reason || got.model != SummaryModel || !got.done ||
				got.err != nil || got.text != Summary(sample()) {
				t.Errorf("%s: %+v, want a summary because of %q", name, got, reason)
			}
		}
	}
	s := serveModel(t, func(http.ResponseWriter, *http.Request) {})
	s.Close()
	got := explain(t, newEngine(t, s.URL), t.Context())
	if got.failure != "unreachable" || !got.done {
		t.Errorf("a server that is not there: %+v", got)
	}
}

// TestModelBreaksOff after its first piece of text: the client is told, and gets no [DONE].
func TestModelBreaksOff(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"a stall":   stall,
		"an end":    func(http.ResponseWriter, *http.Request) {},
		"an abort":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no JSON":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "data: }\n\n") },
		"an error":  func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "data: {\"error\":\"x\"}\n\n") },
		"a monster": func(w http.ResponseWriter, _ *http.Request) { say(w, strings.Repeat("x", 2*maxLine)) },
	} {
		s := serveModel(t, func(w http.ResponseWriter, r *http.Request) {
			say(w, "Well, ")
			answer(w, r)
		})
		got := explain(t, newEngine(t, s.URL), t.Context())
		var failed *errModel
		if got.source != FromModel || got.text != "Well, " || got.done || got.failed == "" ||
			!errors.As(got.err, &failed) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestModelSaysTooMuch: a text has an end, and the model's request too.
func TestModelSaysTooMuch(t *testing.T) {
	t.Parallel()
	s := serveModel(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			say(w, strings.Repeat("x", 1000))
		}
	})
	got := explain(t, newEngine(t, s.URL), t.Context())
	if len(got.text) > maxText || got.finish != "length" || !got.done || got.err != nil {
		t.Errorf("%d bytes, finish %q, %v", len(got.text), got.finish, got.err)
	}
	await(t, s.gone, "the end of the model's request")
}

// TestClientLeaves: the model's request ends with that of the client, before and after the first piece of text.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	for _, words := range []int{0, 3} {
		s := serveModel(t, func(w http.ResponseWriter, r *http.Request) {
			for range words {
				say(w, "word ")
			}
			<-r.Context().Done()
		})
		e := newEngine(t, s.URL)
		e.model.Silence = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-s.asked
			cancel()
		}()
		got := explain(t, e, ctx)
		if got.done && got.source == FromModel || words > 0 && got.failed != "" {
			t.Errorf("%+v", got)
		}
		await(t, s.gone, "the end of the model's request")
	}
}

// TestSlowReaderIsNotTheModelsSilence: while a client takes its time, nobody waits for the model.
func TestSlowReaderIsNotTheModelsSilence(t *testing.T) {
	t.Parallel()
	s := serveModel(t, func(w http.ResponseWriter, _ *http.Request) {
		say(w, "one ")
		say(w, "two")
		finish(w)
	})
	e := newEngine(t, s.URL)
	e.model.Silence = 50 * time.Millisecond
	x := e.Explain(t.Context(), sample(), "", time.Now())
	defer x.Close()
	err := x.Stream(t.Context(), func([]byte) error {
		time.Sleep(80 * time.Millisecond)
		return nil
	})
	if err != nil || x.Source != FromModel {
		t.Errorf("%s: %v", x.Source, err)
	}
}

func TestModelURLs(t *testing.T) {
	t.Parallel()
	for url, good := range map[string]bool{
		"http://127.0.0.1:8000/v1": true, "http://[::1]:8000": true, "https://models.example.com/v1": true,
		"http://models.example.com/v1": false, "http://10.0.0.1/v1": false, "http://localhost:8000": false,
		"127.0.0.1:8000": false, "ftp://127.0.0.1": false, "": false, "https://x/v1?key=1": false,
	} {
		err := CheckModelURL(url)
		if (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func await(t *testing.T, happened <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-happened:
	case <-time.After(20 * time.Second):
		t.Errorf("waited in vain for %s", what)
	}
}
