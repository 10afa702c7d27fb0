package recording

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// harOrigin is what an entry of a HAR file says about where its answer came from. Programs differ in how they say it,
// and some in the type of a value.
type harOrigin struct {
	FromCache    json.RawMessage `json:"_fromCache"`         // of Chromium: memory or disk
	ResourceType json.RawMessage `json:"_resourceType"`      // of Chromium and mitmproxy: websocket
	Messages     json.RawMessage `json:"_webSocketMessages"` // of the same
	FetchType    json.RawMessage `json:"_fetchType"`         // of Safari
	WasAborted   json.RawMessage `json:"_wasAborted"`        // of Playwright, by a route of the test
	WasFulfilled json.RawMessage `json:"_wasFulfilled"`      // of Playwright, by a route of the test
	WasPushed    json.RawMessage `json:"_was_pushed"`        // of WebPageTest and chrome-har
	Cache        json.RawMessage // of Firefox: afterRequest only when it answered, also as null
	Timings      json.RawMessage // of Firefox: {} for what its cache of images answered
}

// harResponse is what is taken of a response.
type harResponse struct {
	Status           json.RawMessage
	Headers          json.RawMessage
	Error            json.RawMessage `json:"_error"`                   // of Chromium, Safari and mitmproxy
	FailureText      json.RawMessage `json:"_failureText"`             // of Playwright
	ViaServiceWorker json.RawMessage `json:"_fetchedViaServiceWorker"` // of Chromium
}

// Why an entry was not sent over the network, or not as the request that it seems to be.
const (
	fromCache      = "from the browser's cache, never sent"
	byWorker       = "answered by a service worker, whose own requests are entries of their own"
	withoutTimings = "without timings, as Firefox writes what it took from its cache, never sent"
)

// unsent says why an entry is no request of its own over the network; empty when it is one.
func (e *harEntry) unsent() string {
	status := gjson.ParseBytes(e.Response.Status)
	switch {
	case strings.EqualFold(gjson.ParseBytes(e.ResourceType).Str, "websocket"), set(e.Messages), status.Int() == 101:
		return webSocket
	case set(e.FromCache), e.answeredByFirefoxCache():
		return fromCache
	case set(e.Response.ViaServiceWorker):
		return byWorker
	case set(e.WasFulfilled):
		return "answered by the test's own mock, never sent"
	case set(e.WasAborted):
		return "stopped by the test's own route, never sent"
	case set(e.WasPushed):
		return "pushed by the server, never asked for"
	case status.Exists() && status.Int() <= 0:
		return e.noAnswer()
	case isEmptyObject(e.Timings):
		return withoutTimings
	}
	return e.fetchedBySafari()
}

// noAnswer is the reason of an entry whose status is 0, or -1 in Playwright's files.
func (e *harEntry) noAnswer() string {
	const reason = "without an answer: blocked, offline, cancelled or failed"
	for _, said := range []json.RawMessage{e.Response.Error, e.Response.FailureText} {
		if text := gjson.ParseBytes(said).Str; text != "" {
			return fmt.Sprintf("%s (%.60q)", reason, text)
		}
	}
	return reason
}

// answeredByFirefoxCache: afterRequest alone would not say it, for other programs describe there what was stored.
func (e *harEntry) answeredByFirefoxCache() bool {
	timings := gjson.ParseBytes(e.Timings)
	return gjson.GetBytes(e.Cache, "afterRequest").Exists() && timings.Get("send").Num <= 0 &&
		timings.Get("wait").Num <= 0
}

func (e *harEntry) fetchedBySafari() string {
	switch kind := gjson.ParseBytes(e.FetchType).Str; kind {
	case "", "Network Load":
		return ""
	case "Service Worker":
		return byWorker
	case "Memory Cache", "Disk Cache":
		return fromCache
	default:
		return fmt.Sprintf("not from the network, but from %.30q, never sent", kind)
	}
}

// set reports whether a value is there and says yes.
func set(value json.RawMessage) bool {
	switch strings.TrimSpace(string(value)) {
	case "", "null", "false", "0", `""`, `"0"`, `"false"`:
		return false
	}
	return true
}

func isEmptyObject(value json.RawMessage) bool {
	v := gjson.ParseBytes(value)
	return v.IsObject() && len(v.Map()) == 0
}
