package scheduler

import (
	"fmt"
	"slices"

	"umbra/cache"
	"umbra/scheduler/batch"
	"umbra/scheduler/ngram"
	"umbra/scheduler/pace"
	"umbra/scheduler/sample"
)

// sequence is a request on its way: its tokens, its cache, and what chooses and ends its text.
type sequence struct {
	id     uint64
	group  *group
	answer int     // which of its group
	tokens []int32 // known: the prompt, then what was generated
	prompt int     // how many of them the prompt has

	table    *cache.Table // reserves at least the computed tokens and the rows in flight
	computed int          // tokens whose keys and values are in the cache
	reached  int          // the most that computed ever was; above it after a preemption
	rows     int          // rows in flight: positions computed to computed+rows
	lately   int          // rows of the latest step that had any
	proposed int          // the last so many of them are of proposals, which may not come true
	promised int          // tokens that the steps in flight will give, after those known
	output   int          // the output row of the latest of them
	ended    bool         // its end has been reported; only its rows in flight keep it

	want       batch.Want // what its output rows must give
	top        int        // entries, for WantTop
	sampler    *sample.Sampler
	maxTokens  int // 0: no limit of its own
	limit      int // longest it can get
	stopTokens []int32
	stop       stopper
	held       *held // to a grammar; nil: to none

	ask   *Ask         // for the step being laid out; nil: none
	rates *pace.Rates  // of its proposals; nil before its first ask
	index *ngram.Index // of its own text; nil before its first ask

	sampled  int            // tokens drawn, a stop token among them
	scored   bool           // score is wanted
	score    float64        // sum of the tokens' log-probabilities
	logProbs int            // what Request.LogProbs says
	likely   []TokenLogProb // of the token chosen last, where it is wanted
	kept     Event          // tokens and text of an answer that is reported later, or never
}

// target returns how many tokens are to be computed now: all that are known or promised, or the prompt if others wait
// for that. One that is promised and sure to be the last is never computed.
func (q *sequence) target() int {
	if !q.group.apart {
		return q.prompt
	}
	n := len(q.tokens) + q.promised
	if q.promised > 0 && (q.sampled+q.promised == q.maxTokens || n == q.limit) {
		n--
	}
	return n
}

// pending returns how many tokens are to be computed and not in flight; at least 1 when no step is, but for beams that are
// ready.
func (q *sequence) pending() int { return q.target() - q.computed - (q.rows - q.proposed) }

// usage sums up the sequence so far.
func (q *sequence) usage() Usage {
	return Usage{Prompt: q.prompt, Generated: q.sampled, Cached: q.group.cached, Preemptions: q.group.preemptions}
}

// wants says what output rows must give for these parameters, and for WantTop how many entries.
func wants(p sample.Params, scored bool) (batch.Want, int) {
	switch k := p.Largest(batch.MaxTopK); {
	case k == 0 || scored:
		return batch.WantLogits, 0
	case p.Greedy():
		return batch.WantToken, 0
	default:
		return batch.WantTop, k
	}
}

// choose samples the next token from what an output row gave. It fails if that is not what was asked for, or holds no
// token to choose.
func (q *sequence) choose(out batch.Output, vocabulary int) (int32, error) {
	id := out.Token
	likeliest, err := q.takesLikeliest(id)
	if err != nil {
		return 0, err
	}
	if !likeliest {
		c, err := q.candidates(out, vocabulary)
		if err != nil {
			return 0, err
		}
		if id, err = q.sampler.Sample(c, q.tokens); err != nil {
			return 0, err
		}
	}
	return q.chosen(id, out, vocabulary)
}

// takesLikeliest reports whether the token with the largest logit is the choice, whatever the others are like.
func (q *sequence) takesLikeliest(id int32) (bool, error) {
	if q.held == nil {
		return q.want == batch.WantToken, nil
	}
	if p := q.sampler.Params(); p.Largest(1) != 1 || !p.Greedy() {
		return false, nil
	}
	return q.fits(id)
}

// candidates are what an output row gave to choose from.
func (q *sequence) candidates(out batch.Output, vocabulary int) (sample.Candidates, error) {
	switch {
	case q.want == batch.WantTop && out.TopIDs == nil: // which would read as the whole vocabulary
		return sample.Candidates{}, fmt.Errorf("no largest logits came back, want %d", q.top)
	case q.want == batch.WantTop:
		return sample.Candidates{IDs: out.TopIDs, Logits: out.TopLogits}, nil
	case len(out.Logits) != vocabulary:
		return sample.Candidates{}, fmt.Errorf("%d logits came back for a vocabulary of %d", len(out.Logits), vocabulary)
	}
	if q.held == nil {
		return sample.Candidates{Logits: out.Logits}, nil
	}
	logits, err := q.allowed(out.Logits)
	return sample.Candidates{Logits: logits}, err
}

// chosen checks a token and adds its probability to the score.
func (q *sequence) chosen(id int32, out batch.Output, vocabulary int) (int32, error) {
	if id < 0 || int(id) >= vocabulary {
		return 0, fmt.Errorf("token %d came back for a vocabulary of %d", id, vocabulary)
	}
	if q.scored && q.group.beams == nil {
		q.score += logProb(out.Logits, id)
	}
	if q.logProbs > 0 {
		q.likely = []TokenLogProb{logProbsOf(out.Logits, id, q.logProbs-1)}
	}
	return id, nil
}

// accept appends a chosen token, the only one of a slice that is the event's then, and returns that. Piece may be nil.
func (q *sequence) accept(token []int32, piece func(int32) []byte) Event {
	id := token[0]
	q.sampled++
	if slices.Contains(q.stopTokens, id) {
		return q.end(Event{}, StopToken)
	}
	if q.held != nil {
		if err := q.follow(id); err != nil {
			return q.end(Event{Err: fmt.Errorf("scheduler: sequence %d: %w", q.id, err)}, Failed)
		}
	}
	q.tokens = append(q.tokens, id)
	e := Event{ID: q.id, Answer: q.answer, Tokens: token, LogProbs: q.likely, Usage: q.usage()}
	if piece != nil {
		var stopped bool
		if e.Text, stopped = q.stop.push(piece(id)); stopped {
			return q.end(e, StopString)
		}
	}
	switch {
	case q.held != nil && q.held.matcher.MustEnd():
		return q.end(e, Complete)
	case q.sampled == q.maxTokens:
		return q.end(e, Length)
	case len(q.tokens) == q.limit:
		return q.end(e, ContextFull)
	}
	return e
}

// end makes e the sequence's last event. Text that is still held back is let go; after a stop string none is.
func (q *sequence) end(e Event, reason Reason) Event {
	q.ended = true
	q.group.live--
	e.ID, e.Answer, e.Reason, e.Usage = q.id, q.answer, reason, q.usage()
	e.Text = append(e.Text, q.stop.flush()...)
	return e
}
