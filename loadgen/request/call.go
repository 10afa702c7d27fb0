package request

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/policycortex/headroom/scenarios"
)

// Call is a call of a gRPC method, ready to be rendered.
type Call struct {
	plan     *scenarios.Call
	of       *template // of which it has the values
	messages []message
	answers  protojson.MarshalOptions
}

// message is one that is sent: always the same, or of JSON whose holes are filled each time.
type message struct {
	json  []segment
	fixed []byte
	holes bool
}

// newCall prepares a call. Its method must be known.
func newCall(plan *scenarios.Call, values []value, names *fillers) (*Call, error) {
	of := &template{values: values}
	if plan.Of == nil {
		return nil, fmt.Errorf("nobody knows the method %s", plan.Name())
	}
	c := &Call{plan: plan, of: of, answers: protojson.MarshalOptions{
		EmitDefaultValues: true, Resolver: dynamicpb.NewTypes(plan.Files),
	}}
	for i, t := range plan.Messages {
		m := message{json: names.segments(t)}
		m.holes = slices.ContainsFunc(m.json, func(s segment) bool { return s.hole != noHole })
		if !m.holes {
			var err error
			m.fixed, err = c.wire(nil, of.append(nil, m.json, &Draw{}))
			if err != nil {
				return nil, fmt.Errorf("message %d: %w", i+1, err)
			}
		}
		c.messages = append(c.messages, m)
	}
	return c, nil
}

// wire appends the message that a text of JSON is, as it is sent.
func (c *Call) wire(dst, text []byte) ([]byte, error) {
	m, err := scenarios.MessageFromJSON(text, c.plan.Of.Input(), c.plan.Files)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, m)
}

// Plan is the call as the scenario has it.
func (c *Call) Plan() *scenarios.Call { return c.plan }

// Call is the request of that index, where it is a call; else nil.
func (s *Set) Call(request int) *Call { return s.requests[request].call }

// Len is how many messages the call sends.
func (c *Call) Len() int { return len(c.messages) }

// Message is the message of that index, which is sent to the service with the choices of d. What it returns is not to
// be changed. An error says that what fills a hole is not of the type of its field.
func (c *Call) Message(i int, d *Draw) ([]byte, error) {
	m := &c.messages[i]
	if !m.holes {
		return m.fixed, nil
	}
	var space [512]byte
	wire, err := c.wire(nil, c.of.append(space[:0], m.json, d))
	if err != nil {
		return nil, fmt.Errorf("the message is no %s: %w", c.plan.Of.Input().FullName(), err)
	}
	return wire, nil
}

// AppendText appends the messages of a call as JSON, each on a line, with the choices of d.
func (c *Call) AppendText(dst []byte, d *Draw) []byte {
	for i := range c.messages {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = c.of.append(dst, c.messages[i].json, d)
	}
	return dst
}

// AppendAnswer appends what was received as JSON: the message, or of a method that streams the list of the messages.
func (c *Call) AppendAnswer(dst []byte, messages [][]byte) ([]byte, error) {
	streams := c.plan.Of.IsStreamingServer()
	if streams {
		dst = append(dst, '[')
	}
	for i, wire := range messages {
		if i > 0 {
			dst = append(dst, ',')
		}
		m := dynamicpb.NewMessage(c.plan.Of.Output())
		err := proto.UnmarshalOptions{Resolver: c.answers.Resolver}.Unmarshal(wire, m)
		if err != nil {
			return dst, fmt.Errorf("the answer is no %s: %w", c.plan.Of.Output().FullName(), err)
		}
		dst, err = c.answers.MarshalAppend(dst, m)
		if err != nil {
			return dst, fmt.Errorf("the answer has no form in JSON: %w", err)
		}
	}
	if streams {
		dst = append(dst, ']')
	}
	return dst, nil
}
