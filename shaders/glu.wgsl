// GLU gates rows in place where gate and up come from separate products: gate[i] = activation(gate[i]) * up[i].
// Shazeer 2020. Grid: ceil(rows * VECS / 64) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read_write> gate: array<vec4<f32>>;
{% .Binding %} var<storage, read> up: array<vec4<f32>>;
{% template "activation" . %}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let i = (wid.x + wid.y * nwg.x) * 64u + local;
	if (i >= step.rows * X_VECS) { return; }
	let g = gate[i];
	gate[i] = vec4<f32>(activation(g.x), activation(g.y), activation(g.z), activation(g.w)) * up[i];
}
