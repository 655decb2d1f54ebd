// Fill writes pseudo-random words: (hash(i, seed) & keep) | set, into words begin to end of rows of row words. For weights of
// benchmarks, made where they are used. Grid: any; lanes stride.
struct Fill { words: u32, seed: u32, keep: u32, set_bits: u32, row: u32, begin: u32, end: u32 }
{% .Binding %} var<uniform> fill: Fill;
{% .Binding %} var<storage, read_write> y: array<u32>;

// mix is a 32-bit integer hash: Ellis, "lowbias32".
fn mix(v: u32) -> u32 {
	var h = v;
	h = (h ^ (h >> 16u)) * 0x7feb352du;
	h = (h ^ (h >> 15u)) * 0x846ca68bu;
	return h ^ (h >> 16u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	for (var i = wid.x * 64u + local; i < fill.words; i += nwg.x * 64u) {
		let at = i % fill.row;
		if (at >= fill.begin && at < fill.end) { y[i] = (mix(i ^ fill.seed) & fill.keep) | fill.set_bits; }
	}
}
