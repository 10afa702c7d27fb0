package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/policycortex/headroom/results"
	"github.com/policycortex/headroom/scenarios"
)

// terminal is the program's output for people. It redacts secrets line by line, and text from a file or a service
// cannot control the terminal.
type terminal struct {
	w       io.Writer
	secrets *scenarios.Redactor

	mu   sync.Mutex
	rest []byte // of a line that has not ended
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, p...)
	end := bytes.LastIndexByte(t.rest, '\n') + 1
	if err := t.show(t.rest[:end]); err != nil {
		return 0, err
	}
	t.rest = append(t.rest[:0], t.rest[end:]...)
	return len(p), nil
}

func (t *terminal) show(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	_, err := io.WriteString(t.w, results.Printable(t.secrets.Text(string(text))))
	return err
}

// flush writes a last line that has no line break.
func (t *terminal) flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.show(t.rest) // the program ends
	t.rest = nil
}

// bare is the writer behind a terminal, for output that is not text.
func bare(w io.Writer) io.Writer {
	if t, ok := w.(*terminal); ok {
		return t.w
	}
	return w
}

// jsonTo is the writer for a JSON document that is already redacted. Redacting it as text could mistake a number for a
// secret.
func jsonTo(w io.Writer) io.Writer { return printable{bare(w)} }

// printable replaces control characters in a JSON document.
type printable struct{ w io.Writer }

func (p printable) Write(b []byte) (int, error) {
	_, err := io.WriteString(p.w, results.Printable(string(b)))
	return len(b), err
}

type secretsKey struct{}

// redactorOf is the redactor of this process. Commands add every secret that they learn.
func redactorOf(c *cobra.Command) *scenarios.Redactor {
	if ctx := c.Context(); ctx != nil {
		if secrets, ok := ctx.Value(secretsKey{}).(*scenarios.Redactor); ok {
			return secrets
		}
	}
	return &scenarios.Redactor{}
}

func withSecrets(ctx context.Context, secrets *scenarios.Redactor) context.Context {
	return context.WithValue(ctx, secretsKey{}, secrets)
}

// learnArguments adds the secrets in a command line.
func learnArguments(secrets *scenarios.Redactor, args []string) {
	for i, a := range args {
		if override, ok := overrideOf(args, i); ok {
			secrets.LearnOverride(override)
		}
		secrets.Learn(a)
	}
}

// redacted returns the arguments without secrets, for the run's record.
func redacted(args []string, secrets *scenarios.Redactor) []string {
	out := make([]string, len(args))
	for i, a := range args {
		override, ok := overrideOf(args, i)
		if ok {
			out[i] = strings.TrimSuffix(a, override) + secrets.Override(override)
		} else {
			out[i] = secrets.Text(a)
		}
	}
	return out
}

// overrideOf is the override in argument i.
func overrideOf(args []string, i int) (override string, ok bool) {
	if i > 0 && args[i-1] == "--set" {
		return args[i], true
	}
	return strings.CutPrefix(args[i], "--set=")
}
