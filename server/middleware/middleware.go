// Package middleware has the parts that an HTTP API is wrapped in and that know nothing of it: ids of requests, limits of
// rate and of concurrency, durations. The order in which they act is the API's to say.
package middleware
