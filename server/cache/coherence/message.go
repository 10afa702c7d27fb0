package coherence

import (
	"encoding/binary"
	"errors"

	"github.com/policycortex/headroom/server/store"
)

// A message on the bus consists of its kind (1 byte), the sender's id (8 bytes), the sender's number of the message
// (8), and an LSN (8). An invalidation adds the stripes (2 bytes each), a drop its pattern. Numbers are big-endian. An
// acknowledgement goes to the sender's own channel. It consists of the number of the message and the id of the instance
// that has applied it (8 bytes each).
const (
	invalidateMessage = 'i'
	dropMessage       = 'd'
	heartbeatMessage  = 'h' // its number is the sender's time of sending
	byeMessage        = 'b' // the sender no longer serves anything
	messageHeader     = 1 + 3*8
)

type message struct {
	what    byte
	sender  uint64
	number  uint64
	after   store.LSN
	stripes []uint16
	pattern string

	refused bool // L2 had no memory for an epoch; not sent
}

var errGarbled = errors.New("malformed message on the bus")

func (m *message) encode() []byte {
	b := make([]byte, 0, messageHeader+2*len(m.stripes)+len(m.pattern))
	b = append(b, m.what)
	b = binary.BigEndian.AppendUint64(b, m.sender)
	b = binary.BigEndian.AppendUint64(b, m.number)
	b = binary.BigEndian.AppendUint64(b, uint64(m.after))
	for _, s := range m.stripes {
		b = binary.BigEndian.AppendUint16(b, s)
	}
	return append(b, m.pattern...)
}

func decodeMessage(payload string) (message, error) {
	if len(payload) < messageHeader {
		return message{}, errGarbled
	}
	b := []byte(payload)
	m := message{
		what:   b[0],
		sender: binary.BigEndian.Uint64(b[1:]),
		number: binary.BigEndian.Uint64(b[9:]),
		after:  store.LSN(binary.BigEndian.Uint64(b[17:])),
	}
	rest := b[messageHeader:]
	switch {
	case (m.what == heartbeatMessage || m.what == byeMessage) && len(rest) == 0:
	case m.what == dropMessage:
		m.pattern = payload[messageHeader:]
	case m.what == invalidateMessage && len(rest)%2 == 0:
		m.stripes = make([]uint16, 0, len(rest)/2)
		for ; len(rest) > 0; rest = rest[2:] {
			m.stripes = append(m.stripes, binary.BigEndian.Uint16(rest))
		}
	default:
		return message{}, errGarbled
	}
	return m, nil
}

func encodeAck(number, from uint64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(make([]byte, 0, 16), number), from)
}

func decodeAck(payload string) (number, from uint64, ok bool) {
	if len(payload) != 16 {
		return 0, 0, false
	}
	b := []byte(payload)
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), true
}
