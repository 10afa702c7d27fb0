package web

import (
	"html/template"
	"strconv"
	"strings"
	"time"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"words": func(name string) string { return strings.ReplaceAll(name, "_", "-") },
	// short leaves out the provider of a type: Microsoft.Compute/virtualMachines is virtualMachines.
	"short": func(kind string) string { return kind[strings.LastIndexByte(kind, '/')+1:] },
	// provider is what short leaves out.
	"provider": func(kind string) string { return kind[:max(strings.LastIndexByte(kind, '/'), 0)] },
	"change":   func(kind string) string { return strings.ReplaceAll(kind, ".", " ") },

	"machineTime": func(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) },
	"humanTime":   func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") },
	"count":       count,
	"number":      grouped,
}

// count writes a number with its noun: 1 resource, 12,345 resources.
func count(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(n) + " " + noun
}

// grouped writes a number with commas between groups of three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	head := len(digits) % 3
	groups := make([]string, 0, 7)
	if head > 0 {
		groups = append(groups, digits[:head])
	}
	for at := head; at < len(digits); at += 3 {
		groups = append(groups, digits[at:at+3])
	}
	return sign + strings.Join(groups, ",")
}
