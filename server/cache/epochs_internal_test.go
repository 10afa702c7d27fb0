package cache

import "testing"

func TestKnownEpochs(t *testing.T) {
	var known knownEpochs
	const stripe = 3*epochBlock + 7
	expect := func(at uint64, want l2Epoch, wantKnown bool) {
		t.Helper()
		if got, is := known.recall(stripe, at); is != wantKnown || is && got != want {
			t.Errorf("at epoch %d of the instance: %+v, %t; want %+v, %t", at, got, is, want, wantKnown)
		}
	}
	one, two := l2Epoch{epoch: 11, after: 1}, l2Epoch{epoch: 22, after: 2}
	expect(0, one, false)
	known.learn(stripe, 0, l2Epoch{})
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
		e := parseEpoch(formatEpoch(4711))
		if e.epoch == 0 || e.after != 4711 {
			t.Fatalf("an epoch came back as %+v", e)
		}
	}
	for _, text := range []string{"", ":", "x", "x:", ":1", "x:y", "!:1"} {
		if e := parseEpoch(text); e != (l2Epoch{}) {
			t.Errorf("%q is epoch %+v", text, e)
		}
	}
}
