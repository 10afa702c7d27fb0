package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// maxKeys bounds what is kept for an edge that does not answer.
	maxKeys = 1024
	// maxExpression bounds the regular expression of one ban, in bytes. Varnish takes headers of up to 8 KiB.
	maxExpression = 4096
	// sendTimeout bounds one request, so that an edge that hangs is found out before Patience ends. A new connection to
	// an edge that is 300 ms away takes two round trips, and so less than that.
	sendTimeout = Patience * 4 / 5
	// A silent edge is tried again after firstPause, and then after twice as long, up to maxPause.
	firstPause = 50 * time.Millisecond
	maxPause   = time.Second
	// everything is the expression that matches all keys.
	everything = ".*"
)

// worker sends the bans of one edge, one request after the other.
type worker struct {
	url, token string
	client     *http.Client
	logger     *slog.Logger
	wake       chan struct{}

	sending sync.Mutex // held while a request is under way

	mu      sync.Mutex
	next    *batch // what is to be sent; nil when there is nothing
	silent  bool   // the edge has been waited for in vain: nobody waits until it has taken everything
	pending int    // keys of the batch under way
	sent    uint64
	failed  uint64
}

// batch is what goes with the next requests.
type batch struct {
	expressions map[string]struct{}
	done        chan struct{} // closed when the edge has taken it, or has been waited for long enough
	err         error         // why it has not, once done is closed
	released    bool          // done is closed
}

// add has expressions sent. It returns the batch that they are in; nil if nobody is to wait for it.
func (w *worker) add(expressions []string) *batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == nil {
		w.next = &batch{expressions: map[string]struct{}{}, done: make(chan struct{})}
	}
	for _, expression := range expressions {
		w.next.expressions[expression] = struct{}{}
	}
	w.next.bound()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	if w.silent {
		return nil
	}
	return w.next
}

// bound replaces too many keys by those of whole tenants, and too many tenants by everything.
func (b *batch) bound() {
	if len(b.expressions) <= maxKeys {
		return
	}
	wider := map[string]struct{}{}
	for expression := range b.expressions {
		tenant, _, _ := strings.Cut(expression, ":")
		if expression == everything || tenant == "[^" { // InvalidateKind
			wider[expression] = struct{}{}
			continue
		}
		wider[tenant+":.*"] = struct{}{}
	}
	if len(wider) > maxKeys {
		wider = map[string]struct{}{everything: {}}
	}
	b.expressions = wider
}

// release lets go those who wait for a batch.
func (b *batch) release(err error) {
	if !b.released {
		b.released, b.err = true, err
		close(b.done)
	}
}

// run sends what is added, until ctx ends.
func (w *worker) run(ctx context.Context) {
	pause := time.Duration(0)
	for {
		var again <-chan time.Time
		if pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-w.woken(pause):
		}
		if w.flush(ctx) {
			pause = 0
		} else {
			pause = min(max(2*pause, firstPause), maxPause)
		}
	}
}

// woken returns the channel of what was added. While the edge does not answer, what is added does not hurry it.
func (w *worker) woken(pause time.Duration) <-chan struct{} {
	if pause > 0 {
		return nil
	}
	return w.wake
}

// flush sends what there is, and reports whether nothing is left that was there when it began. An edge that has
// answered so far and refuses is asked twice; one that hangs is not, because somebody waits.
func (w *worker) flush(ctx context.Context) bool {
	w.sending.Lock()
	defer w.sending.Unlock()
	w.mu.Lock()
	b := w.next
	w.next = nil
	silent := w.silent
	if b != nil {
		w.pending = len(b.expressions)
	}
	w.mu.Unlock()
	if b == nil {
		return true
	}
	err := w.sendAll(ctx, b)
	if err != nil && !silent && !errors.Is(err, context.DeadlineExceeded) {
		err = w.sendAll(ctx, b)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = 0
	if err == nil {
		if w.silent {
			w.logger.Info("an edge answers again, and has taken what it has missed", "edge", w.url)
		}
		w.silent = false
		b.release(nil)
		return true
	}
	if !w.silent {
		w.logger.Warn("an edge does not answer, and may serve older values until it does or they expire", "edge",
			w.url, "error", err)
	}
	w.silent = true
	b.release(err)
	w.putBack(b)
	return false
}

// putBack adds what could not be sent to what was added since. Nobody waits for either any longer. The lock is held.
func (w *worker) putBack(b *batch) {
	if since := w.next; since != nil {
		maps.Copy(b.expressions, since.expressions)
		since.release(b.err)
	}
	b.bound()
	w.next = b
}

// sendAll sends a batch in as many requests as it needs.
func (w *worker) sendAll(ctx context.Context, b *batch) error {
	for _, expression := range join(slices.Sorted(maps.Keys(b.expressions))) {
		err := w.send(ctx, expression)
		w.mu.Lock()
		if err != nil {
			w.failed++
		} else {
			w.sent++
		}
		w.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// join makes regular expressions of bounded length that match what any of the expressions matches.
func join(expressions []string) (joined []string) {
	begin, length := 0, 0
	flush := func(end int) {
		if end > begin {
			joined = append(joined, "^(?:"+strings.Join(expressions[begin:end], "|")+")$")
		}
		begin, length = end, 0
	}
	for i, expression := range expressions {
		if length+len(expression)+1 > maxExpression {
			flush(i)
		}
		length += len(expression) + 1
	}
	flush(len(expressions))
	return joined
}

// send sends one ban. A connection that the edge has closed meanwhile is replaced by net/http, as the request may be
// repeated.
func (w *worker) send(ctx context.Context, expression string) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "BAN", w.url, nil)
	if err != nil {
		return err
	}
	req.Header["Idempotency-Key"] = []string{} // for net/http alone: it is not sent
	req.Header["X-Edge-Token"] = []string{w.token}
	req.Header["Surrogate-Key"] = []string{expression}
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("it answers a ban with %s, not 204", resp.Status)
	}
	return nil
}

func (w *worker) stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	pending := w.pending
	if w.next != nil {
		pending += len(w.next.expressions)
	}
	return Stats{URL: w.url, Sent: w.sent, Failed: w.failed, Pending: pending, Answered: !w.silent}
}
