package request

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/policycortex/headroom/scenarios"
)

// walk is the names of the requests that an iteration sends where all answers let the flow go on, with the pauses in
// seconds before them. texts are what the flow has extracted; unmet is how often polls are not met.
func walk(t *testing.T, set *Set, n int64, texts Texts, unmet int) string {
	t.Helper()
	d := set.DrawOf(0, n)
	var memory Texts
	d.Begin(&memory)
	for slot, text := range texts {
		memory.put(slot, text)
	}
	var all strings.Builder
	for sent := 0; ; sent++ {
		if sent > 10_000 {
			t.Fatal("the flow does not end")
		}
		q := set.Plan(d.Request)
		all.WriteString(q.Name)
		pause, goesOn := set.Next(&d, q.Until != nil && d.tries < unmet)
		if !goesOn {
			return all.String()
		}
		if pause > 0 {
			all.WriteString(pause.String())
		}
	}
}

func courseOf(t *testing.T, steps ...scenarios.Request) *Set {
	t.Helper()
	for i := range steps {
		steps[i].Method, steps[i].Flow, steps[i].Step = "GET", "f", i
		if i == 0 {
			steps[i].Weight = 1
		}
	}
	other := scenarios.Request{Name: "z", Method: "GET", Weight: 1} // no step of it
	set, err := New(1, &scenarios.Scenario{Name: "s", Requests: append(steps, other)}, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestCourse(t *testing.T) {
	token := []scenarios.Extraction{{Name: "token", JSON: jsonPath("token")}}
	has := func(test scenarios.Test, want string) *scenarios.Condition {
		return &scenarios.Condition{Value: "token", Check: scenarios.Check{Test: test, Want: want}}
	}
	second := scenarios.ThinkTime{Min: time.Second, Max: time.Second}
	twice := scenarios.Repeat{Least: 2, Most: 2}
	for _, test := range []struct {
		name  string
		steps []scenarios.Request
		texts string
		unmet int
		want  string
	}{
		{
			"one after the other",
			[]scenarios.Request{{Name: "a"}, {Name: "b", Pause: second}, {Name: "c"}},
			"", 0,
			"ab1sc",
		},
		{"one", []scenarios.Request{{Name: "a", Pause: second}}, "", 0, "a"},
		{
			"repeated",
			[]scenarios.Request{{Name: "a", Repeat: twice, Pause: second}, {Name: "b", Repeat: twice}},
			"",
			0, "a1sa1sbb",
		},
		{
			"a poll that is met at once",
			[]scenarios.Request{{Name: "a", Until: &scenarios.Poll{Retries: 5, Pause: second}}, {Name: "b"}},
			"",
			0, "ab",
		},
		{
			"a poll",
			[]scenarios.Request{{
				Name: "a", Until: &scenarios.Poll{Retries: 5, Pause: second},
				Repeat: twice,
			}},
			"", 2, "a1sa1saa1sa1sa",
		},
		{
			"a group", []scenarios.Request{
				{Name: "a"}, {Name: "b", Block: &scenarios.Block{Steps: 2, Repeat: twice}}, {Name: "c"}, {Name: "d"},
			}, "", 0, "abcbcd",
		},
		{
			"a group at the beginning", []scenarios.Request{
				{Name: "a", Block: &scenarios.Block{Steps: 2, Repeat: twice}}, {Name: "b", Repeat: twice}, {Name: "c"},
			}, "", 0, "abbabbc",
		},
		{
			"a group at the end", []scenarios.Request{
				{Name: "a"}, {Name: "b", Block: &scenarios.Block{Steps: 1, Repeat: twice}, Pause: second},
			}, "", 0, "ab1sb",
		},
		{
			"conditions that hold", []scenarios.Request{
				{Name: "a", Extract: token},
				{Name: "b", If: has(scenarios.Equals, "x")},
				{Name: "c", If: has(scenarios.Exists, "")},
				{Name: "d", Block: &scenarios.Block{Steps: 1, If: has(scenarios.Contains, "x")}},
			}, "x", 0, "abcd",
		},
		{
			"conditions that do not hold", []scenarios.Request{
				{Name: "a", Extract: token},
				{Name: "b", If: has(scenarios.Equals, "x")},
				{Name: "c", Block: &scenarios.Block{Steps: 2, Repeat: twice, If: has(scenarios.Equals, "x")}},
				{Name: "d"},
				{Name: "e"},
				{Name: "f", If: has(scenarios.Exists, "")},
			}, "", 0, "ae",
		},
		{
			"a group of which steps are left out", []scenarios.Request{
				{Name: "a", Extract: token},
				{Name: "b", Block: &scenarios.Block{Steps: 2, Repeat: twice}},
				{Name: "c", If: has(scenarios.Exists, "")},
				{Name: "d"},
			}, "", 0, "abbd",
		},
		{
			"a group of which all steps are left out", []scenarios.Request{
				{Name: "a", Extract: token},
				{Name: "b", Block: &scenarios.Block{Steps: 1, Repeat: twice}, If: has(scenarios.Exists, "")},
				{Name: "c"},
			}, "", 0, "ac",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := courseOf(t, test.steps...)
			if got := walk(t, set, 7, Texts{[]byte(test.texts)}, test.unmet); got != test.want {
				t.Errorf("it sends %s, want %s", got, test.want)
			}
		})
	}
}

// TestRandomCourse: how often something is repeated, and how long users pause, is as the file says, differs from
// iteration to iteration, and is the same in each run.
func TestRandomCourse(t *testing.T) {
	steps := []scenarios.Request{
		{
			Name: "a", Repeat: scenarios.Repeat{Least: 1, Most: 3},
			Pause: scenarios.ThinkTime{Min: time.Millisecond, Max: 3 * time.Millisecond},
		},
		{Name: "b"},
	}
	one, other := courseOf(t, steps...), courseOf(t, steps...)
	times, pauses := map[int]int{}, map[string]bool{}
	for n := range int64(300) {
		sent := walk(t, one, n, nil, 0)
		if again := walk(t, other, n, nil, 0); sent != again {
			t.Fatalf("iteration %d sends %s, and then %s", n, sent, again)
		}
		times[strings.Count(sent, "a")]++
		for pause := range strings.SplitSeq(strings.Trim(sent, "ab"), "a") {
			pauses[pause] = true
			if d, err := time.ParseDuration(pause); err != nil || d < time.Millisecond || d > 3*time.Millisecond {
				t.Errorf("a pause of %s", pause)
			}
		}
	}
	if len(times) != 3 || times[1] < 60 || times[2] < 60 || times[3] < 60 || len(pauses) < 300 {
		t.Errorf("repeated %v times, with %d different pauses", times, len(pauses))
	}
}

// TestPausesOfTriesAndRepetitions: each pause of a step that is repeated, and sent again by its poll, is drawn for
// itself. The first one after two tries must not be that of the second repetition after one.
func TestPausesOfTriesAndRepetitions(t *testing.T) {
	bounds := scenarios.ThinkTime{Max: time.Hour}
	set := courseOf(t, scenarios.Request{Name: "a", Repeat: scenarios.Repeat{Least: 20, Most: 20}, Pause: bounds})
	seen := map[time.Duration]string{}
	for times := range 20 {
		for tries := range 20 {
			for which := range uint64(2) {
				d := set.DrawOf(0, 3)
				d.times, d.tries = times, tries
				pause, here := set.pause(&d, bounds, which), fmt.Sprintf("time %d, try %d, %d", times, tries, which)
				before, known := seen[pause]
				if known {
					t.Fatalf("%s and %s both pause for %s", before, here, pause)
				}
				seen[pause] = here
			}
		}
	}
}

// TestTextsOfOtherIterations: what an iteration before has extracted is not there in the next.
func TestTextsOfOtherIterations(t *testing.T) {
	var texts Texts
	texts.put(1, []byte("old"))
	var d Draw
	d.Begin(&texts)
	if len(texts.at(0)) > 0 || len(texts.at(1)) > 0 || len(texts.at(2)) > 0 {
		t.Errorf("the texts are %q", texts)
	}
}

func BenchmarkNext(b *testing.B) {
	steps := []scenarios.Request{
		{Name: "a", Method: "GET", Weight: 1, Flow: "f"},
		{Name: "b", Method: "GET", Flow: "f", Step: 1},
	}
	for name, pause := range map[string]scenarios.ThinkTime{"": {}, "pause": {Min: time.Second, Max: 2 * time.Second}} {
		b.Run(name, func(b *testing.B) {
			steps[0].Pause = pause
			set, err := New(1, &scenarios.Scenario{Name: "s", Requests: steps}, Sources{})
			if err != nil {
				b.Fatal(err)
			}
			d := set.DrawOf(0, 1)
			b.ReportAllocs()
			for b.Loop() {
				d.Request = 0
				set.Next(&d, false)
			}
		})
	}
}
