package main

import (
	"slices"
	"time"
)

func median(d []time.Duration) time.Duration { return quantile(d, 0.5) }

// quantile returns the smallest of d that the share q of d does not exceed; 0 of none.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// slope returns the slope of the line that is nearest to the points (least squares).
func slope(x, y []time.Duration) float64 {
	mx, my := mean(x), mean(y)
	var xy, xx float64
	for i := range x {
		dx := float64(x[i]) - mx
		xy += dx * (float64(y[i]) - my)
		xx += dx * dx
	}
	return xy / xx
}

func mean(d []time.Duration) (m float64) {
	for _, v := range d {
		m += float64(v) / float64(len(d))
	}
	return m
}
