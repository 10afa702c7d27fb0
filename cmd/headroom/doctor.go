package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/containers"
)

func newDoctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "doctor",
		Short:   "Show what this machine has for benchmarks, and how to get what is missing",
		Example: "  headroom doctor",
		Args:    func(c *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(c, args)) },
		RunE: func(c *cobra.Command, _ []string) error {
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			usable, taken := 0, ""
			for _, s := range containers.Probe(c.Context(), containers.Options{}) {
				if s.OK && s.Provider != "external" {
					usable++
					if usable == 1 {
						taken = s.Provider
					}
				}
				printFinding(w, finding{"provider " + s.Provider, s.OK, s.Detail, s.Todo})
			}
			for _, f := range containers.Fronts(c.Context()) {
				printFinding(w, finding{f.Use, f.OK, f.Detail, f.Todo})
			}
			for _, f := range machineFindings() {
				printFinding(w, f)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			if usable == 0 {
				return fmt.Errorf("no provider can run Postgres and a cache on this machine; you can still load your " +
					"own service with target.url")
			}
			fmt.Fprintf(c.OutOrStdout(), "\n--provider auto takes %s, the first of docker, process and embedded that "+
				"works here\n", taken)
			return nil
		},
	}
}

// finding is one line of doctor.
type finding struct {
	what   string
	ok     bool
	detail string
	todo   string
}

func printFinding(w *tabwriter.Writer, f finding) {
	mark := "ok"
	if !f.ok {
		mark = "--"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\n", mark, f.what, f.detail)
	if !f.ok && f.todo != "" {
		fmt.Fprintf(w, "\t\t→ %s\n", f.todo)
	}
}
