// Score weighs one token against all: y holds, for each output, log(sum of exp(logit)) and the logit of its target token, whose
// log-probability is the second less the first. The largest logit is taken off before exp. Where a logit is NaN or +inf the first is
// NaN. Grid: one workgroup per output.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> logits: array<f32>;
{% .Binding %} var<storage, read_write> y: array<vec2<f32>>;
const LANES: u32 = 256u;
var<workgroup> parts: array<f32, LANES>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let output = wid.x + wid.y * nwg.x;
	if (output >= step.outputs) { return; }
	let base = output * STRIDE;
	var largest = logits[base]; // of all, where a lane has none
	for (var i = lane; i < VOCAB; i += LANES) { largest = max(largest, logits[base + i]); }
	parts[lane] = largest;
	workgroupBarrier();
	for (var width = LANES / 2u; width > 0u; width /= 2u) {
		if (lane < width) { parts[lane] = max(parts[lane], parts[lane + width]); }
		workgroupBarrier();
	}
	largest = parts[0];
	workgroupBarrier();
	var sum = 0.0;
	for (var i = lane; i < VOCAB; i += LANES) { sum += exp(logits[base + i] - largest); }
	parts[lane] = sum;
	workgroupBarrier();
	for (var width = LANES / 2u; width > 0u; width /= 2u) {
		if (lane < width) { parts[lane] += parts[lane + width]; }
		workgroupBarrier();
	}
	if (lane == 0u) { y[output] = vec2<f32>(largest + log(parts[0]), logits[base + input[step.targets + output]]); }
}
