package stream

import (
	"container/heap"
	"context"
	"hash/maphash"
	"net/url"
	"sync"
	"time"

	"github.com/policycortex/headroom/loadgen/arrival"
	"github.com/policycortex/headroom/loadgen/record"
	"github.com/policycortex/headroom/loadgen/request"
	"github.com/policycortex/headroom/loadgen/sse"
	"github.com/policycortex/headroom/scenarios"
)

// carrier carries the bytes of a loop's streams. What it reads it gives to the loop's received, hungUp and failed.
type carrier interface {
	name() string
	// open begins to connect a subscriber and to send it its request, of which it keeps a copy.
	open(s *subscriber, request []byte) error
	// close closes a subscriber's connection, if it has one. Nothing is heard of it any more.
	close(s *subscriber)
	// wait carries for so long at most.
	wait(timeout time.Duration)
	// wake ends a wait under way, where another goroutine may have set a timer meanwhile.
	wake()
	// end frees everything.
	end()
}

// loop keeps the streams of its share of the subscribers.
type loop struct {
	// mu is held by who touches what follows: the loop, or the goroutine of a stream where streams have one.
	mu sync.Mutex

	load     scenarios.Subscribers
	timing   *arrival.Timing
	requests *request.Set
	timeout  time.Duration // of an attempt
	headers  string        // beside those of the request
	render   []*request.Renderer
	carrier  carrier
	recorder *record.StreamRecorder

	subscribers []subscriber
	begun       int           // the first so many have been due
	from, every time.Duration // when the first is due, and from each to the next
	timers      timers
	greatest    map[sequence]int64 // id of each sequence so far, plus 1; nil where each subscriber has one
	hashes      maphash.Seed       // of the texts of sequences

	start time.Time
	now   time.Duration // since the scenario's start
	wall  int64         // the same instant, in nanoseconds since 1970

	// What the parsers are told goes to the subscriber whose bytes are read.
	current *subscriber
	head    head
	wrong   error // in the stream of the current one
	out     []byte

	onHeader func(name, value []byte)
	onHead   func(head []byte)
	onBody   func(piece []byte)
	onEvent  func(sse.Event)
}

// newLoop prepares the loop of that index. Of n subscribers of all loops, number k is due at k/n of the ramp-up.
func newLoop(c *Config, index int, target []*url.URL) *loop {
	l := &loop{
		load: c.Load, timing: c.Timing, requests: c.Requests, recorder: c.Collector.NewStreamRecorder(),
		timeout: c.Requests.Plan(0).Timeout, headers: headersOf(c.Requests.Plan(0)), hashes: maphash.MakeSeed(),
	}
	if c.Load.Event.Of != nil {
		l.greatest = map[sequence]int64{}
	}
	all, shards := c.Load.Subscribers, time.Duration(c.Timing.Shard.Count)
	between := c.Load.RampUp / time.Duration(all)
	l.every = between * time.Duration(c.Loops)
	l.from = between*time.Duration(index) + between*time.Duration(c.Timing.Shard.Index)/shards
	for _, u := range target {
		l.render = append(l.render, request.NewRenderer(c.Requests, u))
	}
	l.subscribers = make([]subscriber, arrival.Share(all, index, c.Loops))
	for i := range l.subscribers {
		s := &l.subscribers[i]
		s.slot, s.fd = int32(i), -1
		s.number = c.Timing.Shard.Iteration(int64(index + i*c.Loops))
		s.instance = int(s.number % int64(len(target)))
	}
	l.onHeader, l.onHead, l.onBody, l.onEvent = l.header, l.headRead, l.body, l.event
	return l
}

// round is how long a loop waits at the most, so that it sees the end of the run and of each second.
const round = 100 * time.Millisecond

// openAtOnce bounds how many streams are begun before those that are open are read.
const openAtOnce = 128

// run keeps the streams until the load ends.
func (l *loop) run(ctx context.Context, start time.Time) {
	l.mu.Lock()
	l.start = start
	for {
		l.clock()
		if l.now >= l.timing.Window.End() || ctx.Err() != nil {
			break
		}
		l.begin()
		l.fire()
		l.recorder.Advance(l.now)
		wait := l.untilNext()
		l.mu.Unlock()
		l.carrier.wait(wait)
		l.mu.Lock()
	}
	for i := range l.subscribers[:l.begun] {
		s := &l.subscribers[i]
		s.life++
		l.carrier.close(s)
		s.state = ended
	}
	l.recorder.Close(l.now)
	l.mu.Unlock()
	l.carrier.end()
}

func (l *loop) clock() {
	now := time.Now()
	l.now, l.wall = now.Sub(l.start), now.UnixNano()
}

// due is when a subscriber's first stream is to be opened.
func (l *loop) due(slot int) time.Duration { return l.from + time.Duration(slot)*l.every }

// begin opens the first streams of the subscribers that are due.
func (l *loop) begin() {
	for n := 0; n < openAtOnce && l.begun < len(l.subscribers) && l.due(l.begun) <= l.now; n++ {
		l.begun++
		l.open(&l.subscribers[l.begun-1], l.due(l.begun-1), true)
	}
}

// untilNext is how long there is nothing to do but to read.
func (l *loop) untilNext() time.Duration {
	at := min(l.now+round, l.timing.Window.End())
	if l.begun < len(l.subscribers) {
		at = min(at, l.due(l.begun))
	}
	if len(l.timers) > 0 {
		at = min(at, l.timers[0].at)
	}
	return max(0, at-l.now)
}

// timer is when something is to happen to a subscriber that is still in the life that it had.
type timer struct {
	at         time.Duration
	slot, life int32
}

// timers are a heap.
type timers []timer

func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	last := len(*t) - 1
	x := (*t)[last]
	*t = (*t)[:last]
	return x
}

// after sets a timer for a subscriber.
func (l *loop) after(s *subscriber, d time.Duration) {
	heap.Push(&l.timers, timer{l.now + d, s.slot, s.life})
	if l.timers[0] == (timer{l.now + d, s.slot, s.life}) {
		l.carrier.wake()
	}
}

// fire does what timers are due for: attempts that have not been answered fail, and subscribers whose stream broke try
// again.
func (l *loop) fire() {
	for n := 0; n < openAtOnce && len(l.timers) > 0 && l.timers[0].at <= l.now; n++ {
		t := heap.Pop(&l.timers).(timer)
		s := &l.subscribers[t.slot]
		switch {
		case s.life != t.life:
		case s.state == waiting:
			l.open(s, t.at, false)
		case s.state == connecting || s.state == asking:
			l.fail(s, record.ErrorTimeout, "after "+l.timeout.String()+": no answer yet")
		}
	}
}
