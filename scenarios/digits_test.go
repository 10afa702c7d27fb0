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
