package hf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/x448/float16"

	"umbra/model/gguf"
	"umbra/model/safetensors"
)

// packing is how a folder's 4-bit weights are packed: value = scale × (q − zero), with a scale and a zero for each column of each group
// of rows of the transposed matrix.
type packing struct {
	method string // gptq or awq
	group  int    // inputs that share a scale; -1: all
	plus   int    // what is added to stored zeros: AutoGPTQ's first format stores them less one
}

// awqOrder is which of 8 columns each nibble of AWQ's int32 is, the lowest first (AutoAWQ's GEMM packing).
var awqOrder = [8]int{0, 2, 4, 6, 1, 3, 5, 7}

// packing reads the configuration of the quantisation.
func (m *model) packing() (p packing, err error) {
	q, ok := m.config.object("quantization_config")
	if !ok {
		q = parse("quantize_config.json", m.folder.quant, m.config.first)
	}
	p.method = strings.ToLower(q.text("gptq", "quant_method"))
	if q.has("w_bit") || q.has("q_group_size") {
		p.method = "awq"
	}
	q.need([]string{"gptq", "awq"}, "", "quant_method")
	if bits := q.whole(4, 1, 32, "bits", "w_bit"); bits != 4 {
		q.fail("bits %d are not supported (4)", bits)
	}
	p.group = q.whole(-1, -1, 1<<24, "group_size", "q_group_size")
	if p.group != -1 && (p.group < 32 || p.group%32 != 0) {
		q.fail("group_size %d is not supported (-1, or a multiple of 32)", p.group)
	}
	if p.method == "awq" {
		if v := strings.ToLower(q.text("gemm", "version")); v != "gemm" {
			q.fail("version %q of AWQ is not supported (gemm)", v)
		}
	} else {
		switch format := q.text("gptq", "checkpoint_format"); format {
		case "gptq":
			p.plus = 1
		case "gptq_v2":
		default:
			q.fail("checkpoint_format %q is not supported (gptq, gptq_v2)", format)
		}
	}
	return p, *m.config.first
}

// packedRows is a matrix of out × in values, packed in 4 bits, as Q4_0 or Q5_0.
type packedRows struct {
	packing
	t                      gguf.Type
	in, out                int
	weights, zeros, scales []byte // int32, int32, halves
}

// packed makes the tensor of a packed module. Where all zeros are 8, as in symmetric quantisation, it is Q4_0, whose values are
// scale × (q − 8); else Q5_0, whose scale × (q − 16) holds every q − zero from −16 to 15. Neither loses anything: Q4_1, the other type of
// its size, would round scale × zero to a half.
func (m *model) packed(name string, fields map[string]stored) (*tensor, error) {
	p, err := m.packing()
	if err != nil {
		return nil, err
	}
	w := fields["qweight"]
	bad := func(format string, args ...any) (*tensor, error) {
		return nil, fmt.Errorf("hf: tensor %q: "+format, append([]any{w.Name}, args...)...)
	}
	zeros, ok := fields["qzeros"]
	scales, ok2 := fields["scales"]
	if !ok || !ok2 || len(w.Shape) != 2 || len(zeros.Shape) != 2 || len(scales.Shape) != 2 {
		return bad("it is no matrix with qzeros and scales")
	}
	r := packedRows{packing: p, in: int(w.Shape[0]), out: int(w.Shape[1]), weights: w.file.Data(w.Tensor), zeros: zeros.file.Data(zeros.Tensor)}
	if p.method == "awq" {
		r.out *= 8
	} else {
		r.in *= 8
	}
	if p.group == -1 {
		r.group = r.in
	}
	if r.in == 0 || r.in%32 != 0 || r.out == 0 || r.out%8 != 0 || r.in%r.group != 0 {
		return bad("%d inputs in groups of %d and %d outputs are not supported: groups must be whole, and of blocks of 32", r.in, r.group, r.out)
	}
	n, out := uint64(r.in/r.group), uint64(r.out)
	if w.Type != safetensors.I32 || zeros.Type != safetensors.I32 || zeros.Shape[0] != n || zeros.Shape[1] != out/8 || scales.Shape[0] != n || scales.Shape[1] != out {
		return bad("qweight is %s, qzeros %v of %s, scales %v, want I32, %v of I32, %v", w.Type, zeros.Shape, zeros.Type, scales.Shape, []uint64{n, out / 8}, []uint64{n, out})
	}
	if order, ok := fields["g_idx"]; ok {
		if err := r.checkOrder(order); err != nil {
			return nil, err
		}
	}
	if r.scales, err = halves(scales); err != nil {
		return nil, err
	}
	r.t = gguf.Q4_0
	eights := uint32(8-p.plus) * 0x11111111
	for i := 0; i < len(r.zeros); i += 4 {
		if binary.LittleEndian.Uint32(r.zeros[i:]) != eights {
			r.t = gguf.Q5_0
			break
		}
	}
	return &tensor{Tensor: gguf.Tensor{Name: name, Type: r.t, Dims: []uint64{uint64(r.in), out}}, rowBytes: r.in / 32 * r.t.BlockBytes(), rows: r}, nil
}

// checkOrder refuses inputs whose groups are not one after the other (desc_act): a block of 32 would have several scales.
func (r packedRows) checkOrder(order stored) error {
	if order.Type != safetensors.I32 || order.Elements() != uint64(r.in) {
		return fmt.Errorf("hf: tensor %q is %v of %s, want %d of I32", order.Name, order.Shape, order.Type, r.in)
	}
	data := order.file.Data(order.Tensor)
	for i := range r.in {
		if g := int32(binary.LittleEndian.Uint32(data[4*i:])); int(g) != i/r.group {
			return fmt.Errorf("hf: tensor %q: input %d is in group %d, not %d: groups in order of activation (desc_act) are not supported; take a model packed without, or the unpacked one and `umbra quantize`",
				order.Name, i, g, i/r.group)
		}
	}
	return nil
}

// halves returns scales as halves, if that loses nothing.
func halves(s stored) ([]byte, error) {
	data := s.file.Data(s.Tensor)
	if s.Type == safetensors.F16 {
		return data, nil
	}
	out := make([]byte, 0, 2*s.Elements())
	size := int(s.Type.Bytes())
	for i := 0; i < len(data); i += size {
		var v float32
		switch s.Type {
		case safetensors.F32:
			v = math.Float32frombits(binary.LittleEndian.Uint32(data[i:]))
		case safetensors.BF16:
			v = math.Float32frombits(uint32(binary.LittleEndian.Uint16(data[i:])) << 16)
		default:
			return nil, fmt.Errorf("hf: tensor %q: scales of type %s are not supported (F16; BF16 and F32 that are halves)", s.Name, s.Type)
		}
		h := float16.Fromfloat32(v)
		if h.Float32() != v {
			return nil, fmt.Errorf("hf: tensor %q: scale %d is %g, which no half is; pack the model with F16 scales", s.Name, i/size, v)
		}
		out = binary.LittleEndian.AppendUint16(out, h.Bits())
	}
	return out, nil
}

// nibble returns nibble i of the int32 that is number word.
func nibble(data []byte, word, i int) int {
	return int(binary.LittleEndian.Uint32(data[4*word:])>>(4*i)) & 15
}

// place is the nibble that column c of eight is in: packers of GPTQ go from the lowest up.
func (p packing) place(c int) int {
	if p.method == "awq" {
		for i, x := range awqOrder {
			if x == c {
				return i
			}
		}
	}
	return c
}

// rows makes blocks of 32 inputs of outputs from first on.
func (r packedRows) rows(first, n int) []byte {
	size := r.t.BlockBytes()
	blocks := r.in / 32
	dst := make([]byte, n*blocks*size)
	for b := range blocks {
		g := b * 32 / r.group
		for i := range n {
			o := first + i
			at := r.place(o % 8)
			shift := 0 // from q to what the type stores
			if r.t == gguf.Q5_0 {
				shift = 16 - nibble(r.zeros, g*(r.out/8)+o/8, at) - r.plus
			}
			block := dst[(i*blocks+b)*size:][:size]
			copy(block, r.scales[2*(g*r.out+o):][:2])
			low, high := block[size-16:], uint32(0)
			for j := range 32 {
				q := shift
				if in := b*32 + j; r.method == "awq" {
					q += nibble(r.weights, in*(r.out/8)+o/8, at)
				} else {
					q += nibble(r.weights, in/8*r.out+o, in%8)
				}
				low[j%16] |= byte(q&15) << (j / 16 * 4)
				high |= uint32(q>>4) << j
			}
			if r.t == gguf.Q5_0 {
				binary.LittleEndian.PutUint32(block[2:], high)
			}
		}
	}
	return dst
}
