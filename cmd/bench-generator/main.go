// Command bench-generator compares Headroom's load generator with named peers: how many requests one CPU sends, and
// what that costs, beside wrk in interleaved rounds; or, with --freeze, what each of them says about a server that
// stops again and again, beside what the arithmetic says. With --tls it does either by HTTPS, with --http2 by HTTP/2.
//
// One CPU serves (the first) and another one asks (the second). Every generator is a process of its own for each turn.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

type options struct {
	rounds   int
	seconds  int
	freeze   bool
	tls      bool
	install  bool
	http2    bool
	only     string
	bin      string // directory of the peers
	headroom string // the program
	markdown string
}

func main() { os.Exit(run(os.Stdout, os.Stderr, os.Args[1:])) }

func run(w, wErr io.Writer, args []string) int {
	command := sidebyside.Command{Name: "bench-generator", Errors: wErr}
	if len(args) == 2 && args[0] == "serve" {
		return command.Exit(serve(args[1]))
	}
	var o options
	return command.Run(func() (err error) {
		o, err = parse(wErr, args)
		if err == nil {
			err = o.check()
		}
		return err
	}, func(ctx context.Context) (int, error) {
		return compare(ctx, w, o, func(text string) { fmt.Fprintln(wErr, text) })
	})
}

// compare does what the options ask for and returns the exit code.
func compare(ctx context.Context, w io.Writer, o options, say func(string)) (int, error) {
	if o.install {
		if err := install(ctx, o.bin, say); err != nil {
			return 0, err
		}
	}
	b, err := newBench(o, say)
	if err != nil {
		return 0, err
	}
	defer b.close()
	if o.freeze {
		return b.freeze(ctx, w)
	}
	return b.race(ctx, w)
}

func parse(wErr io.Writer, args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench-generator", flag.ContinueOnError)
	flags.SetOutput(wErr)
	flags.IntVar(&o.rounds, "rounds", 5,
		"how often each generator takes its turn; the table has the medians; --freeze has one round")
	flags.IntVar(&o.seconds, "seconds", 0, "length of each turn (default 3, with --freeze 20)")
	flags.BoolVar(&o.freeze, "freeze", false, "compare what is said about a server that stops for 200 ms every 2 s")
	flags.BoolVar(&o.http2, "http2", false,
		"compare by HTTP/2: 8 connections with 8 requests at once each, beside h2load; with --tls to nginx alone")
	flags.BoolVar(&o.tls, "tls", false,
		"compare by HTTPS: HTTP/1.1 over TLS 1.3, to the light or freezing server, or with --http2 HTTP/2")
	flags.BoolVar(&o.install, "install", false,
		"first install the peers that are Go modules into --bin; the others are Debian packages")
	flags.StringVar(&o.only, "only", "",
		"run only wrk, or h2load, and the generators whose name contains one of these words, separated by commas")
	flags.StringVar(&o.bin, "bin", "bin/peers", "directory in which peers are looked for before PATH")
	flags.StringVar(&o.headroom, "headroom", "bin/headroom", "the headroom to measure")
	flags.StringVar(&o.markdown, "markdown", "", "also write the table to this file, as Markdown")
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q; see bench-generator --help", flags.Arg(0))
	}
	if o.seconds == 0 {
		o.seconds = 3
		if o.freeze {
			o.seconds = 20
		}
	}
	return o, err
}

func (o options) check() error {
	switch {
	case o.rounds < 1 || o.seconds < 1:
		return errors.New("--rounds and --seconds are at least 1")
	case o.http2 && o.tls && o.freeze:
		return errors.New("--freeze goes with --http2, over plain TCP, or with --tls, by HTTP/1.1: give one of them")
	case o.freeze && o.seconds%int(freezeEvery.Seconds()) != 0:
		return fmt.Errorf("--seconds is a multiple of the %v from one freeze to the next", freezeEvery)
	}
	if _, err := os.Stat(o.headroom); err != nil {
		return fmt.Errorf("no headroom to measure: %w; build it by make build, or give --headroom", err)
	}
	return nil
}

// wants says whether --only selects something of this name.
func (o options) wants(name string) bool {
	return sidebyside.Selected(o.only, name)
}
