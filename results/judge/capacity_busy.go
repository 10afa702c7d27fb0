package judge

import (
	"fmt"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/results/capacity"
)

// BusyAtLightLoad says that the machine was used up at light load, a tenth of what users reached, by others than the
// generator and the system under test; empty where it was not. Whose processes those are is often not known: a service
// at a URL may be among them. But one that uses up a machine at a tenth of its load has no capacity that could be
// measured on it, and if it is not the service then somebody else keeps it from the CPUs.
func BusyAtLightLoad(u results.Use) string {
	share := u.MachineShare()
	if share == nil || *share < capacity.MachineCPU.UsedUpFrom() {
		return ""
	}
	if used := *share * float64(u.CPUs); *u.Others < minOthers*used {
		return ""
	}
	whose := "other processes used"
	if u.System == nil {
		whose = "other processes, which may include the service, used"
	}
	return fmt.Sprintf("the machine was busy at light load already: %s %.1f of its %d CPUs", whose, *u.Others, u.CPUs)
}
