// Package capacity has the arithmetic of capacities: the search for the highest rate at which objectives hold, the law
// of how throughput grows with concurrency, and the plan that follows. It sends nothing and reads no clock.
package capacity
