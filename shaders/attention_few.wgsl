// AttentionFew is decode attention: y[row, head] = softmax(q·Kᵀ·scale)·V over paged KV for tiles of one query row. A
// workgroup takes one row, QUERY_HEADS heads that share a KV head, and one part of the context, 128 tokens at a time:
// a lane scores a token for all heads, then lanes own output columns. Online softmax: Milakov & Gimelshein 2018; parts
// of a long context are merged by attention_merge. Grid: tiles * (HEADS / QUERY_HEADS) * splits workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> q: array<vec4<f32>>;
{%- template "kv_read" . %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> parts: array<vec4<f32>>;
{% template "tile" . %}
{% template "split" . %}
const LANES: u32 = 128u;
var<workgroup> queries: array<vec4<f32>, QUERY_VECS>; // [head][HEAD_VECS]
var<workgroup> scores: array<f32, SCORES>;            // [head][LANES]
var<workgroup> reduced: array<f32, 128>;              // [head][16]
var<workgroup> top: array<f32, QUERY_HEADS>;          // running maximum of each head
var<workgroup> sums: array<vec4<f32>, LANES>;
var<workgroup> weights: array<f32, LANES>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = wid.x + wid.y * nwg.x;
	let chunk = id % (HEADS / QUERY_HEADS);
	let split = (id / (HEADS / QUERY_HEADS)) % step.splits;
	let index = id / (HEADS / QUERY_HEADS) / step.splits;
	if (index >= step.few_count) { return; }
	let tile = load_tile(step.few_tiles, index);
	let context = tile.pos + 1u;
	let length = split_length(context);
	let start = split * length;
	if (start >= context) { return; }
	let to = min(start + length, context);
	let head = chunk * QUERY_HEADS;
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
	for (var i = lane; i < QUERY_VECS; i += LANES) {
		queries[i] = q[tile.row * Q_VECS + head * HEAD_VECS + i] * SCALE;
	}
	if (lane < QUERY_HEADS) { top[lane] = -1e30; }
	// As owner of an output column, among GROUPS that take every GROUPS-th token.
	let column = lane % HEAD_VECS;
	let group = lane / HEAD_VECS;
{%- range $h := seq .QueryHeads %}
	var a{% $h %} = vec4<f32>(0.0);
	var l{% $h %} = 0.0;
{%- end %}
	workgroupBarrier();
	for (var first = start; first < to; first += LANES) {
		let count = min(LANES, to - first);
{%- range $h := seq .QueryHeads %}
		var s{% $h %} = -1e30;
{%- end %}
		if (lane < count) {
			let t = first + lane;
			let block = input[tile.table + t / SLOTS];
			let at = k_at + (t % SLOTS) * HEAD_VECS;
{%- range $h := seq .QueryHeads %}
			var d{% $h %} = vec4<f32>(0.0);
{%- end %}
{%- if .Int8 %}
			let scale = kv_scale(block, at);
{%- end %}
			for (var i = 0u; i < HEAD_VECS; i++) {
				let k = kv_load(block, at + i);
{%- range $h := seq .QueryHeads %}
				d{% $h %} += queries[{% $h %}u * HEAD_VECS + i] * k;
{%- end %}
			}
{%- range $h := seq .QueryHeads %}
			s{% $h %} = dot(d{% $h %}, vec4<f32>(1.0)){% if $.Int8 %} * scale{% end %};
{%- end %}
		}
{%- range $h := seq .QueryHeads %}
		let old{% $h %} = top[{% $h %}];
		scores[{% $h %}u * LANES + lane] = s{% $h %};
{%- end %}
		workgroupBarrier();
		if (lane < QUERY_HEADS * 16u) {
			var m = -1e30;
			for (var i = 0u; i < 8u; i++) { m = max(m, scores[(lane / 16u) * LANES + (lane % 16u) + i * 16u]); }
			reduced[lane] = m;
		}
		workgroupBarrier();
		if (lane < QUERY_HEADS) {
			var m = top[lane];
			for (var i = 0u; i < 16u; i++) { m = max(m, reduced[lane * 16u + i]); }
			top[lane] = m;
		}
		workgroupBarrier();
{%- range $h := seq .QueryHeads %}
		let new{% $h %} = top[{% $h %}];
		scores[{% $h %}u * LANES + lane] = select(0.0, exp(s{% $h %} - new{% $h %}), lane < count);
		a{% $h %} *= exp(old{% $h %} - new{% $h %});
		l{% $h %} *= exp(old{% $h %} - new{% $h %});
{%- end %}
		workgroupBarrier();
		if (group < GROUPS) {
			for (var i = group; i < count; i += GROUPS) {
				let t = first + i;
				let v = kv_scaled(input[tile.table + t / SLOTS], v_at + (t % SLOTS) * HEAD_VECS + column);
{%- range $h := seq .QueryHeads %}
				let p{% $h %} = scores[{% $h %}u * LANES + i];
				a{% $h %} += v * p{% $h %};
				l{% $h %} += p{% $h %};
{%- end %}
			}
		}
		workgroupBarrier();
	}
{%- range $h := seq .QueryHeads %}
	sums[lane] = a{% $h %};
	weights[lane] = l{% $h %};
	workgroupBarrier();
	if (group == 0u) {
		var a = sums[lane];
		var l = weights[lane];
		for (var g = 1u; g < GROUPS; g++) {
			a += sums[lane + g * HEAD_VECS];
			l += weights[lane + g * HEAD_VECS];
		}
		if (context > length) {
			let at = ((index * HEADS + head + {% $h %}u) * step.splits + split) * (HEAD_VECS + 1u);
			parts[at + column] = a;
			if (column == 0u) { parts[at + HEAD_VECS] = vec4<f32>(top[{% $h %}], l, 0.0, 0.0); }
		} else {
			y[tile.row * Y_VECS + (head + {% $h %}u) * HEAD_VECS + column] = a / l;
		}
	}
	workgroupBarrier();
{%- end %}
}
