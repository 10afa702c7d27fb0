package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/policycortex/headroom/results/experiment"
)

// ExperimentFile is the file of a saved experiment that makes its directory one.
const ExperimentFile = "experiment.json"

// SaveExperiment writes the experiment into dir, which must exist. The files appear one by one, each whole or not at
// all, experiment.json last: a directory with an experiment.json holds a complete one. JSON has only finite numbers: in
// the record, infinite changes are cut at ±1000, and what could not be computed is left out, or 0, with a warning.
func SaveExperiment(dir string, e *Experiment) error {
	e.Version = ExperimentVersion
	e.makeFinite()
	var log bytes.Buffer
	if err := writeHistograms(&log, e.slots, e.Started, e.Elapsed); err != nil {
		return fmt.Errorf("save experiment: %w", err)
	}
	doc, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return fmt.Errorf("save experiment: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, histogramsFile), log.Bytes()); err != nil {
		return fmt.Errorf("save experiment: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, ExperimentFile), []byte(Printable(string(doc))+"\n")); err != nil {
		return fmt.Errorf("save experiment: %w", err)
	}
	return nil
}

// ReadExperiment reads a saved experiment; path is its directory or its experiment.json.
func ReadExperiment(path string) (*Experiment, error) {
	dir := directoryOf(path)
	doc, err := os.ReadFile(filepath.Join(dir, ExperimentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notHeld(dir, "experiment", ExperimentFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load experiment: %w", err)
	}
	log, err := os.ReadFile(filepath.Join(dir, histogramsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load experiment: %s holds no %s, which belongs to its %s; copy both: %w", dir,
			histogramsFile, ExperimentFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load experiment: %w", err)
	}
	e, err := parseExperiment(doc, log)
	if err != nil {
		return nil, fmt.Errorf("load experiment %s: %w", dir, err)
	}
	return e, nil
}

// parseExperiment reads the two files of a saved experiment.
func parseExperiment(doc, log []byte) (*Experiment, error) {
	const again = "the file is damaged; copy it again, or repeat the experiment"
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(doc, &version); err != nil {
		return nil, fmt.Errorf("%s: %w (%s)", ExperimentFile, err, again)
	}
	if version.Version != ExperimentVersion {
		return nil, fmt.Errorf("its format is version %d and this headroom reads version %d: use the headroom that "+
			"wrote it", version.Version, ExperimentVersion)
	}
	e := &Experiment{}
	if err := json.Unmarshal(doc, e); err != nil {
		return nil, fmt.Errorf("%s: %w (%s)", ExperimentFile, err, again)
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%s: %w (%s)", ExperimentFile, err, again)
	}
	if err := readHistograms(log, e.slots); err != nil {
		return nil, fmt.Errorf("%s: %w (%s)", histogramsFile, err, again)
	}
	e.Redact(e.Scenario.saved().Secrets()) // one that somebody wrote may have some
	return e, nil
}

// check says what of an experiment that was read cannot be.
func (e *Experiment) check() error {
	if !slices.Contains([]Outcome{Pass, Fail, Unresolved, Invalid}, e.Outcome) {
		return fmt.Errorf("an outcome of %q is not possible", e.Outcome)
	}
	for _, g := range e.Gates {
		if err := g.Validate(); err != nil {
			return err
		}
	}
	for _, r := range e.Requests {
		if r.Arm != experiment.Base && r.Arm != experiment.Head {
			return fmt.Errorf("the requests %s are of the arm %q, which there is not", r.Name, r.Arm)
		}
		if r.Failed < 0 || r.Failed > r.Requests {
			return fmt.Errorf("%d of %d requests %s failed, which is not possible", r.Failed, r.Requests, r.Name)
		}
	}
	return nil
}

// slots visits every histogram of an experiment with its tag in the log.
func (e *Experiment) slots(visit func(tag string, h **Histogram)) {
	for i := range e.Requests {
		r := &e.Requests[i]
		// Names of replayed requests have blanks and slashes.
		visit(fmt.Sprintf("%s:%s/%s", r.Arm, r.Scenario, url.PathEscape(r.Name)), &r.Response)
	}
}

// farthest is where changes that are infinite are cut.
const farthest = 1000

// makeFinite makes every number of the record one that JSON has. A figure of a slice that is none is left out, as one
// that was not measured, and so is a figure without an estimate; an infinite change is cut at ±1000.
func (e *Experiment) makeFinite() {
	for _, b := range e.Blocks {
		for _, s := range b.Slices {
			for name, v := range s.Figures {
				if !finite(v) {
					delete(s.Figures, name)
				}
			}
		}
	}
	e.Figures = slices.DeleteFunc(e.Figures, func(f ExperimentFigure) bool {
		known := finite(f.Base) && finite(f.Head) && finite(f.Change) && finite(f.Low) && finite(f.High) &&
			finite(f.Noise) && finite(f.PairNoise)
		if !known {
			e.Warnings = append(e.Warnings, f.Figure+" is left out: too few of its slices count")
		}
		return !known
	})
	if lost := cutNumbers(reflect.ValueOf(e).Elem()); lost > 0 {
		e.Warnings = append(e.Warnings,
			fmt.Sprintf("numbers of the record that could not be computed stand as 0: %d", lost))
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// cutNumbers cuts infinite numbers, makes those that are none 0, and counts the latter.
func cutNumbers(v reflect.Value) (lost int) {
	switch v.Kind() {
	case reflect.Float64:
		switch f := v.Float(); {
		case math.IsNaN(f):
			v.SetFloat(0)
			return 1
		case math.IsInf(f, 0):
			v.SetFloat(math.Copysign(farthest, f))
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			lost += cutNumbers(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			lost += cutNumbers(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				lost += cutNumbers(v.Field(i))
			}
		}
	}
	return lost
}
