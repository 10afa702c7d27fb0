// Package model has the Go types of the schema. An object is the JSON that the store has made of it: its fields are
// found in there and sent as they are.
package model

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/99designs/gqlgen/graphql"
)

// Raw is a JSON value as it is sent.
type Raw []byte

// MarshalRaw writes a value as it is.
func MarshalRaw(value Raw) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { w.Write(value) }) // into memory
}

// UnmarshalRaw takes any value of a request.
func UnmarshalRaw(value any) (Raw, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(value)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// AsText returns a number as a text, and anything else as it is.
func AsText(r Raw) Raw {
	if len(r) == 0 || r[0] == '"' || r[0] == 'n' {
		return r
	}
	return append(append(append(make(Raw, 0, len(r)+2), '"'), r...), '"')
}

// Text returns the text of a JSON string; "" for anything else.
func (r Raw) Text() string {
	if len(r) < 2 || r[0] != '"' {
		return ""
	}
	if bytes.IndexByte(r, '\\') < 0 {
		return string(r[1 : len(r)-1])
	}
	var text string
	_ = json.Unmarshal(r, &text) // it is our own JSON
	return text
}

// Tags are the tags of a resource to store.
type Tags map[string]string

// UnmarshalGQL takes an object of texts.
func (t *Tags) UnmarshalGQL(value any) error {
	object, ok := value.(map[string]any)
	if !ok {
		return &InputError{"tags must be an object of texts"}
	}
	*t = make(Tags, len(object))
	for name, v := range object {
		text, ok := v.(string)
		if !ok {
			return &InputError{fmt.Sprintf("tags: the value of %.40q is no text", name)}
		}
		(*t)[name] = text
	}
	return nil
}

// MarshalGQL writes an object.
func (t Tags) MarshalGQL(w io.Writer) {
	_ = json.NewEncoder(w).Encode(map[string]string(t)) // texts in memory
}

// NewResource is a resource to store.
type NewResource struct {
	AzureResourceID, SubscriptionID, ResourceGroupName, Name, Type, Location string

	Properties Raw
	Tags       Tags
}

// NewPolicy is a policy to store.
type NewPolicy struct {
	Name, Type, Category, Severity string

	Enabled    *bool
	Definition Raw
}

// NewCost is a cost to store, with its number as it was sent.
type NewCost struct {
	ResourceID, ServiceName, Date string

	Cost     Raw
	Currency *string
}

// InputError is an error in what a client has sent.
type InputError struct{ Message string }

func (e *InputError) Error() string { return e.Message }
