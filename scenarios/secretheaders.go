package scenarios

import "strings"

// SecretHeader reports whether the values of a header are secrets, as far as its name tells.
func SecretHeader(name string) bool {
	lower := strings.ToLower(name)
	for _, sign := range [...]string{"authorization", "cookie", "token", "secret", "password", "api-key", "apikey", "credential"} {
		if strings.Contains(lower, sign) {
			return true
		}
	}
	return false
}
