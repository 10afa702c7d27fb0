package wire

import (
	"container/heap"
	"time"
)

// prepare renders the connection's request, which takes its time: it is sent from then on.
func (l *loop) prepare(c *conn) {
	c.retried, c.refusals, c.handshake, c.connect = false, 0, 0, 0
	if l.instances[c.instance].blocks != nil {
		l.renderStream(c)
	} else {
		c.request, c.bodyBytes = l.instances[c.instance].render.Append(c.request[:0], &c.draw)
	}
	l.clock()
	c.sent = l.now
}

// transmit sends the connection's request, on a new socket when it has none.
func (l *loop) transmit(c *conn) {
	c.deadline = c.sent + l.requests.Plan(c.draw.Request).Timeout
	c.reused = c.state == connIdle
	switch {
	case l.instances[c.instance].blocks != nil:
		l.openStream(c)
	case c.reused:
		l.again(c)
	default:
		l.open(c)
	}
}

// held are connections by when the next requests of their flows are due: a heap, see package heap.
type held []*conn

func (h held) Len() int           { return len(h) }
func (h held) Less(i, j int) bool { return h[i].intended < h[j].intended }
func (h held) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends a connection.
func (h *held) Push(x any) { *h = append(*h, x.(*conn)) }

// Pop takes the last one out.
func (h *held) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// hold keeps a connection for the next request of its flow, before which the user pauses. It is not sent at once: what
// moves the bytes may still be busy with the answer.
func (l *loop) hold(c *conn, keep bool, pause time.Duration) {
	c.following, c.state = true, connIdle
	if !keep {
		l.disconnect(c)
		c.state = connClosed
	}
	c.intended = l.now + pause
	heap.Push(&l.holding, c)
}

// follow sends the requests of flows that have become due. Each counts from the end of the one before it, and of the
// pause after that.
func (l *loop) follow() {
	for len(l.holding) > 0 && l.holding[0].intended <= l.now { // sending may end a request, and its flow may go on
		c := heap.Pop(&l.holding).(*conn)
		c.following, c.later = false, true
		l.prepare(c)
		l.transmit(c)
	}
}
