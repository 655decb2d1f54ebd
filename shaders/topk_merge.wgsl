// TopKMerge merges the candidates that TopKSlice left of each output: SLICES lists of K pairs, best first. LISTS lists are kept in
// workgroup memory; each is merged with every LISTS-th, then they with each other.
// y holds K pairs (id, logit bits) per output, as TopK leaves them. Grid: one workgroup per output.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> candidates: array<vec2<u32>>;
{% .Binding %} var<storage, read_write> y: array<vec2<u32>>;
{% template "lists" . %}

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let output = wid.x + wid.y * nwg.x;
	if (output >= step.outputs) { return; }
	for (var p = lane; p < PLACES; p += LANES) {
		values[p] = 0.0;
		ids[p] = NONE;
	}
	for (var first = 0u; first < SLICES; first += LISTS) {
		for (var p = lane; p < PLACES; p += LANES) { // each place is this lane's own until the barrier
			let slice = first + p / K;
			if (slice < SLICES) {
				let c = candidates[(output * SLICES + slice) * K + K - 1u - p % K];
				let v = bitcast<f32>(c.y);
				if (beats(v, c.x, values[p], ids[p])) {
					values[p] = v;
					ids[p] = c.x;
				}
			}
		}
		workgroupBarrier();
		settle(lane, PLACES, K);
	}
	merge_lists(lane, PLACES);
	if (lane < K) { y[output * K + lane] = vec2<u32>(ids[lane], bitcast<u32>(values[lane])); }
}
