// Command headroom tells how much headroom an HTTP API has, and whether a change took some away: it runs a load
// scenario against the reference system or a service of yours, judges what it measured, and writes a report.
package main

import "os"

func main() {
	os.Exit(run(os.Stdout, os.Stderr, os.Args))
}
