// TopK finds the K largest logits of each output, largest first, ties by the smaller id; K = 1 is argmax. Each lane keeps the best
// of its share that is still below the last one taken, and only the winner looks again.
// A NaN ranks below everything. y holds K pairs (id, logit bits) per output. Grid: one workgroup per output.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> logits: array<f32>;
{% .Binding %} var<storage, read_write> y: array<u32>;
{% template "pairs" . %}

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let output = wid.x + wid.y * nwg.x;
	if (output >= step.outputs) { return; }
	let base = output * STRIDE;
	var last_value = 0.0;
	var last_id = NONE; // none taken yet
	var value = 0.0;
	var id = NONE;
	var stale = true;
	for (var k = 0u; k < K; k++) {
		if (stale) {
			value = 0.0;
			id = NONE;
			for (var i = lane; i < VOCAB; i += LANES) {
				let v = logits[base + i];
				let open = last_id == NONE || v < last_value || (v == last_value && i > last_id);
				if (v == v && open && beats(v, i, value, id)) {
					value = v;
					id = i;
				}
			}
			stale = false;
		}
		values[lane] = value;
		ids[lane] = id;
		workgroupBarrier();
		for (var width = LANES / 2u; width > 0u; width /= 2u) {
			if (lane < width && beats(values[lane + width], ids[lane + width], values[lane], ids[lane])) {
				values[lane] = values[lane + width];
				ids[lane] = ids[lane + width];
			}
			workgroupBarrier();
		}
		last_value = values[0];
		last_id = ids[0];
		workgroupBarrier();
		stale = id == last_id;
		if (lane == 0u) {
			y[(output * K + k) * 2u] = last_id;
			y[(output * K + k) * 2u + 1u] = bitcast<u32>(last_value);
		}
	}
}
