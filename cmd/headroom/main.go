// Command headroom measures how much headroom an HTTP API has, and whether a change took some away. It runs a load
// scenario against the reference system or your own service, judges the measurements, and writes a report.
package main

import "os"

func main() {
	os.Exit(run(os.Stdout, os.Stderr, os.Args))
}
