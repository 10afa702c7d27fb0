package capacity

import (
	"math"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mathext"
)

// classes are the upper ends of the classes of a trial's excess; the last one has none. One of them is 1, between good
// trials and bad ones.
var classes = []float64{0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1, 1.2, 1.5, 2, 3, 5, math.Inf(1)}

// goodClasses are those of good trials. Beside the classes are two for trials of which no excess is known.
const (
	goodClasses = 8
	anyGood     = 14
	anyBad      = 15
	allClasses  = 16
)

// classOf is the class of a trial. One may be bad though its excess is not above 1, by an objective without one.
func classOf(t Trial) int {
	switch {
	case t.Bad && (t.Excess == nil || *t.Excess <= 1):
		return anyBad
	case !t.Bad && (t.Excess == nil || *t.Excess > 1):
		return anyGood
	}
	return slices.IndexFunc(classes, func(end float64) bool { return *t.Excess <= end })
}

var (
	// the shape of the gamma distribution: a. Less than 1 would explain hiccups as scatter.
	scatters = []float64{1, 3, 10, 30}
	lapses   = []float64{0.02, 0.1, 0.2} // e
)

const lucky = 0.02 // the share of good trials far beyond the limit

// The means of the excess that likelihoods are tabulated for, at equal distances of the logarithm: within a distance of
// 0.02 they do not matter.
const (
	logMeanRange = 8.0 // from exp(-8) to exp(8)
	logMeanStep  = 0.02
	meanPoints   = 2*int(logMeanRange/logMeanStep) + 1
)

func meanIndex(mean float64) int {
	at := (math.Log(mean) + logMeanRange) / logMeanStep
	return int(min(max(at+0.5, 0), float64(meanPoints-1)))
}

// likelihood has the logarithms of the probabilities of what a trial came to, by scatter, lapse, and mean.
type likelihood [][][]float64

// likelihoodOf is that of a trial. The caller changes nothing in it.
func likelihoodOf(t Trial) likelihood {
	if t.May == 0 {
		return ofMany[classOf(t)]()
	}
	return newLikelihood(classOf(t), t.May)
}

// ofMany are those of trials of which it is not known how many requests may miss, by class.
var ofMany = func() (all [allClasses]func() likelihood) {
	for class := range all {
		all[class] = sync.OnceValue(func() likelihood { return newLikelihood(class, 0) })
	}
	return all
}()

func newLikelihood(class int, may float64) (table likelihood) {
	for _, shape := range scatters {
		of := make([][]float64, len(lapses))
		for m := range meanPoints {
			share := classShare(class, shape, math.Exp(float64(m)*logMeanStep-logMeanRange), may)
			for e, lapse := range lapses {
				of[e] = append(of[e], math.Log((1-lapse-lucky)*share+lapse*badShare[class]+lucky*goodShare[class]))
			}
		}
		table = append(table, of)
	}
	return table
}

// classShare is the probability of a class where the excess has a mean. The number of requests that miss is a Poisson
// number whose mean is gamma distributed with the shape: it has a negative binomial distribution. Where it is not known
// how many may miss, they are taken for many, and the excess is gamma distributed.
func classShare(class int, shape, mean float64, may float64) float64 {
	below := func(end float64) float64 {
		switch {
		case math.IsInf(end, 1):
			return 1
		case may == 0:
			return mathext.GammaIncReg(shape, shape*end/mean)
		}
		return mathext.RegIncBeta(shape, math.Floor(end*may+rounding)+1, shape/(shape+mean*may))
	}
	switch {
	case class == anyGood:
		return below(1)
	case class == anyBad:
		return 1 - below(1)
	case class == 0:
		return below(classes[0])
	}
	return max(0, below(classes[class])-below(classes[class-1]))
}

// rounding is what a number of requests may be off by, as a product of floating-point numbers.
const rounding = 1e-6

// badShare and goodShare are the probabilities of the classes of a trial that is bad or good for no reason of the rate:
// each is as likely as the others.
var badShare, goodShare = lapseShares()

func lapseShares() (bad, good [allClasses]float64) {
	for c := range classes {
		if c < goodClasses {
			good[c] = 1.0 / goodClasses
		} else {
			bad[c] = 1.0 / float64(len(classes)-goodClasses)
		}
	}
	good[anyGood], bad[anyBad] = 1, 1
	return bad, good
}
