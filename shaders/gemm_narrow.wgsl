// GemmNarrow computes what MatvecNarrow does, to the same bit, for more tokens: a workgroup is one vector of 8 lanes, and
// each lane owns a weight row. All keep the same x in registers, 64 columns of TOKENS tokens, while they walk down ROWS
// weight rows. The columns come in the order in which MatvecNarrow adds them up: share s is what its lane s has.
// Grid: x = tiles of TOKENS tokens, so that weights are used again while they are in the cache; (y, z) = ceil(N / ROWS).
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> sums: array<vec4<f32>, SUMS>; // of 4 tokens each
{%- if gt .Tiles 1 %}
var<workgroup> shares: array<vec4<f32>, SUMS>;
{%- end %}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let first = (wid.y + wid.z * nwg.y) * ROWS;
	let tile = wid.x;
	{% template "tokens" . %}
	let count = min(ROWS, N - first);
	let top = (count + 7u) & ~7u; // all lanes go round as often
{%- range $t := seq .Tokens %}
	let x{% $t %} = x_row(min(token + {% $t %}u, end - 1u)) * X_VECS;
{%- if $.Norm %}
	var squares{% $t %} = 0.0;
{%- end %}
{%- end %}
{%- if .Touch %}
	if (tile == 0u) {
		{% template "narrow_touch" . %}
		sums[lane] = vec4<f32>(f32(touched));
	}
{%- end %}
	for (var share = 0u; share < 8u; share++) {
{%- if eq .Tiles 1 %}
		if (share * 2u >= BLOCKS) { break; }
{%- end %}
{%- if .Norm %}{% range $t := seq .Tokens %}
		var square{% $t %} = 0.0;
{%- end %}{% end %}
		for (var tile = 0u; tile < TILES; tile++) {
			let b = tile * 16u + share * 2u;
			{% template "narrow_x" . %}
			for (var r = lane; r < top; r += 8u) {
				let row = {% template "slab" . %}first + min(r, count - 1u);
				{% template "narrow_products" . %}
{%- range $q := seq .TokenQuads %}
				{
					let i = r * TOKEN_QUADS + {% $q %}u;
					let v = vec4<f32>(out{% mul $q 4 %}, out{% add (mul $q 4) 1 %}, out{% add (mul $q 4) 2 %}, out{% add (mul $q 4) 3 %});
{%- if gt $.Tiles 1 %}
					shares[i] = v + select(shares[i], vec4<f32>(0.0), tile == 0u);
{%- else %}
					sums[i] = v + select(sums[i], vec4<f32>(0.0), share == 0u);
{%- end %}
				}
{%- end %}
			}
		}
{%- if gt .Tiles 1 %}
		for (var i = lane * TOKEN_QUADS; i < top * TOKEN_QUADS; i += 8u * TOKEN_QUADS) {
{%- range $q := seq .TokenQuads %}
			sums[i + {% $q %}u] = shares[i + {% $q %}u] + select(sums[i + {% $q %}u], vec4<f32>(0.0), share == 0u);
{%- end %}
		}
{%- end %}
{%- if .Norm %}{% range $t := seq .Tokens %}
		squares{% $t %} += square{% $t %};
{%- end %}{% end %}
	}
	workgroupBarrier();
{%- range $t := seq .Tokens %}
	let rms{% $t %} = {% if $.Norm %}inverseSqrt(squares{% $t %} / NORM_COLS + EPS){% else %}1.0{% end %};
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
		if (token + {% $t %}u < end) {
{%- if $.Gate %}
			finish(token + {% $t %}u, first / 2u + o, activation(gate{% $q %}.{% $c %} * rms{% $t %}) * (up{% $q %}.{% $c %} * rms{% $t %}));
{%- else %}
			finish(token + {% $t %}u, first + o, sum{% $q %}.{% $c %} * rms{% $t %});
{%- end %}
		}
{%- end %}
	}
}
