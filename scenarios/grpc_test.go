package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// kindsFile is of a service whose messages have fields of all kinds.
const kindsFile = `
name: "kinds.proto" package: "kinds" syntax: "proto3"
dependency: "google/protobuf/any.proto" dependency: "google/protobuf/timestamp.proto"
dependency: "google/protobuf/struct.proto"
enum_type: {name: "Colour" value: {name: "RED" number: 0} value: {name: "GREEN" number: 1}}
message_type: {
  name: "All"
  field: {name: "yes" number: 1 type: TYPE_BOOL label: LABEL_OPTIONAL}
  field: {name: "some_text" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL json_name: "someText"}
  field: {name: "bytes" number: 3 type: TYPE_BYTES label: LABEL_OPTIONAL}
  field: {name: "small" number: 4 type: TYPE_INT32 label: LABEL_OPTIONAL}
  field: {name: "large" number: 5 type: TYPE_UINT64 label: LABEL_OPTIONAL}
  field: {name: "real" number: 6 type: TYPE_DOUBLE label: LABEL_OPTIONAL}
  field: {name: "colour" number: 7 type: TYPE_ENUM type_name: ".kinds.Colour" label: LABEL_OPTIONAL}
  field: {name: "list" number: 8 type: TYPE_INT32 label: LABEL_REPEATED}
  field: {name: "counts" number: 9 type: TYPE_MESSAGE type_name: ".kinds.All.CountsEntry" label: LABEL_REPEATED}
  field: {name: "inner" number: 10 type: TYPE_MESSAGE type_name: ".kinds.All" label: LABEL_OPTIONAL}
  field: {name: "one" number: 11 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0}
  field: {name: "other" number: 12 type: TYPE_STRING label: LABEL_OPTIONAL oneof_index: 0}
  field: {name: "any" number: 13 type: TYPE_MESSAGE type_name: ".google.protobuf.Any" label: LABEL_OPTIONAL}
  field: {name: "at" number: 14 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL}
  field: {name: "free" number: 15 type: TYPE_MESSAGE type_name: ".google.protobuf.Value" label: LABEL_OPTIONAL}
  oneof_decl: {name: "choice"}
  nested_type: {
    name: "CountsEntry" options: {map_entry: true}
    field: {name: "key" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL}
    field: {name: "value" number: 2 type: TYPE_BOOL label: LABEL_OPTIONAL}
  }
}
service: {
  name: "Kinds"
  method: {name: "One" input_type: ".kinds.All" output_type: ".kinds.All"}
  method: {name: "Many" input_type: ".kinds.All" output_type: ".kinds.All" client_streaming: true}
  method: {name: "Watch" input_type: ".kinds.All" output_type: ".kinds.All" server_streaming: true}
}
`

// kinds writes the descriptors into a new directory, and returns it.
func kinds(t testing.TB) (dir string) {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{}
	if err := prototext.Unmarshal([]byte(kindsFile), file); err != nil {
		t.Fatal(err)
	}
	wire, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kinds.protoset"), wire, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// callFile is a scenario with one call, whose message begins in line 12, column 1 of the file.
func callFile(call, message string) string {
	return `target: {url: "grpc://127.0.0.1:50051"}
grpc: {descriptors: kinds.protoset}
scenarios:
  s:
    executor: constant-arrival-rate
    rate: 1
    duration: 10s
    requests:
      - {name: a, values: {x: {list: [a]}}, headers: {used: "{{x}}"}, grpc: {
` + call + `
message:
` + message + `
}}
`
}

func TestMessagesOfCalls(t *testing.T) {
	file := filepath.Join(kinds(t), "calls.yaml")
	short := strings.NewReplacer(file+":", "", "scenarios.s.requests.a.grpc.", "")
	for _, tt := range []struct{ message, want string }{
		{`{yes: true, someText: a, bytes: aGk=, small: -7, large: "18446744073709551615", real: 1e3}`, ""},
		{
			`{some_text: "{{x}}", small: "{{x}}", list: "{{x|raw}}", inner: "{{x|raw}}", colour: "{{x}}"}`,
			"",
		},
		{`{colour: GREEN, list: [1, 2.0], counts: {"1": true, 2: false}, inner: {inner: {one: a}}}`, ""},
		{
			`{any: {"@type": type.googleapis.com/kinds.All, small: 1}, at: "2026-10-01T00:00:00Z", free: [1, {a: b}]}`,
			"",
		},
		{`{colour: 7, real: NaN, one: null, other: a, bytes: a-_A}`, ""},
		{`{sometext: a}`, `12:2: kinds.All has no field "sometext"; did you mean "someText"?`},
		{`{inner: {list: [1, x]}}`, `12:20: message.inner.list.1 is of type int32, and "x" is not`},
		{`{someText: 12}`, `12:12: message.someText is of type string, and "12" is not; write it in quotes`},
		{
			`{yes: "true"}`,
			`12:7: message.yes is of type bool, and "true" is not; write true or false, without quotes`,
		},
		{
			`{bytes: "not base64"}`,
			`12:9: message.bytes is of type bytes, and "not base64" is not; write it in base64`,
		},
		{`{small: 2147483648}`, `12:9: message.small is of type int32, and "2147483648" is not`},
		{`{large: -1}`, `12:9: message.large is of type uint64, and "-1" is not`},
		{`{real: much}`, `12:8: message.real is of type double, and "much" is not`},
		{
			`{colour: GREAN}`,
			`12:10: message.colour cannot be "GREAN": there is no such kinds.Colour; did you mean "GREEN"?`,
		},
		{
			`{list: 1}`,
			`12:8: message.list is repeated and must be a list, not a single value; write it as a list: [ … ]`,
		},
		{`{counts: {a: true}}`, `12:11: message.counts.a is of type int32, and "a" is not`},
		{
			`{counts: {1: 2}}`,
			`12:14: message.counts.1 is of type bool, and "2" is not; write true or false, without quotes`,
		},
		{`{counts: [1]}`, `12:10: message.counts is a map and must be a mapping, not a list`},
		{`{inner: a}`, `12:9: message.inner is a message kinds.All and must be a mapping, not a single value`},
		{`{small: {a: 1}}`, `12:10: message.small is of type int32 and must be a single value, not a mapping`},
		{`{one: a, other: b}`, `12:10: other excludes one: both are choice; remove one of the two`},
		{`{someText: a, some_text: b}`, `12:15: the field some_text is given twice; remove one of the two`},
		{`{at: yesterday}`, `12:2: message is no kinds.All: invalid google.protobuf.Timestamp value "yesterday"`},
		{
			`{any: {"@type": a/kinds.Nothing}}`,
			`12:2: message is no kinds.All: unable to resolve "a/kinds.Nothing": "not found"`,
		},
	} {
		_, err := Parse(file, []byte(callFile("method: kinds.Kinds/One,", tt.message)))
		got := ""
		if err != nil {
			got = short.Replace(err.Error())
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.message, got, tt.want)
		}
	}
}

func TestMethodsOfCalls(t *testing.T) {
	file := filepath.Join(kinds(t), "calls.yaml")
	short := strings.NewReplacer(file+":", "")
	for _, tt := range []struct{ call, want string }{
		{"method: kinds.Kinds/Watch, receive: 2,", ""},
		{"method: /kinds.Kinds/Many, interval: 1s,", ""},
		{"method: kinds.Kind/One,", `10:9: there is no service kinds.Kind; did you mean "kinds.Kinds"?`},
		{"method: kinds.All/One,", `10:9: there is no service kinds.All; only kinds.Kinds is known here`},
		{"method: kinds.Kinds/Mani,", `10:9: kinds.Kinds has no method Mani; did you mean "Many"?`},
		{"method: kinds.Kinds/Zero,", `10:9: kinds.Kinds has no method Zero; known are One, Many, Watch`},
		{
			"method: kinds.Kinds/One, receive: 2,",
			"10:26: kinds.Kinds/One answers with one message: there is no choice; remove it",
		},
		{
			"method: kinds.Kinds/One, interval: 2s,",
			"10:26: kinds.Kinds/One takes one message: there is no interval; remove it",
		},
	} {
		plan, err := Parse(file, []byte(callFile(tt.call, "{}")))
		got := ""
		if err != nil {
			got = short.Replace(err.Error())
		}
		if got != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", tt.call, got, tt.want)
		}
		if err == nil && plan.Calls()[0].Call.Of == nil {
			t.Errorf("%s: the method is not known", tt.call)
		}
	}
}

// TestSavedCalls: a saved run is read again without its descriptors.
func TestSavedCalls(t *testing.T) {
	text := callFile("method: kinds.Kinds/Watch,", "{}") + "thresholds: {http_req_first_event: p(95)<50}\n"
	plan, err := Saved{File: filepath.Join(t.TempDir(), "calls.yaml"), Text: text}.Parse()
	if err != nil || plan.Calls()[0].Method != "kinds.Kinds/Watch" {
		t.Fatal(err)
	}
	var faults Errors
	_, err = Parse(filepath.Join(t.TempDir(), "calls.yaml"), []byte(text))
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line != 2 {
		t.Errorf("without the file: %v", err)
	}
}

// FuzzMessages: any message is either refused with its place, or one that can be made.
func FuzzMessages(f *testing.F) {
	for _, message := range []string{
		"{yes: true, small: 1}", `{inner: {counts: {1: true}}, list: [1, "2"]}`,
		`{any: {"@type": a/kinds.All}, free: {a: [~]}}`,
		"{small: 1e400, real: .inf, bytes: !!binary aGk=}", "{[kinds.ext]: 1, one: ~, other: a}",
		"{small: 007, real: 0x1p3}",
		`{at: "", someText: "{{uuid}}"}`, "{yes: True, colour: 1.0, large: +1}", "{counts: {01: true}, small: 1_0}",
	} {
		f.Add(message)
	}
	file := filepath.Join(kinds(f), "calls.yaml")
	f.Fuzz(func(t *testing.T, message string) {
		plan, err := Parse(file, []byte(callFile("method: kinds.Kinds/One,", message)))
		var faults Errors
		if err != nil {
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatal(err)
			}
			return
		}
		calls := plan.Calls()
		if len(calls) != 1 || calls[0].Call.Of == nil || len(calls[0].Call.Messages) != 1 {
			return // the text has closed the message, and is a file of its own
		}
		text := calls[0].Call.Messages[0].Text()
		if strings.Contains(text, "{{") {
			return
		}
		if _, err := MessageFromJSON([]byte(text), calls[0].Call.Of.Input(), calls[0].Call.Files); err != nil {
			t.Errorf("%q became %q: %v", message, text, err)
		}
	})
}
