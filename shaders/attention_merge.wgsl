// AttentionMerge joins the parts of split contexts: each holds a weighted sum of values, its maximum score and its weight.
// A workgroup takes one (tile, head): lanes own columns, GROUPS of lanes every GROUPS-th part. What is read does not wait for
// the maximum of all. Grid: tiles * HEADS workgroups. Tiles whose context was not split are left alone.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> parts: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% template "tile" . %}
{% template "split" . %}
{%- if .Windowed %}{% template "window" . %}{% end %}
var<workgroup> tops: array<f32, LANES>;    // of each part
var<workgroup> factors: array<f32, LANES>; // by which a part's sum is multiplied
var<workgroup> weights: array<f32, LANES>;
var<workgroup> sums: array<vec4<f32>, LANES>;

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = wid.x + wid.y * nwg.x;
	let head = id % HEADS;
	let index = id / HEADS;
	if (index >= step.few_count) { return; }
	let tile = load_tile(step.few_tiles, index);
	let context = tile.pos + tile.rows{% if .Windowed %} - window_start(tile.pos + tile.rows){% end %};
	let length = split_length(context);
	if (context <= length) { return; }
	let count = (context + length - 1u) / length; // at most MAX_SPLITS, which are at most LANES
	let at = (index * HEADS + head) * step.splits * (HEAD_VECS + 1u);
	let column = lane % HEAD_VECS;
	let group = lane / HEAD_VECS;
	let own = parts[at + min(lane, count - 1u) * (HEAD_VECS + 1u) + HEAD_VECS];
{%- range $n := seq .Ahead %}
	let s{% $n %} = min(group + {% $n %}u * GROUPS, count - 1u);
	let v{% $n %} = parts[at + s{% $n %} * (HEAD_VECS + 1u) + column];
{%- end %}
	tops[lane] = own.x;
	workgroupBarrier();
	var m = tops[0];
	for (var s = 1u; s < count; s++) { m = max(m, tops[s]); }
	let factor = exp(own.x - m);
	factors[lane] = factor;
	weights[lane] = factor * own.y;
	workgroupBarrier();
	var a = vec4<f32>(0.0);
	if (group < GROUPS) {
{%- range $n := seq .Ahead %}
		if (group + {% $n %}u * GROUPS < count) { a = fma(v{% $n %}, vec4<f32>(factors[s{% $n %}]), a); }
{%- end %}
		for (var s = group + AHEAD * GROUPS; s < count; s += GROUPS) {
			a = fma(parts[at + s * (HEAD_VECS + 1u) + column], vec4<f32>(factors[s]), a);
		}
	}
	sums[lane] = a;
	workgroupBarrier();
	if (group > 0u) { return; }
	var l = 0.0;
	for (var s = 0u; s < count; s++) { l += weights[s]; }
	for (var g = 1u; g < GROUPS; g++) { a += sums[g * HEAD_VECS + column]; }
	y[tile.row * Y_VECS + head * HEAD_VECS + column] = a / l;
}
