// Gemm computes what Matvec does for many token rows: tiles of 64 weight rows by 64 tokens, 32 columns at a time through
// workgroup memory (16 KiB), 64 lanes with 8 x 8 sums each in registers. Weights are dequantised while the tile is loaded,
// and tiles are stored transposed so that inner loads are whole vectors.
// Grid: x = ceil(N / 64), y = ceil(rows / 64). Bindings: step, x, quants, [scales], y, [gain], [bias], [input, kv].
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
const TILE: u32 = 64u;
const QUADS: u32 = 16u; // groups of 4 rows or tokens in a tile
var<workgroup> wtile: array<vec4<f32>, 512>; // [column][quad]
var<workgroup> xtile: array<vec4<f32>, 512>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = wid.x * TILE;
	let token = wid.y * TILE;
	let rows = {% .RowCount %};
	// Loading: this lane brings 8 columns (unit) of 4 rows and of 4 tokens (quad).
	let quad = local % QUADS;
	let unit = local / QUADS;
{%- range $i := seq 4 %}
	let row{% $i %} = min(first + quad * 4u + {% $i %}u, N - 1u);
	let x{% $i %} = min(token + quad * 4u + {% $i %}u, rows - 1u) * X_VECS;
{%- end %}
	var square = vec4<f32>(0.0);
	// Multiplying: this lane sums weight rows wq4 + {0, 32} + 0..3 with tokens tq4 + {0, 32} + 0..3.
	let wquad = local / 8u;
	let xquad = local % 8u;
{%- range $j := seq 8 %}
	var lo{% $j %} = vec4<f32>(0.0);
	var hi{% $j %} = vec4<f32>(0.0);
{%- end %}
	for (var b = 0u; b < BLOCKS; b++) {
		{
{%- range $i := seq 4 %}
			let w{% $i %} = load_unit(row{% $i %}, b * 4u + unit);
{%- end %}
			let at = unit * 8u * QUADS + quad;
{%- range $k := seq 4 %}
			wtile[at + {% $k %}u * QUADS] = vec4<f32>(w0.lo.{% comp $k %}, w1.lo.{% comp $k %}, w2.lo.{% comp $k %}, w3.lo.{% comp $k %});
			wtile[at + {% add $k 4 %}u * QUADS] = vec4<f32>(w0.hi.{% comp $k %}, w1.hi.{% comp $k %}, w2.hi.{% comp $k %}, w3.hi.{% comp $k %});
{%- end %}
			let v = b * 8u + unit * 2u;
{%- range $h := seq 2 %}
{%- range $i := seq 4 %}
			{% if $.Norm %}var{% else %}let{% end %} a{% $h %}_{% $i %} = x[x{% $i %} + v + {% $h %}u];
{%- end %}
{%- if $.Norm %}
			square += vec4<f32>(dot(a{% $h %}_0, a{% $h %}_0), dot(a{% $h %}_1, a{% $h %}_1), dot(a{% $h %}_2, a{% $h %}_2), dot(a{% $h %}_3, a{% $h %}_3));
			let g{% $h %} = gain[v + {% $h %}u];
{%- range $i := seq 4 %}
			a{% $h %}_{% $i %} *= g{% $h %};
{%- end %}
{%- end %}
{%- range $k := seq 4 %}
			xtile[at + {% add (mul $h 4) $k %}u * QUADS] = vec4<f32>(a{% $h %}_0.{% comp $k %}, a{% $h %}_1.{% comp $k %}, a{% $h %}_2.{% comp $k %}, a{% $h %}_3.{% comp $k %});
{%- end %}
{%- end %}
		}
		workgroupBarrier();
		for (var k = 0u; k < 32u; k++) {
			let w0 = wtile[k * QUADS + wquad];
			let w1 = wtile[k * QUADS + wquad + 8u];
			let a = xtile[k * QUADS + xquad];
			let c = xtile[k * QUADS + xquad + 8u];
{%- range $j := seq 4 %}
			lo{% $j %} += w0 * a.{% comp $j %};
			hi{% $j %} += w1 * a.{% comp $j %};
			lo{% add $j 4 %} += w0 * c.{% comp $j %};
			hi{% add $j 4 %} += w1 * c.{% comp $j %};
{%- end %}
		}
		workgroupBarrier();
	}
{%- if .Norm %}
	// 1/rms of the tile's tokens, by way of xtile: squares of each unit first, their sums after.
	xtile[unit * QUADS + quad] = square;
	workgroupBarrier();
	if (unit == 0u) {
		let all = xtile[quad] + xtile[QUADS + quad] + xtile[2u * QUADS + quad] + xtile[3u * QUADS + quad];
		wtile[quad] = inverseSqrt(all / NORM_COLS + vec4<f32>(EPS));
	}
	workgroupBarrier();
	let rms0 = wtile[xquad];
	let rms1 = wtile[xquad + 8u];
{%- range $j := seq 4 %}
	lo{% $j %} *= rms0.{% comp $j %};
	hi{% $j %} *= rms0.{% comp $j %};
	lo{% add $j 4 %} *= rms1.{% comp $j %};
	hi{% add $j 4 %} *= rms1.{% comp $j %};
{%- end %}
{%- end %}
{%- range $j := seq 8 %}
	let t{% $j %} = token + xquad * 4u + {% if lt $j 4 %}{% $j %}u{% else %}{% add $j 28 %}u{% end %};
	if (t{% $j %} < rows) {
		store(t{% $j %}, first + wquad * 4u, lo{% $j %});
		store(t{% $j %}, first + wquad * 4u + 32u, hi{% $j %});
	}
{%- end %}
}

{% template "store" . %}
