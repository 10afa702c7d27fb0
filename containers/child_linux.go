package containers

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"
)

// forks takes the starts of children to one thread that lives as long as the process. The kernel sends the parent-death
// signal when the *thread* that forked ends, and Go ends threads when it pleases.
var forks = sync.OnceValue(func() chan<- func() {
	starts := make(chan func())
	go func() {
		runtime.LockOSThread()
		for start := range starts {
			start()
		}
	}()
	return starts
})

// startDyingWithUs starts a command that gets the signal from the kernel when this process ends.
func startDyingWithUs(cmd *exec.Cmd, signal syscall.Signal) error {
	cmd.SysProcAttr.Pdeathsig = signal
	started := make(chan error)
	forks() <- func() { started <- cmd.Start() }
	return <-started
}
