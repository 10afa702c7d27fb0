package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/policycortex/headroom/reports"
)

// publication is what a command measured, with what makes it last and shows it. All fields are needed.
type publication struct {
	what       string // run, experiment, capacity
	save, draw func(dir string) error
	text, json func(w io.Writer) error
	exported   func() (exported, error)
}

// publish saves what was measured, draws its reports, and prints and exports the result, even if saving or drawing
// fails: then the text is all that is left of it. An error is of type [publishError].
func (r *runner) publish(dir string, p publication) error {
	defer collectSooner()()
	err := p.save(dir)
	if err == nil {
		err = p.draw(dir)
		if err != nil {
			err = fmt.Errorf("%w; the %s itself is saved, draw its reports with: headroom report %s", err, p.what, dir)
		}
	}
	errPrint := p.text(r.result)
	if r.json {
		errPrint = errors.Join(errPrint, p.json(jsonTo(r.w)))
	}
	if err == nil {
		_, err = fmt.Fprintf(r.result, "\nreport: %s\n", oneLine(filepath.Join(dir, reports.HTMLFile)))
	}
	x, errExport := p.exported()
	if errExport == nil {
		errExport = publishExports(r.result, r.export, x)
	}
	err = errors.Join(err, errPrint, errExport)
	if err != nil {
		return publishError{err}
	}
	return nil
}

// percentBesideLoad is GOGC while servers are started and filled, and while results are published: loading a fixture
// and encoding an hour's run leave garbage of several times what lives, and no response time depends on the collector.
const percentBesideLoad = 25

// collectSooner gives back the memory that is free, and bounds the garbage until what it returns is called. GOGC in the
// environment takes precedence.
func collectSooner() (asBefore func()) {
	debug.FreeOSMemory()
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(percentBesideLoad)
	return func() { debug.SetGCPercent(before) }
}
