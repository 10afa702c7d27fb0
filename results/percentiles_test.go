package results

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden file of the percentile format")

func TestPercentileFormat(t *testing.T) {
	h := NewHistogram()
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	var got bytes.Buffer
	if err := h.WritePercentiles(&got); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "percentiles.hgrm")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, golden); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", &got, want)
	}
}
