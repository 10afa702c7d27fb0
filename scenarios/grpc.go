package scenarios

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Call is a request that is a call of a gRPC method.
type Call struct {
	Service  string // "grpc.health.v1.Health"
	Method   string // "Check"
	Messages []Template
	// Interval is the pause after each message that is sent, before the next one.
	Interval time.Duration
	// Receive is how many messages are received before the client ends the call; 0: as many as there are.
	Receive int

	// Of is the method's descriptor, and Files what it is from. Both are nil until the service was asked for them,
	// where the scenario file names no descriptors.
	Of    protoreflect.MethodDescriptor
	Files *protoregistry.Files

	methodAt *node
	messages []*node // as they were written
	keyAt    place   // of the messages
	intervalAt,
	receiveAt *node
	file    string
	secrets *Redactor
}

// Name is the service and the method: "grpc.health.v1.Health/Check".
func (c *Call) Name() string { return c.Service + "/" + c.Method }

// String is the call with what its method takes and gives, where that is known.
func (c *Call) String() string {
	if c.Of == nil {
		return c.Name() + ", which the service is asked for by reflection"
	}
	side := func(streams bool, of protoreflect.MessageDescriptor) string {
		if streams {
			return "stream of " + string(of.FullName())
		}
		return string(of.FullName())
	}
	return fmt.Sprintf("%s takes %s, answers %s", c.Name(), side(c.Of.IsStreamingClient(), c.Of.Input()),
		side(c.Of.IsStreamingServer(), c.Of.Output()))
}

var (
	grpcShape = &shape{
		keys: []key{{"descriptors", &shape{scalar: true, items: value}}},
		foreign: map[string]string{
			"reflection": "the service is asked by reflection where no descriptors are named",
			"protoset":   "use descriptors",
			"proto":      "use descriptors, of a file that protoc --descriptor_set_out writes",
		},
	}
	callShape = &shape{
		keys: []key{
			{"method", value},
			{"message", &shape{any: true}},
			{"messages", &shape{any: true}},
			{"interval", value},
			{"receive", value},
		},
		foreign: map[string]string{
			"metadata": "write them as headers of the request", "headers": "write them beside grpc",
			"deadline": "use timeout of the request", "timeout": "write it beside grpc",
			"data": "use message", "call": "use method", "service": "write method: package.Service/Method",
		},
	}
)

// notInCalls are keys of requests that say what a call of gRPC has no choice in.
var notInCalls = append([]string{"method", "path", "redirects", "stream", "goodput", "click"}, bodyKeys...)

// maxMessages bounds the messages that one call sends.
const maxMessages = 1000

// maxReceived bounds grpc.receive.
const maxReceived = 1_000_000_000

var methodName = regexp.MustCompile(`^/?([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)/([A-Za-z_]\w*)$`)

// call reads a request that is a call: beside is what it has beside the key grpc.
func (r *reader) call(n, beside *node, request *Request, holes *holes) {
	for _, e := range beside.entries {
		if slices.Contains(notInCalls, e.key) {
			r.faultAt(e.at, "remove it", "%s does not go with grpc", e.value.path)
		}
	}
	c := &Call{file: r.file, secrets: r.secrets}
	request.Call = c
	if !given(n) {
		r.vague, holes.unread = true, true
		return
	}
	if n.at.file != "" {
		c.file = n.at.file
	}
	r.callMethod(n, c)
	request.Method = c.Name()
	request.Path.text("/" + c.Name())
	r.messages(n, c, holes)
	c.intervalAt, c.receiveAt = n.get("interval"), n.get("receive")
	c.Interval, _ = r.positiveDuration(c.intervalAt)
	c.Receive = int(r.whole(c.receiveAt, 0, 1, maxReceived))
	r.metadata(beside.get("headers"))
}

// noCall refuses a request of HTTP to a target that takes calls alone.
func (r *reader) noCall(n *node) {
	if r.callsOnly && !n.bad {
		r.faultAt(n.keyAt, "add grpc: {method: package.Service/Method}, or write http:// in target.url",
			"%s is a request of HTTP, and the target takes calls of gRPC", n.path)
	}
}

func (r *reader) callMethod(n *node, c *Call) {
	c.methodAt = r.need(n, "method", "method: package.Service/Method")
	if !given(c.methodAt) {
		r.vague = true
		return
	}
	found := methodName.FindStringSubmatch(c.methodAt.text)
	if found == nil {
		r.vague = true
		r.fault(c.methodAt, "write it as package.Service/Method", "%s %.120q is not the name of a method",
			c.methodAt.path, c.methodAt.text)
		return
	}
	c.Service, c.Method = found[1], found[2]
}

// messages reads what a call sends. Without any, it is one empty message.
func (r *reader) messages(n *node, c *Call, holes *holes) {
	one, several := n.get("message"), n.get("messages")
	c.keyAt = n.keyAt
	switch {
	case one != nil && several != nil:
		r.faultAt(several.keyAt, "remove one of the two", "%s has message and messages", n.path)
	case several != nil && !several.bad && (several.kind != sequence || len(several.items) == 0):
		r.fault(several, "for example [{name: first}, {name: second}]", "%s must be a list with messages", several.path)
	case several != nil && len(several.items) > maxMessages:
		r.fault(several, "", "%s has %d messages; a call sends at most %s", several.path, len(several.items),
			grouped(maxMessages))
	case several != nil:
		c.messages, c.keyAt = several.items, several.keyAt
	case one != nil:
		c.messages, c.keyAt = []*node{one}, one.keyAt
	default:
		c.Messages = []Template{{{Literal: "{}"}}}
	}
	for _, message := range c.messages {
		var t Template
		if !message.bad && message.kind != mapping {
			r.bad(message, "for example {name: Ann}", "%s must be a mapping, not %s", message.path, message.kind)
		}
		r.json(message, &t, holes)
		c.Messages = append(c.Messages, t)
	}
}

// BinaryMetadata is how the names of metadata end that are bytes. In scenario files they are written in base64, as HTTP
// has them.
const BinaryMetadata = "-bin"

// DecodeMetadata is the value of binary metadata. It is padded or not.
func DecodeMetadata(text string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// metadata holds the headers of a call against what gRPC takes.
func (r *reader) metadata(headers *node) {
	if headers == nil {
		return
	}
	for _, e := range headers.entries {
		name := strings.ToLower(e.key)
		switch {
		case name == "host":
			r.faultAt(e.at, "use http.host", "a call has no header Host of its own")
		case strings.HasPrefix(name, "grpc-"), name == "content-type", name == "te":
			r.faultAt(e.at, "leave it out", "the header %s is set by gRPC itself", e.key)
		case strings.HasSuffix(name, BinaryMetadata) && given(e.value) && !strings.Contains(e.value.text, "{{"):
			if _, err := DecodeMetadata(e.value.text); err != nil {
				r.fault(e.value, `write it in base64, or a value as "{{name|base64}}"`,
					"the header %s is of bytes, and its value is not base64", e.key)
			}
		}
	}
}

// Calls are the requests of the plan that are calls of gRPC.
func (p *Plan) Calls() (calls []*Request) {
	for q := range p.AllRequests() {
		if q.Call != nil {
			calls = append(calls, q)
		}
	}
	return calls
}

// OnlyCalls reports whether all requests of a scenario are calls of gRPC.
func (s *Scenario) OnlyCalls() bool {
	return len(s.Requests) > 0 && !slices.ContainsFunc(s.Requests, func(q Request) bool { return q.Call == nil })
}

// HasCalls reports whether some are.
func (s *Scenario) HasCalls() bool {
	return slices.ContainsFunc(s.Requests, func(q Request) bool { return q.Call != nil })
}

// grpc reads the section grpc, and looks up the methods of calls in the descriptors that it names.
func (r *reader) grpc(file *node, p *Plan) {
	section, calls := file.get("grpc"), p.Calls()
	if section != nil && len(calls) == 0 && !r.vague {
		r.faultAt(section.keyAt, "give one a key grpc, or remove the section", "no request is a call of gRPC")
	}
	if len(calls) > 0 {
		r.callConnections(file, p)
	}
	names := section.get("descriptors")
	if !given(names) || r.saved {
		return
	}
	files := r.descriptors(names)
	if files == nil {
		return
	}
	for _, q := range calls {
		if q.Call.Service != "" {
			r.errs = append(r.errs, q.Resolve(files, ServicesIn(files))...)
		}
	}
}

// callConnections reports what the file asks of connections that calls do not have.
func (r *reader) callConnections(file *node, p *Plan) {
	refuse := func(n *node, hint, why string) {
		r.faultAt(n.keyAt, hint, "%s does not go with calls of gRPC: %s", n.path, why)
	}
	http := file.get("http")
	switch {
	case file.get("target") == nil && file.get("experiment").get("baseUrl") == nil:
		r.faultAt(p.Calls()[0].Call.keyAt, "add target: {url: grpc://127.0.0.1:50051}",
			"the reference server has no methods of gRPC")
	case p.Target.Proxy != "":
		refuse(file.get("target").get("proxy"), "remove it", "their connections go to the service itself")
	case p.Target.HTTP.Version == HTTP1:
		refuse(http.get("version"), "remove it", "gRPC is spoken over HTTP/2")
	case p.Target.HTTP.Close:
		refuse(http.get("keepAlive"), "remove it", "they share connections")
	}
}

// maxDescriptors bounds a file with descriptors, in bytes.
const maxDescriptors = 64 << 20

// descriptors reads the files with sets of descriptors; nil: there was a fault.
func (r *reader) descriptors(n *node) *protoregistry.Files {
	items := n.items
	if n.kind == scalar {
		items = []*node{n}
	}
	all, faults := &descriptorpb.FileDescriptorSet{}, len(r.errs)
	for _, item := range items {
		if item.bad {
			return nil
		}
		const hint = "protoc --include_imports --descriptor_set_out=FILE writes one"
		content, err := ReadRegular(r.pathOf(item), maxDescriptors)
		if err != nil {
			r.fault(item, hint, "%s: %v", item.path, err)
			continue
		}
		set := &descriptorpb.FileDescriptorSet{}
		err = proto.Unmarshal(content, set)
		if err != nil || len(set.File) == 0 {
			r.fault(item, hint, "%s: %s is not a set of descriptors", item.path, item.text)
			continue
		}
		all.File = append(all.File, set.File...)
	}
	if len(r.errs) > faults || len(all.File) == 0 {
		return nil
	}
	files, err := NewFiles(all.File)
	if err != nil {
		r.fault(n, "protoc --include_imports writes all that it needs", "%s: %v", n.path, err)
		return nil
	}
	return files
}

// NewFiles makes descriptors of files, which may be there several times. What they import must be among them, but for
// the files of protobuf itself.
func NewFiles(files []*descriptorpb.FileDescriptorProto) (*protoregistry.Files, error) {
	set, known := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	for _, file := range files {
		if !known[file.GetName()] {
			known[file.GetName()] = true
			set.File = append(set.File, file)
		}
	}
	for i := 0; i < len(set.File); i++ { // of which there become more
		for _, name := range set.File[i].Dependency {
			if known[name] {
				continue
			}
			own, err := protoregistry.GlobalFiles.FindFileByPath(name)
			if err != nil || !strings.HasPrefix(name, "google/protobuf/") {
				continue // which NewFiles reports
			}
			known[name] = true
			set.File = append(set.File, protodesc.ToFileDescriptorProto(own))
		}
	}
	return protodesc.NewFiles(set)
}

// ServicesIn are the names of the services that there are descriptors of.
func ServicesIn(files *protoregistry.Files) (names []string) {
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Services().Len() {
			names = append(names, string(f.Services().Get(i).FullName()))
		}
		return true
	})
	slices.Sort(names)
	return names
}

// WithOwnCalls is the plan with calls that are its own: their methods can be looked up without changing those of p.
func (p *Plan) WithOwnCalls() *Plan {
	own := func(list []Request) []Request {
		list = slices.Clone(list)
		for i := range list {
			if list[i].Call != nil {
				call := *list[i].Call
				list[i].Call = &call
			}
		}
		return list
	}
	clone := *p
	clone.Setup, clone.Teardown, clone.Scenarios = own(p.Setup), own(p.Teardown), slices.Clone(p.Scenarios)
	for i := range clone.Scenarios {
		s := &clone.Scenarios[i]
		s.Requests, s.Login = own(s.Requests), own(s.Login)
	}
	return &clone
}
