package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/fixtures"
)

func newSeedCommand() *cobra.Command {
	var url string
	o := fixtures.Options{Seed: 1, Resources: 100_000}
	c := &cobra.Command{
		Use:   "seed --postgres URL",
		Short: "Load the reference system's fixture into a Postgres",
		Long: `Load the reference system's fixture into a Postgres: the schema and then the rows, which depend only on the seed and the
number of resources. A database that already holds the same fixture is left unchanged. One with other content is refused.`,
		Example: "  headroom seed --postgres postgres://user:password@127.0.0.1:5432/headroom --resources 1000000",
		Args:    func(c *cobra.Command, args []string) error { return asUsage(cobra.NoArgs(c, args)) },
		RunE: func(c *cobra.Command, _ []string) error {
			if url == "" {
				return usageError{errors.New("seed needs --postgres URL: postgres://user:password@host:port/database")}
			}
			if o.Resources < 1 {
				return usageError{fmt.Errorf("--resources is %d: it must be at least 1", o.Resources)}
			}
			o.Progress = fixtureProgress(c.ErrOrStderr())
			sum, err := fixtures.Load(c.Context(), url, o)
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), fixtureSummary(sum))
			return nil
		},
	}
	c.Flags().StringVar(&url, "postgres", "", "`URL` of the database")
	c.Flags().IntVar(&o.Resources, "resources", o.Resources, "number of resources")
	c.Flags().Uint64Var(&o.Seed, "seed", o.Seed, "seed of the rows")
	return c
}

func fixtureProgress(w io.Writer) func(done, total int) {
	return func(done, total int) {
		fmt.Fprintf(w, "fixture: %d of %d resources (%d %%)\n", done, total, 100*done/max(total, 1))
	}
}

func fixtureSummary(s fixtures.Summary) string {
	if s.Reused {
		return fmt.Sprintf("fixture: %d resources, already loaded", s.Resources)
	}
	return fmt.Sprintf("fixture: %d resources in %v", s.Resources, s.Took.Round(100*time.Millisecond))
}
