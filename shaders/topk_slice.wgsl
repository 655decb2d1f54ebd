// TopKSlice finds the K best of each slice of LANES * VECS vectors of an output's logits, in TopK's order: what TopKMerge then merges.
// A lane loads VECS vectors, all at once. No lane whose own best is not among the K best of the lanes' has any of the K best of all, so
// only K lanes' logits are sorted.
// Candidates are K pairs (id, logit bits) per output and slice. Grid: SLICES workgroups per output.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> logits: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> candidates: array<vec2<u32>>;
{% template "lists" . %}

// load is a vector of a row; past its end the last one, for ids that rank_id refuses.
fn load(row: u32, at: u32) -> vec4<f32> { return logits[row * ROW_VECS + min(at, ROW_VECS - 1u)]; }

// rank_id is the id that a logit ranks with: none for NaN, and past the vocabulary.
fn rank_id(v: f32, id: u32) -> u32 { return select(NONE, id, v == v && id < VOCAB); }

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let index = wid.x + wid.y * nwg.x;
	let row = index / SLICES;
	if (row >= step.outputs) { return; }
	let first = index % SLICES * LANES * VECS;
{%- range $i := seq .Vecs %}
	let x{% $i %} = load(row, first + {% $i %}u * LANES + lane);
{%- end %}
	var value = 0.0;
	var id = NONE;
{%- range $i := seq .Vecs %}
{%- range $c := seq 4 %}
	let i{% $i %}{% $c %} = rank_id(x{% $i %}.{% comp $c %}, (first + {% $i %}u * LANES + lane) * 4u + {% $c %}u);
	if (beats(x{% $i %}.{% comp $c %}, i{% $i %}{% $c %}, value, id)) {
		value = x{% $i %}.{% comp $c %};
		id = i{% $i %}{% $c %};
	}
{%- end %}
{%- end %}
	values[lane] = value;
	ids[lane] = id;
	workgroupBarrier();
	sort_lists(lane, LANES);
	merge_lists(lane, LANES);
{%- if gt .K 1 %}
	// The logits of the lanes that hold the K best, a vector to each lane.
	var x = vec4<f32>(0.0);
	var at = NONE;
	if (lane < K * VECS && ids[lane / VECS] != NONE) {
		at = first + ids[lane / VECS] / 4u % LANES + lane % VECS * LANES;
		x = load(row, at);
	}
	workgroupBarrier();
	if (lane < K * VECS) {
{%- range $c := seq 4 %}
		values[lane * 4u + {% $c %}u] = x.{% comp $c %};
		ids[lane * 4u + {% $c %}u] = rank_id(x.{% comp $c %}, at * 4u + {% $c %}u); // NONE, where at is
{%- end %}
	}
	workgroupBarrier();
	sort_lists(lane, K * VECS * 4u);
	merge_lists(lane, K * VECS * 4u);
{%- end %}
	if (lane < K) { candidates[index * K + lane] = vec2<u32>(ids[lane], bitcast<u32>(values[lane])); }
}
