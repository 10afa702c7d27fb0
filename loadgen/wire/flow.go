package wire

// prepare renders the connection's request, which takes its time: it is sent from then on.
func (l *loop) prepare(c *conn) {
	c.retried, c.refusals, c.handshake = false, 0, 0
	if l.http2.on {
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
	case l.http2.on:
		l.openStream(c)
	case c.reused:
		l.again(c)
	default:
		l.open(c)
	}
}

// hold keeps a connection for the next step of its flow. It is not sent at once: what moves the bytes may still be busy
// with the answer.
func (l *loop) hold(c *conn, keep bool) {
	c.following, c.state = true, connIdle
	if !keep {
		l.disconnect(c)
		c.state = connClosed
	}
	c.intended = l.now
	l.holding = append(l.holding, c)
}

// follow sends the steps of flows that have become due. Each counts from the end of the step before it.
func (l *loop) follow() {
	for len(l.holding) > 0 { // sending may end a request, and its flow may go on
		c := l.holding[0]
		l.holding = append(l.holding[:0], l.holding[1:]...)
		c.following = false
		c.draw.Request++
		l.prepare(c)
		l.transmit(c)
	}
}
