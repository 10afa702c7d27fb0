package results

import (
	"encoding/binary"
	"math"
)

// PointLog keeps the points of a scenario in the order of time in about 15 bytes for each, a seventh of a [Point]: a
// long run has one for each second and request. What is taken out is what was put in.
type PointLog struct {
	scenario string
	names    []string // of the requests
	first    int      // the second of the first points
	starts   []int    // where in packed the points of each second begin
	packed   []byte
}

// NewPointLog returns an empty log of a scenario whose requests have these names.
func NewPointLog(scenario string, requests []string) *PointLog {
	return &PointLog{scenario: scenario, names: requests}
}

// The flags of a packed point.
const (
	pointWarmup = 1 << iota
	pointPartial
	pointTimes // its times follow as numbers, because they are not those of buckets
)

// Add adds the points of the second after those before: that of the scenario, and those of requests by their index.
func (l *PointLog) Add(all Point, of map[int]Point) {
	if len(l.starts) == 0 {
		l.first = all.Second
	}
	l.starts = append(l.starts, len(l.packed))
	l.pack(0, &all)
	for i := range l.names {
		if p, has := of[i]; has {
			l.pack(i+1, &p)
		}
	}
}

func (l *PointLog) pack(who int, p *Point) {
	times := [...]float64{p.P50, p.P95, p.P99, p.Max}
	flags := uint64(0)
	if p.Warmup {
		flags |= pointWarmup
	}
	if p.Partial {
		flags |= pointPartial
	}
	for _, t := range times {
		if bucketMillis(bucketOfMillis(t)) != t {
			flags |= pointTimes
		}
	}
	for _, n := range []uint64{uint64(who), flags, uint64(p.Asked), uint64(p.Requests), uint64(p.Failed)} {
		l.packed = binary.AppendUvarint(l.packed, n)
	}
	for _, t := range times {
		if flags&pointTimes != 0 {
			l.packed = binary.BigEndian.AppendUint64(l.packed, math.Float64bits(t))
		} else {
			l.packed = binary.AppendUvarint(l.packed, uint64(bucketOfMillis(t)))
		}
	}
}

// bucketOfMillis is the bucket in which a time would be counted.
func bucketOfMillis(t float64) int {
	return bucketOf(min(max(int64(math.Round(1000*t)), 0), highestMicros))
}

func bucketMillis(bucket int) float64 { return millis(greatestOf(bucket)) }

// AppendSince appends the points of the seconds from one on.
func (l *PointLog) AppendSince(points []Point, second int) []Point {
	for i := max(0, second-l.first); i < len(l.starts); i++ {
		end := len(l.packed)
		if i+1 < len(l.starts) {
			end = l.starts[i+1]
		}
		for rest := l.packed[l.starts[i]:end]; len(rest) > 0; {
			p := Point{Scenario: l.scenario, Second: l.first + i}
			rest = l.unpack(&p, rest)
			points = append(points, p)
		}
	}
	return points
}

func (l *PointLog) unpack(p *Point, packed []byte) (rest []byte) {
	next := func() uint64 {
		n, length := binary.Uvarint(packed)
		packed = packed[length:]
		return n
	}
	if who := next(); who > 0 {
		p.Request = l.names[who-1]
	}
	flags := next()
	p.Warmup, p.Partial = flags&pointWarmup != 0, flags&pointPartial != 0
	p.Asked, p.Requests, p.Failed = int64(next()), int64(next()), int64(next())
	for _, t := range []*float64{&p.P50, &p.P95, &p.P99, &p.Max} {
		if flags&pointTimes != 0 {
			*t = math.Float64frombits(binary.BigEndian.Uint64(packed))
			packed = packed[8:]
		} else {
			*t = bucketMillis(int(next()))
		}
	}
	return packed
}
