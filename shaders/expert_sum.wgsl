// ExpertSum adds what the chosen experts gave to the residual stream: x[row] += sum of weight * y[pair] over the row's pairs
{%- if .Shared %}, and what the shared one
// gave, times the sigmoid of its logit{% end %}.
// Grid: ceil(rows * X_VECS / 64) workgroups. Bindings: step, routes, y, x{% if .Shared %}, shared, logits{% end %}.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> routes: array<u32>;
{% .Binding %} var<storage, read> y: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> x: array<vec4<f32>>;
{%- if .Shared %}
{% .Binding %} var<storage, read> shared_y: array<vec4<f32>>;
{% .Binding %} var<storage, read> logits: array<f32>;
{%- end %}
{% template "routes" .Routing %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let i = (wid.x + wid.y * nwg.x) * 64u + local;
	let row = i / X_VECS;
	if (row >= step.rows) { return; }
	var sum = vec4<f32>(0.0);
	for (var turn = 0u; turn < USED; turn++) {
		let p = row * USED + turn;
		sum += bitcast<f32>(routes[weight_at() + p]) * y[p * X_VECS + i % X_VECS];
	}
{%- if .Shared %}
	sum += shared_y[i] / (1.0 + exp(-logits[row * STRIDE + EXPERTS]));
{%- end %}
	x[i] += sum;
}
