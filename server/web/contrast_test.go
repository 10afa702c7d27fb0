package web

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast computes the contrast of every pair of colours that the style sheet puts on each other, as WCAG 2.2
// defines it: at least 4.5 for text (1.4.3), and 3 for the edges of fields and the bars of charts (1.4.11).
func TestContrast(t *testing.T) {
	style, err := os.ReadFile("source/style.css")
	if err != nil {
		t.Fatal(err)
	}
	light, rest, found := strings.Cut(string(style), "prefers-color-scheme: dark")
	if !found {
		t.Fatal("there is no dark scheme")
	}
	dark, _, _ := strings.Cut(rest, "\n* ")
	grounds := []string{"ground", "sheet"}
	for scheme, css := range map[string]string{"light": light, "dark": dark} {
		colours := coloursOf(css)
		if len(colours) < 20 {
			t.Fatalf("%s has only %d colours", scheme, len(colours))
		}
		atLeast := func(want float64, ink, ground string) {
			t.Helper()
			a, okInk := colours[ink]
			b, okGround := colours[ground]
			if got := contrast(a, b); !okInk || !okGround || got < want {
				t.Errorf("%s: the contrast of %s on %s is %.2f, want %.1f", scheme, ink, ground, got, want)
			}
		}
		for _, ground := range grounds {
			for _, ink := range []string{"ink", "soft", "link"} {
				atLeast(4.5, ink, ground)
			}
		}
		for _, kind := range []string{"good", "bad", "doubt"} {
			atLeast(4.5, kind, kind+"-ground")
		}
		atLeast(4.5, "soft", "plain-ground")
		atLeast(3, "field", "sheet")
		for tone := range tones {
			atLeast(3, "tone-"+strconv.Itoa(tone), "sheet")
		}
		for _, ink := range []string{"ink", "soft", "link"} {
			atLeast(4.5, ink, "hover")
		}
		if got := contrast(colours["press"], 0xffffff); got < 4.5 {
			t.Errorf("%s: the contrast of white on press is %.2f", scheme, got)
		}
		atLeast(3, "good", "sheet") // bars of percentages
		atLeast(3, "bad", "sheet")  // the edge of problems
	}
	// WCAG's own example: #777777 on white fails, by little.
	if got := contrast(0x777777, 0xffffff); math.Abs(got-4.48) > 0.01 {
		t.Errorf("the contrast of #777777 on white is %.3f", got)
	}
}

var colour = regexp.MustCompile(`--([\w-]+): #([0-9a-f]{6})\b`)

func coloursOf(css string) map[string]uint64 {
	colours := map[string]uint64{}
	for _, m := range colour.FindAllStringSubmatch(css, -1) {
		colours[m[1]], _ = strconv.ParseUint(m[2], 16, 32) // the pattern has seen to it
	}
	return colours
}

// contrast is the ratio of the relative luminances of two colours, from 1 to 21.
func contrast(a, b uint64) float64 {
	bright, dim := luminance(a), luminance(b)
	if bright < dim {
		bright, dim = dim, bright
	}
	return (bright + 0.05) / (dim + 0.05)
}

func luminance(rgb uint64) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		c := float64(rgb>>(16-8*i)&0xff) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
