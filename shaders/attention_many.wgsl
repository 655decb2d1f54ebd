// AttentionMany is prefill attention over paged KV: tiles of up to 32 query rows of one sequence and one head. Keys and
// values pass through workgroup memory KEYS tokens at a time; 4 lanes share a query row, each owning every fourth vector
// of the head. Online softmax: Milakov & Gimelshein 2018; tiling: Dao 2023 (FlashAttention-2). Causal by position.
// Grid: tiles * HEADS workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> q: array<vec4<f32>>;
{%- template "kv_read" . %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% template "tile" . %}
const LANES: u32 = 128u;
const PARTS: u32 = 4u; // lanes of a query row
var<workgroup> keys: array<vec4<f32>, TILE_VECS>;  // [token][HEAD_VECS], then values
var<workgroup> dots: array<f32, DOTS>;             // [token][row][part]

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let id = wid.x + wid.y * nwg.x;
	let head = id % HEADS;
	let index = id / HEADS;
	if (index >= step.many_count) { return; }
	let tile = load_tile(step.many_tiles, index);
	let context = tile.pos + tile.rows;
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
	let r = local / PARTS;
	let part = local % PARTS;
	let row = tile.row + min(r, tile.rows - 1u);
	let last = tile.pos + r; // last position this row sees
{%- range $i := seq .PartVecs %}
	let q{% $i %} = q[row * Q_VECS + head * HEAD_VECS + {% $i %}u * PARTS + part] * SCALE;
	var a{% $i %} = vec4<f32>(0.0);
{%- end %}
	var m = -1e30;
	var l = 0.0;
	for (var first = 0u; first < context; first += KEYS) {
		for (var i = local; i < TILE_VECS; i += LANES) {
			let t = first + i / HEAD_VECS;
			var v = vec4<f32>(0.0);
			if (t < context) { v = kv_scaled(input[tile.table + t / SLOTS], k_at + (t % SLOTS) * HEAD_VECS + i % HEAD_VECS); }
			keys[i] = v;
		}
		workgroupBarrier();
{%- range $t := seq .Keys %}
		dots[{% $t %}u * LANES + local] = {% range $i := seq $.PartVecs %}{% if $i %} + {% end %}dot(q{% $i %}, keys[{% $t %}u * HEAD_VECS + {% $i %}u * PARTS + part]){% end %};
{%- end %}
		workgroupBarrier();
		for (var i = local; i < TILE_VECS; i += LANES) {
			let t = first + i / HEAD_VECS;
			var v = vec4<f32>(0.0);
			if (t < context) { v = kv_scaled(input[tile.table + t / SLOTS], v_at + (t % SLOTS) * HEAD_VECS + i % HEAD_VECS); }
			keys[i] = v;
		}
		var n = m;
{%- range $t := seq .Keys %}
		let d{% $t %} = {% $t %}u * LANES + r * PARTS;
		let s{% $t %} = select(-1e30, dots[d{% $t %}] + dots[d{% $t %} + 1u] + dots[d{% $t %} + 2u] + dots[d{% $t %} + 3u], first + {% $t %}u <= last);
		n = max(n, s{% $t %});
{%- end %}
		let c = exp(m - n);
		m = n;
		l *= c;
{%- range $i := seq .PartVecs %}
		a{% $i %} *= c;
{%- end %}
		workgroupBarrier();
{%- range $t := seq .Keys %}
		{
			let p = select(0.0, exp(s{% $t %} - n), first + {% $t %}u <= last);
			l += p;
{%- range $i := seq $.PartVecs %}
			a{% $i %} += keys[{% $t %}u * HEAD_VECS + {% $i %}u * PARTS + part] * p;
{%- end %}
		}
{%- end %}
		workgroupBarrier();
	}
	if (r < tile.rows) {
{%- range $i := seq .PartVecs %}
		y[row * Y_VECS + head * HEAD_VECS + {% $i %}u * PARTS + part] = a{% $i %} / l;
{%- end %}
	}
}
