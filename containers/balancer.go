package containers

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"runtime"
	"syscall"
	"text/template"
)

// The balancers that Options.Balancer may name.
const (
	BalancerNginx   = "nginx"
	BalancerHAProxy = "haproxy"
)

// InstanceHeader is the header of an answer in which the balancer says which instance gave it: 1 for the first of
// those that it was started with, 2 for the second.
const InstanceHeader = "X-Instance"

const (
	// balancerPatience is how long the balancer waits for an instance that says nothing, in seconds, before it sends a
	// request that may be sent again to another instance.
	balancerPatience = 2
	// mostFiles bounds the file descriptors of a balancer or an edge. Each request under way needs two.
	mostFiles = 32768
)

//go:embed nginx.conf.tmpl
var nginxConfig string

//go:embed haproxy.cfg.tmpl
var haproxyConfig string

var balancers = []front{
	{
		name: BalancerNginx, title: "nginx", program: "nginx", image: "nginx:stable", user: "nginx",
		configFile: "nginx.conf", config: template.Must(template.New("nginx").Parse(nginxConfig)), args: nginxArgs,
		askVersion: "-v",
	},
	{
		name: BalancerHAProxy, title: "HAProxy", program: "haproxy", image: "haproxy:lts", user: "haproxy",
		configFile: "haproxy.cfg", config: template.Must(template.New("haproxy").Parse(haproxyConfig)),
		args:       func(_, config, _ string) []string { return []string{"-db", "-f", config} },
		askVersion: "-v",
	},
}

func nginxArgs(dir, config, _ string) []string { return []string{"-p", dir + "/", "-c", config} }

// balancing is what the configuration of a balancer is made of.
type balancing struct {
	place
	Instances []balanced
	Ready     string // the path at which an instance says whether it is to get requests
	Header    string
	Patience  int // seconds
}

// balanced is an instance behind a balancer.
type balanced struct {
	Number  int
	Address string // host:port
	Pattern string // a regular expression for that
}

// place is where a front is, and what it may use there.
type place struct {
	Address     string // host:port at which it listens
	Probe       string // a path that nobody can guess, which it answers itself
	Workers     int    // half of the CPUs
	Files       int    // descriptors that it may open
	Connections int    // of clients, at the same time
}

// newPlace is one on this machine.
func newPlace(address string) (place, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return place{}, fmt.Errorf("ask for the limit of open files: %w", err)
	}
	files := int(min(limit.Max, mostFiles))
	return place{
		Address: address, Probe: "/headroom-probe-" + newPassword(), Workers: max(1, runtime.NumCPU()/2), Files: files,
		Connections: max(64, files/2-100),
	}, nil
}

// BalancerSpec says what a balancer stands in front of.
type BalancerSpec struct {
	// Address is where it listens, as host:port; empty means a free port of loopback.
	Address string
	// Instances are the addresses, host:port on loopback, of the instances. They get the requests in turns.
	Instances []string
	// Ready is the path at which an instance answers 200 to a GET while it is to get requests. HAProxy asks there;
	// nginx goes by what becomes of requests alone.
	Ready string
}

// StartBalancer starts the balancer that the options named, waits until it answers, and sets BalancerURL and Balancer.
// It is stopped with the environment.
//
// A request that an instance did not answer goes to another instance: one whose method is idempotent (GET, HEAD,
// OPTIONS, TRACE, PUT, DELETE) also when it was sent already, and when nothing came for two seconds; others only when
// there was no connection to the instance.
func (e *Environment) StartBalancer(ctx context.Context, spec BalancerSpec) error {
	f, err := frontByName(balancers, "balancer", e.options.Balancer)
	if err != nil {
		return err
	}
	where, err := newPlace(spec.Address)
	if err != nil {
		return err
	}
	b := balancing{Header: InstanceHeader, Ready: spec.Ready, Patience: balancerPatience}
	for i, address := range spec.Instances {
		b.Instances = append(b.Instances, balanced{i + 1, address, regexp.QuoteMeta(address)})
	}
	started, err := e.startFront(ctx, TargetBalancer, f, e.options.BalancerImage, where, func(at place) any {
		b.place = at
		return b
	})
	if err != nil {
		return err
	}
	e.BalancerURL, e.Balancer = started.url, started.server
	return nil
}
