package scenarios

import (
	"math"
	"strconv"
	"strings"
)

// GroupDigits puts commas between the thousands of a decimal number that has no exponent: 10000000.5 is 10,000,000.5.
func GroupDigits(number string) string {
	unsigned := strings.TrimPrefix(number, "-")
	whole, _, _ := strings.Cut(unsigned, ".")
	first := len(number) - len(unsigned)
	for i := first + len(whole) - 3; i > first; i -= 3 {
		number = number[:i] + "," + number[i:]
	}
	return number
}

// grouped writes a whole number with commas.
func grouped(x int64) string { return GroupDigits(strconv.FormatInt(x, 10)) }

// ThreeDigits shows three significant digits, all digits of the whole part, and at most three decimals. Small values
// are not shown as 0.
func ThreeDigits(v float64) string {
	switch size := math.Abs(v); {
	case size == 0:
		return "0"
	case v > 0 && v < 0.0005:
		return "<0.001"
	case size < 0.9995:
		return strconv.FormatFloat(v, 'f', 3, 64)
	case size < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case size < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return GroupDigits(strconv.FormatFloat(v, 'f', 0, 64))
}

// RateDigits shows a rate without its unit: as ThreeDigits, but small rates keep three significant digits.
func RateDigits(v float64) string {
	if size := math.Abs(v); size > 0 && size < 0.1 {
		return strconv.FormatFloat(v, 'f', SignificantDecimals(size), 64)
	}
	return ThreeDigits(v)
}

// PerSecond shows a rate with its unit: 12,000/s.
func PerSecond(rate float64) string { return RateDigits(rate) + "/s" }

// SignificantDecimals is the number of decimals that gives a size below 1 three significant digits, 12 at most.
func SignificantDecimals(size float64) int { return min(2-int(math.Floor(math.Log10(size))), 12) }
