// Squares adds the squares of a matrix's inputs up, column by column over all rows: y[k] += sum of (x[r][k] * scales[r] * gain[k])².
{%- if .Routed %}
// Of experts' matrices there are sums for each, over the pairs of a row and an expert that are its own, and after the columns their number.
{%- end %}
// A lane takes 4 columns of every 16th row. Grid: x = ceil(X_VECS / 16) workgroups{% if .Routed %}, y = experts{% end %}.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{%- if .Norm %}
{% .Binding %} var<storage, read> scales: array<f32>;
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{%- end %}
{%- if .Routed %}
{% .Binding %} var<storage, read> routes: array<u32>;
{% template "routes" .Routing %}
{%- end %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
const COLUMNS: u32 = 16u; // vectors of 4
const ROWS: u32 = 16u; // at once
const LANES: u32 = 256u;
var<workgroup> parts: array<vec4<f32>, LANES>;
{%- if .Routed %}
var<workgroup> counts: array<u32, LANES>;
{%- end %}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let column = wid.x * COLUMNS + lane % COLUMNS;
	var sum = vec4<f32>();
{%- if .Routed %}
	var count = 0u;
{%- end %}
	if (column < X_VECS) {
{%- if .Routed %}
		for (var pair = lane / COLUMNS; pair < pairs(); pair += ROWS) {
			if (routes[pair] != wid.y) { continue; }
			count++;
			let row = pair{% if not .Paired %} / USED{% end %};
{%- else %}
		for (var row = lane / COLUMNS; row < {% .RowCount %}; row += ROWS) {
{%- end %}
			let v = x[row * X_VECS + column]{% if .Norm %} * scales[row]{% end %};
			sum += v * v;
		}
	}
	parts[lane] = sum;
{%- if .Routed %}
	counts[lane] = count;
{%- end %}
	workgroupBarrier();
	if (lane >= COLUMNS || column >= X_VECS) { return; }
	for (var r = 1u; r < ROWS; r++) { sum += parts[r * COLUMNS + lane]; }
{%- if .Routed %}
	let first = wid.y * (X_VECS + 1u);
	if (column == 0u) {
		for (var r = 1u; r < ROWS; r++) { count += counts[r * COLUMNS]; }
		y[first + X_VECS].x += f32(count);
	}
{%- end %}
	y[{% if .Routed %}first + {% end %}column] += sum{% if .Norm %} * gain[column] * gain[column]{% end %};
}
