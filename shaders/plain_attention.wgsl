// PlainAttention attends as a textbook does: a lane goes through the whole context of one query row and head, with an online
// softmax. Grid: ceil(tiles * rows of a tile * HEADS / 64) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> q: array<vec4<f32>>;
{%- template "kv_read" . %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% template "tile" . %}
{%- if .Capped %}{% template "soft_cap" . %}{% end %}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = (wid.x + wid.y * nwg.x) * 64u + lane;
	let head = id % HEADS;
	let r = id / HEADS % {% .Queries %}u;
	let index = id / HEADS / {% .Queries %}u;
	if (index >= step.{% .TileCount %}) { return; }
	let tile = load_tile(step.{% .TileOffset %}, index);
	if (r >= tile.rows) { return; }
	let row = tile.row + r;
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
	var a: array<vec4<f32>, HEAD_VECS>;
	var most = -1e30;
	var sum = 0.0;
	for (var t = {% if .Windowed %}max(tile.pos + r + 1u, WINDOW) - WINDOW{% else %}0u{% end %}; t <= tile.pos + r; t++) {
		let block = input[tile.table + t / SLOTS];
		let at = t % SLOTS * HEAD_VECS;
		var score = 0.0;
		for (var i = 0u; i < HEAD_VECS; i++) {
			score += dot(q[row * Q_VECS + head * HEAD_VECS + i], kv_scaled(block, k_at + at + i));
		}
		score *= SCALE;
{%- if .Capped %}
		score = soft_cap(score, CAP);
{%- end %}
		let m = max(most, score);
		let keep = exp(most - m);
		let p = exp(score - m);
		most = m;
		sum = sum * keep + p;
		for (var i = 0u; i < HEAD_VECS; i++) {
			a[i] = a[i] * keep + kv_scaled(block, v_at + at + i) * p;
		}
	}
	for (var i = 0u; i < HEAD_VECS; i++) {
		y[row * Y_VECS + head * HEAD_VECS + i] = a[i] / sum;
	}
}
