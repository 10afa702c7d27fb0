// Command generate makes the files in generated/ from those in source/; go generate ./server/web runs it.
//
//   - Scripts and images get a name with the hash of their content, and a form compressed by gzip and by Zstandard
//     where that is smaller.
//   - The templates of the pages get the style sheet, the names of these files and the hashes of the scripts put in.
//   - manifest.json has the hashes that the Content-Security-Policy of the pages names.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

func main() {
	if err := generate("source", "generated"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate replaces the directory to by what is made from the directory from.
func generate(from, to string) error {
	made, err := build(os.DirFS(from))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	for name, content := range made {
		path := filepath.Join(to, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// manifest is what package web reads from manifest.json.
type manifest struct {
	Style   string              `json:"style"`   // the hash of the style sheet
	Scripts map[string][]string `json:"scripts"` // the hashes of the scripts, by the page that has them
}

// hashed is a file that is served under a name with its hash.
type hashed struct{ name, integrity string }

const filesPath = "/ui/static/"

// build returns the files to write, by their path.
func build(source fs.FS) (map[string][]byte, error) {
	made, files := map[string][]byte{}, map[string]hashed{}
	for _, pattern := range []string{"*.js", "*.svg"} {
		names, err := fs.Glob(source, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			content, err := fs.ReadFile(source, name)
			if err != nil {
				return nil, err
			}
			files[name] = hashed{hashedName(name, content), integrity(content)}
			if err := addFile(made, "files/"+files[name].name, content); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	style, err := fs.ReadFile(source, "style.css")
	if err != nil {
		return nil, err
	}
	style = compact(style)
	m := manifest{Style: integrity(style), Scripts: map[string][]string{}}
	pages, err := fs.Glob(source, "*.html")
	if err != nil {
		return nil, err
	}
	for _, name := range pages {
		page, err := fs.ReadFile(source, name)
		if err != nil {
			return nil, err
		}
		filled, scripts, err := fill(string(page), string(style), files)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made["pages/"+name] = []byte(filled)
		if len(scripts) > 0 {
			m.Scripts[strings.TrimSuffix(name, ".html")] = scripts
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	made["manifest.json"] = append(text, '\n')
	return made, err
}

// hashedName puts the first half of the SHA-256 of the content into a name: live.js becomes live.<32 digits>.js.
func hashedName(name string, content []byte) string {
	sum := sha256.Sum256(content)
	stem, extension, _ := strings.Cut(name, ".")
	return stem + "." + hex.EncodeToString(sum[:16]) + "." + extension
}

// integrity is the hash as Subresource Integrity and the Content-Security-Policy write it.
func integrity(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// addFile adds a file and its compressed forms.
func addFile(made map[string][]byte, path string, content []byte) error {
	made[path] = content
	var zipped bytes.Buffer
	w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return err
	}
	_, err = w.Write(content)
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderCRC(false))
	if err != nil {
		return err
	}
	for extension, packed := range map[string][]byte{".gz": zipped.Bytes(), ".zst": encoder.EncodeAll(content, nil)} {
		if len(packed) < len(content) {
			made[path+extension] = packed
		}
	}
	return encoder.Close()
}

var (
	comment     = regexp.MustCompile(`(?s)/\*.*?\*/`)
	placeholder = regexp.MustCompile(`\[\[(\w+)(?: ([\w.]+))?\]\]`)
)

// compact removes comments and indentation from the style sheet.
func compact(style []byte) []byte {
	var lines []string
	for line := range strings.Lines(string(comment.ReplaceAll(style, nil))) {
		line = strings.TrimSpace(line)
		if line != "" {
			lines = append(lines, line)
		}
	}
	return []byte(strings.Join(lines, "\n"))
}

// fill replaces [[style]], [[file NAME]] and [[integrity NAME]] in a template. scripts are the hashes of its scripts.
func fill(page, style string, files map[string]hashed) (filled string, scripts []string, err error) {
	filled = placeholder.ReplaceAllStringFunc(page, func(found string) string {
		words := placeholder.FindStringSubmatch(found)
		file, known := files[words[2]]
		switch {
		case words[1] == "style" && words[2] == "":
			return style
		case words[1] == "file" && known:
			return filesPath + file.name
		case words[1] == "integrity" && known:
			scripts = append(scripts, file.integrity)
			return file.integrity
		}
		err = fmt.Errorf("%s is neither [[style]] nor [[file NAME]] or [[integrity NAME]] of a file in source", found)
		return found
	})
	return filled, scripts, err
}
