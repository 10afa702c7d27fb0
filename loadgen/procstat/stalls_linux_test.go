package procstat

import (
	"testing"
	"time"
)

func TestFullStall(t *testing.T) {
	const text = "some avg10=0.00 avg60=0.05 avg300=2.92 total=2174260315\n" +
		"full avg10=0.00 avg60=0.03 avg300=2.12 total=645125561\n"
	if got, want := fullStall(text), 645125561*time.Microsecond; got != want {
		t.Errorf("%v, want %v", got, want)
	}
	for _, text := range []string{"", "some total=5", "full avg10=0.00\n", "full total=x\n"} {
		if got := fullStall(text); got != 0 {
			t.Errorf("%q is %v", text, got)
		}
	}
}
