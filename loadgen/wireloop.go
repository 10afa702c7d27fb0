package loadgen

import (
	"context"
	"net"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/scenarios"
)

// wireIO moves the bytes of a loop's connections. It calls the loop's received, hungUp and failed from within wait and
// send.
type wireIO interface {
	// enter is called once, by the loop's own goroutine before all else. It returns what is to be used from then on.
	enter() wireIO
	name() backend
	// open makes a socket for c and begins to connect it and to send c.out.
	open(c *wireConn) error
	// send begins to send c.out on c's socket. c.state becomes connReading when all of it is sent.
	send(c *wireConn)
	// close closes c's socket, if it has one. Nothing is heard of it any more.
	close(c *wireConn)
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

// wireLoop is one thread of the wire engine. Nothing in it is touched by another while it runs.
type wireLoop struct {
	*attack
	io      wireIO
	waker   waker
	render  *request.Renderer
	address *net.TCPAddr
	pacing  scenarios.Pacing

	// next is the iteration that is due next, dueAt its intended instant; step is the number of loops times that of shards.
	next, step int64
	dueAt      time.Duration
	ended      bool // the schedule has no more iterations

	conns    []*wireConn // by slot; those in free are closed
	free     []*wireConn
	holding  []*wireConn // busy with flows of which the next step is to be sent
	idle     []*wireConn // the last used is used first
	limit    int         // connections at most
	busy     int
	thinking arrival.Thinking // users between two iterations
	lastFull time.Duration    // when the last of all connections was last busy
	shortage arrival.Shortage

	now      time.Duration // since the scenario's start, taken once a round
	sweepAt  time.Duration // when to look for requests that have timed out
	sweepGap time.Duration

	book *book
}

// sweepShare is the share of the shortest timeout by which a timeout may be noticed late.
const sweepShare = 50

func newWireLoop(a *attack, r *request.Renderer, address *net.TCPAddr, index, loops int, by backend) (*wireLoop, error) {
	l := &wireLoop{
		attack: a, render: r, address: address, next: a.timing.Shard.Iteration(int64(index)), step: int64(loops) * a.timing.Shard.Count,
		limit: arrival.Share(a.timing.Users, index, loops), book: a.recorder.newBook(),
	}
	shortest := time.Minute
	for i := range a.scenario.Requests {
		shortest = min(shortest, a.scenario.Requests[i].Timeout)
	}
	l.sweepGap = min(max(shortest/sweepShare, time.Millisecond), 100*time.Millisecond)
	var err error
	l.io, l.waker, err = newWireIO(l, by)
	return l, err
}

// run is the loop's thread.
func (l *wireLoop) run(ctx context.Context) {
	l.io = l.io.enter()
	l.clock()
	l.schedule1()
	for {
		end := l.timing.Window.End() + l.scenario.GracefulStop
		l.send()
		if l.ended && l.busy == 0 {
			break
		}
		if l.now >= end || ctx.Err() != nil {
			l.cut(ctx.Err() != nil)
			break
		}
		l.follow()
		l.pause(end)
		if l.now >= l.sweepAt {
			l.sweep()
		}
	}
	for _, c := range l.conns {
		if c.state != connClosed {
			l.io.close(c)
		}
	}
	l.io.end()
	l.book.close()
}

func (l *wireLoop) clock() { l.now = time.Since(l.start) }

// schedule1 finds out when the next iteration is due.
func (l *wireLoop) schedule1() {
	if !l.timing.Open() {
		l.scheduleUser()
		return
	}
	if l.ended = l.next >= l.timing.Window.Iterations(); !l.ended {
		l.dueAt = l.timing.Schedule.At(l.next)
	}
}

// scheduleUser finds out when the next user is to send: at once, as long as there is one who does not think.
func (l *wireLoop) scheduleUser() {
	l.ended = l.now >= l.timing.Window.End()
	if l.dueAt = l.now; len(l.thinking) > 0 && l.busy+len(l.thinking) >= l.limit {
		l.dueAt = l.thinking[0]
	}
}

// send sends what is due, as far as connections allow. What they do not allow is sent late, when one becomes free. A send
// that fails at once frees its connection at once: the rest waits for the next round, which looks for the run's end.
func (l *wireLoop) send() {
	if !l.timing.Open() { // users have been answered meanwhile
		l.scheduleUser()
	} else { // the warm-up may have ended early, and the schedule with it
		l.ended = l.next >= l.timing.Window.Iterations()
	}
	for places := l.limit - l.busy; places > 0 && !l.ended && l.dueAt <= l.now; places-- {
		n, intended := l.next, l.dueAt
		l.next += l.step
		l.begin(n, intended)
		l.schedule1()
	}
}

// begin sends one iteration.
func (l *wireLoop) begin(n int64, intended time.Duration) {
	c := l.take()
	if !l.timing.Open() && l.busy+len(l.thinking) >= l.limit {
		l.thinking.Remove()
	}
	l.busy++
	c.draw = l.requests.Draw(n)
	c.draw.Flow = &c.texts
	l.prepare(c)
	c.intended = intended
	if !l.timing.Open() {
		c.intended = c.sent
	} else if l.timing.Window.Has(intended) {
		l.book.late(c.sent-intended, c.sent-max(intended, l.lastFull))
	}
	l.transmit(c)
}

// take returns an idle connection, or a slot for a new one.
func (l *wireLoop) take() *wireConn {
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return c
	}
	if n := len(l.free); n > 0 {
		c := l.free[n-1]
		l.free = l.free[:n-1]
		return c
	}
	c := &wireConn{slot: int32(len(l.conns)), fd: -1}
	c.parser.OnHeader, c.parser.OnHead = c.header, func(head []byte) { l.headRead(c, head) }
	c.keep, c.keepBeginning = c.answer.Piece, c.answer.Beginning
	l.conns = append(l.conns, c)
	return c
}

// sweep ends the requests whose time is up.
func (l *wireLoop) sweep() {
	l.sweepAt = l.now + l.sweepGap
	l.book.advance(l.now)
	l.book.inFlight.Store(int64(l.busy))
	if l.busy == 0 {
		return
	}
	for _, c := range l.conns {
		if c.state >= connConnecting && c.deadline <= l.now {
			text := "no answer yet"
			if c.state == connConnecting {
				text = "no connection yet"
			}
			l.fail(c, record.ErrorTimeout, text)
		}
	}
}

// cut ends everything that is in flight.
func (l *wireLoop) cut(interrupted bool) {
	class := record.ErrorUnanswered
	if interrupted {
		class = record.ErrorCut
	}
	for _, c := range l.conns {
		if c.state >= connConnecting {
			l.fail(c, class, "the run ended")
		}
	}
	for _, c := range l.holding {
		if !interrupted {
			l.book.skip(c.draw.Request, l.now)
		}
	}
}
