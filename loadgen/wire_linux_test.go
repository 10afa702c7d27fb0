package loadgen

func rings() bool { return ringsWork() }
