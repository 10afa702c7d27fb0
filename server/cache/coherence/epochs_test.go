package coherence

import "testing"

func TestKnownEpochs(t *testing.T) {
	var known knownEpochs
	const stripe = 3*epochBlock + 7
	expect := func(at uint64, want Epoch, wantKnown bool) {
		t.Helper()
		if got, is := known.recall(stripe, at); is != wantKnown || is && got != want {
			t.Errorf("at epoch %d of the instance: %+v, %t; want %+v, %t", at, got, is, want, wantKnown)
		}
	}
	one, two := Epoch{random: 11, After: 1}, Epoch{random: 22, After: 2}
	expect(0, one, false)
	known.learn(stripe, 0, Epoch{})
	expect(0, one, false)
	known.learn(stripe, 0, one)
	expect(0, one, true)
	expect(1, one, false) // it was invalidated
	known.learn(stripe, 1, two)
	expect(1, two, true)
	known.learn(stripe, 0, one) // by a flight that has taken long
	expect(1, two, true)
	if _, is := known.recall(stripe+1, 1); is {
		t.Error("the neighbour's epoch is known")
	}
}

func TestEpochsSurviveTheirText(t *testing.T) {
	for range 100 {
		e := ParseEpoch(formatEpoch(4711))
		if e.random == 0 || e.After != 4711 {
			t.Fatalf("an epoch came back as %+v", e)
		}
	}
	for _, text := range []string{"", ":", "x", "x:", ":1", "x:y", "!:1"} {
		if e := ParseEpoch(text); e != (Epoch{}) {
			t.Errorf("%q is epoch %+v", text, e)
		}
	}
}
