package results

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestDocumentIsThatOfEncodingJSON: written element by element, a run says the same as encoded at once, whatever is in
// its fields.
func TestDocumentIsThatOfEncodingJSON(t *testing.T) {
	full, text := &Run{}, "a\tb <&> \u202e\u2028 \x01 \xff \U0001f600"
	fill(reflect.ValueOf(full).Elem(), text, 8)
	for what, r := range map[string]*Run{
		"empty": {},
		"full":  full,
		"lists that are empty, not nil": {Measurements: Measurements{
			Points: []Point{}, Health: &Health{Seconds: []HealthSecond{}}, Series: []*Series{nil},
		}},
	} {
		doc, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		err = writeDocument(&got, r)
		if want := Printable(string(doc)) + "\n"; err != nil || got.String() != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", what, err, got.String(), want)
		}
	}
}

// fill puts something into every exported field of a value, down to a depth.
func fill(v reflect.Value, text string, depth int) {
	if depth == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text, depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), text, depth-1)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, text, depth-1)
		fill(value, text, depth-1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_800_000_000, 5).UTC()))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text, depth)
			}
		}
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1e-7)
	default:
		if v.CanInt() {
			v.SetInt(7)
		} else if v.CanUint() {
			v.SetUint(7)
		}
	}
}

// TestWhatCannotBeWrittenChangesNothing: the file that was there stays, and no other is left.
func TestWhatCannotBeWrittenChangesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := WriteFileBy(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("new", fileBuffer))
		return broken
	})
	files, _ := os.ReadDir(dir)
	if !errors.Is(err, broken) || len(files) != 1 || string(read(t, path)) != "old" {
		t.Errorf("%v, %d files, %q", err, len(files), read(t, path))
	}
	r := &Run{Measurements: Measurements{Elapsed: math.NaN()}}
	if err := Save(t.TempDir(), r); err == nil || !strings.Contains(err.Error(), "NaN") {
		t.Errorf("a run that has no JSON: %v", err)
	}
}

// TestDocumentIsNotHeldWhole: while a long run is written, hardly more lives than the run itself.
func TestDocumentIsNotHeldWhole(t *testing.T) { // not in parallel: it measures the heap
	r := &Run{Measurements: Measurements{Points: make([]Point, 50_000)}}
	before := liveBytes()
	w := &heapWatcher{}
	if err := writeDocument(w, r); err != nil {
		t.Fatal(err)
	}
	if most := int64(w.most) - int64(before); w.looked < 3 || most > 1<<20 {
		t.Errorf("%d bytes more lived while %d were written, looked at %d times", most, w.written, w.looked)
	}
}

// heapWatcher looks how much lives with each MiB that is written to it.
type heapWatcher struct {
	written, looked int
	most            uint64
}

func (w *heapWatcher) Write(b []byte) (int, error) {
	w.written += len(b)
	if w.written>>20 > w.looked {
		w.looked++
		w.most = max(w.most, liveBytes())
	}
	return len(b), nil
}

func liveBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
