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
	let tile = wid.y;
	{% template "tokens" . %}
	let count = min(ROWS, N - first);
{%- range $t := seq .Tokens %}
	let x{% $t %} = x_row(min(token + {% $t %}u, end - 1u)) * X_VECS;
{%- if $.Norm %}
	var square{% $t %} = 0.0;
{%- end %}
{%- end %}
{%- if .Touch %}
	{% template "narrow_touch" . %}
	parts[lane] = f32(touched);
{%- end %}
	var sums: array<f32, SUMS>; // a lane's own: workgroup memory costs more to reach
	for (var tile = 0u; tile < TILES; tile++) {
		let b = tile * 16u + lane * 2u;
		{% template "narrow_x" . %}
		for (var r = 0u; r < count; r++) {
			let row = {% template "slab" . %}first + r;
			{% template "narrow_products" . %}
{%- range $t := seq .Tokens %}
			sums[r * TOKENS + {% $t %}u] += out{% $t %};
{%- end %}
		}
	}
	for (var i = 0u; i < count * TOKENS; i++) { parts[i * 8u + lane] = sums[i]; }
{%- if .Norm %}{% range $t := seq .Tokens %}
	parts[(ROWS * TOKENS + {% $t %}u) * 8u + lane] = square{% $t %};
{%- end %}{% end %}
	workgroupBarrier();
	for (var i = lane; i < OUTPUTS; i += 8u) {
		let r = i / TOKENS;
		let t = i % TOKENS;
		if (token + t < end && first / OUT_DIV + r < OUT_N) {
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
