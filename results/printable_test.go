package results

import (
	"encoding/json"
	"testing"

	"github.com/policycortex/headroom/scenarios"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"as it is, ü€🙂\n\tnext": "as it is, ü€🙂\n\tnext", "\x1b[31mred\x07": `\u001b[31mred\u0007`,
		"a\rb\x7f": `a\u000db\u007f`, "\u009b31m": `\u009b31m`,
		"user\u202egnp.exe\u202c": `user\u202egnp.exe\u202c`, "\u2066x\u2069": `\u2066x\u2069`, "a\u2028b": `a\u2028b`,
		"\x9b\xff": "�", "\x1b\x9b": `\u001b�`,
		"a: 1\r\nb: 2\r\n": "a: 1\r\nb: 2\r\n", "\u061cx\u200f": `\u061cx\u200f`,
	} {
		if got := Printable(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	const hostile = "a\u009b\u202e\u007f\x1bb"
	doc, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal([]byte(Printable(string(doc))), &back); err != nil || back != hostile {
		t.Errorf("as JSON it came back as %q, %v", back, err)
	}
}

// TestRunsArePrintable: the HTML page, which has the texts of a run as they are, has nothing of the kind either.
func TestRunsArePrintable(t *testing.T) {
	r := &Run{Name: "a\x1b[31m", Command: []string{"--out", "o\u202e"}, Scenario: Scenario{Text: "name: a\r\n"}}
	r.Measurements.Series = []*Series{{ErrorSamples: map[string]string{"x\x07": "y\x1b"}}}
	r.Redact(&scenarios.Redactor{})
	if r.Name != `a\u001b[31m` || r.Command[1] != `o\u202e` || r.Scenario.Text != "name: a\r\n" ||
		r.Measurements.Series[0].ErrorSamples[`x\u0007`] != `y\u001b` {
		t.Errorf("%+v, %+v", r, r.Measurements.Series[0])
	}
}
