// Matvec multiplies a few token rows by a weight matrix, streaming the weights once:
//   y[t, n] = sum_k w[n, k] x[t, k], optionally with RMSNorm of x before (x / rms(x) * gain) and a gate, bias or residual after.
// A workgroup takes GROUPS * ROWS weight rows; LANES lanes stride over a row's blocks of 32 columns, each for ROWS
// rows and all TOKENS tokens. The norm costs no pass of its own: 1/rms is a factor of the sum, taken at the end.
// Grid: ceil(N / (GROUPS * ROWS)) workgroups. Bindings: step, x, quants, [scales], y, [gain], [bias].
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
var<workgroup> parts: array<f32, PARTIALS>;

@compute @workgroup_size({% .Threads %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let first = (wid.x + wid.y * nwg.x) * ROWS_PER_GROUP;
	if (first >= N) { return; }
	let rows = {% .RowCount %};
	let lane = local % LANES;
	let group = local / LANES;
	let base = first + group * ROWS;
{%- range $r := seq .Rows %}
	let row{% $r %} = min(base + {% $r %}u, N - 1u);
{%- end %}
{%- range $t := seq .Tokens %}
	let x{% $t %} = min({% $t %}u, rows - 1u) * X_VECS;
{%- range $r := seq $.Rows %}
	var acc{% $r %}_{% $t %} = 0.0;
{%- end %}
{%- if $.Norm %}
	var square{% $t %} = 0.0;
{%- end %}
{%- end %}
	for (var b = lane; b < BLOCKS; b += LANES) {
{%- range $r := seq .Rows %}
		let w{% $r %} = load_block(row{% $r %}, b);
{%- range $t := seq $.Tokens %}
		var s{% $r %}_{% $t %} = 0.0;
{%- end %}
{%- end %}
{%- if .HasMin %}{% range $t := seq .Tokens %}
		var sum{% $t %} = 0.0;
{%- end %}{% end %}
{%- range $u := seq 4 %}
		{
{%- if $.Norm %}
			let g0 = gain[b * 8u + {% mul $u 2 %}u];
			let g1 = gain[b * 8u + {% add (mul $u 2) 1 %}u];
{%- end %}
{%- range $r := seq $.Rows %}
			let v{% $r %} = unit{% $u %}(w{% $r %});
{%- end %}
{%- range $t := seq $.Tokens %}
			{
				{% if $.Norm %}var{% else %}let{% end %} a = x[x{% $t %} + b * 8u + {% mul $u 2 %}u];
				{% if $.Norm %}var{% else %}let{% end %} c = x[x{% $t %} + b * 8u + {% add (mul $u 2) 1 %}u];
{%- if $.Norm %}
				square{% $t %} += dot(a, a) + dot(c, c);
				a *= g0;
				c *= g1;
{%- end %}
{%- if $.HasMin %}
				sum{% $t %} += dot(a + c, vec4<f32>(1.0));
{%- end %}
{%- range $r := seq $.Rows %}
				s{% $r %}_{% $t %} += dot(v{% $r %}.lo, a) + dot(v{% $r %}.hi, c);
{%- end %}
			}
{%- end %}
		}
{%- end %}
{%- range $r := seq .Rows %}{% range $t := seq $.Tokens %}
		acc{% $r %}_{% $t %} += w{% $r %}.d * s{% $r %}_{% $t %}{% if $.HasMin %} + w{% $r %}.m * sum{% $t %}{% end %};
{%- end %}{% end %}
	}

	// parts[value][lane]: the values of all groups' rows and tokens, then the tokens' squares.
{%- range $t := seq .Tokens %}{% range $r := seq $.Rows %}
	parts[({% $t %}u * ROWS_PER_GROUP + group * ROWS + {% $r %}u) * PITCH + lane] = acc{% $r %}_{% $t %};
{%- end %}
{%- if $.Norm %}
	if (group == 0u) { parts[(ROWS_PER_GROUP * TOKENS + {% $t %}u) * PITCH + lane] = square{% $t %}; }
{%- end %}
{%- end %}
	workgroupBarrier();
	for (var i = local; i < OUTPUTS; i += THREADS) {
		let t = i / OUT_ROWS;
		let r = i % OUT_ROWS;
		if (t < rows && first / OUT_DIV + r < OUT_N) {
			var rms = 1.0;
{%- if .Norm %}
			var square = 0.0;
			for (var l = 0u; l < LANES; l++) { square += parts[(ROWS_PER_GROUP * TOKENS + t) * PITCH + l]; }
			rms = inverseSqrt(square / NORM_COLS + EPS);
{%- end %}
{%- if .Gate %}
			var gate = 0.0;
			var up = 0.0;
			for (var l = 0u; l < LANES; l++) {
				gate += parts[(t * ROWS_PER_GROUP + 2u * r) * PITCH + l];
				up += parts[(t * ROWS_PER_GROUP + 2u * r + 1u) * PITCH + l];
			}
			finish(t, first / 2u + r, activation(gate * rms) * (up * rms));
{%- else %}
			var y0 = 0.0;
			for (var l = 0u; l < LANES; l++) { y0 += parts[(t * ROWS_PER_GROUP + r) * PITCH + l]; }
			finish(t, first + r, y0 * rms);
{%- end %}
		}
	}
}
