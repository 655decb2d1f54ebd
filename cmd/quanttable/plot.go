package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// The plot's size, and the margins of the field in it, in pixels.
const (
	width, height = 960, 640
	left, right   = 80, 20
	top, bottom   = 50, 60
	letter, line  = 7, 14 // of a label
)

// axis maps values to pixels, on a logarithmic scale.
type axis struct{ low, high, from, to float64 }

func (a axis) at(v float64) float64 {
	return a.from + (a.to-a.from)*(math.Log(v)-math.Log(a.low))/(math.Log(a.high)-math.Log(a.low))
}

// box is a label's place.
type box struct{ x, y, w, h float64 }

func (b box) hits(c box) bool {
	return b.x < c.x+c.w && c.x < b.x+b.w && b.y < c.y+c.h && c.y < b.y+b.h
}

// shownBits is up to where types are shown: those of 16 bits and more would take most of the room, and lose next to nothing.
const shownBits = 10

// plotOf is a picture of mean KL divergence by bits a weight, both logarithmic. What has less than 1e-5 lies on the lower edge.
func plotOf(rows []row) string {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.Bits > shownBits })
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.Bits, b.Bits) })
	least, most, fewest := 1e-3, 1e-2, 8.0
	for _, r := range rows {
		fewest = min(fewest, r.Bits)
		if v := r.KL.Value; v > 1e-5 {
			least, most = min(least, v), max(most, v)
		}
	}
	x := axis{0.95 * fewest, shownBits, left, width - right}
	y := axis{math.Pow(10, math.Floor(math.Log10(least))), math.Pow(10, math.Ceil(math.Log10(most))), height - bottom, top}

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	words := func(x, y float64, anchor, text string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`+"\n", x, y, anchor, text)
	}
	stroke := func(x1, y1, x2, y2 float64, colour string) {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>`+"\n", x1, y1, x2, y2, colour)
	}
	for v := math.Ceil(x.low); v <= x.high; v++ {
		stroke(x.at(v), top, x.at(v), height-bottom, "#ddd")
		words(x.at(v), height-bottom+18, "middle", fmt.Sprint(v))
	}
	for v := y.low; v < y.high*1.001; v *= 10 {
		stroke(left, y.at(v), width-right, y.at(v), "#ddd")
		words(left-8, y.at(v)+4, "end", fmt.Sprintf("%.0e", v))
	}
	words((left+width-right)/2, height-18, "middle", "bits a weight")
	words(left, 20, "start", "mean KL divergence from F32, nats")
	words(left, 38, "start", "hollow: with an importance matrix; on the lower edge: less than is shown; 16 bits and more are left out")

	var taken []box
	for _, r := range rows {
		px, py := x.at(r.Bits), y.at(max(r.KL.Value, y.low))
		taken = append(taken, box{px - 4, py - 4, 8, 8})
	}
	for i, r := range rows {
		px, py := taken[i].x+4, taken[i].y+4
		label, fill := r.Type, "#2060c0"
		if calibrated(r.Type) {
			label, fill = strings.TrimSuffix(r.Type, "*"), "white"
		}
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="%s" stroke="#2060c0" stroke-width="1.5"/>`+"\n", px, py, fill)
		place := free(px, py, float64(len(label)*letter), taken)
		taken = append(taken, place)
		if d := math.Hypot(place.x+place.w/2-px, place.y+line/2-py); d > place.w/2+line {
			stroke(px, py, max(place.x, min(px, place.x+place.w)), max(place.y, min(py, place.y+line)), "#888")
		}
		words(place.x+place.w/2, place.y+line-3, "middle", label)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// free finds a label of width w a place near a point that no other has, nearer ones first.
func free(x, y, w float64, taken []box) box {
	for d := 8.0; ; d += 6 {
		for _, at := range [][2]float64{{d, -line / 2}, {-d - w, -line / 2}, {-w / 2, -d - line}, {-w / 2, d}, {d, -d - line}, {d, d}, {-d - w, -d - line}, {-d - w, d}} {
			place := box{x + at[0], y + at[1], w, line}
			inside := place.x >= left && place.x+w <= width-right && place.y >= top-line && place.y+line <= height-bottom+line
			if d > height || inside && !slices.ContainsFunc(taken, place.hits) {
				return place
			}
		}
	}
}
