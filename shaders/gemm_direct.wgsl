// GemmDirect computes what Matvec does for many token rows. A lane owns STACK weight rows and sums them with TOKENS tokens in
// registers. It reads its rows' weights straight from storage, dequantised 4 columns at a time; x goes through workgroup memory, where
// the lanes of a group of 32 all read the same address at the same time. So a vector of x feeds 4 * STACK multiplications of each lane.
// Groups share rows SPLIT to a set, and workgroups a number of parts to a set: each takes a span of columns of its own. Groups add up in
// workgroup memory at the end, parts in GemmJoin, which then does what follows a product.
// Nothing depends on which lanes run together but the time taken.
// Grid: x = tiles of tokens * parts, ceil(N / ROWS) workgroups folded into (y, z): those in flight together share weights.
// Bindings: step, x, quants, [scales], y, [gain], [bias], [input, kv].
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> xs: array<array<vec4<f32>, PITCH>, X_UNITS>; // [buffer][slice][8 columns][token][2]; later sums, see put
{%- define "direct_type" %}{% if eq .PerLane 4 %}vec4<f32>{% else if eq .PerLane 2 %}vec2<f32>{% else %}f32{% end %}{% end %}
{%- define "direct_pad" %}{% if eq .PerLane 2 %}, 0.0, 0.0{% else if eq .PerLane 1 %}, 0.0, 0.0, 0.0{% end %}{% end %}

// put and take see xs as one row of vectors.
fn put(i: u32, v: vec4<f32>) { xs[i / PITCH][i % PITCH] = v; }
fn take(i: u32) -> vec4<f32> { return xs[i / PITCH][i % PITCH]; }

@compute @workgroup_size({% .Threads %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = (wid.y + wid.z * nwg.y) * ROWS;
{%- if .Parted %}
	let parts = nwg.x / (({% .RowCount %} + TOKENS - 1u) / TOKENS);
	let span = (BLOCKS + parts * SPLIT * SCALE_BLOCKS - 1u) / (parts * SPLIT * SCALE_BLOCKS) * SCALE_BLOCKS;
{%- else %}
	let parts = 1u;
	let span = SPAN;
{%- end %}
	let part = wid.x % parts;
	let token = wid.x / parts * TOKENS;
	if (first >= N || token >= {% .RowCount %}) { return; }
	let rows = min(TOKENS, {% .RowCount %} - token);
	let lane = local % 32u;
	let slice = local / 32u % SPLIT;
	let place = local / 32u / SPLIT * 32u + lane; // among the lanes of a slice
	let base = first + place * STACK;
	let begin = (part * SPLIT + slice) * span;
{%- range $r := seq .Stack %}
	let row{% $r %} = {% if $.Aligned %}base + {% $r %}u{% else %}min(base + {% $r %}u, N - 1u){% end %};
{%- if $.Ahead %}
	var p{% $r %} = load_piece(row{% $r %}, min(begin, BLOCKS - 1u) * PIECES);
{%- end %}
{%- if $.HasScales %}
	var s{% $r %} = load_scale(row{% $r %}, min(begin, BLOCKS - 1u));
{%- end %}
{%- end %}
{%- range $j := seq .Stages %}
	let i{% $j %} = local + {% $j %}u * THREADS;
	let cell{% $j %} = i{% $j %} / PITCH;
	let x{% $j %} = (token + min(i{% $j %} / 2u % TOKENS, rows - 1u)) * X_VECS;
	let head{% $j %} = (part * SPLIT + cell{% $j %} / 4u) * span;
	let end{% $j %} = min(head{% $j %} + span, BLOCKS) * 8u;
	var k{% $j %} = head{% $j %} * 8u + cell{% $j %} % 4u * 2u + i{% $j %} % 2u;
	var v{% $j %} = select(vec4<f32>(0.0), x[x{% $j %} + min(k{% $j %}, X_VECS - 1u)], k{% $j %} < end{% $j %});
{%- if $.Norm %}
	var square{% $j %} = 0.0;
{%- end %}
{%- end %}
{%- range $t := seq .Tokens %}{% range $q := seq $.Quads %}
	var acc{% $t %}_{% $q %} = {% template "direct_type" $ %}(0.0);
{%- end %}{% end %}
	var buffer = 0u;
{%- template "direct_stage" . %}
	workgroupBarrier();
	for (var n = 0u; n < span; n++) {
		let block = begin + n;
{%- range $j := seq .Stages %}
		k{% $j %} += 8u;
		v{% $j %} = select(vec4<f32>(0.0), x[x{% $j %} + min(k{% $j %}, X_VECS - 1u)], k{% $j %} < end{% $j %});
{%- end %}
{%- if .HasScales %}
{%- range $r := seq .Stack %}
{%- range $h := seq $.Spans %}
		let f{% $r %}_{% $h %} = factors(scale{% $h %}(s{% $r %}, block));
{%- end %}
{%- end %}
		if (n % SCALE_BLOCKS == SCALE_BLOCKS - 1u) {
			let following = min(block + 1u, BLOCKS - 1u);
{%- range $r := seq .Stack %}
			s{% $r %} = load_scale(row{% $r %}, following);
{%- end %}
		}
{%- end %}
		let window = (buffer + slice) * 4u;
		{% if gt .Pieces 1 %}for (var piece = 0u; piece < PIECES; piece++) {% end %}{
			let now = block * PIECES{% if gt .Pieces 1 %} + piece{% end %};
{%- range $r := seq .Stack %}
{%- if $.Ahead %}
			{% if gt $.Units 1 %}var{% else %}let{% end %} c{% $r %} = p{% $r %};
			p{% $r %} = load_piece(row{% $r %}, min(now + 1u, BLOCKS * PIECES - 1u));
{%- else %}
			{% if gt $.Units 1 %}var{% else %}let{% end %} c{% $r %} = load_piece(row{% $r %}, min(now, BLOCKS * PIECES - 1u));
{%- end %}
{%- end %}
{%- if .Unroll %}
{%- range $u := seq .Units %}
			{
				let at = window{% if gt $.Pieces 1 %} + piece * UNITS{% end %} + {% $u %}u;
{%- template "direct_unit" ($.In (div $u $.SpanUnits)) %}
			}
{%- end %}
{%- else %}
{%- range $h := seq .Spans %}
			{% if gt $.SpanUnits 1 %}for (var u = {% mul $h $.SpanUnits %}u; u < {% mul (add $h 1) $.SpanUnits %}u; u++) {% end %}{
				let at = window{% if gt $.Pieces 1 %} + piece * UNITS{% end %}{% if gt $.SpanUnits 1 %} + u{% end %};
{%- template "direct_unit" ($.In $h) %}
			}
{%- end %}
{%- end %}
		}
{%- if eq .Buffers 2 %}
		buffer = SPLIT - buffer;
{%- else %}
		workgroupBarrier();
{%- end %}
{%- template "direct_stage" . %}
		workgroupBarrier();
	}
	let out = token{% if .Parted %} + part * {% .RowCount %}{% end %};
{%- if .Norm %}
	// The tokens' squares, by way of xs.
{%- range $j := seq .Stages %}
	{% if not $.Whole %}if (i{% $j %} < STAGED) {% end %}{ put(i{% $j %}, vec4<f32>(square{% $j %})); }
{%- end %}
	workgroupBarrier();
	var square = 0.0;
	if (local < TOKENS) {
		for (var i = 0u; i < SPLIT * 4u; i++) { square += take(i * PITCH + local * 2u).x + take(i * PITCH + local * 2u + 1u).x; }
	}
	workgroupBarrier();
{%- if .Parted %}
	if (first == 0u && local < rows) { finish(out + local, SQUARES_AT, square); }
{%- else %}
	if (local < TOKENS) { put(local, vec4<f32>(inverseSqrt(square / NORM_COLS + EPS))); }
	workgroupBarrier();
{%- range $t := seq .Tokens %}
	let rms{% $t %} = take({% $t %}u).x;
{%- range $q := seq $.Quads %}
	acc{% $t %}_{% $q %} *= rms{% $t %};
{%- end %}{% end %}
{%- if gt .Split 1 %}
	workgroupBarrier();
{%- end %}
{%- end %}
{%- end %}
{%- if eq .Split 1 %}
{%- range $t := seq .Tokens %}
	if ({% $t %}u < rows) {
{%- range $q := seq $.Quads %}
		store(out + {% $t %}u, base + {% mul $q 4 %}u, vec4<f32>(acc{% $t %}_{% $q %}{% template "direct_pad" $ %}));
{%- end %}
	}
{%- end %}
{%- else %}
{%- range $i := seq .Rounds %}
	{
		let at = slice * PLACES + place;
{%- range $t := seq $.RoundTokens %}{% range $q := seq $.Quads %}
		put(at + {% add (mul $t $.Quads) $q %}u * SPLIT * PLACES, vec4<f32>(acc{% add (mul $i $.RoundTokens) $t %}_{% $q %}{% template "direct_pad" $ %}));
{%- end %}{% end %}
		workgroupBarrier();
		for (var i = local; i < ROUND_TOKENS * QUADS * PLACES; i += THREADS) {
			let at = i / PLACES * SPLIT * PLACES + i % PLACES;
			let t = {% mul $i $.RoundTokens %}u + i / PLACES / QUADS;
			var v = take(at);
			for (var s = 1u; s < SPLIT; s++) { v += take(at + s * PLACES); }
			if (t < rows) { store(out + t, first + i % PLACES * STACK + i / PLACES % QUADS * 4u, v); }
		}
		workgroupBarrier();
	}
{%- end %}
{%- end %}
}
{% template "store" . %}

{%- define "direct_stage" %}
{%- range $j := seq .Stages %}
		{% if not $.Whole %}if (i{% $j %} < STAGED) {% end %}{
{%- if $.Norm %}
			square{% $j %} += dot(v{% $j %}, v{% $j %});
			v{% $j %} *= gain[min(k{% $j %}, X_VECS - 1u)];
{%- end %}
			xs[buffer * 4u + cell{% $j %}][i{% $j %} % PITCH] = v{% $j %};
		}
{%- end %}
{%- end %}

{%- define "direct_unit" %}
{%- range $h := seq 2 %}
				{
{%- range $r := seq $.Stack %}
					let w{% $r %} = {% if $.HasScales %}quad{% $h %}(c{% $r %}, f{% $r %}_{% $.Half %}){% else %}raw{% $h %}(c{% $r %}){% end %};
{%- end %}
{%- range $c := seq 4 %}{% range $q := seq $.Quads %}
					let w_{% comp $c %}{% $q %} = {% template "direct_type" $ %}({% range $i := seq $.PerLane %}{% if $i %}, {% end %}w{% add (mul $q 4) $i %}.{% comp $c %}{% end %});
{%- end %}{% end %}
{%- range $t := seq $.Tokens %}
					{
						let a = xs[at][{% add (mul $t 2) $h %}];
{%- range $c := seq 4 %}{% range $q := seq $.Quads %}
						acc{% $t %}_{% $q %} = fma(w_{% comp $c %}{% $q %}, {% template "direct_type" $ %}(a.{% comp $c %}), acc{% $t %}_{% $q %});
{%- end %}{% end %}
					}
{%- end %}
				}
{%- end %}
{%- if gt .Units 1 %}
{%- range $r := seq $.Stack %}
				c{% $r %} = turn(c{% $r %});
{%- end %}
{%- end %}
{%- end %}
