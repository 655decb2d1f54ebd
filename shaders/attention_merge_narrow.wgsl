// AttentionMergeNarrow does what AttentionMerge does, for CPUs: lanes are columns, and there is no barrier.
// Grid: one workgroup per (tile, head). Tiles whose context was not split are left alone.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> parts: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% template "tile" . %}
{% template "split" . %}
{%- if .Windowed %}{% template "window" . %}{% end %}
const LANES: u32 = 8u;

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = wid.x + wid.y * nwg.x;
	let head = id % HEADS;
	let index = id / HEADS;
	if (index >= step.few_count) { return; }
	let tile = load_tile(step.few_tiles, index);
	let context = tile.pos + tile.rows{% if .Windowed %} - window_start(tile.pos + tile.rows){% end %};
	let length = split_length(context);
	if (context <= length) { return; }
	let count = (context + length - 1u) / length;
	let at = (index * HEADS + head) * step.splits * (HEAD_VECS + 1u);
	var m = -1e30;
	for (var s = 0u; s < count; s++) { m = max(m, parts[at + s * (HEAD_VECS + 1u) + HEAD_VECS].x); }
	for (var column = lane; column < HEAD_VECS; column += LANES) {
		var a = vec4<f32>(0.0);
		var l = 0.0;
		for (var s = 0u; s < count; s++) {
			let part = at + s * (HEAD_VECS + 1u);
			let stat = parts[part + HEAD_VECS];
			let c = exp(stat.x - m);
			a += parts[part + column] * c;
			l += stat.y * c;
		}
		y[tile.row * Y_VECS + head * HEAD_VECS + column] = a / l;
	}
}
