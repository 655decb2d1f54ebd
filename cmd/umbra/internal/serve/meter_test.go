package serve

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"umbra"
)

func TestReport(t *testing.T) {
	m := NewMeter(100)
	m.Step(umbra.StepRecord{Rows: 9, Preemptions: 7})
	m.reset()
	m.Step(umbra.StepRecord{Rows: 10, Running: 2, Blocks: 10, BlocksFree: 6, Written: 40, Preemptions: 1, BlocksSaved: 5,
		Host: 2 * time.Second, Idle: time.Second, Device: 2 * time.Second})
	m.hold(4)
	m.Step(umbra.StepRecord{Rows: 2, Running: 1, Blocks: 10, BlocksFree: 9, Written: 16, PrefixHits: 16, PrefixQueries: 64, BlocksLoaded: 4, Device: time.Second})
	a := timeline{arrive: time.Second, prompt: 9}
	a.tokens(1, 3*time.Second)
	a.tokens(2, 5*time.Second)
	m.finish(a)
	r := m.Report(Continuous)
	assert.Equal(t, Report{
		Policy: Continuous, Requests: 1, PromptTokens: 9, OutputTokens: 3, Seconds: 5, RequestS: 0.2, PromptS: 1.8, OutputS: 0.6,
		First: Quantiles{2000, 2000, 2000}, Between: Quantiles{0, 2000, 2000}, EndToEnd: Quantiles{4000, 4000, 4000},
		Steps: 2, RowsPerStep: 6, MeanRunning: (3*2 + 1) / 4., PeakRunning: 2, Preemptions: 1,
		KVWaste:         1 - (3*40.+16)/(3*64+16),
		ContiguousWaste: 1 - (3*40.+16)/(3*200+400),
		PrefixHits:      0.25,
		BlocksSaved:     5, BlocksLoaded: 4,
		HostShare: 0.5, IdleShare: 0.25,
	}, r)
	r = m.Report(Static)
	assert.Equal(t, r.ContiguousWaste, r.KVWaste)
	assert.Equal(t, Report{Policy: Static}, NewMeter(1).Report(Static), "nothing measured is no NaN")
}

func TestQuantiles(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i)*time.Millisecond)
	}
	assert.Equal(t, Quantiles{100, 180, 198}, quantiles(all))
	assert.Equal(t, Quantiles{5, 5, 5}, quantiles([]time.Duration{5 * time.Millisecond}))
}
