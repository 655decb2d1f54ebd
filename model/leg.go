package model

import (
	"encoding/binary"
	"math"
	"time"

	"umbra/gpu"
	"umbra/scheduler/batch"
	"umbra/shaders"
)

// leg is a micro-batch on the device of one stage.
type leg struct {
	micro      *micro
	submit     time.Duration // what handing it over took
	fence      *gpu.Fence
	x          []byte   // what the layers leave of its rows, nil where that stays on the device
	candidates int      // of each output
	top        []byte   // candidates
	scores     []byte   // of each output, nil if none is wanted
	logits     [][]byte // of outputs that want them, nil for others
}

// send hands a micro-batch to the stage's device.
func (m *stage) send(c *micro) (*leg, error) {
	s := &step{stage: m, micro: c, batch: c.batch, rows: len(c.batch.Tokens), outputs: c.batch.Outputs()}
	if err := s.upload(); err != nil {
		return nil, err
	}
	return s.run()
}

// collect makes the outputs from what was read back. A row whose logits are all NaN gets token -1.
func (l *leg) collect() {
	c, i := l.micro, 0
	for _, q := range c.batch.Sequences {
		for range q.Outputs {
			ids, logits := shaders.DecodeTopK(l.top[i*l.candidates*8:], max(1, c.batch.TopK))
			o := batch.Output{Token: -1}
			if len(ids) > 0 {
				o.Token = ids[0]
			}
			switch q.Want {
			case batch.WantTop:
				o.TopIDs, o.TopLogits = ids, logits
			case batch.WantLogits:
				o.Logits = make([]float32, len(l.logits[i])/4)
				for j := range o.Logits {
					o.Logits[j] = math.Float32frombits(binary.LittleEndian.Uint32(l.logits[i][4*j:]))
				}
			case batch.WantScore:
				o.Score = shaders.DecodeScore(l.scores[i*shaders.ScoreBytes:])
			}
			at := i
			if c.places != nil {
				at = c.places[i]
			}
			c.flight.out[at] = o
			i++
		}
	}
}
