// Norm normalises rows: y[i] = (x[r] - mean) / sqrt(mean((x[r] - mean)²) + eps) * gain + bias, where RMSNorm (Zhang & Sennrich 2019) has a mean of 0,
// and LayerNorm (Ba et al. 2016) the row's. Row r is i, or the row of output i. Grid: one workgroup per row.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{%- if .Outputs %}
{% .Binding %} var<storage, read> input: array<u32>;
{%- end %}
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{%- if .Bias %}
{% .Binding %} var<storage, read> bias: array<vec4<f32>>;
{%- end %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
var<workgroup> parts: array<f32, LANES>;

// total adds all lanes' values up, for all lanes.
fn total(lane: u32, v: f32) -> f32 {
	parts[lane] = v;
	workgroupBarrier();
	var sum = 0.0;
	if (lane < ROOTS) {
		for (var l = lane; l < LANES; l += ROOTS) { sum += parts[l]; }
	}
	workgroupBarrier();
	if (lane < ROOTS) { parts[lane] = sum; }
	workgroupBarrier();
	sum = 0.0;
	for (var l = 0u; l < ROOTS; l++) { sum += parts[l]; }
	return sum;
}

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let i = wid.x + wid.y * nwg.x;
	if (i >= {% .RowCount %}) { return; }
	let start = {% if .Outputs %}input[step.output_rows + i]{% else %}i{% end %} * X_VECS;
{%- if .Mean %}
	var sum = vec4<f32>(0.0);
	for (var k = lane; k < X_VECS; k += LANES) { sum += x[start + k]; }
	let mean = total(lane, dot(sum, vec4<f32>(1.0))) / NORM_COLS;
	workgroupBarrier(); // parts have been read
{%- end %}
	var square = 0.0;
	for (var k = lane; k < X_VECS; k += LANES) {
{%- if .Mean %}
		let inside = vec4<u32>(k * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(COLS);
		let v = select(vec4<f32>(0.0), x[start + k] - mean, inside);
{%- else %}
		let v = x[start + k];
{%- end %}
		square += dot(v, v);
	}
	let by = inverseSqrt(total(lane, square) / NORM_COLS + EPS);
	for (var k = lane; k < X_VECS; k += LANES) {
		let v = {% if .Mean %}(x[start + k] - mean){% else %}x[start + k]{% end %} * by * gain[k]{% if .Bias %} + bias[k]{% end %};
{%- if .Residual %}
		y[i * X_VECS + k] += v{% if .Scale %} * FACTOR{% end %};
{%- else %}
		y[i * X_VECS + k] = v;
{%- end %}
	}
}
