// PlainLinear multiplies as a textbook does: a lane sums up one output, a unit of 8 columns at a time.
// Grid: x = ceil(N / ROWS) folded into (x, z), y = token rows.
{% template "linear_bindings" . %}
struct Unit { lo: vec4<f32>, hi: vec4<f32> }
{% .Dequant %}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let n = (wid.x + wid.z * nwg.x) * ROWS + lane;
	let token = wid.y;
	if (n >= N || token >= {% .RowCount %}) { return; }
	var sum = 0.0;
	for (var u = 0u; u < BLOCKS * 4u; u++) {
		let w = load_unit(n, u);
		let i = token * X_VECS + u * 2u;
		sum += dot(w.lo, x[i]) + dot(w.hi, x[i + 1u]);
	}
	finish(token, n, sum);
}
