// MatvecStream multiplies a few token rows by a weight matrix, streaming the weights once:
//   y[t, n] = sum_k w[n, k] x[t, k], optionally with RMSNorm of x before (x / rms(x) * gain) and a gate, bias or residual after.
// A workgroup takes GROUPS * PER_LANE weight rows. The LANES lanes of a group stride over its rows' pieces of 16 bytes (32 of f32), so
// that neighbours read neighbouring bytes, AT_ONCE at a time; each lane sums PER_LANE rows for all TOKENS tokens. x (times gain) comes through
// workgroup memory, STAGE pieces of columns at a time in one of two buffers, so that neighbours read neighbouring vectors of it.
// What the next round needs is fetched before the barrier: NVIDIA's compiler moves a load down to its use, but not past a barrier.
// Quantised weights are multiplied as they come out of the mantissas, raised by RAISED, which is taken off once a piece.
// The norm costs no pass of its own: 1/rms is a factor of the sum, taken at the end.
// Grid: ceil(N / ROWS) workgroups folded into (x, y), tiles of TOKENS tokens along z. Bindings: step, x, quants, [scales], y, [gain], [bias], [input, kv].
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> xs: array<array<vec4<f32>, PITCH>, CELLS>; // [token][vector of a piece][buffer][piece]; later sums of a lane's rows, see put
{%- if .Norm %}
var<workgroup> squares: array<f32, SQUARES>; // [token][THREADS]
{%- end %}

// put and take see xs as one row of vectors.
fn put(i: u32, v: vec4<f32>) { xs[i / PITCH][i % PITCH] = v; }
fn take(i: u32) -> vec4<f32> { return xs[i / PITCH][i % PITCH]; }

@compute @workgroup_size({% .Threads %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = (wid.x + wid.y * nwg.x) * ROWS;
	let token = wid.z * TOKENS;
	if (first >= N || token >= {% .RowCount %}) { return; }
	let rows = min(TOKENS, {% .RowCount %} - token);
	let lane = local % LANES;
	let group = local / LANES;
	let base = first + group * PER_LANE;
{%- if .Table %}
	fill_table(local);
{%- end %}
{%- range $r := seq .PerLane %}
	let row{% $r %} = min(base + {% $r %}u, N - 1u);
{%- range $t := seq $.Tokens %}
	var acc{% $r %}_{% $t %} = 0.0;
{%- end %}
{%- end %}
{%- range $i := seq .Stages %}
	let i{% $i %} = local + {% $i %}u * THREADS;
	let cell{% $i %} = i{% $i %} / STAGE_VECS * PIECE_VECS + i{% $i %} % PIECE_VECS;
	let slot{% $i %} = i{% $i %} % STAGE_VECS / PIECE_VECS;
	let x{% $i %} = (token + min(i{% $i %} / STAGE_VECS, rows - 1u)) * X_VECS;
	var k{% $i %} = i{% $i %} % STAGE_VECS;
	var v{% $i %} = select(vec4<f32>(0.0), x[x{% $i %} + min(k{% $i %}, X_VECS - 1u)], k{% $i %} < X_VECS);
{%- if $.Norm %}
	var g{% $i %} = gain[min(k{% $i %}, X_VECS - 1u)];
{%- end %}
{%- end %}
{%- if .Norm %}{% range $t := seq .Tokens %}
	var square{% $t %} = 0.0;
{%- end %}{% end %}
	var next = lane;
{%- if .Ahead %}
{%- range $j := seq .AtOnce %}{% range $r := seq $.PerLane %}
	var p{% $r %}_{% $j %} = load_piece(row{% $r %}, min(next{% if $j %} + {% $j %}u * LANES{% end %}, PIECES - 1u));
{%- if $.HasScales %}
	var s{% $r %}_{% $j %} = load_scale(row{% $r %}, min(next{% if $j %} + {% $j %}u * LANES{% end %}, PIECES - 1u) / BLOCK_PIECES);
{%- end %}
{%- end %}{% end %}
{%- end %}
	var buffer = 0u;
	for (var round = 0u; round < ROUNDS; round++) {
{%- range $i := seq .Stages %}
		{% if not $.Whole %}if (i{% $i %} < STAGE_VECS * TOKENS) {% end %}{
{%- if $.Norm %}
{%- if eq $.Tokens 1 %}
			square0 += dot(v{% $i %}, v{% $i %});
{%- else %}
			let s = dot(v{% $i %}, v{% $i %});
{%- range $t := seq $.Tokens %}
			square{% $t %} += select(0.0, s, i{% $i %} / STAGE_VECS == {% $t %}u);
{%- end %}
{%- end %}
{%- end %}
			xs[cell{% $i %}][buffer + slot{% $i %}] = v{% $i %}{% if $.Norm %} * g{% $i %}{% end %}{% if $.Format.Small %} * NORMAL{% end %};
		}
{%- end %}
{%- range $j := seq .AtOnce %}
{%- if $.HasScales %}
		let block{% $j %} = (next{% if $j %} + {% $j %}u * LANES{% end %}) / BLOCK_PIECES;
{%- end %}
{%- if $.Ahead %}
{%- range $r := seq $.PerLane %}
		var c{% $r %}_{% $j %} = p{% $r %}_{% $j %};
{%- if $.HasScales %}
		let f{% $r %}_{% $j %} = s{% $r %}_{% $j %};
{%- end %}
{%- end %}
{%- else %}
		let fetch{% $j %} = min(next{% if $j %} + {% $j %}u * LANES{% end %}, PIECES - 1u);
{%- range $r := seq $.PerLane %}
		var c{% $r %}_{% $j %} = load_piece(row{% $r %}, fetch{% $j %});
{%- if $.HasScales %}
		let f{% $r %}_{% $j %} = load_scale(row{% $r %}, fetch{% $j %} / BLOCK_PIECES);
{%- end %}
{%- end %}
{%- end %}
{%- end %}
		next += LANES * AT_ONCE;
{%- if .Ahead %}
{%- range $j := seq .AtOnce %}
		let fetch{% $j %} = min(next{% if $j %} + {% $j %}u * LANES{% end %}, PIECES - 1u);
{%- range $r := seq $.PerLane %}
		p{% $r %}_{% $j %} = load_piece(row{% $r %}, fetch{% $j %});
{%- if $.HasScales %}
		s{% $r %}_{% $j %} = load_scale(row{% $r %}, fetch{% $j %} / BLOCK_PIECES);
{%- end %}
{%- end %}
{%- end %}
{%- end %}
{%- range $i := seq .Stages %}
		k{% $i %} += STAGE_VECS;
		v{% $i %} = select(vec4<f32>(0.0), x[x{% $i %} + min(k{% $i %}, X_VECS - 1u)], k{% $i %} < X_VECS);
{%- if $.Norm %}
		g{% $i %} = gain[min(k{% $i %}, X_VECS - 1u)];
{%- end %}
{%- end %}
		workgroupBarrier();
{%- range $j := seq .AtOnce %}
		{
			let slot = buffer + lane{% if $j %} + {% $j %}u * LANES{% end %};
{%- range $h := seq $.Spans %}
{%- range $t := seq $.Tokens %}
{%- range $r := seq $.PerLane %}
			{% if $h %}{% else %}var {% end %}s{% $r %}_{% $t %} = 0.0;
{%- end %}
{%- if $.XSums %}
			{% if $h %}{% else %}var {% end %}sum{% $t %} = vec4<f32>(0.0);
{%- end %}
{%- end %}
{%- range $i := seq $.SpanUnits %}
{%- $u := add (mul $h $.SpanUnits) $i %}
			{
{%- range $t := seq $.Tokens %}
				let a{% $t %} = xs[{% $t %}u * PIECE_VECS + {% mul $u 2 %}u][slot];
				let b{% $t %} = xs[{% $t %}u * PIECE_VECS + {% add (mul $u 2) 1 %}u][slot];
{%- if $.XSums %}
				sum{% $t %} += a{% $t %} + b{% $t %};
{%- end %}
{%- end %}
{%- range $r := seq $.PerLane %}
				let lo{% $r %} = raw0(c{% $r %}_{% $j %});
				let hi{% $r %} = raw1(c{% $r %}_{% $j %});
{%- range $t := seq $.Tokens %}
{%- range $c := seq 4 %}
				s{% $r %}_{% $t %} = fma(lo{% $r %}.{% comp $c %}, a{% $t %}.{% comp $c %}, s{% $r %}_{% $t %});
{%- end %}
{%- range $c := seq 4 %}
				s{% $r %}_{% $t %} = fma(hi{% $r %}.{% comp $c %}, b{% $t %}.{% comp $c %}, s{% $r %}_{% $t %});
{%- end %}
{%- end %}
{%- if gt $.Units 1 %}
				c{% $r %}_{% $j %} = turn(c{% $r %}_{% $j %});
{%- end %}
{%- end %}
			}
{%- end %}
			{
{%- range $t := seq $.Tokens %}
{%- if $.Raised %}
				let raised{% $t %} = dot(sum{% $t %}, RAISED);
{%- end %}
{%- if $.Offset %}
				let total{% $t %} = dot(sum{% $t %}, {% if $.Format.Small %}SMALL{% else %}vec4<f32>(1.0){% end %});
{%- end %}
{%- end %}
{%- range $r := seq $.PerLane %}
{%- if $.HasScales %}
				let d{% $r %} = scale{% $h %}(f{% $r %}_{% $j %}, block{% $j %});
{%- end %}
{%- range $t := seq $.Tokens %}
{%- if $.HasScales %}
				acc{% $r %}_{% $t %} = fma(d{% $r %}.x, s{% $r %}_{% $t %}{% if $.Raised %} - raised{% $t %}{% end %}, acc{% $r %}_{% $t %}){% if $.Offset %} + d{% $r %}.y * total{% $t %}{% end %};
{%- else %}
				acc{% $r %}_{% $t %} += s{% $r %}_{% $t %};
{%- end %}
{%- end %}
{%- end %}
			}
{%- end %}
		}
{%- end %}
		buffer = STAGE - buffer;
	}
	workgroupBarrier(); // x is done with
{%- range $t := seq .Tokens %}
	put(({% $t %}u * GROUPS + group) * LANES + lane, vec4<f32>({% range $r := seq $.PerLane %}{% if $r %}, {% end %}acc{% $r %}_{% $t %}{% end %}{% if eq $.PerLane 2 %}, 0.0, 0.0{% else if eq $.PerLane 1 %}, 0.0, 0.0, 0.0{% end %}));
{%- if $.Norm %}
	squares[{% $t %}u * THREADS + local] = square{% $t %};
{%- end %}
{%- end %}
	workgroupBarrier();
	// Sums over lanes in two turns: SHARE of them first.
	for (var i = local; i < PARTIALS; i += THREADS) {
		var v = vec4<f32>(0.0);
		for (var l = 0u; l < SHARE; l++) { v += take(i * SHARE + l); }
		put(i * SHARE, v);
	}
{%- if .Norm %}
	if (local < TOKENS * 16u) {
		var square = 0.0;
		for (var l = 0u; l < THREADS / 16u; l++) { square += squares[local * (THREADS / 16u) + l]; }
		squares[local * (THREADS / 16u)] = square;
	}
{%- end %}
	workgroupBarrier();
	for (var i = local; i < TOKENS * GROUPS; i += THREADS) {
		let t = i / GROUPS;
		let n = first + i % GROUPS * PER_LANE;
		if (t < rows && n < N) {
			var v = vec4<f32>(0.0);
			for (var l = 0u; l < LANES; l += SHARE) { v += take(i * LANES + l); }
{%- if .Norm %}
			var square = 0.0;
			for (var l = 0u; l < THREADS; l += THREADS / 16u) { square += squares[t * THREADS + l]; }
			v *= inverseSqrt(square / NORM_COLS + EPS);
{%- end %}
			store(token + t, n, v);
		}
	}
}
{% template "store" . %}
