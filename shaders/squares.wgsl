// Squares adds the squares of a matrix's inputs up, column by column over all rows: y[k] += sum of (x[r][k] * scales[r] * gain[k])².
// A lane takes 4 columns of every 16th row. Grid: ceil(X_VECS / 16) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{%- if .Norm %}
{% .Binding %} var<storage, read> scales: array<f32>;
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{%- end %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
const COLUMNS: u32 = 16u; // vectors of 4
const ROWS: u32 = 16u; // at once
const LANES: u32 = 256u;
var<workgroup> parts: array<vec4<f32>, LANES>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let column = wid.x * COLUMNS + lane % COLUMNS;
	var sum = vec4<f32>();
	if (column < X_VECS) {
		for (var row = lane / COLUMNS; row < {% .RowCount %}; row += ROWS) {
			let v = x[row * X_VECS + column]{% if .Norm %} * scales[row]{% end %};
			sum += v * v;
		}
	}
	parts[lane] = sum;
	workgroupBarrier();
	if (lane >= COLUMNS || column >= X_VECS) { return; }
	for (var r = 1u; r < ROWS; r++) { sum += parts[r * COLUMNS + lane]; }
	y[column] += sum{% if .Norm %} * gain[column] * gain[column]{% end %};
}
