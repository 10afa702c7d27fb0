package results

import (
	"cmp"
	"errors"
	"maps"
	"slices"
)

// Stream is what the subscribers of one scenario met in its measured window. What they count belongs to it by the
// instant at which it happened: an attempt when it was made, an event when it was received.
type Stream struct {
	Scenario    string `json:"scenario"`
	Name        string `json:"name"` // of the request that opens the stream
	Subscribers int    `json:"subscribers"`
	Most        int    `json:"most_connected"` // streams that were open at the end of a second, warm-up included
	// Timed says that the scenario names where events have the time at which they were made, IDs that it looks at ids.
	Timed bool `json:"timed"`
	IDs   bool `json:"ids"`
	StreamCounts
	ErrorSamples map[string]string `json:"error_samples,omitempty"` // what the first of each class met
	// Delivery is the receipt of an event minus the time that stands in it. Events that were received before that time
	// are not in it: see [StreamCounts.FromFuture].
	Delivery *Histogram `json:"-"`
	// FirstByte and FirstEvent count from the instant at which an attempt was due, of those that opened a stream.
	FirstByte  *Histogram `json:"-"`
	FirstEvent *Histogram `json:"-"`
	Gap        *Histogram `json:"-"` // from an event to the next one of the same subscriber, breaks included
}

// StreamCounts are the counts of a [Stream].
type StreamCounts struct {
	Attempts int64 `json:"attempts"` // to open a stream
	Opened   int64 `json:"opened"`   // those that were answered with one
	Resumed  int64 `json:"resumed"`  // those that asked for what follows the last event
	Refused  int64 `json:"refused"`  // those that were answered such that the subscriber does not try again
	Breaks   int64 `json:"breaks"`   // streams that ended before the load did
	Events   int64 `json:"events"`
	Bytes    int64 `json:"bytes"`    // of the streams, comments included
	Untimed  int64 `json:"untimed"`  // events without a time that could be read where the scenario says it is
	Numbered int64 `json:"numbered"` // events with an id that is a whole number
	Repeated int64 `json:"repeated"` // those of them that were not above all before them of their subscriber
	Missed   int64 `json:"missed"`   // ids left out between an event and the next one of a subscriber
	// FromFuture are the events that were received before the time that stands in them: the clocks differ.
	FromFuture int64 `json:"from_future"`
	// ConnectedSeconds is the time for which subscribers had a stream, ExpectedSeconds that since each was due to open
	// its first one, in seconds of all subscribers together.
	ConnectedSeconds float64          `json:"connected_seconds"`
	ExpectedSeconds  float64          `json:"expected_seconds"`
	Errors           map[string]int64 `json:"errors,omitempty"` // attempts without a stream, and breaks, by class
}

// StreamPoint is one second of one scenario of subscribers. Times are those of delivery.
type StreamPoint struct {
	Scenario  string  `json:"scenario"`
	Second    int     `json:"second"` // offset of its start
	Warmup    bool    `json:"warmup,omitempty"`
	Partial   bool    `json:"partial,omitempty"` // the scenario began or ended within it
	Connected int     `json:"connected"`         // streams that were open at its end
	Events    int64   `json:"events"`
	Breaks    int64   `json:"breaks"`
	P50       float64 `json:"p50_ms"`
	P95       float64 `json:"p95_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
}

// NewStream returns a stream that has counted nothing.
func NewStream(scenario, name string, subscribers int) *Stream {
	return &Stream{
		Scenario: scenario, Name: name, Subscribers: subscribers,
		StreamCounts: StreamCounts{Errors: map[string]int64{}}, ErrorSamples: map[string]string{},
		Delivery: NewHistogram(), FirstByte: NewHistogram(), FirstEvent: NewHistogram(), Gap: NewHistogram(),
	}
}

// ConnectedShare is the share of their time for which subscribers had a stream, 0 to 1; 0 when there was none.
func (c *StreamCounts) ConnectedShare() float64 {
	if c.ExpectedSeconds == 0 {
		return 0
	}
	return c.ConnectedSeconds / c.ExpectedSeconds
}

// Add adds what o counted, whose map may be nil.
func (c *StreamCounts) Add(o *StreamCounts) {
	c.Attempts += o.Attempts
	c.Opened += o.Opened
	c.Resumed += o.Resumed
	c.Refused += o.Refused
	c.Breaks += o.Breaks
	c.Events += o.Events
	c.Bytes += o.Bytes
	c.Untimed += o.Untimed
	c.Numbered += o.Numbered
	c.Repeated += o.Repeated
	c.Missed = sumUpTo(c.Missed, o.Missed)
	c.FromFuture += o.FromFuture
	c.ConnectedSeconds += o.ConnectedSeconds
	c.ExpectedSeconds += o.ExpectedSeconds
	for class, n := range o.Errors {
		if c.Errors == nil {
			c.Errors = map[string]int64{}
		}
		c.Errors[class] += n
	}
}

// sumUpTo adds numbers that are not negative, without an overflow: ids may be any numbers.
func sumUpTo(a, b int64) int64 {
	const greatest = 1<<63 - 1
	return a + min(b, greatest-a)
}

// StreamsOf are the streams of a scenario; of all where its name is empty.
func (m *Measurements) StreamsOf(scenario string) (of []*Stream) {
	for _, s := range m.Streams {
		if scenario == "" || s.Scenario == scenario {
			of = append(of, s)
		}
	}
	return of
}

// merge adds what o counted. Of two samples of an error that of s stays.
func (s *Stream) merge(o *Stream) error {
	s.Subscribers += o.Subscribers
	s.Most += o.Most
	s.Add(&o.StreamCounts)
	for class, text := range o.ErrorSamples {
		if s.ErrorSamples[class] == "" {
			s.ErrorSamples[class] = text
		}
	}
	return errors.Join(s.Delivery.Merge(o.Delivery), s.FirstByte.Merge(o.FirstByte), s.FirstEvent.Merge(o.FirstEvent),
		s.Gap.Merge(o.Gap))
}

// mergeStreams adds the streams of a shard, whose histograms stay as they are.
func (m *Measurements) mergeStreams(streams []*Stream) error {
	for _, s := range streams {
		i := slices.IndexFunc(m.Streams, func(o *Stream) bool { return o.Scenario == s.Scenario })
		if i < 0 {
			sum := NewStream(s.Scenario, s.Name, 0)
			sum.Timed, sum.IDs = s.Timed, s.IDs
			m.Streams = append(m.Streams, sum)
			i = len(m.Streams) - 1
		}
		if err := m.Streams[i].merge(s); err != nil {
			return err
		}
	}
	return nil
}

// mergeStreamPoints adds up the seconds; of percentiles see mergePoints.
func (m *Measurements) mergeStreamPoints(parts []*Measurements) {
	type key struct {
		scenario string
		second   int
	}
	sums := map[key]StreamPoint{}
	for _, part := range parts {
		for _, p := range part.StreamPoints {
			k := key{p.Scenario, p.Second}
			sum, known := sums[k]
			if !known {
				sums[k] = p
				continue
			}
			sum.Connected += p.Connected
			sum.Events += p.Events
			sum.Breaks += p.Breaks
			sum.Partial = sum.Partial || p.Partial
			sum.P50, sum.P95, sum.P99, sum.Max = max(sum.P50, p.P50), max(sum.P95, p.P95), max(sum.P99, p.P99),
				max(sum.Max, p.Max)
			sums[k] = sum
		}
	}
	if len(sums) == 0 {
		return
	}
	order := map[string]int{}
	for i, s := range m.Streams {
		order[s.Scenario] = i
	}
	m.StreamPoints = slices.SortedFunc(maps.Values(sums), func(a, b StreamPoint) int {
		return cmp.Or(order[a.Scenario]-order[b.Scenario], a.Second-b.Second)
	})
}
