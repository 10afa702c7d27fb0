package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	. "github.com/policycortex/headroom/server/policy/assemble"
	"github.com/policycortex/headroom/server/policy/examples"
)

// given are the servers whose first policy has a module.
var given sync.Map

// giveRule uploads the example as the rule of the first policy, once.
func giveRule(t testing.TB, base string) {
	t.Helper()
	if _, done := given.LoadOrStore(base, true); !done {
		putModule(t, base, examples.Owner)
	}
}

func putModule(t testing.TB, base string, module []byte) {
	t.Helper()
	status, body := tell(t, http.MethodPut, base+"/api/v1/policies/"+key(t, "policy_id")+"/module", module)
	if status != http.StatusOK {
		t.Fatalf("upload: status %d: %s", status, body)
	}
}

// tell sends a body to the API for the tenant.
func tell(t testing.TB, method, url string, body []byte) (status int, answer []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Tenant-ID", key(t, "tenant_id"))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// result is what a rule says, wherever it runs.
type result struct {
	Result  string
	Reasons []string
}

func (r result) same(other result) bool {
	return r.Result == other.Result && slices.Equal(r.Reasons, other.Reasons)
}

// byServer evaluates a document by the API.
func byServer(t testing.TB, base, document string) (r result) {
	t.Helper()
	status, body := tell(t, http.MethodPost, base+"/api/v1/policies/"+key(t, "policy_id")+"/evaluate",
		[]byte(`{"resource":`+document+`}`))
	err := json.Unmarshal(body, &r)
	if err != nil || status != http.StatusOK {
		t.Fatalf("evaluate %s: status %d, %v: %s", document, status, err, body)
	}
	return r
}

// inPage reads the result that a page shows.
func inPage(t *testing.T, p *tab) result {
	t.Helper()
	return eval[result](t, p, `({
		result: document.querySelector("#result .badge").className.replace("badge ", ""),
		reasons: [...document.querySelectorAll("#result li")].map(li => li.textContent),
	})`)
}

// previewIsTheServers: what the browser says by running the module is what the server says, of the example, and of
// modules that are stopped or answer nonsense. Without JavaScript the form asks the server.
func previewIsTheServers(t *testing.T, p *tab, base string) {
	defer putModule(t, base, examples.Owner)
	page := pagesOf(t, base)["policy"]
	always := func(answer string) []byte {
		m := rule(Packed(8, int32(len(answer))))
		m.Data = []Data{{At: 8, Bytes: answer}}
		return m.Bytes()
	}
	documents := []string{
		`{"tags":{"owner":"me"}}`, `{"tags":{"env":"prod","é":"\"owner\":1"}}`, `{ "tags" : { "owner" : "" } }`,
	}
	for name, module := range map[string][]byte{
		"the example": examples.Owner, "a loop": rule(Loop(Br(0)), Unreachable).Bytes(),
		"a trap": rule(Unreachable).Bytes(), "out of bounds": rule(I32Const(-8), I32Load, Drop, Packed(0, 0)).Bytes(),
		"an answer out of bounds": rule(Packed(-16, 8)).Bytes(), "a long answer": rule(Packed(0, 20_000)).Bytes(),
		"no answer": rule(Packed(0, 0)).Bytes(), "exempt": always(`{"result":"exempt","reasons":["<b>é</b>"]}`),
		"nonsense": always(`{"result":"fine"}`), "another field": always(`{"result":"exempt","x":1}`),
		"memory that grows": rule(Loop(I32Const(1), MemoryGrow, I32Const(-1), I32Ne, BrIf(0)), MemorySize,
			I32Const(32), I32Eq, If(Unreachable), Packed(0, 0)).Bytes(),
	} {
		putModule(t, base, module)
		p.visit(t, page)
		until(t, p, `document.getElementById("preview").dataset.ready === "true"`)
		for _, document := range documents {
			eval[bool](t, p, fmt.Sprintf(`(document.getElementById("result").replaceChildren(),
				document.getElementById("resource").value = %q, document.querySelector("#preview button").click(), true)`,
				document))
			until(t, p, `document.querySelector("#result .badge") !== null`)
			if !strings.Contains(bodyText(t, p), "evaluated in this browser") {
				t.Errorf("%s: the browser did not evaluate", name)
			}
			if got, want := inPage(t, p), byServer(t, base, document); !got.same(want) {
				t.Errorf("%s, %s: the browser says %q, the server %q", name, document, got, want)
			}
		}
	}
	if _, complaints := p.takeNotes(); len(complaints) > 0 {
		t.Errorf("the page complains: %q", complaints)
	}
	putModule(t, base, examples.Owner)
	withoutScripts(t, p)
	p.visit(t, page)
	if err := chromedp.Do(p, chromedp.Click(chromedp.CSS("#preview button"))); err != nil {
		t.Fatal(err)
	}
	until(t, p, `document.querySelector("#result .badge") !== null`)
	if !strings.Contains(bodyText(t, p), "evaluated by the server") {
		t.Errorf("without JavaScript the page says %s", bodyText(t, p))
	}
}

// rule is a module with one page of memory and a body of evaluate.
func rule(body ...Code) *Module {
	return &Module{Memory: Between(1, -1), Functions: []Function{
		{Export: "alloc", Params: []Type{I32}, Results: []Type{I32}, Body: I32Const(1024)},
		{Export: "evaluate", Params: []Type{I32, I32}, Results: []Type{I64}, Body: Seq(body...)},
	}}
}

// TestPreviewForm: the form's answer is the server's, an error says what is wrong and keeps the text, and another
// site's form is refused.
func TestPreviewForm(t *testing.T) {
	base := startServer(t, asItIs)
	address := pagesOf(t, base)["policy"]
	send := func(resource, origin string, status int) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address,
			strings.NewReader(url.Values{"resource": {resource}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			r.Header.Set("Sec-Fetch-Site", origin)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status {
			t.Fatalf("status %d, want %d (error %v): %s", response.StatusCode, status, err, body)
		}
		return string(body)
	}
	if text := send(`{"tags":{}}`, "same-origin", http.StatusOK); !strings.Contains(text,
		`<span class="badge non_compliant">non-compliant</span>`) || !strings.Contains(text, "owner is missing or empty") {
		t.Errorf("%s", text)
	}
	for _, wrong := range []string{"", "[1]", `{"a":}`, `{}},"record":{}`} {
		text := send(wrong, "", http.StatusUnprocessableEntity)
		if !strings.Contains(text, "not a JSON object") || strings.Contains(text, "badge compliant") {
			t.Errorf("%q: %s", wrong, text)
		}
	}
	send("{}", "cross-site", http.StatusForbidden)
}
