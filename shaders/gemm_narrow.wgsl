// GemmNarrow computes what MatvecNarrow does, to the same bit, for more tokens: a workgroup is one vector of 8 lanes, and
// each lane owns a weight row. All keep the same x in registers, 64 columns of TOKENS tokens, while they walk down ROWS
// weight rows. The columns come in the order in which MatvecNarrow adds them up: share s is what its lane s has.
// Grid: x = ceil(N / ROWS) folded into (x, z), y = tiles of TOKENS tokens.
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> sums: array<vec4<f32>, SUMS>; // of 4 tokens each
{%- if gt .Tiles 1 %}
var<workgroup> shares: array<vec4<f32>, SUMS>;
{%- end %}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let first = (wid.x + wid.z * nwg.x) * ROWS;
	let token = wid.y * TOKENS;
	let rows = {% .RowCount %};
	if (first >= N || token >= rows) { return; }
	let count = min(ROWS, N - first);
	let top = (count + 7u) & ~7u; // all lanes go round as often
{%- range $t := seq .Tokens %}
	let x{% $t %} = min(token + {% $t %}u, rows - 1u) * X_VECS;
{%- if $.Norm %}
	var square{% $t %} = 0.0;
	var square_share{% $t %} = 0.0;
{%- end %}
{%- end %}
	for (var piece = 0u; piece < 8u * TILES; piece++) {
		let share = piece / TILES;
		let tile = piece % TILES;
		let b = tile * 16u + share * 2u;
		if (b >= BLOCKS && TILES == 1u) { break; }
		// Past the row's end x counts as zero, and the last block is read again.
{%- range $h := seq 2 %}
		let b{% $h %} = min(b + {% $h %}u, BLOCKS - 1u);
		let in{% $h %} = select(0.0, 1.0, b + {% $h %}u < BLOCKS);
{%- range $t := seq $.Tokens %}
{%- range $i := seq 8 %}
		{% if $.Norm %}var{% else %}let{% end %} x{% $t %}_{% $h %}_{% $i %} = x[x{% $t %} + b{% $h %} * 8u + {% $i %}u] * in{% $h %};
{%- end %}
{%- if $.Norm %}
		square_share{% $t %} += {% range $i := seq 8 %}{% if $i %} + {% end %}dot(x{% $t %}_{% $h %}_{% $i %}, x{% $t %}_{% $h %}_{% $i %}){% end %};
{%- end %}
{%- end %}
{%- if $.Norm %}
{%- range $i := seq 8 %}
		{
			let g = gain[b{% $h %} * 8u + {% $i %}u];
{%- range $t := seq $.Tokens %}
			x{% $t %}_{% $h %}_{% $i %} *= g;
{%- end %}
		}
{%- end %}
{%- end %}
{%- if $.HasMin %}{% range $t := seq $.Tokens %}
		let sum{% $t %}_{% $h %} = dot({% range $i := seq 8 %}{% if $i %} + {% end %}x{% $t %}_{% $h %}_{% $i %}{% end %}, vec4<f32>(1.0));
{%- end %}{% end %}
{%- end %}
{%- if $.Norm %}
		if (tile == TILES - 1u) {
{%- range $t := seq $.Tokens %}
			square{% $t %} += square_share{% $t %};
			square_share{% $t %} = 0.0;
{%- end %}
		}
{%- end %}
		for (var r = lane; r < top; r += 8u) {
			let row = first + min(r, count - 1u);
			let w0 = load_block(row, b0);
			let w1 = load_block(row, b1);
{%- range $u := seq 4 %}
			let v0_{% $u %} = unit{% $u %}(w0);
			let v1_{% $u %} = unit{% $u %}(w1);
{%- end %}
{%- range $t := seq .Tokens %}
			var out{% $t %}: f32;
			{
{%- range $h := seq 2 %}
				let s{% $h %} = {% range $u := seq 4 %}{% if $u %} + {% end %}v{% $h %}_{% $u %}.lo * x{% $t %}_{% $h %}_{% mul $u 2 %} + v{% $h %}_{% $u %}.hi * x{% $t %}_{% $h %}_{% add (mul $u 2) 1 %}{% end %};
{%- end %}
				out{% $t %} = dot(s0 * w0.d + s1 * w1.d, vec4<f32>(1.0)){% if $.HasMin %} + w0.m * sum{% $t %}_0 + w1.m * sum{% $t %}_1{% end %};
			}
{%- end %}
{%- range $q := seq .TokenQuads %}
			{
				let i = r * TOKEN_QUADS + {% $q %}u;
				var v = vec4<f32>(out{% mul $q 4 %}, out{% add (mul $q 4) 1 %}, out{% add (mul $q 4) 2 %}, out{% add (mul $q 4) 3 %});
{%- if gt $.Tiles 1 %}
				if (tile > 0u) { v += shares[i]; }
				if (tile < TILES - 1u) {
					shares[i] = v;
				} else {
					if (share > 0u) { v += sums[i]; }
					sums[i] = v;
				}
{%- else %}
				if (share > 0u) { v += sums[i]; }
				sums[i] = v;
{%- end %}
			}
{%- end %}
		}
	}
	workgroupBarrier();
{%- range $t := seq .Tokens %}
	let rms{% $t %} = {% if $.Norm %}inverseSqrt(square{% $t %} / NORM_COLS + EPS){% else %}1.0{% end %};
{%- end %}
	for (var o = lane; o < count / OUT_DIV; o += 8u) {
{%- range $q := seq .TokenQuads %}
{%- if $.Gate %}
		let gate{% $q %} = sums[2u * o * TOKEN_QUADS + {% $q %}u];
		let up{% $q %} = sums[(2u * o + 1u) * TOKEN_QUADS + {% $q %}u];
{%- else %}
		let sum{% $q %} = sums[o * TOKEN_QUADS + {% $q %}u];
{%- end %}
{%- end %}
{%- range $t := seq .Tokens %}
{%- $q := div $t 4 %}{% $c := comp (mod $t 4) %}
		if (token + {% $t %}u < rows) {
{%- if $.Gate %}
			finish(token + {% $t %}u, first / 2u + o, activation(gate{% $q %}.{% $c %} * rms{% $t %}) * (up{% $q %}.{% $c %} * rms{% $t %}));
{%- else %}
			finish(token + {% $t %}u, first + o, sum{% $q %}.{% $c %} * rms{% $t %});
{%- end %}
		}
{%- end %}
	}
}
