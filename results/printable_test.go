package results

import (
	"encoding/json"
	"testing"
)

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"as it is, ü€🙂\n\tnext": "as it is, ü€🙂\n\tnext", "\x1b[31mred\x07": `\u001b[31mred\u0007`, "a\rb\x7f": `a\u000db\u007f`, "\u009b31m": `\u009b31m`,
		"user\u202egnp.exe\u202c": `user\u202egnp.exe\u202c`, "\u2066x\u2069": `\u2066x\u2069`, "a\u2028b": `a\u2028b`, "\x9b\xff": "�", "\x1b\x9b": `\u001b�`,
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
