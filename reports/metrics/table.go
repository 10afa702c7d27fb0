package metrics

// metric is one that is sent: its name and unit in OTLP, from which follows its name in Prometheus.
type metric struct {
	name, unit, prometheus, help string
	counter                      bool
}

// The metrics. Names, units and kinds are such that a collector which turns OTLP into Prometheus' format makes the
// names of remote write, so that one dashboard serves both.
var (
	requests = &metric{
		"headroom.http_reqs", "{request}", "headroom_http_reqs_total",
		"Requests that came to an end, failed ones included.", true,
	}
	failed = &metric{
		"headroom.http_req_failed", "{request}", "headroom_http_req_failed_total",
		"Requests that failed: no response, or an unexpected status.", true,
	}
	duration = &metric{
		"headroom.http_req_duration", "s", "headroom_http_req_duration_seconds",
		"Response time of a request, from the instant at which it was due: quantiles of one second.", false,
	}
	scenarioDuration = &metric{
		"headroom.scenario_duration", "s", "headroom_scenario_duration_seconds",
		"Response time of all requests of a scenario: quantiles of one second.", false,
	}
	asked = &metric{
		"headroom.iterations_asked", "{iteration}", "headroom_iterations_asked_total",
		"Iterations, requests or flows, that the schedule meant to start.", true,
	}
	inFlight = &metric{
		"headroom.in_flight", "{request}", "headroom_in_flight", "Requests in flight.", false,
	}
	streamEvents = &metric{
		"headroom.stream_events", "{event}", "headroom_stream_events_total", "Events that subscribers received.", true,
	}
	streamBreaks = &metric{
		"headroom.stream_breaks", "{stream}", "headroom_stream_breaks_total",
		"Streams that ended before the load did.", true,
	}
	streamConnected = &metric{
		"headroom.stream_connected", "{stream}", "headroom_stream_connected", "Open streams.", false,
	}
	streamDelivery = &metric{
		"headroom.stream_delivery", "s", "headroom_stream_delivery_seconds",
		"Receipt of an event minus the time that stands in it: quantiles of one second.", false,
	}
	generatorCPU = &metric{
		"headroom.generator_cpu_cores", "{cpu}", "headroom_generator_cpu_cores",
		"Cores that the generator kept busy.", false,
	}
	systemCPU = &metric{
		"headroom.system_cpu_cores", "{cpu}", "headroom_system_cpu_cores",
		"Cores that the system under test kept busy.", false,
	}
	othersCPU = &metric{
		"headroom.others_cpu_cores", "{cpu}", "headroom_others_cpu_cores",
		"Cores that all other processes kept busy.", false,
	}
	stolenCPU = &metric{
		"headroom.stolen_cpu_cores", "{cpu}", "headroom_stolen_cpu_cores",
		"Cores that other virtual machines took.", false,
	}
	generatorWait = &metric{
		"headroom.generator_cpu_wait", "1", "headroom_generator_cpu_wait_ratio",
		"Share of the time in which the generator's threads could have run that they waited for a CPU.", false,
	}
	systemWait = &metric{
		"headroom.system_cpu_wait", "1", "headroom_system_cpu_wait_ratio",
		"The same of the system under test.", false,
	}
)

var table = []*metric{
	requests, failed, duration, scenarioDuration, asked, inFlight, streamEvents, streamBreaks, streamConnected,
	streamDelivery, generatorCPU, systemCPU, othersCPU, stolenCPU, generatorWait, systemWait,
}

// PrometheusNames are the names of all metrics as Prometheus has them.
func PrometheusNames() (names []string) {
	for _, m := range table {
		names = append(names, m.prometheus)
	}
	return names
}

// The labels of the metrics, which are also the attributes of OTLP.
const (
	labelTest     = "test"
	labelRun      = "run"
	labelShard    = "shard"
	labelScenario = "scenario"
	labelName     = "name" // of the request
	labelQuantile = "quantile"
)

// Labels are the names of all labels.
func Labels() []string {
	return []string{labelTest, labelRun, labelShard, labelScenario, labelName, labelQuantile}
}
