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

// settingsInForce are what this process was told from outside, by the name of the variable that tells it: its options with
// their defaults, and what its libraries read by themselves. What is secret is there as a short hash, by which two
// settings can be told apart and none can be read.
func settingsInForce(o Options) map[string]string {
	settings := map[string]string{}
	options := reflect.ValueOf(o)
	for i := range options.NumField() {
		name, _, _ := strings.Cut(options.Type().Field(i).Tag.Get("env"), ",")
		if value := fmt.Sprint(options.Field(i).Interface()); name != "-" && value != "" {
			settings[name] = disguised(name, value)
		}
	}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		if _, option := settings[name]; !option && value != "" && isRead(name) {
			settings[name] = disguised(name, value)
		}
	}
	for name, value := range GoSettings() {
		settings[name] = value
	}
	return settings
}

// isRead says whether a variable is read by this server or by a library in it: pgx, OpenTelemetry, net/http, crypto/x509.
func isRead(name string) bool {
	for _, prefix := range []string{"HEADROOM_", "OTEL_", "PG"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	others := []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"}
	return slices.Contains(others, name) || slices.Contains(others, strings.ToUpper(name))
}

// GoSettings are those of Go's runtime that are in force in this process, by the variables that set them.
func GoSettings() map[string]string {
	read := map[string]string{"GOGC": "/gc/gogc:percent", "GOMEMLIMIT": "/gc/gomemlimit:bytes", "GOMAXPROCS": "/sched/gomaxprocs:threads"}
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

// secretNames are parts of the names of variables, and of the parameters of URLs, whose values are secret.
var secretNames = []string{"password", "passwd", "secret", "token", "key", "headers", "credential"}

func isSecret(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(name, part) })
}

// disguised is a value without what is secret in it.
func disguised(name, value string) string {
	if isSecret(name) {
		return hashed(name, value)
	}
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		if strings.Contains(strings.ToLower(value), "password") || strings.Contains(value, "@") { // host=… password=…, or a URL that is none
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

// A hash is slow to make and short, so that guesses at a weak secret are expensive to try, and many of them fit.
const (
	hashRounds = 100_000
	hashBytes  = 3
)

// hashed tells two secrets of one name apart.
func hashed(name, secret string) string {
	sum, err := pbkdf2.Key(sha256.New, secret, []byte("headroom setting "+name), hashRounds, hashBytes)
	if err != nil {
		return "secret" // it has no way to fail but under FIPS 140, which wants longer ones
	}
	return "secret-" + hex.EncodeToString(sum)
}
