package sample

// Distribution is what a token is drawn from: the tokens that are left after all steps and their probabilities, which sum to 1.
type Distribution struct {
	// IDs are the tokens, each once, Probs their probabilities. The likeliest come first where a step had to sort; else in order of ids.
	IDs   []int32
	Probs []float64
}

// Of is the probability of a token, 0 if it is not among those left.
func (d Distribution) Of(id int32) float64 {
	for i, x := range d.IDs {
		if x == id {
			return d.Probs[i]
		}
	}
	return 0
}

// Distribution returns what Sample would draw from: all of it, for who draws in another way (Verify needs less). A greedy
// choice is a distribution of one token. XTC's coin is drawn for it, nothing else. It fails as Sample does, and where Params.Adapts.
func (s *Sampler) Distribution(c Candidates, history []int32) (Distribution, error) {
	if s.params.Adapts() {
		return Distribution{}, errAdapts
	}
	w := scratch.Get().(*work)
	defer scratch.Put(w)
	if err := s.start(w, c, history); err != nil {
		return Distribution{}, err
	}
	if s.params.Greedy() {
		return Distribution{[]int32{w.largest()}, []float64{1}}, nil
	}
	d := Distribution{make([]int32, len(w.keys)), make([]float64, len(w.keys))}
	for i, k := range w.keys {
		d.IDs[i], d.Probs[i] = k.id(), w.weights[i]/w.sum
	}
	return d, nil
}

// Draw takes a token of a distribution that is not empty, drawing one number, or none if the sampler is greedy. After Distribution it gives
// what Sample would have given, but for rounding.
func (s *Sampler) Draw(d Distribution) int32 {
	if s.params.Greedy() {
		return d.IDs[0]
	}
	return d.IDs[draw(d.Probs, s.random.Float64())]
}
