package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// generated is what go generate makes of source.
//
//go:embed generated
var generated embed.FS

// filesPath is where the hashed files are. The generator writes it into the pages.
const filesPath = "/ui/static/"

// file is a hashed file with its compressed forms; nil where a form is not smaller.
type file struct{ plain, gzip, zstd []byte }

var (
	files  = readFiles()
	pages  = readPages()
	hashes = readHashes()
)

func readFiles() map[string]*file {
	all := map[string]*file{}
	for name, content := range mustRead("generated/files") {
		stem, packing := name, path.Ext(name)
		if packing == ".gz" || packing == ".zst" {
			stem = strings.TrimSuffix(name, packing)
		}
		if all[stem] == nil {
			all[stem] = &file{}
		}
		switch packing {
		case ".gz":
			all[stem].gzip = content
		case ".zst":
			all[stem].zstd = content
		default:
			all[stem].plain = content
		}
	}
	return all
}

// readPages returns the templates of the pages, each with the layout.
func readPages() map[string]*template.Template {
	texts := mustRead("generated/pages")
	frame := template.New("").Funcs(functions)
	for _, shared := range []string{"layout.html", "parts.html"} {
		template.Must(frame.Parse(string(texts[shared])))
		delete(texts, shared)
	}
	all := map[string]*template.Template{}
	for name, text := range texts {
		all[strings.TrimSuffix(name, ".html")] = template.Must(template.Must(frame.Clone()).Parse(string(text)))
	}
	return all
}

// manifest has the hashes of what pages contain or load.
type manifest struct {
	Style   string
	Scripts map[string][]string // by page
}

func readHashes() (m manifest) {
	if err := json.Unmarshal(mustRead("generated")["manifest.json"], &m); err != nil {
		panic("web: manifest.json: " + err.Error())
	}
	return m
}

// mustRead returns the files in a directory by name. They are compiled in, and tested.
func mustRead(dir string) map[string][]byte {
	entries, err := generated.ReadDir(dir)
	if err != nil {
		panic("web: " + err.Error())
	}
	contents := map[string][]byte{}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		contents[entry.Name()], err = fs.ReadFile(generated, dir+"/"+entry.Name())
		if err != nil {
			panic("web: " + err.Error())
		}
	}
	return contents
}

var contentTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// serveFile serves a hashed file. Its content never changes, so every cache may keep it for a year, the longest time
// that is understood everywhere, without asking.
func serveFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	found, ok := files[name]
	if !ok {
		http.Error(w, "There is no such file. Reload the page that names it.", http.StatusNotFound)
		return
	}
	body, coding := found.plain, ""
	asked := r.Header["Accept-Encoding"]
	switch {
	case found.zstd != nil && names(asked, "zstd"):
		body, coding = found.zstd, "zstd"
	case found.gzip != nil && names(asked, "gzip"):
		body, coding = found.gzip, "gzip"
	}
	header := w.Header()
	header.Set("Cache-Control", "public, max-age=31536000, immutable")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	send(w, r, body, coding, contentTypes[path.Ext(name)], `W/"`+name+`"`)
}

// send answers 200, or 304 where the client has the content. etag must be weak, because all codings share it.
func send(w http.ResponseWriter, r *http.Request, body []byte, coding, contentType, etag string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Encoding")
	header.Set("Etag", etag)
	if coding != "" {
		header.Set("Content-Encoding", coding)
		header.Set("Content-Length", strconv.Itoa(len(body))) // ServeContent leaves it out of what is encoded
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}
