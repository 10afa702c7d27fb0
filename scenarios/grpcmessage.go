package scenarios

import (
	"errors"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Resolve looks up the method that the request calls, and holds what it sends against the method. services are those
// that are known, for messages.
func (q *Request) Resolve(files *protoregistry.Files, services []string) Errors {
	c := q.Call
	k := &callChecker{call: c, suggester: &suggester{}}
	found, err := files.FindDescriptorByName(protoreflect.FullName(c.Service))
	service, ok := found.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		k.fault(c.methodAt, suggest(c.Service, services), "there is no service %s", c.Service)
		return k.errs
	}
	method := service.Methods().ByName(protoreflect.Name(c.Method))
	if method == nil {
		var names []string
		for i := range service.Methods().Len() {
			names = append(names, string(service.Methods().Get(i).Name()))
		}
		k.fault(c.methodAt, suggest(c.Method, names), "%s has no method %s", c.Service, c.Method)
		return k.errs
	}
	k.shape(method)
	for _, message := range c.messages {
		k.message(message, method.Input())
	}
	if len(k.errs) > 0 {
		return k.errs
	}
	k.literals(method, files)
	c.Of, c.Files = method, files
	if method.IsStreamingServer() {
		q.Stream = StreamGRPC
	}
	return k.errs
}

// callChecker collects what is wrong with a call.
type callChecker struct {
	*suggester
	call *Call
	errs Errors
}

func (k *callChecker) fault(n *node, hint, format string, args ...any) {
	k.faultAt(n.at, hint, format, args...)
}

func (k *callChecker) faultAt(at place, hint, format string, args ...any) {
	r := &reader{file: k.call.file, secrets: k.call.secrets}
	r.faultAt(at, hint, format, args...)
	k.errs = append(k.errs, r.errs...)
}

// shape holds how many messages are sent and received against the kind of the method.
func (k *callChecker) shape(m protoreflect.MethodDescriptor) {
	c := k.call
	if n := len(c.Messages); n != 1 && !m.IsStreamingClient() {
		k.faultAt(c.keyAt, "send one", "%s takes one message, and there are %d", c.Name(), n)
	}
	if given(c.intervalAt) && !m.IsStreamingClient() {
		k.faultAt(c.intervalAt.keyAt, "remove it", "%s takes one message: there is no interval", c.Name())
	}
	if given(c.receiveAt) && !m.IsStreamingServer() {
		k.faultAt(c.receiveAt.keyAt, "remove it", "%s answers with one message: there is no choice", c.Name())
	}
}

// wellKnown are the messages that JSON has a form of its own for; what is wrong in them is found when they are made.
func wellKnown(md protoreflect.MessageDescriptor) bool {
	return md.FullName().Parent() == "google.protobuf" && md.Name() != "Empty"
}

// message holds what was written of a message against its fields.
func (k *callChecker) message(n *node, md protoreflect.MessageDescriptor) {
	switch {
	case n.bad, n.null, wellKnown(md), isFilled(n):
		return
	case n.kind != mapping:
		k.fault(n, "", "%s is a message %s and must be a mapping, not %s", n.path, md.FullName(), n.kind)
		return
	}
	oneofs, seen := map[protoreflect.Name]string{}, map[protoreflect.Name]bool{}
	for _, e := range n.entries {
		if strings.Contains(e.key, "{{") || strings.HasPrefix(e.key, "[") { // an extension
			continue
		}
		fd := fieldOf(md, e.key)
		if fd == nil {
			k.faultAt(e.at, k.suggest(e.key, fieldNames(md)), "%s has no field %.60q", md.FullName(), e.key)
			continue
		}
		if seen[fd.Name()] {
			k.faultAt(e.at, "remove one of the two", "the field %s is given twice", fd.Name())
		}
		seen[fd.Name()] = true
		if of := fd.ContainingOneof(); of != nil && !e.value.null {
			if other := oneofs[of.Name()]; other != "" {
				k.faultAt(e.at, "remove one of the two", "%s excludes %s: both are %s", e.key, other, of.Name())
			}
			oneofs[of.Name()] = e.key
		}
		k.field(e.value, fd)
	}
}

func fieldOf(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return md.Fields().ByTextName(name)
}

func fieldNames(md protoreflect.MessageDescriptor) (names []string) {
	for i := range md.Fields().Len() {
		names = append(names, md.Fields().Get(i).JSONName())
	}
	return names
}

// isFilled reports whether a text has holes, so that it is not known yet.
func isFilled(n *node) bool { return n.kind == scalar && !n.literal && strings.Contains(n.text, "{{") }

func (k *callChecker) field(n *node, fd protoreflect.FieldDescriptor) {
	switch {
	case n.bad, n.null, isFilled(n) && (fd.IsList() || fd.IsMap()):
		return
	case fd.IsMap() && n.kind != mapping:
		k.fault(n, "", "%s is a map and must be a mapping, not %s", n.path, n.kind)
	case fd.IsMap():
		for _, e := range n.entries {
			key := &node{kind: scalar, at: e.at, path: e.value.path, text: e.key}
			k.scalar(key, fd.MapKey(), true)
			k.one(e.value, fd.MapValue())
		}
	case fd.IsList() && n.kind != sequence:
		k.fault(n, "write it as a list: [ … ]", "%s is repeated and must be a list, not %s", n.path, n.kind)
	case fd.IsList():
		for _, item := range n.items {
			k.one(item, fd)
		}
	default:
		k.one(n, fd)
	}
}

// one holds one value against a field, or against what a repeated one has.
func (k *callChecker) one(n *node, fd protoreflect.FieldDescriptor) {
	switch {
	case fd.Message() != nil:
		k.message(n, fd.Message())
	case n.bad, n.null:
	case n.kind != scalar:
		k.fault(n, "", "%s is of type %s and must be a single value, not %s", n.path, fd.Kind(), n.kind)
	default:
		k.scalar(n, fd, false)
	}
}

// scalar holds a single value, or the key of a map, against the type of a field.
func (k *callChecker) scalar(n *node, fd protoreflect.FieldDescriptor, key bool) {
	if isFilled(n) {
		return
	}
	bare := n.typed || n.plain && n.written != "" && isBareJSON(n.text)
	wrong := func(hint string) {
		k.fault(n, hint, "%s is of type %s, and %.60q is not", n.path, fd.Kind(), n.text)
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if text := strings.ToLower(n.text); text != "true" && text != "false" || !bare && !key {
			wrong("write true or false, without quotes")
		}
	case protoreflect.StringKind:
		if bare {
			wrong("write it in quotes")
		}
	case protoreflect.BytesKind:
		if bare || !isBase64(n.text) {
			wrong("write it in base64")
		}
	case protoreflect.EnumKind:
		k.enum(n, fd.Enum())
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		_, err := strconv.ParseFloat(n.text, 64)
		if err != nil && !slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, n.text) {
			wrong("")
		}
	default:
		if !isInteger(n.text, fd.Kind()) {
			wrong("")
		}
	}
}

func isBase64(text string) bool {
	_, err := DecodeMetadata(strings.NewReplacer("-", "+", "_", "/").Replace(text))
	return err == nil
}

// isInteger reports whether a text is an integer of a kind. JSON may write it with an exponent.
func isInteger(text string, kind protoreflect.Kind) bool {
	var lowest, highest float64 = math.MinInt64, math.MaxInt64
	switch kind {
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		lowest, highest = math.MinInt32, math.MaxInt32
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		lowest, highest = 0, math.MaxUint32
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		lowest, highest = 0, math.MaxUint64
	}
	x, err := strconv.ParseFloat(text, 64)
	return err == nil && x == math.Trunc(x) && lowest <= x && x <= highest
}

func (k *callChecker) enum(n *node, ed protoreflect.EnumDescriptor) {
	if ed.Values().ByName(protoreflect.Name(n.text)) != nil || isInteger(n.text, protoreflect.Int32Kind) ||
		ed.FullName() == "google.protobuf.NullValue" {
		return
	}
	var names []string
	for i := range ed.Values().Len() {
		names = append(names, string(ed.Values().Get(i).Name()))
	}
	k.fault(n, k.suggest(n.text, names), "%s cannot be %.60q: there is no such %s", n.path, n.text, ed.FullName())
}

// literals makes the messages without holes, for what is wrong with them that was not seen before.
func (k *callChecker) literals(m protoreflect.MethodDescriptor, files *protoregistry.Files) {
	for i, t := range k.call.Messages {
		if slices.ContainsFunc(t, func(p Part) bool { return p.Value != "" }) || i >= len(k.call.messages) {
			continue
		}
		_, err := MessageFromJSON([]byte(t.Text()), m.Input(), files)
		if err != nil {
			k.fault(k.call.messages[i], "", "%s is no %s: %v", k.call.messages[i].path, m.Input().FullName(), err)
		}
	}
}

// MessageFromJSON makes a message of JSON. files have the types that it may name.
func MessageFromJSON(text []byte, md protoreflect.MessageDescriptor, files *protoregistry.Files,
) (*dynamicpb.Message, error) {
	message := dynamicpb.NewMessage(md)
	err := protojson.UnmarshalOptions{Resolver: dynamicpb.NewTypes(files)}.Unmarshal(text, message)
	if err != nil {
		return nil, errors.New(inJSON.ReplaceAllString(strings.ReplaceAll(err.Error(), "\u00a0", " "), ""))
	}
	return message, nil
}

// inJSON is what the library's errors begin with. Nobody has seen the text that the place is in.
var inJSON = regexp.MustCompile(`^proto: |\(line \d+:\d+\): `)
