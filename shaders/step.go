package shaders

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"

	"umbra/gpu"
)

// Step holds the values of one step that every kernel may need. It is bound as a uniform; the WGSL struct of the same
// name is generated from it. Offsets are in words into the step's input buffer.
type Step struct {
	Rows       uint32 // token rows
	Outputs    uint32 // rows that want output
	Tokens     uint32 // offset: token id of each row
	Positions  uint32 // offset: position of each row
	Slots      uint32 // offset: KV slot of each row
	OutputRows uint32 // offset: row number of each output
	Rotations  uint32 // offset: (cos, sin) for each row and rotated pair, as f32 bits
	FewTiles   uint32 // offset: tiles of sequences with few rows, 4 words each
	FewCount   uint32
	ManyTiles  uint32 // offset: tiles of sequences with many rows
	ManyCount  uint32
	Splits     uint32 // most parts that the context of a few-row tile is split into
	Copies     uint32 // offset: KV blocks to copy, (from, to) each
	CopyCount  uint32
	Fed        uint32 // words of candidates of each output of the step before
	Targets    uint32 // offset: the token that each output is scored for

	LocalRotations uint32 // offset: as Rotations, for layers with angles of their own
}

// stepBytes is the size of Step as a uniform.
const stepBytes = 17 * 4

// StepBytes is the size a uniform buffer for a Step needs.
const StepBytes = (stepBytes + 15) &^ 15

// LaneBytes is where in a buffer for several lanes the Step of the next begins: offsets of bindings are multiples of it. Lanes differ in slots
// and block tables, and so in tiles.
const LaneBytes = 256

// laneStep binds a lane's Step.
func laneStep(steps *gpu.Buffer, lane int) gpu.Binding {
	return steps.Slice(uint64(lane*LaneBytes), StepBytes)
}

// Append appends the uniform's bytes.
func (s Step) Append(b []byte) []byte {
	n := len(b)
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		b = binary.LittleEndian.AppendUint32(b, uint32(v.Field(i).Uint()))
	}
	return append(b, make([]byte, StepBytes-(len(b)-n))...)
}

// stepWGSL declares the struct and the linear workgroup number.
var stepWGSL = func() string {
	var b strings.Builder
	b.WriteString("struct Step {\n")
	t := reflect.TypeOf(Step{})
	for i := range t.NumField() {
		fmt.Fprintf(&b, "\t%s: u32,\n", snake(t.Field(i).Name))
	}
	b.WriteString("}\n")
	return b.String()
}()

func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// StepWGSL is the Step declaration, for templates.
func (bindings) StepWGSL() string { return stepWGSL }
