package server

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/url"
	"os"
	"reflect"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
)

// settingsInForce returns the settings of this process by variable: its options with their defaults, and the variables
// that its libraries read. Secrets appear as short hashes, which show that two settings differ but not what they are.
func settingsInForce(o Options) map[string]string {
	settings := map[string]string{}
	options := reflect.ValueOf(o)
	for i := range options.NumField() {
		name := variableOf(options.Type().Field(i))
		if value := fmt.Sprint(options.Field(i).Interface()); name != "" && value != "" {
			settings[name] = Disguised(name, value)
		}
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if _, option := settings[name]; !option && value != "" && isRead(name) {
			settings[name] = Disguised(name, value)
		}
	}
	for name, value := range GoSettings() {
		settings[name] = value
	}
	return settings
}

// isRead reports whether this server or one of its libraries reads a variable: pgx, OpenTelemetry, net/http,
// crypto/x509.
func isRead(name string) bool {
	for _, prefix := range []string{"HEADROOM_", "OTEL_", "PG"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	others := []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
	return slices.Contains(others, name) || slices.Contains(others, strings.ToUpper(name))
}

// GoSettings returns the settings of Go's runtime in this process, by the variables that set them.
func GoSettings() map[string]string {
	read := map[string]string{
		"GOGC": "/gc/gogc:percent", "GOMEMLIMIT": "/gc/gomemlimit:bytes",
		"GOMAXPROCS": "/sched/gomaxprocs:threads",
	}
	settings := map[string]string{}
	for name, metric := range read {
		sample := []metrics.Sample{{Name: metric}}
		metrics.Read(sample)
		if sample[0].Value.Kind() != metrics.KindUint64 {
			continue
		}
		settings[name] = "off"
		if n := sample[0].Value.Uint64(); n < math.MaxInt64 {
			settings[name] = strconv.FormatUint(n, 10)
		}
	}
	for _, name := range []string{"GODEBUG", "GOTRACEBACK"} {
		if value := os.Getenv(name); value != "" {
			settings[name] = value
		}
	}
	return settings
}

// secretNames are parts of the names of variables and URL parameters whose values are secret.
var secretNames = []string{"password", "passwd", "secret", "token", "key", "headers", "credential"}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(name, part) })
}

// Disguised returns the value of a variable with its secrets replaced by hashes, as GET /settings shows it.
func Disguised(name, value string) string {
	if isSecret(name) {
		return hashed(name, value)
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		// host=… password=…, or a URL that is none
		if strings.Contains(strings.ToLower(value), "password") || strings.Contains(value, "@") {
			return hashed(name, value)
		}
		return value
	}
	if password, ok := u.User.Password(); ok {
		u.User = url.UserPassword(u.User.Username(), hashed(name, password))
	} else if u.User != nil && !strings.HasPrefix(u.Scheme, "postgres") { // a token
		u.User = url.User(hashed(name, u.User.Username()))
	}
	query := u.Query()
	for parameter, values := range query {
		if isSecret(parameter) {
			query[parameter] = []string{hashed(name, strings.Join(values, " "))}
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}

// The hash is slow, so that guessing a weak secret is expensive, and short, so that many guesses match.
const (
	hashRounds = 100_000
	hashBytes  = 3
)

// hashed returns a hash by which two secrets of one name can be distinguished.
func hashed(name, secret string) string {
	sum, err := pbkdf2.Key(sha256.New, secret, []byte("headroom setting "+name), hashRounds, hashBytes)
	if err != nil {
		return "secret" // it fails only under FIPS 140, which requires longer hashes
	}
	return "secret-" + hex.EncodeToString(sum)
}
