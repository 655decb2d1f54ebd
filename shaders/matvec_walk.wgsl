// MatvecWalk multiplies one token row by a weight matrix:
//   y[n] = sum_k w[n, k] x[k], optionally with RMSNorm of x before (x / rms(x) * gain) and a gate, bias or residual after.
// The LANES lanes of a group hold a whole row of x (times gain) in registers, HELD pieces of its columns each, and walk down UNROLL * LAPS weight
// rows, UNROLL at a time: the group reads whole rows, neighbours neighbouring bytes, and the next rows are on their way meanwhile.
// Lanes' sums are added up through workgroup memory by a few lanes in turn, while the others go on.
// Quantised weights are multiplied as they come out of the mantissas, raised by RAISED, which is taken off once a piece.
// The norm costs no pass of its own: 1/rms is a factor of the sum, taken at the end.
// Grid: ceil(N / ROWS) workgroups folded into (x, y), tokens along z. Bindings: step, x, quants, [scales], y, [gain], [bias].
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> sums: array<vec4<f32>, SUMS>;     // [lap mod 2][4 rows][lane of the workgroup]
var<workgroup> totals: array<vec4<f32>, TOTALS>; // [lap][4 rows][group][share]
{%- if .Norm %}
var<workgroup> squares: array<f32, {% .Threads %}>;
{%- end %}

// add_up adds the sums of a lap to one of SHARES for 4 rows of a group. Other lanes do it each lap.
fn add_up(lap: u32, local: u32) {
	let adder = (local + THREADS - lap * ADDERS % THREADS) % THREADS;
	if (adder >= ADDERS) { return; }
	let at = (lap & 1u) * ROW_QUADS * THREADS + adder * (LANES / SHARES);
	var v = sums[at];
	for (var l = 1u; l < LANES / SHARES; l++) { v += sums[at + l]; }
	totals[lap * ADDERS + adder] = v;
}

@compute @workgroup_size({% .Threads %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = (wid.x + wid.y * nwg.x) * ROWS;
	let token = wid.z;
	if (first >= N || token >= {% .RowCount %}) { return; }
	let lane = local % LANES;
	let group = local / LANES;
	let base = first + group * UNROLL * LAPS;
{%- range $j := seq .Held %}
	let piece{% $j %} = min(lane + {% $j %}u * LANES, PIECES - 1u);
{%- end %}
{%- if .Ahead %}
{%- range $u := seq .Unroll %}
	let row{% $u %} = min(base + {% $u %}u, N - 1u);
{%- range $j := seq $.Held %}
	var p{% $u %}_{% $j %} = load_piece(row{% $u %}, piece{% $j %});
{%- if $.HasScales %}
	var s{% $u %}_{% $j %} = ws[row{% $u %} * SCALE_WORDS + piece{% $j %} / WORD_PIECES];
{%- end %}
{%- end %}
{%- end %}
{%- end %}
{%- if .Norm %}
	var square = 0.0;
{%- end %}
{%- range $j := seq .Held %}
	let odd{% $j %} = ((piece{% $j %} / BLOCK_PIECES) & 1u) == 1u;
	let in{% $j %} = lane + {% $j %}u * LANES < PIECES;
	let at{% $j %} = token * X_VECS + piece{% $j %} * PIECE_VECS;
{%- range $v := seq $.PieceVecs %}
	{% if $.Norm %}var{% else %}let{% end %} x{% $j %}_{% $v %} = select(vec4<f32>(0.0), x[at{% $j %} + {% $v %}u], in{% $j %});
{%- if $.Norm %}
	square += dot(x{% $j %}_{% $v %}, x{% $j %}_{% $v %});
	x{% $j %}_{% $v %} *= gain[piece{% $j %} * PIECE_VECS + {% $v %}u];
{%- end %}
{%- end %}
{%- if $.HasScales %}
	let sum{% $j %} = {% range $v := seq $.PieceVecs %}{% if $v %} + {% end %}x{% $j %}_{% $v %}{% end %};
	let raised{% $j %} = -dot(sum{% $j %}, RAISED);
{%- if $.Offset %}
	let total{% $j %} = dot(sum{% $j %}, vec4<f32>(1.0));
{%- end %}
{%- end %}
{%- end %}
{%- if .Norm %}
	squares[local] = square;
{%- end %}
	// A lap's sums are added up in the next, behind the barrier before which the rows after it are fetched: NVIDIA's compiler moves a load down to
	// its use, but not past a barrier.
	for (var lap = 0u; lap < LAPS; lap++) {
{%- if .Ahead %}
{%- range $u := seq .Unroll %}
{%- range $j := seq $.Held %}
		var c{% $u %}_{% $j %} = p{% $u %}_{% $j %};
{%- if $.HasScales %}
		let f{% $u %}_{% $j %} = s{% $u %}_{% $j %};
{%- end %}
{%- end %}
{%- end %}
		let next = base + (lap + 1u) * UNROLL;
{%- range $u := seq .Unroll %}
		let next{% $u %} = min(next + {% $u %}u, N - 1u);
{%- range $j := seq $.Held %}
		p{% $u %}_{% $j %} = load_piece(next{% $u %}, piece{% $j %});
{%- if $.HasScales %}
		s{% $u %}_{% $j %} = ws[next{% $u %} * SCALE_WORDS + piece{% $j %} / WORD_PIECES];
{%- end %}
{%- end %}
{%- end %}
{%- else %}
{%- range $u := seq .Unroll %}
		let row{% $u %} = min(base + lap * UNROLL + {% $u %}u, N - 1u);
{%- range $j := seq $.Held %}
		var c{% $u %}_{% $j %} = load_piece(row{% $u %}, piece{% $j %});
{%- if $.HasScales %}
		let f{% $u %}_{% $j %} = ws[row{% $u %} * SCALE_WORDS + piece{% $j %} / WORD_PIECES];
{%- end %}
{%- end %}
{%- end %}
{%- end %}
		workgroupBarrier();
		if (lap > 0u) { add_up(lap - 1u, local); }
{%- range $u := seq .Unroll %}
		var acc{% $u %} = 0.0;
{%- range $j := seq $.Held %}
		{
			var v = {% if $.HasScales %}raised{% $j %}{% else %}acc{% $u %}{% end %};
{%- range $i := seq $.Units %}
			{
				let lo = raw0(c{% $u %}_{% $j %});
				let hi = raw1(c{% $u %}_{% $j %});
{%- range $c := seq 4 %}
				v = fma(lo.{% comp $c %}, x{% $j %}_{% mul $i 2 %}.{% comp $c %}, v);
{%- end %}
{%- range $c := seq 4 %}
				v = fma(hi.{% comp $c %}, x{% $j %}_{% add (mul $i 2) 1 %}.{% comp $c %}, v);
{%- end %}
{%- if gt $.Units 1 %}
				c{% $u %}_{% $j %} = turn(c{% $u %}_{% $j %});
{%- end %}
			}
{%- end %}
{%- if $.HasScales %}
			let d = scales(f{% $u %}_{% $j %}, odd{% $j %});
			acc{% $u %} = fma(d.x, v, acc{% $u %}){% if $.Offset %} + d.y * total{% $j %}{% end %};
{%- else %}
			acc{% $u %} = v;
{%- end %}
		}
{%- end %}
{%- end %}
		let half = (lap & 1u) * ROW_QUADS * THREADS;
{%- range $q := seq .RowQuads %}
		sums[half + {% $q %}u * THREADS + local] = vec4<f32>(acc{% mul $q 4 %}, acc{% add (mul $q 4) 1 %}, acc{% add (mul $q 4) 2 %}, acc{% add (mul $q 4) 3 %});
{%- end %}
	}
	workgroupBarrier();
	add_up(LAPS - 1u, local);
	workgroupBarrier();
{%- if .Norm %}
	if (local < 16u) {
		var all = 0.0;
		for (var l = local; l < LANES; l += 16u) { all += squares[l]; }
		squares[local] = all;
	}
	workgroupBarrier();
	var all = 0.0;
	for (var l = 0u; l < 16u; l++) { all += squares[l]; }
	let rms = inverseSqrt(all / NORM_COLS + EPS);
{%- end %}
	for (var i = local; i < ROWS / 4u; i += THREADS) {
		// i is [lap][4 rows][group], as totals are.
		let n = first + i % GROUPS * UNROLL * LAPS + i / GROUPS * 4u;
		if (n < N) {
			var v = totals[i * SHARES];
			for (var l = 1u; l < SHARES; l++) { v += totals[i * SHARES + l]; }
			store(token, n, v{% if .Norm %} * rms{% end %});
		}
	}
}
{% template "store" . %}
