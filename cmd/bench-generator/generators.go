package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// connections is the number that each generator opens, unless it is unlimited.
const connections = 64

// http2Connections and http2Streams are those of each generator by HTTP/2: as many requests at once as by HTTP/1.1.
const (
	http2Connections = 8
	http2Streams     = connections / http2Connections
)

// k6VUs is the number of users that k6 has where they are not limited: enough for every request that falls due during a
// freeze at the highest rate. k6 wants a number.
const k6VUs = 3000

// load is the work of one turn.
type load struct {
	url       string
	dir       string // for the generator's files
	seconds   int
	rate      int  // requests a second; 0: as many as the connections allow
	unlimited bool // as many connections as the rate needs
	http2     bool
}

// generator is one of the programs that are compared, in one way of using it.
type generator struct {
	name    string
	program string // empty for ours
	module  string // Go package and version that --install builds
	dpkg    string // Debian package
	env     []string
	engine  string // ours only: prefix of the engine that the saved run must name
	// args are the program's arguments. The files that they name are written before each turn.
	args func(load) []string
	// afterwards is a command that prints the report of a turn; nil when the generator itself prints it.
	afterwards func(load) []string
	parse      func([]byte) (report, error)
	// closed and open tell which kinds of load it can send: a closed loop, a given rate.
	closed, open bool
	// unlimited generators open as many connections as the rate needs; the others have 64.
	unlimited bool
}

// limit describes the connections in the freeze table.
func (g *generator) limit() string {
	switch {
	case !g.unlimited:
		return fmt.Sprint(connections)
	case g.program == k6:
		return fmt.Sprintf("%d VUs", k6VUs)
	}
	return "unlimited"
}

// connections is the limit by which the response times are computed; 0 for none.
func (g *generator) connections() int {
	if g.unlimited {
		return 0
	}
	return connections
}

const (
	ringName  = "headroom, io_uring"
	epollName = "headroom, epoll"
	wrkName   = "wrk"
	h2load    = "h2load"
	vegeta    = "vegeta"
	k6        = "k6"
)

// Versions of the peers that have two rows.
const (
	vegetaModule = "github.com/tsenart/vegeta/v12@v12.13.0"
	k6Module     = "go.k6.io/k6@v1.8.1"
)

// generators in the order of the tables. vegeta and k6 also appear as most people run them: without a limit on workers
// and with thousands of users. fortio is not the latest version: 1.69.5 and 1.75.3 import a module that module proxies
// do not all serve.
var generators = []*generator{
	{name: wrkName, program: "wrk", dpkg: "wrk", args: wrkArgs, parse: parseWrk, closed: true},
	{
		name: ringName, engine: "wire (io_uring", args: headroomArgs("wire"), parse: parseHeadroom, closed: true,
		open: true,
	},
	{
		name: epollName, engine: "wire (epoll", env: []string{"HEADROOM_IO_URING=off"}, args: headroomArgs("wire"),
		parse: parseHeadroom, closed: true, open: true,
	},
	{name: "headroom, vegeta engine", engine: "vegeta", args: headroomArgs("vegeta"), parse: parseHeadroom, open: true},
	{name: h2load, program: "h2load", dpkg: "nghttp2-client", args: h2loadArgs, parse: parseH2load, closed: true},
	{
		name: "fortio", program: "fortio", module: "fortio.org/fortio@v1.68.2", args: fortioArgs, parse: parseFortio,
		closed: true, open: true,
	},
	{
		name: "bombardier", program: "bombardier", module: "github.com/codesenberg/bombardier@v1.2.6",
		args: bombardierArgs, parse: parseBombardier, closed: true, open: true,
	},
	{
		name: "hey", program: "hey", module: "github.com/rakyll/hey@v0.1.5", args: heyArgs, parse: parseHey,
		closed: true,
		open:   true,
	},
	{
		name: vegeta, program: "vegeta", module: vegetaModule, args: vegetaArgs, afterwards: vegetaReport,
		parse: parseVegeta, closed: true, open: true,
	},
	{
		name: "vegeta, unlimited workers", program: "vegeta", module: vegetaModule, args: vegetaArgs,
		afterwards: vegetaReport, parse: parseVegeta, open: true, unlimited: true,
	},
	{
		name: k6, program: "k6", module: k6Module, args: k6Args, afterwards: k6Report, parse: parseK6, closed: true,
		open: true,
	},
	{
		name: fmt.Sprintf("k6, %d VUs", k6VUs), program: k6, module: k6Module, args: k6Args, afterwards: k6Report,
		parse: parseK6, open: true, unlimited: true,
	},
}

// http2Generators are those that speak HTTP/2 over plain TCP, without asking the server whether it does. (k6 does not;
// vegeta and Go's client have one connection.)
var http2Generators = []*generator{
	{name: h2load, program: "h2load", dpkg: "nghttp2-client", args: h2loadArgs, parse: parseH2load, closed: true},
	{
		name: ringName, engine: "wire (io_uring, HTTP/2)", args: headroomArgs("wire"), parse: parseHeadroom,
		closed: true, open: true,
	},
	{
		name: epollName, engine: "wire (epoll, HTTP/2)", env: []string{"HEADROOM_IO_URING=off"},
		args: headroomArgs("wire"), parse: parseHeadroom, closed: true, open: true,
	},
	{
		name: vegeta, program: "vegeta", module: vegetaModule, args: vegetaArgs, afterwards: vegetaReport,
		parse: parseVegeta, closed: true, open: true,
	},
}

// secureHTTP2Generators are those that speak HTTP/2 over TLS.
var secureHTTP2Generators = []*generator{
	http2Generators[0],
	{
		name: ringName, engine: "wire (io_uring, HTTP/2, TLS)", args: headroomArgs("wire"), parse: parseHeadroom,
		closed: true,
	},
	{
		name: epollName, engine: "wire (epoll, HTTP/2, TLS)", env: []string{"HEADROOM_IO_URING=off"},
		args: headroomArgs("wire"), parse: parseHeadroom, closed: true,
	},
	{
		name: vegeta, program: "vegeta", module: vegetaModule, args: vegetaArgs, afterwards: vegetaReport,
		parse: parseVegeta, closed: true,
	},
	{
		name: k6, program: k6, module: k6Module, args: k6Args, afterwards: k6Report, parse: parseK6, closed: true,
	},
}

// generators are those that take part.
func (o options) generators() []*generator {
	switch {
	case o.http2 && o.tls:
		return secureHTTP2Generators
	case o.http2:
		return http2Generators
	}
	return generators
}

// baseline is the one that the others are held against.
func (o options) baseline() string {
	if o.http2 {
		return h2load
	}
	return wrkName
}

// scenarioFile has what a user's scenario has: a weighted mix, templates, random values and thresholds, with figures
// for each request by name.
const scenarioFile = `target: {url: "%s"}
engine: %s
%sscenarios:
  load:
    %s
    duration: %ds
    warmup: %ds
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
	sections, warmup := "", 0
	switch {
	case l.http2:
		sections = fmt.Sprintf("http: {version: 2, maxConnections: %d}\n", http2Connections)
		if engine == "vegeta" { // which has as few as do
			sections = "http: {version: 2}\n"
		}
		if l.secure() {
			sections += ownCertificate
		}
	case l.secure():
		sections = secureSections
		if l.rate > 0 { // after its first stop a server makes handshakes, of which the arithmetic knows nothing
			warmup = int(freezeEvery.Seconds())
		}
	}
	return fmt.Sprintf(scenarioFile, l.url, engine, sections, executor, l.seconds+warmup, warmup)
}

// secureSections are of a server that has signed its own certificate.
const (
	ownCertificate = "tls: {insecureSkipVerify: true}\n"
	secureSections = ownCertificate + "http: {version: 1.1}\n"
)

// secure reports whether the load goes by HTTPS.
func (l load) secure() bool { return strings.HasPrefix(l.url, "https:") }

// k6Script does as little as a k6 script can.
const k6Script = `import http from 'k6/http';
export const options = {
  insecureSkipTLSVerify: true,
  discardResponseBodies: true,
  summaryTrendStats: ['p(50)', 'p(95)', 'p(99)'],
  scenarios: {load: {%s, duration: '%ds'}},
};
export default function () { http.get('%s/'); }
`

func k6Text(l load) string {
	executor := fmt.Sprintf("executor: 'constant-vus', vus: %d", connections)
	if l.rate > 0 {
		vus := connections
		if l.unlimited {
			vus = k6VUs
		}
		executor = fmt.Sprintf("executor: 'constant-arrival-rate', rate: %d, preAllocatedVUs: %d, maxVUs: %[2]d",
			l.rate, vus)
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
	if l.http2 {
		return []string{
			"-t1", fmt.Sprintf("-c%d", http2Connections), fmt.Sprintf("-m%d", http2Streams), "-D",
			fmt.Sprint(l.seconds),
			l.url + "/",
		}
	}
	return []string{"--h1", "-t1", fmt.Sprintf("-c%d", connections), "-D", fmt.Sprint(l.seconds), l.url + "/"}
}

func fortioArgs(l load) []string { // a rate of 0 is as many requests as possible
	return []string{
		"load", "-quiet", "-k", "-c", fmt.Sprint(connections), "-qps", fmt.Sprint(l.rate), "-t",
		fmt.Sprintf("%ds", l.seconds),
		"-r", "0.0001", "-p", "50,95,99", "-json", "-", l.url + "/",
	}
}

func bombardierArgs(l load) []string {
	args := []string{
		"-k", "-c", fmt.Sprint(connections), "-d", fmt.Sprintf("%ds", l.seconds), "-l", "-p", "r", "-o", "json",
	}
	if l.rate > 0 {
		args = append(args, "-r", fmt.Sprint(l.rate))
	}
	return append(args, l.url+"/")
}

// heyArgs divides the rate: hey's -q is the rate of each worker.
func heyArgs(l load) []string {
	args := []string{"-cpus", "1", "-c", fmt.Sprint(connections), "-z", fmt.Sprintf("%ds", l.seconds)}
	if l.rate > 0 {
		args = append(args, "-q", fmt.Sprint(float64(l.rate)/connections))
	}
	return append(args, l.url+"/")
}

func vegetaOutput(l load) string { return filepath.Join(l.dir, "vegeta.bin") }

func vegetaTargets(l load) string { return filepath.Join(l.dir, "vegeta.targets") }

// vegetaArgs leave out the limits where there are none: by default vegeta starts as many workers as the rate needs. A
// rate of 0 is as many requests as possible.
func vegetaArgs(l load) []string {
	args := []string{
		"attack", "-rate", fmt.Sprint(l.rate), "-duration", fmt.Sprintf("%ds", l.seconds),
		"-targets", vegetaTargets(l), "-output", vegetaOutput(l), "-insecure",
		fmt.Sprintf("-http2=%t", l.http2 && l.secure()),
	}
	if l.http2 && !l.secure() {
		args = append(args, "-h2c")
	}
	if !l.unlimited {
		args = append(args, "-max-workers", fmt.Sprint(connections), "-connections", fmt.Sprint(connections))
	}
	return args
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
