package serve

import (
	"slices"
	"time"

	"umbra/scheduler"
)

// Report sums up a run. Shares and rates over time are integrals over the steps' time.
type Report struct {
	Policy    Policy `json:"policy"`
	Simulated bool   `json:"simulated"`
	Requests  int    `json:"requests"`
	// Tokens of all prompts, and generated.
	PromptTokens int `json:"prompt_tokens"`
	OutputTokens int `json:"output_tokens"`
	// Seconds from the first arrival to the last token.
	Seconds  float64 `json:"seconds"`
	RequestS float64 `json:"requests_per_s"`
	PromptS  float64 `json:"prompt_tokens_per_s"`
	OutputS  float64 `json:"output_tokens_per_s"`
	// First is from arrival to the first token, Between from one token to the next, EndToEnd from arrival to the last.
	First    Quantiles `json:"time_to_first_token"`
	Between  Quantiles `json:"inter_token_latency"`
	EndToEnd Quantiles `json:"end_to_end"`

	Steps       int     `json:"steps"`
	RowsPerStep float64 `json:"rows_per_step"`
	MeanRunning float64 `json:"mean_running"`
	PeakRunning int     `json:"peak_running"`
	Preemptions int     `json:"preemptions"`
	// KVWaste is the share of reserved KV slots without a key and a value: of blocks held, or under the static policy of
	// contiguous reservations. ContiguousWaste is what it would be if each running sequence reserved the whole context.
	KVWaste         float64 `json:"kv_waste"`
	ContiguousWaste float64 `json:"kv_waste_contiguous"`
	// PrefixHits is the share of the tokens known at admission that were found in the KV pool and not computed.
	PrefixHits float64 `json:"prefix_hits"`
	// BlocksSaved went to the host in preemptions, BlocksLoaded came back.
	BlocksSaved  int `json:"blocks_saved"`
	BlocksLoaded int `json:"blocks_loaded"`
	// HostShare is the host's work for the steps, scheduling, recording, submitting and committing, over their time; IdleShare the
	// share of their time in which the device had nothing to do for want of it, at most. Both 0 where simulated.
	HostShare float64 `json:"host_share"`
	IdleShare float64 `json:"idle_share"`
	// Speculated is what came of proposals, if there were any.
	Speculated *scheduler.Speculated `json:"speculated,omitempty"`
}

// Quantiles are of a time, in milliseconds, by nearest rank.
type Quantiles struct {
	P50 float64 `json:"p50_ms"`
	P90 float64 `json:"p90_ms"`
	P99 float64 `json:"p99_ms"`
}

func quantiles(all []time.Duration) Quantiles {
	if len(all) == 0 {
		return Quantiles{}
	}
	slices.Sort(all)
	at := func(percent int) float64 {
		return float64(all[(len(all)*percent+99)/100-1]) / float64(time.Millisecond)
	}
	return Quantiles{at(50), at(90), at(99)}
}

// Report sums up what the meter has seen.
func (m *Meter) Report(p Policy) Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Report{Policy: p, Requests: len(m.requests), Steps: m.steps, PeakRunning: m.peak, Preemptions: m.preemptions,
		BlocksSaved: m.saved, BlocksLoaded: m.loaded}
	var first, whole []time.Duration
	var end time.Duration
	for _, t := range m.requests {
		r.PromptTokens += t.prompt
		r.OutputTokens += t.output
		first = append(first, t.first-t.arrive)
		whole = append(whole, t.last-t.arrive)
		end = max(end, t.last)
	}
	r.First, r.Between, r.EndToEnd = quantiles(first), quantiles(m.gaps), quantiles(whole)
	r.Seconds = end.Seconds()
	r.RequestS, r.PromptS, r.OutputS = per(float64(r.Requests), r.Seconds), per(float64(r.PromptTokens), r.Seconds), per(float64(r.OutputTokens), r.Seconds)
	busy := m.busy.Seconds()
	r.RowsPerStep = per(float64(m.rows), float64(m.steps))
	r.MeanRunning = per(m.running, busy)
	r.PrefixHits = per(float64(m.hits), float64(m.queries))
	r.HostShare = per(m.host.Seconds(), busy)
	r.IdleShare = per(m.idle.Seconds(), busy)
	r.ContiguousWaste = per(m.reserving-m.written, m.reserving)
	r.KVWaste = per(m.paged-m.written, m.paged)
	if p == Static {
		r.KVWaste = r.ContiguousWaste
	}
	return r
}

// per is a/b, 0 where nothing was measured.
func per(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
