// RMSNorm normalises the rows that want output: y[i] = x[r] / sqrt(mean(x[r]²) + eps) * gain, r = the row of output i.
// Zhang & Sennrich 2019. Grid: one workgroup per output.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
const LANES: u32 = 64u;
var<workgroup> squares: array<f32, LANES>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let i = wid.x + wid.y * nwg.x;
	if (i >= step.outputs) { return; }
	let start = input[step.output_rows + i] * X_VECS;
	var square = 0.0;
	for (var k = lane; k < X_VECS; k += LANES) {
		let v = x[start + k];
		square += dot(v, v);
	}
	squares[lane] = square;
	workgroupBarrier();
	var sum = 0.0;
	for (var l = 0u; l < LANES; l++) { sum += squares[l]; }
	let rms = inverseSqrt(sum / NORM_COLS + EPS);
	for (var k = lane; k < X_VECS; k += LANES) { y[i * X_VECS + k] = x[start + k] * rms * gain[k]; }
}
