package results

import (
	"errors"
	"fmt"
	"slices"
)

// longestRun bounds the seconds of a saved run: a report has a point for each.
const longestRun = 31 * 24 * 60 * 60

// sound returns what no run has, and would break what draws it.
func (m *Measurements) sound() error {
	if slices.Contains(m.Loads, nil) || slices.Contains(m.Series, nil) || slices.Contains(m.Streams, nil) ||
		slices.Contains(m.TimeBlocks, nil) || slices.Contains(m.Seconds, nil) || slices.Contains(m.Pages, nil) ||
		slices.Contains(m.Iterations, nil) {
		return errors.New("a list of its measurements has null where an object belongs")
	}
	for _, p := range m.Points {
		if p.Second < 0 || p.Second > longestRun {
			return fmt.Errorf("its points have the second %d, and may have those from 0 to %d", p.Second, longestRun)
		}
	}
	return nil
}
