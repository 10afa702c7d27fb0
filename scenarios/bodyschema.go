package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schema is a JSON Schema that bodies are held against.
type Schema struct {
	File     string // as written: relative to the scenario file, and a part of it behind a #
	compiled *jsonschema.Schema
}

// NewSchema compiles the schema in a file, JSON or YAML; what follows a # in its name is a JSON Pointer to the schema
// within it. A schema without $schema is of draft 2020-12. It may refer to other files, and to nothing that would have
// to be fetched.
func NewSchema(file string) (*Schema, error) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.UseLoader(schemaFiles{})
	compiled, err := compiler.Compile(file)
	if err != nil {
		return nil, err
	}
	return &Schema{File: file, compiled: compiled}, nil
}

// Mismatch says where and why a JSON document does not match the schema; it is empty where the document does. The
// document is as [jsonschema.UnmarshalJSON] makes it. It is safe for concurrent use.
func (s *Schema) Mismatch(document any) string {
	if s.compiled == nil {
		return ""
	}
	err := s.compiled.Validate(document)
	if err == nil {
		return ""
	}
	lines := strings.Split(err.Error(), "\n") // the first names the schema, the others are a tree of reasons
	return strings.TrimPrefix(strings.TrimSpace(lines[min(1, len(lines)-1)]), "- ")
}

// schemaFiles loads the documents that schemas are made of: from files alone.
type schemaFiles struct{}

// Load reads the file at a URL.
func (schemaFiles) Load(url string) (any, error) {
	path, err := jsonschema.FileLoader{}.ToFile(url)
	if err != nil {
		return nil, fmt.Errorf("%s is no file: schemas are not fetched", url)
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxSchema:
		return nil, fmt.Errorf("%s is no regular file of at most %d bytes", path, maxSchema)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if ext := strings.ToLower(filepath.Ext(path)); ext == ".yaml" || ext == ".yml" {
		content, err = yaml.YAMLToJSON(content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s is not JSON: %w", path, err)
	}
	return document, nil
}

// maxSchema bounds the file of a schema, in bytes.
const maxSchema = 4 << 20

// schema reads the name of a file with a JSON Schema, and the file. That of a saved run is not looked for.
func (r *reader) schema(n *node) *Schema {
	if !given(n) || r.saved {
		return &Schema{File: r.text(n, "")}
	}
	if strings.TrimSpace(n.text) == "" {
		r.fault(n, "", "%s names no file", n.path)
		return nil
	}
	file := r.pathOf(n)
	schema, err := NewSchema(file)
	if err != nil {
		r.fault(n, "", "%s: %s", n.path, schemaFault(err, file))
		return nil
	}
	schema.File = n.text
	return schema
}

// schemaFault is why the schema in a file could not be compiled, on one line.
func schemaFault(err error, file string) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Sprintf("%s %s: %v", path.Op, relativeTo(file, path.Path), path.Err)
	}
	var load *jsonschema.LoadURLError
	if errors.As(err, &load) {
		err = load.Err
	}
	var invalid *jsonschema.SchemaValidationError
	if errors.As(err, &invalid) {
		err = invalid.Err
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	before, _, _ := strings.Cut(file, "#")
	if whole, err := filepath.Abs(before); err == nil {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "file://"+whole, before), whole, before)
	}
	return text
}

// relativeTo is a path of the library, which are absolute, as one that is relative where the file is.
func relativeTo(file, path string) string {
	if filepath.IsAbs(file) {
		return path
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil {
		return path
	}
	return relative
}
