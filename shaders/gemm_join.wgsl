// GemmJoin adds up the sums that PARTS workgroups of GemmDirect left of every weight row and token, and does what follows a product.
// Grid: one lane per token and 4 weight rows, 64 to a workgroup, folded into (x, y). Bindings: step, sums, y, [bias], [input, kv].
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> sums: array<vec4<f32>>; // [part][token][SUM_VECS], the last vector is the token's square, if Norm
{% .Binding %} var<storage, read_write> y: array<f32>;
{%- if .Bias %}
{% .Binding %} var<storage, read> bias: array<f32>;
{%- end %}
{% template "rope_bindings" . %}
{% template "finish" . %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let i = (wid.x + wid.y * nwg.x) * 64u + local;
	let t = i / (SUM_VECS - 1u);
	let n = i % (SUM_VECS - 1u);
	let rows = {% .RowCount %};
	if (t >= rows) { return; }
	var v = vec4<f32>(0.0);
	for (var p = 0u; p < PARTS; p++) { v += sums[(p * rows + t) * SUM_VECS + n]; }
{%- if .Norm %}
	var square = 0.0;
	for (var p = 0u; p < PARTS; p++) { square += sums[(p * rows + t) * SUM_VECS + SUM_VECS - 1u].x; }
	v *= inverseSqrt(square / NORM_COLS + EPS);
{%- end %}
	store(t, n * 4u, v);
}
{% template "store" . %}
