package scenarios

import "testing"

func TestGroupDigits(t *testing.T) {
	for number, want := range map[string]string{
		"": "", "0": "0", "999": "999", "1000": "1,000", "-100": "-100", "-1000": "-1,000", "123456": "123,456",
		"10000000": "10,000,000", "1234.5678": "1,234.5678", "-1234567.25": "-1,234,567.25", "0.123456": "0.123456",
	} {
		if got := GroupDigits(number); got != want {
			t.Errorf("%s: got %s, want %s", number, got, want)
		}
	}
}

// TestPerSecond: rates are written without exponents, however high.
func TestPerSecond(t *testing.T) {
	for rate, want := range map[float64]string{
		0: "0/s", 0.001234: "0.00123/s", 0.25: "0.250/s", 12.34: "12.3/s", 999.6: "1,000/s", 12_000: "12,000/s",
		1_234_567: "1,234,567/s",
	} {
		if got := PerSecond(rate); got != want {
			t.Errorf("%v: %s, want %s", rate, got, want)
		}
	}
}
