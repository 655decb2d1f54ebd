package shaders

import (
	"fmt"
	"runtime"

	"umbra/gpu"
)

// LinearShape describes y = x·Wᵀ for a weight matrix of N rows by K columns, with what is fused into it.
type LinearShape struct {
	Format Format
	N, K   int
	// Norm multiplies with RMSNorm(x)·gain instead of x; Eps is its epsilon. Zhang & Sennrich 2019.
	Norm bool
	Eps  float32
	// Gate takes weight rows 2i and 2i+1 as gate and up: y[i] = activation(gate)·up, half as many outputs. Shazeer 2020.
	Gate bool
	// Activation is that of Gate, SiLU where it is none; without Gate, that of the product after its bias.
	Activation Activation
	// Scale multiplies the product, its bias and activation included; 0 is 1.
	Scale float32
	// Cap is a soft cap, cap·tanh(v/cap), after that; 0 is none.
	Cap float32
	// Bias adds a vector laid out as a row of y; Residual adds to what y holds, at last.
	Bias, Residual bool
	// Stride is y's row length and Offset the first column written.
	Stride, Offset int
	// Rope, if it has heads, rotates q and k and writes k and v into their KV pages instead of storing them as columns: the weight rows are
	// those of q, k and v, y has room for q, and what Rope does after is done here. See RopeShape.Fuses.
	Rope RopeShape
	// Outputs makes the row count that of the step's outputs instead of its token rows.
	Outputs bool
	// Experts, of package shaders' own Experts, makes rows pairs of a token row and an expert, and the weight rows those of one of many matrices.
	Experts expertRows
}

// Roped reports whether Rope is part of the product.
func (s LinearShape) Roped() bool { return s.Rope.Heads > 0 }

// Routed reports whether each row is multiplied by the matrix of an expert.
func (s LinearShape) Routed() bool { return s.Experts.Held > 0 }

// Outs is the number of output columns.
func (s LinearShape) Outs() int {
	if s.Gate {
		return s.N / 2
	}
	return s.N
}

// linearSpec is a LinearShape specialised to a kernel: what the sources see.
type linearSpec struct {
	*bindings
	LinearShape
	planeSpec
	Dequant   string
	HasScales bool
	HasMin    bool
	Spans     int // scales of a block
	SpanUnits int // units of 8 columns that one is for, in a block or in what a kernel takes at once
	RowCount  string
	Touch     bool
	Stages    int // vectors of x a lane brings for each token of a tile
	Buffers   int // 2: one is filled while the other is read

	Weights    int     `wgsl:"N"`
	OutN       int     `wgsl:"OUT_N"`   // output columns
	OutDiv     int     `wgsl:"OUT_DIV"` // weight rows per output column
	XVecs      int     `wgsl:"X_VECS"`
	YStride    int     `wgsl:"Y_STRIDE"`
	YOffset    int     `wgsl:"Y_OFFSET"`
	Factor     float32 `wgsl:"FACTOR"`
	CapAt      float32 `wgsl:"CAP"`
	NormCols   float32 `wgsl:"NORM_COLS"`
	Epsilon    float32 `wgsl:"EPS"`
	Rows       int     `wgsl:"ROWS"`
	Tokens     int     `wgsl:"TOKENS"`
	Lanes      int     `wgsl:"LANES"`
	Threads    int     `wgsl:"THREADS"`
	Groups     int     `wgsl:"GROUPS"`
	PerLane    int     `wgsl:"PER_LANE"` // weight rows a lane sums, 2 or 4
	Pitch      int     `wgsl:"PITCH"`
	Partials   int     `wgsl:"PARTIALS"`
	Sums       int     `wgsl:"SUMS"`
	Tiles      int     `wgsl:"TILES"`
	TokenQuads int     `wgsl:"TOKEN_QUADS"` // vectors of sums of a weight row
	Results    int     `wgsl:"OUTPUTS"`     // outputs of a workgroup, all tokens
	Squares    int     `wgsl:"SQUARES"`
	XBuffer    int     `wgsl:"X_BUFFER"`
	XTile      int     `wgsl:"X_TILE"`
}

// Activates reports whether an activation is part of the product.
func (s LinearShape) Activates() bool { return s.Gate || s.Activation != NoActivation }

// Scaled reports whether the product is scaled.
func (s LinearShape) Scaled() bool { return s.Scale != 0 }

// Capped reports whether the product has a soft cap.
func (s LinearShape) Capped() bool { return s.Cap != 0 }

// Ends reports whether a product without Gate goes on beyond bias and residual.
func (s LinearShape) Ends() bool { return s.Activates() && !s.Gate || s.Scaled() || s.Capped() }

// Function is the activation's name, to templates.
func (s LinearShape) Function() string { return s.Activation.orSiLU().String() }

func (s LinearShape) spec() linearSpec {
	k := pad(s.K)
	spec := linearSpec{
		bindings: &bindings{}, LinearShape: s, Dequant: dequants[s.Format.Name],
		HasScales: s.Format.HasScales(), HasMin: s.Format.HasMin, RowCount: "step.rows",
		Spans: s.Format.Spans(), SpanUnits: 4 / s.Format.Spans(),
		planeSpec: s.Format.planes(k), Weights: s.N, OutN: s.Outs(), OutDiv: 1, XVecs: k / 4,
		YStride: s.Stride, YOffset: s.Offset, Factor: s.Scale, CapAt: s.Cap, NormCols: float32(s.K), Epsilon: s.Eps,
	}
	if s.Gate {
		spec.OutDiv = 2
	}
	if s.Outputs {
		spec.RowCount = "step.outputs"
	}
	return spec
}

// Linear multiplies token rows by one weight matrix (or one part of a split one).
type Linear struct {
	device *gpu.Device
	tuning Tuning
	Shape  LinearShape
	// Parts is room for sums of parts of the columns, PartsBytes long. Where it is too small, or nil, kernels that need it are not picked.
	Parts *gpu.Buffer

	kernels map[linearVariant]linearKernel
	chosen  [len(rowTops)]linearVariant // by class of rows, see Choices
	only    linearVariant               // instead of what rows ask for, where kernels are compared
}

// linearVariant is one kernel of a Linear: a source file, for so many tokens at once; full is Matvec with more tokens
// than two tiles of them; direct, stream and tile are the shapes of GemmDirect, MatvecStream and GemmTile.
type linearVariant struct {
	file   string
	tokens int
	full   bool
	direct directTile
	stream streamTile
	tile   tileShape
}

// parts is how many workgroups share rows, each with a span of columns.
func (v linearVariant) parts() int { return max(1, v.direct.parts, v.tile.parts) }

func (v linearVariant) String() string {
	switch v.file {
	case "gemm_direct":
		return v.direct.String()
	case "gemm_tile":
		return v.tile.String()
	case "matvec_stream":
		return fmt.Sprintf("%v,tokens=%d", v.stream, v.tokens)
	}
	return fmt.Sprintf("%s%d", v.file, v.tokens)
}

// linearKernel is a compiled variant and its grid over the weight rows; join follows it if it leaves parts.
type linearKernel struct {
	kernel, join *gpu.Kernel
	weights      [3]uint32
}

// NewLinear checks the shape. Kernels are compiled when first needed.
func NewLinear(d *gpu.Device, tuning Tuning, s LinearShape) (*Linear, error) {
	switch {
	case s.N < 1 || s.K < 1:
		return nil, fmt.Errorf("shaders: linear: %d x %d weights", s.N, s.K)
	case s.Gate && s.N%2 != 0:
		return nil, fmt.Errorf("shaders: linear: %d rows do not pair as gate and up", s.N)
	case s.Offset < 0 || s.Offset+s.Outs() > s.Stride:
		return nil, fmt.Errorf("shaders: linear: columns %d..%d are outside rows of %d", s.Offset, s.Offset+s.Outs(), s.Stride)
	case s.Roped() && (!s.Rope.Fuses(tuning) || s.Gate || s.Residual || s.Offset != 0 || s.N != (s.Rope.Heads+2*s.Rope.KV.KVHeads)*s.Rope.KV.HeadDim):
		return nil, fmt.Errorf("shaders: linear: rope does not combine with %+v", s)
	case s.Routed():
		return nil, fmt.Errorf("shaders: linear: experts have a launcher of their own")
	case s.Gate && (s.Bias || s.Residual):
		return nil, fmt.Errorf("shaders: linear: bias and residual do not combine with a gate")
	case s.Roped() && s.Ends():
		return nil, fmt.Errorf("shaders: linear: activation, scale and cap do not combine with rope")
	case s.Scale < 0 || s.Cap < 0:
		return nil, fmt.Errorf("shaders: linear: scale %g and cap %g must not be negative", s.Scale, s.Cap)
	}
	var err error
	if s.Format, err = s.Format.on(d); err != nil {
		return nil, err
	}
	return &Linear{device: d, tuning: tuning, Shape: s, kernels: map[linearVariant]linearKernel{}, chosen: s.chosen(tuning.Choices)}, nil
}

// Weights are a matrix's planes on the device; Scales is nil for formats without.
type Weights struct{ Quants, Scales *gpu.Buffer }

// LinearArgs are the buffers of a Run: X (rows × padded K), Y (rows × Stride), Gain (padded K) if Norm, Bias (Stride,
// as a row of Y) if Bias.
type LinearArgs struct {
	Step       *gpu.Buffer
	Lane       int // whose Step it is
	X, Y       *gpu.Buffer
	Weights    Weights
	Gain, Bias *gpu.Buffer
	// Input is the step's words and KV the layer's pages, if Rope is part of it.
	Input *gpu.Buffer
	KV    KV
}

// rope are the buffers that Rope needs, if it is part of the product.
func (a LinearArgs) rope(s LinearShape) []*gpu.Buffer {
	if !s.Roped() {
		return nil
	}
	return append([]*gpu.Buffer{a.Input}, a.KV...)
}

// Run records the product for rows token rows.
func (l *Linear) Run(p *gpu.Pass, rows int, a LinearArgs) {
	if rows == 0 {
		return
	}
	k, grid, err := l.kernel(rows)
	if err != nil {
		p.Fail(err)
		return
	}
	step := laneStep(a.Step, a.Lane)
	if k.join == nil {
		p.Dispatch(k.kernel, grid, bound([]gpu.Binding{step, a.X.Whole(), a.Weights.Quants.Whole()}, append([]*gpu.Buffer{a.Weights.Scales, a.Y, a.Gain, a.Bias}, a.rope(l.Shape)...)...)...)
		return
	}
	p.Dispatch(k.kernel, grid, bound([]gpu.Binding{step, a.X.Whole(), a.Weights.Quants.Whole()}, a.Weights.Scales, l.Parts, a.Gain)...)
	p.Dispatch(k.join, l.device.Grid1(ceilDiv(rows*ceilDiv(l.Shape.N, 4), 64)), bound([]gpu.Binding{step, l.Parts.Whole()}, append([]*gpu.Buffer{a.Y, a.Bias}, a.rope(l.Shape)...)...)...)
}

// bound appends the buffers that are there.
func bound(b []gpu.Binding, buffers ...*gpu.Buffer) []gpu.Binding {
	for _, x := range buffers {
		if x != nil {
			b = append(b, x.Whole())
		}
	}
	return b
}

// Warm compiles the kernels a number of rows needs.
func (l *Linear) Warm(rows int) error {
	_, _, err := l.kernel(rows)
	return err
}

// Matvec takes up to matvecTokens token rows at once. Up to matvecRows rows it streams the weights again for every so
// many; from there on Gemm and GemmTile are faster, whose tiles then fill the device (8B Q4_0 on an H200: 16 rows take Gemm 4
// times as long, 128 rows 1.4 times).
const (
	matvecTokens = 8
	matvecRows   = 240
)

// narrowTokens is how many token rows GemmNarrow takes at once; MatvecNarrow takes 1 or 2.
const narrowTokens = 8

// gemmTile is how many weight rows, and token rows, a workgroup of Gemm takes.
const gemmTile = 64

// variant picks the kernel for a number of token rows.
func (l *Linear) variant(rows int) linearVariant {
	if l.only.file != "" {
		return l.only
	}
	if l.tuning.Narrow {
		v := linearVariant{file: "matvec_narrow", tokens: tokensFor(rows, narrowTokens)}
		if v.tokens > 2 {
			v.file = "gemm_narrow"
		}
		return v
	}
	if v := l.chosen[rowClass(rows)]; v.file != "" && l.Shape.sumBytes(v.parts(), rows) <= l.room() {
		return v
	}
	if t, ok := l.Shape.streamFor(rows); ok {
		return streamVariant(t, rows)
	}
	if t, ok := l.Shape.directFor(directChoices, rows, l.room()); ok {
		return directVariant(t)
	}
	if t, ok := l.Shape.tileFor(rows, l.room()); ok {
		return tileVariant(t)
	}
	if rows <= matvecRows {
		return matvecVariant(rows)
	}
	return gemmVariant
}

// room is what Parts has.
func (l *Linear) room() int {
	if l.Parts == nil {
		return 0
	}
	return int(l.Parts.Size())
}

func matvecVariant(rows int) linearVariant {
	return linearVariant{file: "matvec", tokens: tokensFor(rows, matvecTokens), full: rows > 2*matvecTokens}
}

var gemmVariant = linearVariant{file: "gemm", tokens: gemmTile}

func directVariant(t directTile) linearVariant {
	return linearVariant{file: "gemm_direct", tokens: t.tokens, direct: t}
}

// kernel returns the kernel for a number of token rows, compiled once, and its grid.
func (l *Linear) kernel(rows int) (linearKernel, [3]uint32, error) {
	v := l.variant(rows)
	k, ok := l.kernels[v]
	if !ok {
		var err error
		if k, err = l.compile(v); err != nil {
			return linearKernel{}, [3]uint32{}, err
		}
		l.kernels[v] = k
	}
	return k, k.grid(v, ceilDiv(rows, v.tokens)), nil
}

// grid is that over the weight rows and a number of tiles of token rows.
func (k linearKernel) grid(v linearVariant, tiles int) [3]uint32 {
	n := uint32(tiles)
	switch v.file {
	case "gemm_direct", "gemm_tile":
		return [3]uint32{n * uint32(v.parts()), k.weights[0], k.weights[1]}
	case "matvec", "matvec_stream":
		return [3]uint32{k.weights[0], k.weights[1], n}
	case "gemm_narrow":
		return [3]uint32{n, k.weights[0], k.weights[1]}
	}
	return [3]uint32{k.weights[0], n, k.weights[1]}
}

func (l *Linear) compile(v linearVariant) (k linearKernel, err error) {
	spec, common, join, err := l.specialise(v)
	if err != nil {
		return k, err
	}
	if join != nil {
		if k.join, err = compile(l.device, "gemm_join.wgsl", l.name("gemm_join"), join); err != nil {
			return k, err
		}
	}
	kind := fmt.Sprintf("%s%d", v.file, v.tokens)
	switch v.file {
	case "gemm_direct":
		kind = fmt.Sprintf("%s%dx%d", v.file, v.direct.stack, v.tokens)
	case "gemm_tile":
		kind = fmt.Sprintf("%s%dx%d", v.file, common.Rows, v.tokens)
	}
	k.kernel, err = compile(l.device, v.file+".wgsl", l.name(kind), spec)
	k.weights = l.device.Grid1(ceilDiv(common.Weights, common.Rows))
	return k, err
}

// specialise returns what a variant's source needs, the part of it that all have, and what GemmJoin needs if it follows.
func (l *Linear) specialise(v linearVariant) (spec any, common *linearSpec, join *joinSpec, err error) {
	switch v.file {
	case "gemm_direct":
		d, join, err := l.Shape.direct(v.direct)
		if err != nil {
			return nil, nil, nil, err
		}
		return d, &d.linearSpec, join, nil
	case "gemm_tile":
		d, join, err := l.Shape.tile(v.tile)
		if err != nil {
			return nil, nil, nil, err
		}
		return d, &d.linearSpec, join, nil
	case "matvec_stream":
		d, err := l.Shape.stream(v.stream, v.tokens)
		if err != nil {
			return nil, nil, nil, err
		}
		return d, &d.linearSpec, nil, nil
	}
	s := l.Shape.spec()
	switch v.file {
	case "matvec_narrow":
		s.matvecNarrow(v)
	case "gemm_narrow":
		s.gemmNarrow(v)
	case "matvec":
		s.matvec(v)
	case "gemm":
		s.Rows, s.PerLane = gemmTile, 4
	case "plain_linear":
		s.Rows = plainLanes
	}
	return &s, &s, nil, nil
}

// name is the kernel's name with what tells its variants apart in a profile.
func (l *Linear) name(kind string) string {
	s := kind + "_" + l.Shape.Format.Name
	for _, o := range []struct {
		on   bool
		name string
	}{{l.Shape.Norm, "norm"}, {l.Shape.Gate, "gate"}, {l.Shape.Activation != NoActivation, l.Shape.Activation.String()}, {l.Shape.Bias, "bias"},
		{l.Shape.Scaled(), "scale"}, {l.Shape.Capped(), "cap"}, {l.Shape.Residual, "residual"}, {l.Shape.Roped(), "rope"}, {l.Shape.Routed(), "experts"}} {
		if o.on {
			s += "_" + o.name
		}
	}
	return fmt.Sprintf("%s_%dx%d", s, l.Shape.N, l.Shape.K)
}

// tokensFor rounds rows up to a variant: 1, 2, 4 or 8.
func tokensFor(rows, most int) int {
	t := 1
	for t < rows && t < most {
		t *= 2
	}
	return t
}

// matvecTile is a shape of Matvec: lanes along a row, groups of lanes, weight rows of a lane (2 or 4), buffers of x.
type matvecTile struct{ lanes, groups, perLane, buffers int }

// matvecTiles are by number of tokens: workgroup memory (16 KiB) holds a tile of x for all of them. Chosen on an H200
// (BenchmarkStreamTiles).
var matvecTiles = map[int]matvecTile{1: {32, 4, 4, 2}, 2: {32, 4, 4, 1}, 4: {16, 8, 4, 1}, 8: {8, 8, 2, 1}}

const tallRows = 16384

// tallTile is for one token and at least tallRows weight rows: fewer lanes a row still fill the device, 7 % faster there.
// fullTile is for more than 16 tokens, whose tiles fill it: 4 rows a lane take half the loads of x.
var (
	tallTile = matvecTile{16, 4, 4, 2}
	fullTile = matvecTile{8, 8, 4, 1}
)

// matvec sets what matvec.wgsl needs.
func (s *linearSpec) matvec(v linearVariant) {
	s.Tokens = v.tokens
	tile := matvecTiles[s.Tokens]
	switch {
	case s.Tokens == 1 && s.Weights >= tallRows:
		tile = tallTile
	case v.full:
		tile = fullTile
	}
	s.Lanes, s.Groups, s.PerLane, s.Buffers = tile.lanes, tile.groups, tile.perLane, tile.buffers
	s.Threads = tile.lanes * tile.groups
	s.Stages = ceilDiv(tile.lanes*8, s.Threads)
	s.Rows = tile.groups * tile.perLane
	s.Pitch = tile.lanes + 1 // neighbouring vectors of x go to different banks
	s.Squares = s.Tokens * s.Threads
	s.XBuffer = s.Tokens * 8 * s.Pitch
	s.XTile = max(s.Buffers*s.XBuffer, s.Tokens*tile.groups*s.Pitch)
}

// matvecNarrow sets what matvec_narrow.wgsl needs. More rows use what a lane holds of x more often, but every core gets some
// workgroups, as many as even out.
func (s *linearSpec) matvecNarrow(v linearVariant) {
	s.Tokens = v.tokens
	s.Rows = min(max(16, ceilDiv(s.Weights, 32*runtime.NumCPU())*8), 64)
	s.Results = s.Rows / s.OutDiv * s.Tokens
	s.Sums = s.Rows * s.Tokens
	s.Partials = (s.Sums + s.Tokens) * 8
	s.Tiles = ceilDiv(s.Blocks, 16)
	s.Touch = s.Tiles > 1 && s.touchable()
}

// gemmNarrow sets what gemm_narrow.wgsl needs. More rows use what a lane holds of x more often, but every core gets some.
func (s *linearSpec) gemmNarrow(v linearVariant) {
	s.Tokens = v.tokens
	s.TokenQuads = v.tokens / 4
	s.Tiles = ceilDiv(s.Blocks, 16)
	room := workgroupBytes / 4 / v.tokens
	if s.Tiles > 1 {
		room /= 2
	}
	s.Rows = min(max(64, ceilDiv(s.Weights, 8*runtime.NumCPU())*8), room)
	s.Sums = s.Rows * s.TokenQuads
	s.Touch = s.touchable() && !s.Routed()
}

// touchable reports whether a core's cache may be expected to hold a workgroup's weights, which are then brought there first.
func (s *linearSpec) touchable() bool { return s.Rows*s.Format.QuantBytes(pad(s.K)) <= 1<<19 }
