// Command bench-server compares the reference server with named peers in one interleaved run and prints the ratios. The
// client is wrk, so that Headroom's own generator is not the judge of Headroom's own server.
//
// One CPU serves (the first) and another one asks (the second). Postgres and the cache server share the second CPU with
// wrk when there are two, and have the others to themselves when there are more. Every contender is a process of its
// own, started anew for each measurement, and takes its turn in each round.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/policycortex/headroom/cmd/internal/sidebyside"
)

// errInvalid marks measurements that say nothing.
var errInvalid = errors.New("not valid")

type options struct {
	rounds    int
	seconds   int
	resources int
	only      string
	markdown  string
}

func main() { os.Exit(run(os.Stdout, os.Stderr, os.Args[1:])) }

func run(w, wErr io.Writer, args []string) int {
	command := sidebyside.Command{Name: "bench-server", Errors: wErr}
	if len(args) == 2 && args[0] == "serve" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return command.Exit(serve(ctx, args[1]))
	}
	var o options
	return command.Run(func() (err error) {
		o, err = parse(wErr, args)
		if err == nil {
			err = o.check()
		}
		return err
	}, func(ctx context.Context) (int, error) {
		rows, err := measure(ctx, o, func(text string) { fmt.Fprintln(wErr, text) })
		if err != nil {
			return 0, err
		}
		if err := sidebyside.Output(w, heading, table(rows), o.markdown); err != nil {
			return 0, err
		}
		return verdict(w, rows), nil
	})
}

func parse(wErr io.Writer, args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench-server", flag.ContinueOnError)
	flags.SetOutput(wErr)
	flags.IntVar(&o.rounds, "rounds", 5, "how often each contender takes its turn; the table has the medians")
	flags.IntVar(&o.seconds, "seconds", 4, "length of each measurement, after a second of warm-up")
	flags.IntVar(&o.resources, "resources", 150_000, "rows in the database")
	flags.StringVar(&o.only, "only", "",
		"measure only contenders whose name or group contains one of these words, separated by commas")
	flags.StringVar(&o.markdown, "markdown", "", "also write the table to this file, as Markdown")
	err := flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q; see bench-server --help", flags.Arg(0))
	}
	return o, err
}

func (o options) check() error {
	if o.rounds < 1 || o.seconds < 1 || o.resources < 1000 {
		return errors.New("--rounds and --seconds are at least 1, --resources at least 1000")
	}
	return nil
}

// wants says whether --only selects a contender.
func (o options) wants(c *contender) bool {
	return sidebyside.Selected(o.only, c.name, c.group)
}
