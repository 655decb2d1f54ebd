// Matvec multiplies a few token rows by a weight matrix, streaming the weights once:
//   y[t, n] = sum_k w[n, k] x[t, k], optionally with RMSNorm of x before (x / rms(x) * gain) and a gate, bias or residual after.
// A workgroup takes GROUPS * PER_LANE weight rows; LANES lanes stride over a row's blocks of 32 columns, each for
// PER_LANE rows and all TOKENS tokens. The lanes bring x (times gain) to workgroup memory a tile of LANES blocks at a time, laid out
// so that neighbouring lanes then read neighbouring vectors; the next blocks of weights are on their way meanwhile.
// The norm costs no pass of its own: 1/rms is a factor of the sum, taken at the end.
// More tokens than TOKENS stream the weights again, once for every tile of TOKENS.
// Grid: ceil(N / (GROUPS * PER_LANE)) workgroups folded into (x, y), tiles of tokens along z. Bindings: step, x, quants, [scales], y, [gain], [bias], [input, kv].
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> xs: array<vec4<f32>, X_TILE>; // [buffer][token][8][PITCH], at the end sums of a lane's rows: [token][group][PITCH]
{%- if .Norm %}
var<workgroup> squares: array<f32, SQUARES>; // [token][THREADS]
{%- end %}

@compute @workgroup_size({% .Threads %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = (wid.x + wid.y * nwg.x) * ROWS;
	let token = wid.z * TOKENS;
	if (first >= N || token >= {% .RowCount %}) { return; }
	let rows = min(TOKENS, {% .RowCount %} - token);
	let lane = local % LANES;
	let group = local / LANES;
	let base = first + group * PER_LANE;
{%- range $r := seq .PerLane %}
	let row{% $r %} = min(base + {% $r %}u, N - 1u);
	var w{% $r %} = load_block(row{% $r %}, min(lane, BLOCKS - 1u));
{%- end %}
{%- range $t := seq .Tokens %}
	let x{% $t %} = (token + min({% $t %}u, rows - 1u)) * X_VECS;
{%- range $r := seq $.PerLane %}
	var acc{% $r %}_{% $t %} = 0.0;
{%- end %}
{%- if $.Norm %}
	var square{% $t %} = 0.0;
{%- end %}
{%- end %}
	var buffer = 0u;
	for (var tile = 0u; tile < BLOCKS; tile += LANES) {
{%- range $i := seq .Stages %}
		let stage{% $i %} = local + {% $i %}u * THREADS;
		if (stage{% $i %} < LANES * 8u) {
			let v = stage{% $i %};
			let k = tile * 8u + v;
			let inside = k < X_VECS;
			let at = buffer + (v % 8u) * PITCH + v / 8u;
{%- if $.Norm %}
			let g = gain[min(k, X_VECS - 1u)];
{%- end %}
{%- range $t := seq $.Tokens %}
			{
				let a = select(vec4<f32>(0.0), x[x{% $t %} + min(k, X_VECS - 1u)], inside);
{%- if $.Norm %}
				square{% $t %} += dot(a, a);
{%- end %}
				xs[at + {% $t %}u * 8u * PITCH] = a{% if $.Norm %} * g{% end %};
			}
{%- end %}
		}
{%- end %}
		workgroupBarrier();
		let next = min(tile + LANES + lane, BLOCKS - 1u);
{%- range $r := seq $.PerLane %}
		let c{% $r %} = w{% $r %};
		w{% $r %} = load_block(row{% $r %}, next);
{%- end %}
{%- range $h := seq .Spans %}
		{
{%- range $t := seq $.Tokens %}
{%- range $r := seq $.PerLane %}
			var s{% $r %}_{% $t %} = 0.0;
{%- end %}
{%- if $.HasMin %}
			var sum{% $t %} = vec4<f32>(0.0);
{%- end %}
{%- end %}
{%- range $i := seq $.SpanUnits %}
{%- $u := add (mul $h $.SpanUnits) $i %}
			{
{%- range $r := seq $.PerLane %}
				let v{% $r %} = unit{% $u %}(c{% $r %});
{%- end %}
{%- range $t := seq $.Tokens %}
				{
					let a = xs[buffer + {% add (mul $t 8) (mul $u 2) %}u * PITCH + lane];
					let b = xs[buffer + {% add (add (mul $t 8) (mul $u 2)) 1 %}u * PITCH + lane];
{%- if $.HasMin %}
					sum{% $t %} += a + b;
{%- end %}
{%- range $r := seq $.PerLane %}
					s{% $r %}_{% $t %} += dot(v{% $r %}.lo, a) + dot(v{% $r %}.hi, b);
{%- end %}
				}
{%- end %}
			}
{%- end %}
{%- range $t := seq $.Tokens %}
{%- if $.HasMin %}
			let sum{% $t %}_1 = dot(sum{% $t %}, vec4<f32>(1.0));
{%- end %}
{%- range $r := seq $.PerLane %}
			acc{% $r %}_{% $t %} += c{% $r %}.d{% $h %} * s{% $r %}_{% $t %}{% if $.HasMin %} + c{% $r %}.m{% $h %} * sum{% $t %}_1{% end %};
{%- end %}{% end %}
		}
{%- end %}
{%- if eq .Buffers 2 %}
		buffer = X_BUFFER - buffer;
{%- else %}
		workgroupBarrier();
{%- end %}
	}
	workgroupBarrier(); // x is done with
{%- range $t := seq .Tokens %}
	xs[({% $t %}u * GROUPS + group) * PITCH + lane] = vec4<f32>(acc0_{% $t %}, acc1_{% $t %}, {% if eq $.PerLane 4 %}acc2_{% $t %}, acc3_{% $t %}{% else %}0.0, 0.0{% end %});
{%- if $.Norm %}
	squares[{% $t %}u * THREADS + local] = square{% $t %};
{%- end %}
{%- end %}
	workgroupBarrier();
	for (var i = local; i < TOKENS * GROUPS; i += THREADS) {
		let t = i / GROUPS;
		let n = first + i % GROUPS * PER_LANE;
		if (t < rows && n < N) {
			var v = vec4<f32>(0.0);
			for (var l = 0u; l < LANES; l++) { v += xs[i * PITCH + l]; }
{%- if .Norm %}
			var square = 0.0;
			for (var l = 0u; l < THREADS; l++) { square += squares[t * THREADS + l]; }
			v *= inverseSqrt(square / NORM_COLS + EPS);
{%- end %}
			store(token + t, n, v);
		}
	}
}
{% template "store" . %}
