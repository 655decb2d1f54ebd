// Package pace decides how many proposed tokens are worth verifying: from how often such proposals were accepted, and from
// what steps have cost. It owns no clock; costs are told to it, in any unit of time.
package pace

// Classes is how many kinds of proposals are told apart, by how sure who proposed them was.
const Classes = 8

// Rates are the chances that a proposal of each class is accepted, given that those before it were.
type Rates [Classes]float64

// Learn moves a class's chance towards what became of a proposal; a weight of 1 forgets all before.
func (r *Rates) Learn(class uint8, accepted bool, weight float64) {
	got := 0.0
	if accepted {
		got = 1
	}
	r[class] += weight * (got - r[class])
}

// DraftRates are what is assumed of a draft model's proposals before any is known: that it is as sure as it should be.
func DraftRates() (r Rates) {
	for c := range r {
		r[c] = (float64(c) + 0.5) / Classes
	}
	return r
}

// DraftClass is the class of a proposal that a draft model gives the probability top.
func DraftClass(top float64) uint8 {
	return uint8(min(Classes-1, max(0, int(top*Classes))))
}

// TextRates are what is assumed of proposals taken from texts: from the sequence's own by how many tokens agree, then from others.
// It is much, so that they are tried.
func TextRates() Rates { return Rates{0.75, 0.8, 0.85, 0.9, 0.95, 0.6, 0.7, 0.75} }

// TextClass is the class of a proposal taken from the sequence's own text, after so many tokens that agree.
func TextClass(agree int) uint8 {
	switch {
	case agree < 3:
		return 0
	case agree < 5:
		return 1
	case agree < 8:
		return 2
	case agree < 16:
		return 3
	}
	return 4
}

// OtherClass is the class of a proposal that mostly followed so many tokens in other texts.
func OtherClass(run, lead int) uint8 {
	switch {
	case run < 3:
		return 5
	case run < 4 || lead < 3:
		return 6
	}
	return 7
}
