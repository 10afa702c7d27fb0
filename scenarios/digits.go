package scenarios

import (
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
