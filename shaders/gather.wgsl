// Gather looks up the embedding of each row's token: y[row] = w[token]. A lane decodes 8 columns. A token word with its top bit
// set, ~i, is the first candidate of output i of the step before, which is still in top; where that has none, the row stays.
// A part of a split table skips tokens outside FIRST .. FIRST + N - 1. Grid: ceil(rows * BLOCKS * 4 / 64) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> wq: array<{% .Format.Vec %}>;
{%- if .HasScales %}
{% .Binding %} var<storage, read> ws: array<u32>;
{%- end %}
{% .Binding %} var<storage, read> top: array<u32>;
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let lane = (wid.x + wid.y * nwg.x) * 64u + local;
	let unit = lane % (BLOCKS * 4u);
	let row = lane / (BLOCKS * 4u);
	if (row >= step.rows) { return; }
	var id = input[step.tokens + row];
	if (id >= 0x80000000u) { id = top[~id * step.fed]; }
	let token = id - FIRST;
	if (token >= N) { return; } // also ids below FIRST, which wrap around
	let v = load_unit(token, unit);
	y[row * Y_VECS + unit * 2u] = v.lo;
	y[row * Y_VECS + unit * 2u + 1u] = v.hi;
}
