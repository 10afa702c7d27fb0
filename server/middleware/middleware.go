// Package middleware has parts of an HTTP middleware that do not depend on the API: request ids, limits on rate and
// concurrency, and durations. The API decides their order.
package middleware
