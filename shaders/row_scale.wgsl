// RowScale finds what RMSNorm multiplies each row by, the gain apart: scales[r] = 1 / sqrt(mean(x[r]²) + eps). Zhang & Sennrich 2019.
// Grid: one workgroup per row.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> scales: array<f32>;
const LANES: u32 = 64u;
var<workgroup> parts: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let row = wid.x + wid.y * nwg.x;
	if (row >= {% .RowCount %}) { return; }
	var square = 0.0;
	for (var k = lane; k < X_VECS; k += LANES) {
		let v = x[row * X_VECS + k];
		square += dot(v, v);
	}
	parts[lane] = square;
	workgroupBarrier();
	if (lane > 0u) { return; }
	for (var l = 1u; l < LANES; l++) { square += parts[l]; }
	scales[row] = inverseSqrt(square / NORM_COLS + EPS);
}
