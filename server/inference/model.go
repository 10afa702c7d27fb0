package inference

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Model says how to reach a model server that is compatible with OpenAI's API.
type Model struct {
	// URL is that below which /chat/completions is, such as http://127.0.0.1:8000/v1. It is https, or on loopback.
	URL string
	// Key is sent as a bearer token, if there is one. Name is that of the model.
	Key, Name string
	// Silence is how long the server may take to the first token, and from one to the next; 0 means 10 seconds.
	Silence time.Duration
}

// DefaultSilence is the default of Model.Silence.
const DefaultSilence = 10 * time.Second

// Bounds of a generation.
const (
	maxTokens     = 1024     // that the model is asked for
	maxText       = 64 << 10 // bytes of the whole text
	maxLine       = 64 << 10 // bytes of one event
	maxGeneration = 5 * time.Minute
)

// CheckModelURL returns an error for a URL that is neither https nor on loopback: prompts have a tenant's data.
func CheckModelURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("it is not a URL such as http://127.0.0.1:8000/v1")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme == "https" || u.Scheme == "http" && ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%s must be https, or http on a loopback address: prompts have a tenant's data",
		u.Redacted())
}

// errModel is a failure of the model server. Its reason is one of a few words, for metrics and headers.
type errModel struct {
	reason string
	err    error
}

func (e *errModel) Error() string { return "model server: " + e.reason + ": " + e.err.Error() }

func (e *errModel) Unwrap() error { return e.err }

// modelClient asks a model server.
type modelClient struct {
	Model
	client *http.Client
}

func newModelClient(m Model, transport http.RoundTripper) *modelClient {
	if m.Silence == 0 {
		m.Silence = DefaultSilence
	}
	return &modelClient{Model: m, client: &http.Client{
		Transport: transport,
		// the key is for this server alone
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// message is one of a chat.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// completion is a stream of tokens from a model server.
type completion struct {
	model  string // as the server calls it
	lines  *bufio.Reader
	body   io.Closer
	cancel context.CancelCauseFunc
	watch  *time.Timer
	quiet  time.Duration
	begun  bool  // it has given text
	usage  int64 // completed tokens, as the server counts them; 0: it does not say
	bytes  int
	finish string
}

var errSilent = errors.New("it was silent for too long")

// ask begins a completion, which must be closed. Errors are [*errModel].
func (m *modelClient) ask(ctx context.Context, messages []message) (*completion, error) {
	body, err := json.Marshal(map[string]any{
		"model": m.Name, "messages": messages, "stream": true, "max_tokens": maxTokens, "temperature": 0,
		"stream_options": map[string]bool{"include_usage": true},
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	c := &completion{
		cancel: cancel, quiet: m.Silence, model: m.Name,
		watch: time.AfterFunc(m.Silence, func() { cancel(errSilent) }),
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		strings.TrimSuffix(m.URL, "/")+"/chat/completions", bytes.NewReader(body))
	if err != nil {
		c.Close()
		return nil, &errModel{"request", err}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "text/event-stream")
	if m.Key != "" {
		request.Header.Set("Authorization", "Bearer "+m.Key)
	}
	response, err := m.client.Do(request)
	if err != nil {
		c.Close()
		return nil, c.failure(ctx, "unreachable", err)
	}
	c.body, c.lines = response.Body, bufio.NewReaderSize(response.Body, maxLine)
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode != http.StatusOK:
		c.Close()
		return nil, &errModel{"status", fmt.Errorf("it answered with %s", response.Status)}
	case kind != "text/event-stream":
		c.Close()
		return nil, &errModel{"malformed", fmt.Errorf("it answered with %.40q, not with a stream of events", kind)}
	}
	return c, nil
}

// failure tells a silence from other errors.
func (c *completion) failure(ctx context.Context, reason string, err error) error {
	if errors.Is(context.Cause(ctx), errSilent) {
		return &errModel{"timeout", errSilent}
	}
	return &errModel{reason, err}
}

// Close ends the request, wherever it is.
func (c *completion) Close() {
	c.watch.Stop()
	c.cancel(context.Canceled)
	if c.body != nil {
		c.body.Close()
	}
}

// chunk is what is read of a chat.completion.chunk.
type chunk struct {
	Model   string `json:"model"`
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *struct {
		Completion int64 `json:"completion_tokens"`
	} `json:"usage"`
	Error json.RawMessage `json:"error"`
}

// next returns the next piece of text. It returns io.EOF when the completion is whole, and an [*errModel] when it broke
// off or is not one.
func (c *completion) next(ctx context.Context) (string, error) {
	if c.begun { // the time that the reader of the last piece took is not the server's
		c.watch.Reset(c.quiet)
	}
	defer c.watch.Stop()
	for {
		data, err := c.event()
		switch {
		case err != nil && c.finish != "" && errors.Is(err, io.EOF):
			return "", io.EOF // some servers end without [DONE]
		case err != nil && ctx.Err() != nil:
			return "", ctx.Err()
		case errors.Is(err, errSilent):
			return "", &errModel{"timeout", err}
		case errors.Is(err, bufio.ErrBufferFull):
			return "", &errModel{"malformed", fmt.Errorf("an event of more than %d bytes", maxLine)}
		case errors.Is(err, io.EOF):
			return "", &errModel{"broken", io.ErrUnexpectedEOF}
		case err != nil:
			return "", &errModel{"broken", err}
		case string(data) == "[DONE]":
			return "", io.EOF
		}
		text, err := c.decode(data)
		if text != "" || err != nil {
			c.begun = true
			return text, err
		}
	}
}

// decode returns the text of an event, which may have none.
func (c *completion) decode(data []byte) (text string, err error) {
	var got chunk
	err = json.Unmarshal(data, &got)
	if err != nil {
		return "", &errModel{"malformed", err}
	}
	if len(got.Error) > 0 && string(got.Error) != "null" {
		return "", &errModel{"error", fmt.Errorf("it sent the error %.200q", got.Error)}
	}
	if got.Model != "" {
		c.model = shortName(got.Model)
	}
	if got.Usage != nil {
		c.usage = got.Usage.Completion
	}
	if len(got.Choices) == 0 {
		return "", nil
	}
	if reason := got.Choices[0].FinishReason; reason != nil {
		c.finish = *reason
	}
	text = got.Choices[0].Delta.Content
	c.bytes += len(text)
	if c.bytes > maxText {
		c.finish = "length"
		return "", io.EOF
	}
	return text, nil
}

// event returns the data of the next event. Events of several lines of data are not what these servers send.
func (c *completion) event() ([]byte, error) {
	for {
		line, err := c.lines.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, context.Canceled) && !c.watch.Stop() {
				return nil, errSilent
			}
			return nil, err
		}
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("data:"))
		if ok {
			return bytes.TrimSpace(data), nil
		}
	}
}
