package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"
)

// writeDocument writes what [json.MarshalIndent] makes of a record, indented by two blanks, as [Printable] has it. The
// parts that grow with the length of a run are encoded element by element: as one text they would take several times
// the memory of the run itself.
func writeDocument(w io.Writer, record any) error {
	d := document{w: bufio.NewWriter(w)}
	d.encoder = json.NewEncoder(&d.text)
	err := d.value(reflect.ValueOf(record).Elem(), "")
	if err != nil {
		return err
	}
	_, _ = d.w.WriteString("\n") // Flush returns the error
	return d.w.Flush()
}

// document is a document that is being written.
type document struct {
	w       *bufio.Writer // its errors come with Flush
	text    bytes.Buffer  // of the value that is encoded as one
	encoder *json.Encoder // to text
}

const indentation = "  "

func (d *document) value(v reflect.Value, indent string) error {
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil() && hasLists(v.Type().Elem()):
		return d.object(v.Elem(), indent)
	case v.Kind() == reflect.Struct && hasLists(v.Type()):
		return d.object(v, indent)
	case v.Kind() == reflect.Slice && v.Len() > 0 && isRecord(v.Type().Elem()):
		return d.list(v, indent)
	}
	return d.whole(v, indent)
}

// hasLists reports whether the values of a type hold lists that grow with the length of a run.
func hasLists(t reflect.Type) bool {
	return t == reflect.TypeFor[Run]() || t == reflect.TypeFor[Measurements]() || t == reflect.TypeFor[Health]()
}

// isRecord reports whether a type is of structs or of pointers.
func isRecord(t reflect.Type) bool { return t.Kind() == reflect.Struct || t.Kind() == reflect.Pointer }

func (d *document) object(v reflect.Value, indent string) error {
	before := "{"
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == "-" || option == "omitempty" && isEmpty(v.Field(i)) {
			continue
		}
		fmt.Fprintf(d.w, "%s\n%s%q: ", before, indent+indentation, name)
		err := d.value(v.Field(i), indent+indentation)
		if err != nil {
			return err
		}
		before = ","
	}
	fmt.Fprintf(d.w, "\n%s}", indent)
	return nil
}

// isEmpty reports whether encoding/json leaves a field out that says omitempty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

func (d *document) list(v reflect.Value, indent string) error {
	before := "["
	for i := range v.Len() {
		fmt.Fprintf(d.w, "%s\n%s", before, indent+indentation)
		err := d.value(v.Index(i), indent+indentation)
		if err != nil {
			return err
		}
		before = ","
	}
	fmt.Fprintf(d.w, "\n%s]", indent)
	return nil
}

// whole encodes a value as one text.
func (d *document) whole(v reflect.Value, indent string) error {
	d.text.Reset()
	d.encoder.SetIndent(indent, indentation)
	err := d.encoder.Encode(v.Addr().Interface()) // its address: a copy would be made of a value
	if err != nil {
		return err
	}
	text := bytes.TrimSuffix(d.text.Bytes(), []byte("\n"))
	if bytes.ContainsFunc(text, controls) || !utf8.Valid(text) {
		text = []byte(Printable(string(text)))
	}
	_, _ = d.w.Write(text)
	return nil
}

// WriteFile writes a file such that path holds the old or the new content whole, even across a crash.
func WriteFile(path string, data []byte) error {
	return WriteFileBy(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// fileBuffer is how many bytes are written to a file at once.
const fileBuffer = 64 << 10

// WriteFileBy is [WriteFile] of what write writes. When that returns an error, path holds the old content.
func WriteFileBy(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, fileBuffer)
	err = write(w)
	if err == nil {
		err = errors.Join(w.Flush(), f.Chmod(0o644), f.Sync())
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
