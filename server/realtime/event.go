package realtime

import "github.com/policycortex/headroom/server/store"

// eventOverhead is what an event takes beside its text, with the places that point to it, in bytes.
const eventOverhead = 96

// Event is one event, encoded once for all of its subscribers. It does not change.
type Event struct {
	Position store.EventPosition
	// OccurredAt is when the event's transaction began, in Unix microseconds of the database's clock.
	OccurredAt int64

	text []byte // the whole server-sent event
	json int    // where its data begins
}

func newEvent(from *store.FollowedEvent) *Event {
	const id, data, end = "id: ", "\ndata: ", "\n\n"
	var buffer [2 * 20]byte // two numbers and a hyphen
	place := from.Position.Append(buffer[:0])
	text := make([]byte, 0, len(id)+len(place)+len(data)+len(from.JSON)+len(end))
	text = append(append(text, id...), place...)
	text = append(text, data...)
	e := &Event{Position: from.Position, OccurredAt: from.OccurredAt, json: len(text)}
	e.text = append(append(text, from.JSON...), end...)
	return e
}

// ServerSent returns the event in the format of server-sent events, with its position as the id. It is shared: do not
// change it.
func (e *Event) ServerSent() []byte { return e.text }

// JSON returns the event as GET /api/v1/events has it. It is shared: do not change it.
func (e *Event) JSON() []byte { return e.text[e.json : len(e.text)-len("\n\n")] }

// size is what an event takes while it is kept, in bytes.
func (e *Event) size() int64 { return eventOverhead + int64(cap(e.text)) }

// compare orders an event and a position so that a binary search finds the first event after the position.
func compare(e *Event, after store.EventPosition) int {
	if e.Position.Compare(after) > 0 {
		return 1
	}
	return -1
}
