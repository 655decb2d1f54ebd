// QKNorm normalises all of q and all of k in place: v / sqrt(mean(v²) + eps) * gain. Zhang & Sennrich 2019; for q and k: OLMo 2, 2025.
// Grid: one workgroup for q and one for k of each row.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> qkv: array<vec4<f32>>;
const LANES: u32 = 64u;
var<workgroup> parts: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = wid.x + wid.y * nwg.x;
	let row = id / 2u;
	if (row >= step.rows) { return; }
	let begin = select(0u, Q_VECS, id % 2u == 1u);
	let to = select(Q_VECS, Q_VECS + K_VECS, id % 2u == 1u);
	var square = 0.0;
	for (var k = begin + lane; k < to; k += LANES) {
		let v = qkv[row * STRIDE + k];
		square += dot(v, v);
	}
	parts[lane] = square;
	workgroupBarrier();
	var sum = 0.0;
	for (var l = 0u; l < LANES; l++) { sum += parts[l]; }
	let by = inverseSqrt(sum / f32((to - begin) * 4u) + EPS);
	for (var k = begin + lane; k < to; k += LANES) { qkv[row * STRIDE + k] *= by * gain[k]; }
}
