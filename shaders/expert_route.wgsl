// ExpertRoute picks for each token row the USED experts with the largest logits, ties by the smaller number, and what their outputs are
// weighted with. Shazeer et al. 2017 (softmax of the chosen), Fedus et al. 2022 (of all), DeepSeek-V3 2024 (sigmoid).
// An expert's place is how many beat it, so that all are found at once.
// A NaN ranks below all others; it makes the weights NaN where it counts. Grid: one workgroup per row. Bindings: step, logits, routes.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> logits: array<f32>;
{% .Binding %} var<storage, read_write> routes: array<u32>;
{% template "routes" .Routing %}
const LOWEST: f32 = -3.4028234e38;
var<workgroup> values: array<f32, EXPERTS>; // as they rank
var<workgroup> scores: array<f32, EXPERTS>; // what weights are made of
var<workgroup> chosen: array<u32, USED>;

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let row = wid.x + wid.y * nwg.x;
	if (row >= step.rows) { return; }
	for (var e = lane; e < EXPERTS; e += LANES) {
		let v = logits[row * STRIDE + e];
		values[e] = select(LOWEST, max(v, LOWEST), v == v);
		scores[e] = v;
	}
	workgroupBarrier();
	for (var e = lane; e < EXPERTS; e += LANES) {
		let v = values[e];
		var place = 0u;
		for (var i = 0u; i < EXPERTS; i++) {
			let w = values[i];
			place += select(0u, 1u, w > v || (w == v && i < e));
		}
		if (place < USED) { chosen[place] = e; }
	}
	workgroupBarrier();
	let highest = scores[chosen[0]];
	workgroupBarrier();
	for (var e = lane; e < EXPERTS; e += LANES) {
{%- if .Sigmoid %}
		scores[e] = 1.0 / (1.0 + exp(-scores[e]));
{%- else %}
		scores[e] = exp(scores[e] - highest);
{%- end %}
	}
	workgroupBarrier();
	for (var turn = lane; turn < USED; turn += LANES) {
		var by = 1.0;
{%- if .OfChosen %}
		by = 0.0;
		for (var i = 0u; i < USED; i++) { by += scores[chosen[i]]; }
{%- else if .OfAll %}
		by = 0.0;
		for (var i = 0u; i < EXPERTS; i++) { by += scores[i]; }
{%- end %}
		let at = row * USED + turn;
		routes[at] = chosen[turn];
		routes[weight_at() + at] = bitcast<u32>(scores[chosen[turn]] / {% if .Sigmoid %}max(by, SMALLEST){% else %}by{% end %} * SCALE);
	}
}
