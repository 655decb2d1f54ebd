// MatvecNarrow computes what Matvec does, shaped for a CPU's SIMD unit: a workgroup is one vector of 8 lanes. Each lane
// owns 64 consecutive columns of a tile of 512 and keeps their x in registers while it walks down ROWS weight rows;
// sums over lanes are taken once, at the end. Loads are what costs there, so each is as wide as can be and used for
// all TOKENS tokens. Grid: x = ceil(N / ROWS) folded into (x, z), y = tiles of TOKENS tokens.
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> parts: array<f32, PARTIALS>;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let first = (wid.x + wid.z * nwg.x) * ROWS;
	let token = wid.y * TOKENS;
	let rows = {% .RowCount %};
	if (first >= N || token >= rows) { return; }
	let count = min(ROWS, N - first);
{%- range $t := seq .Tokens %}
	let x{% $t %} = min(token + {% $t %}u, rows - 1u) * X_VECS;
{%- if $.Norm %}
	var square{% $t %} = 0.0;
{%- end %}
{%- end %}
	for (var tile = 0u; tile < TILES; tile++) {
		let b = tile * 16u + lane * 2u;
		// Past the row's end x counts as zero, and the last block is read again.
{%- range $h := seq 2 %}
		let b{% $h %} = min(b + {% $h %}u, BLOCKS - 1u);
		let in{% $h %} = select(0.0, 1.0, b + {% $h %}u < BLOCKS);
{%- range $t := seq $.Tokens %}
{%- range $i := seq 8 %}
		{% if $.Norm %}var{% else %}let{% end %} x{% $t %}_{% $h %}_{% $i %} = x[x{% $t %} + b{% $h %} * 8u + {% $i %}u] * in{% $h %};
{%- end %}
{%- if $.Norm %}
		square{% $t %} += {% range $i := seq 8 %}{% if $i %} + {% end %}dot(x{% $t %}_{% $h %}_{% $i %}, x{% $t %}_{% $h %}_{% $i %}){% end %};
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
		for (var r = 0u; r < count; r++) {
			let row = first + r;
			let w0 = load_block(row, b0);
			let w1 = load_block(row, b1);
{%- range $u := seq 4 %}
			let v0_{% $u %} = unit{% $u %}(w0);
			let v1_{% $u %} = unit{% $u %}(w1);
{%- end %}
{%- range $t := seq .Tokens %}
			{
{%- range $h := seq 2 %}
				let s{% $h %} = {% range $u := seq 4 %}{% if $u %} + {% end %}v{% $h %}_{% $u %}.lo * x{% $t %}_{% $h %}_{% mul $u 2 %} + v{% $h %}_{% $u %}.hi * x{% $t %}_{% $h %}_{% add (mul $u 2) 1 %}{% end %};
{%- end %}
				let s = dot(s0 * w0.d + s1 * w1.d, vec4<f32>(1.0)){% if $.HasMin %} + w0.m * sum{% $t %}_0 + w1.m * sum{% $t %}_1{% end %};
				let i = (r * TOKENS + {% $t %}u) * 8u + lane;
				if (tile == 0u) { parts[i] = s; } else { parts[i] += s; }
			}
{%- end %}
		}
	}
{%- if .Norm %}{% range $t := seq .Tokens %}
	parts[(ROWS * TOKENS + {% $t %}u) * 8u + lane] = square{% $t %};
{%- end %}{% end %}
	workgroupBarrier();
	for (var i = lane; i < OUTPUTS; i += 8u) {
		let r = i / TOKENS;
		let t = i % TOKENS;
		if (token + t < rows && first / OUT_DIV + r < OUT_N) {
			var rms = 1.0;
{%- if .Norm %}
			rms = inverseSqrt(total((ROWS * TOKENS + t) * 8u) / NORM_COLS + EPS);
{%- end %}
{%- if .Gate %}
			let gate = total((2u * r * TOKENS + t) * 8u);
			let up = total(((2u * r + 1u) * TOKENS + t) * 8u);
			finish(token + t, first / 2u + r, activation(gate * rms) * (up * rms));
{%- else %}
			finish(token + t, first + r, total((r * TOKENS + t) * 8u) * rms);
{%- end %}
		}
	}
}

// total adds the 8 lanes' values from i, in order.
fn total(i: u32) -> f32 {
	return {% range $l := seq 8 %}{% if $l %} + {% end %}parts[i + {% $l %}u]{% end %};
}
