package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// decodeStrictly refuses unknown fields and anything after the value.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		var wrongType *json.UnmarshalTypeError
		switch {
		case errors.As(err, &wrongType) && wrongType.Field != "":
			return &decodeError{
				wrongType.Field,
				fmt.Sprintf("%s: a %s is not allowed here", wrongType.Field, wrongType.Value),
			}
		case errors.As(err, &wrongType):
			return fmt.Errorf("a %s where an object was expected", wrongType.Value)
		case errors.Is(err, io.EOF):
			return errors.New("it is empty")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return errors.New("the JSON ends too early")
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON value")
	}
	return nil
}

// decodeError is an error in one field of the body.
type decodeError struct{ field, message string }

func (e *decodeError) Error() string { return e.message }

// fieldOf returns the field that an error is about, or "".
func fieldOf(err error) string {
	var about *decodeError
	if errors.As(err, &about) {
		return about.field
	}
	return ""
}
