package wire

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// socketIO moves the bytes of a loop's connections. It calls the loop's connected, sent, arrived, hungUp and failed
// from within wait and send.
type socketIO interface {
	// enter is called once, by the loop's own goroutine before all else. It returns what is to be used from then on.
	enter() socketIO
	name() Backend
	// open makes a socket for c and begins to connect it. The loop's connected is called when it is.
	open(c *conn) error
	// send begins to send c.out, on which nothing is being sent, on c's socket. The loop's sent is called when all of
	// it is.
	send(c *conn)
	// close closes c's socket, if it has one. Nothing is heard of it any more.
	close(c *conn)
	// wait does what there is to do, and waits for it until the timeout at most. It sets the loop's clock.
	wait(timeout time.Duration)
	// rest waits, whatever comes meanwhile.
	rest(d time.Duration)
	// end frees everything.
	end()
}

// waker ends a loop's wait under way, or its next one. Any thread may call it.
type waker interface {
	wake()
	close()
}

// loop is one thread of the wire engine. Nothing in it is touched by another while it runs.
type loop struct {
	timing   *arrival.Timing
	requests *request.Set
	start    time.Time
	io       socketIO
	waker    waker
	pacing   scenarios.Pacing
	once     bool // a connection is closed after its first request

	instances []instance // of the target
	several   bool       // of them have a number of their own
	named     bool       // answers name the instance behind the only one, and the load is told apart by that
	turn      int        // the instance that the next iteration of an open load goes to; that which users go to first

	// next is the iteration of an open load that is due next, dueAt its intended instant, or when the next user of a
	// closed one may be due; step is the number of loops times that of shards.
	next, step int64
	dueAt      time.Duration
	ended      bool // the schedule has no more iterations

	http2    http2Conns
	conns    []*conn // by slot; those in free are closed
	free     []*conn
	holding  held // busy with flows of which the next request is to be sent
	limit    int  // connections that are busy at most
	busy     int
	crowd    *arrival.Crowd // users of a closed load; else nil
	lastFull time.Duration  // when the last of all connections was last busy
	shortage arrival.Shortage

	now      time.Duration // since the scenario's start, taken once a round
	sweepAt  time.Duration // when to look for requests that have timed out
	sweepGap time.Duration

	plain    []byte // what TLS decrypts to
	recorder *record.Recorder
	users    *request.Pool // nil where they keep nothing
}

// instance is an instance of the target, with the loop's connections to it.
type instance struct {
	address net.Addr
	tls     *tls.Config // nil: plain HTTP
	number  int         // from 1; the addresses of one instance share it
	render  *request.Renderer
	busy    int     // connections
	idle    []*conn // the last used is used first

	blocks     *request.BlockRenderer // by HTTP/2, in place of render
	http2Conns []*http2Conn           // that take requests
	http2Open  int                    // they, and those that take no more
}

// sweepShare is the share of the shortest timeout by which a timeout may be noticed late.
const sweepShare = 50

func newLoop(c *Config, index int) (*loop, error) {
	t := c.Timing
	l := &loop{
		timing: t, requests: c.Requests, pacing: c.Pacing, once: c.Once,
		next: t.Shard.Iteration(int64(index)), step: int64(c.Loops) * t.Shard.Count,
		limit: arrival.Share(t.Users, index, c.Loops), recorder: c.Collector.NewRecorder(),
		http2: newHTTP2Conns(c, index),
	}
	if !t.Open() {
		l.crowd = arrival.NewCrowd(t, index, c.Loops)
	}
	for _, p := range c.Target {
		to := instance{address: p.address, tls: p.tls, number: p.instance}
		if p.http2 {
			to.blocks = request.NewBlockRenderer(c.Requests, p.url)
		} else {
			to.render = request.NewRenderer(c.Requests, p.url)
		}
		l.instances = append(l.instances, to)
	}
	l.users = c.Users.Part(usersBefore(t, index, c.Loops), l.limit)
	l.several = l.instances[len(l.instances)-1].number > 1
	l.named = !l.several && c.Collector.ByInstance()
	l.turn = firstInstance(t, index, c.Loops) % len(l.instances)
	shortest := time.Minute
	for i := range c.Requests.Len() {
		shortest = min(shortest, c.Requests.Plan(i).Timeout)
	}
	l.sweepGap = min(max(shortest/sweepShare, time.Millisecond), 100*time.Millisecond)
	var err error
	l.io, l.waker, err = newSocketIO(l, c.Backend)
	return l, err
}

// firstInstance is where a loop begins. All loops together send evenly: the requests of an open load do not all begin
// at the first instance, and the users of a loop go on where those of the loop before it end.
func firstInstance(t *arrival.Timing, index, loops int) int {
	first := int(t.Shard.Index)
	if t.Open() {
		return first + index
	}
	return first + usersBefore(t, index, loops)
}

// usersBefore is how many users the loops before one have.
func usersBefore(t *arrival.Timing, index, loops int) (n int) {
	for before := range index {
		n += arrival.Share(t.Users, before, loops)
	}
	return n
}

// run is the loop's thread.
func (l *loop) run(ctx context.Context, start time.Time) {
	l.start = start
	l.io = l.io.enter()
	l.clock()
	l.plan()
	for {
		end := l.timing.LatestEnd()
		l.send()
		if l.ended && l.busy == 0 {
			break
		}
		if l.now >= end || ctx.Err() != nil {
			l.cut(ctx.Err() != nil)
			break
		}
		l.follow()
		l.flush()
		l.pause(end)
		if l.now >= l.sweepAt {
			l.sweep()
		}
	}
	for _, c := range l.conns {
		if c.state != connClosed {
			l.disconnect(c)
		}
	}
	l.io.end()
	l.recorder.Close()
}

func (l *loop) clock() { l.now = time.Since(l.start) }

// plan finds out when the next iteration is due.
func (l *loop) plan() {
	if !l.timing.Open() {
		l.planUser()
		return
	}
	l.ended = l.next >= l.timing.Window.Iterations()
	if !l.ended {
		l.dueAt = l.timing.Schedule.At(l.next)
	}
}

// planUser finds out when the next user is to send.
func (l *loop) planUser() { l.dueAt, l.ended = l.crowd.Due(l.now) }

// send sends what is due, as far as connections allow. What they do not allow is sent late, when one becomes free. A
// send that fails at once frees its connection at once: the rest waits for the next round, which looks for the run's
// end.
func (l *loop) send() {
	if !l.timing.Open() { // users have been answered meanwhile
		l.planUser()
	} else { // the warm-up may have ended early, and the schedule with it
		l.ended = l.next >= l.timing.Window.Iterations()
	}
	for places := l.limit - l.busy; places > 0 && !l.ended && l.dueAt <= l.now; places-- {
		if !l.hasRoom() { // as if all connections were busy
			l.lastFull = l.now
			return
		}
		n, intended, user := l.next, l.dueAt, int32(0)
		if l.crowd == nil {
			l.next += l.step
		} else {
			user, n, l.ended = l.crowd.Begin(l.now)
			if l.ended {
				return
			}
		}
		l.begin(n, intended, user)
		l.plan()
	}
}

// begin sends one iteration; user is whose it is, in a closed load.
func (l *loop) begin(n int64, intended time.Duration, user int32) {
	c := l.take()
	c.user = user
	l.busy++
	c.draw = l.requests.Draw(n)
	c.draw.Begin(&c.texts)
	c.draw.Session = l.users.Take()
	l.prepare(c)
	c.intended, c.later = intended, false
	if !l.timing.Open() {
		c.intended = c.sent
	}
	c.began = c.intended
	if l.timing.Open() && l.timing.Window.Has(intended) {
		l.recorder.Late(c.sent-intended, c.sent-max(intended, l.lastFull))
	}
	l.transmit(c)
}

// nextInstance is the instance that the next iteration goes to. Those of an open load go to one after the other. Of
// users each stays with its instance, as far as that can be told from outside: it is the one that has the fewest.
func (l *loop) nextInstance() int {
	at := l.peekInstance()
	if l.timing.Open() {
		l.turn = (at + 1) % len(l.instances)
	}
	return at
}

// peekInstance is what nextInstance will return.
func (l *loop) peekInstance() int {
	at, n := l.turn, len(l.instances)
	if l.timing.Open() {
		return at
	}
	for i := 1; i < n; i++ {
		if other := (l.turn + i) % n; l.instances[other].busy < l.instances[at].busy {
			at = other
		}
	}
	return at
}

// take returns an idle connection to the instance that is next, or a slot for a new one.
func (l *loop) take() *conn {
	at := l.nextInstance()
	to := &l.instances[at]
	to.busy++
	if n := len(to.idle); n > 0 {
		c := to.idle[n-1]
		to.idle = to.idle[:n-1]
		return c
	}
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		c.instance = at
		return c
	}
	c := &conn{slot: int32(len(l.conns)), instance: at, named: l.named, fd: -1}
	c.parser.OnHeader, c.parser.OnHead = c.header, func(head []byte) { l.headRead(c, head) }
	c.keep, c.keepBeginning = c.answer.Piece, c.answer.Beginning
	c.streaming = func(body []byte) {
		c.events.Feed(body, l.now)
		if c.answer.InspectsBody() {
			c.answer.Piece(body)
		}
	}
	c.stream.Tag = c.slot
	c.stream.OnBegin = func() { c.first, c.fields = l.now, c.fields[:0] }
	c.stream.OnHeader = func(name, value []byte) {
		c.header(name, value)
		c.parser.Status = c.stream.Status
		if l.told(c) {
			c.fields = append(append(append(append(c.fields, name...), ": "...), value...), "\r\n"...)
		}
	}
	c.stream.OnHead = func() {
		c.parser.Status = c.stream.Status
		l.headRead(c, c.fields)
	}
	l.conns = append(l.conns, c)
	return c
}

// sweep ends the requests whose time is up.
func (l *loop) sweep() {
	l.sweepAt = l.now + l.sweepGap
	l.recorder.Advance(l.now)
	l.recorder.SetInFlight(int64(l.busy))
	if l.busy == 0 {
		return
	}
	for _, c := range l.conns {
		if c.inFlight() && c.deadline <= l.now {
			text := "no answer yet"
			switch {
			case c.securing():
				text = "the TLS handshake has not ended yet"
			case c.connecting():
				text = "no connection yet"
			case c.parser.Status >= http.StatusOK:
				text = "the answer has not ended yet"
			}
			l.fail(c, record.ErrorTimeout, text)
		}
	}
}

// cut ends everything that is in flight.
func (l *loop) cut(interrupted bool) {
	class := record.ErrorUnanswered
	if interrupted {
		class = record.ErrorCut
	}
	for _, c := range l.conns {
		if c.inFlight() {
			l.fail(c, class, "the run ended")
		}
	}
	for _, c := range l.holding {
		if !interrupted {
			l.recorder.Abandon(c.draw.Request, c.began, l.now)
		}
	}
}
