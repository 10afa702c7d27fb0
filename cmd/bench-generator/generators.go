package main

import (
	"fmt"
	"path/filepath"
)

// connections of every generator.
const connections = 64

// load is what a generator is to do.
type load struct {
	url     string
	dir     string // for its files
	seconds int
	rate    int // requests a second; 0: as many as its connections can
}

// generator is one that is compared.
type generator struct {
	name    string
	program string
	module  string // of a Go module: the package and its version
	dpkg    string // of Debian: the package
	env     []string
	engine  string // ours: with what the engine that the run says it was must begin
	// args of the program. Its files for a turn are written before.
	args func(load) []string
	// afterwards is a command whose output is the report of the turn; nil: the report is the turn's standard output.
	afterwards func(load) []string
	parse      func([]byte) (report, error)
	// closed and open say what it can do.
	closed, open bool
}

const (
	ringName  = "headroom, io_uring"
	epollName = "headroom, epoll"
	wrkName   = "wrk"
	vegeta    = "vegeta"
	k6        = "k6"
)

// generators in the order of the tables. fortio is not of its last version: 1.69.5 and 1.75.3 import a module that a
// module proxy need not serve.
var generators = []*generator{
	{name: wrkName, program: "wrk", dpkg: "wrk", args: wrkArgs, parse: parseWrk, closed: true},
	{name: ringName, engine: "wire (io_uring)", args: headroomArgs("wire"), parse: parseHeadroom, closed: true, open: true},
	{name: epollName, engine: "wire (epoll)", env: []string{"HEADROOM_IO_URING=off"}, args: headroomArgs("wire"), parse: parseHeadroom, closed: true, open: true},
	{name: "headroom, vegeta engine", engine: "vegeta", args: headroomArgs("vegeta"), parse: parseHeadroom, open: true},
	{name: "h2load", program: "h2load", dpkg: "nghttp2-client", args: h2loadArgs, parse: parseH2load, closed: true},
	{name: "fortio", program: "fortio", module: "fortio.org/fortio@v1.68.2", args: fortioArgs, parse: parseFortio, closed: true, open: true},
	{name: "bombardier", program: "bombardier", module: "github.com/codesenberg/bombardier@v1.2.6", args: bombardierArgs, parse: parseBombardier, closed: true, open: true},
	{name: "hey", program: "hey", module: "github.com/rakyll/hey@v0.1.5", args: heyArgs, parse: parseHey, closed: true, open: true},
	{name: vegeta, program: "vegeta", module: "github.com/tsenart/vegeta/v12@v12.13.0", args: vegetaArgs, afterwards: vegetaReport, parse: parseVegeta, closed: true, open: true},
	{name: k6, program: "k6", module: "go.k6.io/k6@v1.8.1", args: k6Args, afterwards: k6Report, parse: parseK6, closed: true, open: true},
}

// scenarioFile is of a closed loop with what a user's scenario has: a weighted mix, templates, values by chance, and
// thresholds; all of it is recorded by name.
const scenarioFile = `target: {url: "%s"}
engine: %s
scenarios:
  load:
    %s
    duration: %ds
    requests:
      - name: item
        weight: 8
        path: /items/{{id}}
        headers: {X-Tenant-ID: "{{tenant}}"}
        values:
          id: {range: [1, 10000], choice: zipf, exponent: 1.1}
          tenant: {list: [red, green, blue]}
      - name: list
        weight: 3
        path: /items?group={{group}}&limit=20
        values:
          group: {range: [1, 100]}
      - {name: home, path: /}
thresholds:
  http_req_duration{name:item}: "p(95)<10000"
  http_req_failed: "rate<0.001"
`

func scenarioText(l load, engine string) string {
	executor := fmt.Sprintf("executor: constant-vus\n    vus: %d", connections)
	if l.rate > 0 {
		executor = fmt.Sprintf("executor: constant-arrival-rate\n    rate: %d\n    maxVUs: %d", l.rate, connections)
	}
	return fmt.Sprintf(scenarioFile, l.url, engine, executor, l.seconds)
}

// k6Script is as little as a k6 script can do.
const k6Script = `import http from 'k6/http';
export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ['p(50)', 'p(95)', 'p(99)'],
  scenarios: {load: {%s, duration: '%ds'}},
};
export default function () { http.get('%s/'); }
`

func k6Text(l load) string {
	executor := fmt.Sprintf("executor: 'constant-vus', vus: %d", connections)
	if l.rate > 0 {
		executor = fmt.Sprintf("executor: 'constant-arrival-rate', rate: %d, preAllocatedVUs: %d, maxVUs: %[2]d", l.rate, connections)
	}
	return fmt.Sprintf(k6Script, executor, l.seconds, l.url)
}

func scenarioPath(l load, engine string) string { return filepath.Join(l.dir, engine+".yaml") }

func runPath(l load) string { return filepath.Join(l.dir, "run") }

func headroomArgs(engine string) func(load) []string {
	return func(l load) []string {
		return []string{"run", scenarioPath(l, engine), "--json", "--quiet", "--out", runPath(l)}
	}
}

func wrkArgs(l load) []string {
	return []string{"-t1", fmt.Sprintf("-c%d", connections), fmt.Sprintf("-d%ds", l.seconds), "--latency", l.url + "/"}
}

func h2loadArgs(l load) []string {
	return []string{"--h1", "-t1", fmt.Sprintf("-c%d", connections), "-D", fmt.Sprint(l.seconds), l.url + "/"}
}

func fortioArgs(l load) []string { // a rate of 0 is as many as possible
	return []string{
		"load", "-quiet", "-c", fmt.Sprint(connections), "-qps", fmt.Sprint(l.rate), "-t", fmt.Sprintf("%ds", l.seconds),
		"-r", "0.0001", "-p", "50,95,99", "-json", "-", l.url + "/",
	}
}

func bombardierArgs(l load) []string {
	args := []string{"-c", fmt.Sprint(connections), "-d", fmt.Sprintf("%ds", l.seconds), "-l", "-p", "r", "-o", "json"}
	if l.rate > 0 {
		args = append(args, "-r", fmt.Sprint(l.rate))
	}
	return append(args, l.url+"/")
}

// heyArgs: its rate is that of each worker.
func heyArgs(l load) []string {
	args := []string{"-cpus", "1", "-c", fmt.Sprint(connections), "-z", fmt.Sprintf("%ds", l.seconds)}
	if l.rate > 0 {
		args = append(args, "-q", fmt.Sprint(float64(l.rate)/connections))
	}
	return append(args, l.url+"/")
}

func vegetaOutput(l load) string { return filepath.Join(l.dir, "vegeta.bin") }

func vegetaTargets(l load) string { return filepath.Join(l.dir, "vegeta.targets") }

func vegetaArgs(l load) []string { // a rate of 0 is as many as possible
	return []string{
		"attack", "-rate", fmt.Sprint(l.rate), "-max-workers", fmt.Sprint(connections), "-connections", fmt.Sprint(connections),
		"-duration", fmt.Sprintf("%ds", l.seconds), "-targets", vegetaTargets(l), "-output", vegetaOutput(l),
	}
}

func vegetaReport(l load) []string {
	return []string{"vegeta", "report", "-type", "json", vegetaOutput(l)}
}

func k6Path(l load) string { return filepath.Join(l.dir, "k6.js") }

func k6Output(l load) string { return filepath.Join(l.dir, "k6.json") }

func k6Args(l load) []string {
	return []string{"run", "--quiet", "--no-usage-report", "--address", "", "--summary-export", k6Output(l), k6Path(l)}
}

func k6Report(l load) []string { return []string{"cat", k6Output(l)} }
