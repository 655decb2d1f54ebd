package scheduler

import "fmt"

// Event is what a step did for one sequence: tokens it gained, its end, or both. Its slices are the receiver's.
type Event struct {
	// ID is what Add returned.
	ID uint64
	// Answer says which of the request's answers, from 0 to Request.N-1; AllAnswers for Cancel of a request of several.
	Answer int
	// Tokens holds the ids gained. A stop token is not among them; tokens of a stop string are.
	Tokens []int32
	// LogProbs tells of each of Tokens how likely it was, where Request.LogProbs asks for it.
	LogProbs []TokenLogProb
	// Text holds the bytes that have become certain: those of Tokens, less what may be the beginning of a stop string,
	// plus what turned out not to be. A rune may be split between events. Nil without Config.Piece.
	Text []byte
	// Reason says why the sequence ended; Unfinished if it goes on. Nothing more comes after the end.
	Reason Reason
	// Err is why, for Failed.
	Err error
	// LogProb is the sum of the natural logarithms of the probabilities that the model itself gave the answer's tokens,
	// a stop token among them, before penalty, filters and temperature. Only where Request.BestOf is above N, or
	// of a beam search.
	LogProb float64
	// Score is what answers of a beam search are ranked by: LogProb over the length, the stop token included, to the power of
	// Request.LengthPenalty.
	Score float64
	// Usage sums up the sequence so far.
	Usage Usage
}

// AllAnswers is the Event.Answer of an event that is about all answers of a request that had not ended.
const AllAnswers = -1

// Usage counts what a sequence took.
type Usage struct {
	// Prompt is the number of prompt tokens, Generated that of tokens sampled, the stop token that ended it included.
	Prompt, Generated int
	// Cached is how many of the prompt's tokens were found in the cache, and not computed, when it was first admitted.
	Cached int
	// Preemptions is how often it lost its cache to a sequence before it and computed it again.
	Preemptions int
}

// Reason says why a sequence ended.
type Reason uint8

const (
	// Unfinished: it has not ended.
	Unfinished Reason = iota
	// StopToken: it generated one of Request.StopTokens.
	StopToken
	// StopString: its text contained one of Request.Stop.
	StopString
	// Length: it generated Request.MaxTokens.
	Length
	// ContextFull: it is as long as the model, or a whole cache to itself, can take.
	ContextFull
	// Cancelled: by Cancel.
	Cancelled
	// Complete: nothing can follow it by Request.Grammar.
	Complete
	// Failed: a step with rows of it failed, or gave back nothing a token could be chosen from.
	Failed
)

var reasons = [...]string{"unfinished", "stop token", "stop string", "length", "context", "cancelled", "complete", "failed"}

// String returns the reason in words.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}
