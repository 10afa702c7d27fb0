package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/policycortex/headroom/scenarios"
)

// CapacityFile is the file of a saved capacity that makes its directory one.
const CapacityFile = "capacity.json"

// SaveCapacity writes the capacity into dir, which must exist, whole or not at all. JSON has only finite numbers: in
// the record, infinite ones are cut at ±1000, and what could not be computed is 0.
func SaveCapacity(dir string, c *Capacity) error {
	doc, err := c.JSON()
	if err != nil {
		return fmt.Errorf("save capacity: %w", err)
	}
	if err := WriteFile(filepath.Join(dir, CapacityFile), []byte(Printable(string(doc)))); err != nil {
		return fmt.Errorf("save capacity: %w", err)
	}
	return nil
}

// JSON is the saved form.
func (c *Capacity) JSON() ([]byte, error) {
	c.Version = CapacityVersion
	cutNumbers(reflect.ValueOf(c).Elem())
	doc, err := json.MarshalIndent(c, "", "  ")
	return append(doc, '\n'), err
}

// ReadCapacity reads a saved capacity; path is its directory or its capacity.json.
func ReadCapacity(path string) (*Capacity, error) {
	dir := directoryOf(path)
	doc, err := os.ReadFile(filepath.Join(dir, CapacityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, notHeld(dir, "capacity", CapacityFile, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load capacity: %w", err)
	}
	c, err := parseCapacity(doc)
	if err != nil {
		return nil, fmt.Errorf("load capacity %s: %s: %w", dir, CapacityFile, err)
	}
	return c, nil
}

func parseCapacity(doc []byte) (*Capacity, error) {
	const again = "the file is damaged; copy it again, or repeat the search"
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(doc, &version); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, again)
	}
	if version.Version != CapacityVersion {
		return nil, fmt.Errorf("its format is version %d and this headroom reads version %d: use the headroom that "+
			"wrote it", version.Version, CapacityVersion)
	}
	c := &Capacity{}
	if err := json.Unmarshal(doc, c); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, again)
	}
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%w (%s)", err, again)
	}
	c.Redact(c.Scenario.saved().Secrets()) // one that somebody wrote may have some
	return c, nil
}

// check says what of a capacity that was read cannot be.
func (c *Capacity) check() error {
	if !slices.Contains([]Outcome{Pass, Fail, Unresolved, Invalid}, c.Outcome) {
		return fmt.Errorf("an outcome of %q is not possible", c.Outcome)
	}
	if r := c.Rate; r != nil && !(0 < r.Low && r.Low <= r.Middle && r.Middle <= r.High) {
		return fmt.Errorf("a capacity of %v, from %v to %v, is not possible", r.Middle, r.Low, r.High)
	}
	if p := c.Posterior; p != nil && len(p.Rates) != len(p.Density) {
		return fmt.Errorf("the posterior has %d rates and %d densities", len(p.Rates), len(p.Density))
	}
	for _, t := range slices.Concat(c.Bracket, c.Instances, c.Trials) {
		if t.Failed < 0 || t.Failed > t.Requests {
			return fmt.Errorf("%d of %d requests of a trial failed, which is not possible", t.Failed, t.Requests)
		}
	}
	return nil
}

// Redact takes the secrets out of every text of the capacity, and what would control a terminal: see [Printable]. Its
// figures stay as they are.
func (c *Capacity) Redact(secrets *scenarios.Redactor) {
	c.Scenario.redact(secrets)
	w := redaction{secrets, map[string]string{}}
	w.value(reflect.ValueOf(c).Elem())
}
