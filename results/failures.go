package results

// The classes of failures that the generator or the end of the run can have caused; it is loadgen that tells failures
// apart.
const (
	ErrorTimeout    = "timeout"
	ErrorUnanswered = "unanswered at the end of gracefulStop"
	ErrorCut        = "cut off by the end of the run"
	ErrorNoFiles    = "not sent: the generator was out of file descriptors"
	ErrorNoPorts    = "not sent: the generator was out of local ports"
	ErrorLookup     = "host name not found"
	ErrorOther      = "other"
)
