// AttentionNarrow computes what Attention does, shaped for a CPU's SIMD unit: one lane per (tile of QUERIES rows, head, split),
// no barrier. A key or value vector is loaded once for all of the lane's query rows.
// Grid: ceil(tiles * HEADS * splits / 8) workgroups of one vector.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> q: array<vec4<f32>>;
{%- template "kv_read" . %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{%- if .Splits %}
{% .Binding %} var<storage, read_write> parts: array<vec4<f32>>;
{%- end %}
{% template "tile" . %}
{% template "split" . %}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = (wid.x + wid.y * nwg.x) * 8u + lane;
	let head = id % HEADS;
	let splits = {% if .Splits %}step.splits{% else %}1u{% end %};
	let split = (id / HEADS) % splits;
	let index = id / HEADS / splits;
	if (index >= step.{% .TileCount %}) { return; }
	let tile = load_tile(step.{% .TileOffset %}, index);
	let context = tile.pos + tile.rows;
{%- if .Splits %}
	let length = split_length(context);
	let start = split * length;
	if (start >= context) { return; }
	let to = min(start + length, context);
{%- else %}
	let start = 0u;
	let to = context;
{%- end %}
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
{%- range $r := seq .Queries %}
	let row{% $r %} = tile.row + min({% $r %}u, tile.rows - 1u);
	let q{% $r %} = row{% $r %} * Q_VECS + head * HEAD_VECS;
{%- range $i := seq $.Vecs %}
	let q{% $r %}_{% $i %} = q[q{% $r %} + {% $i %}u] * SCALE;
	var a{% $r %}_{% $i %} = vec4<f32>(0.0);
{%- end %}
	var m{% $r %} = -1e30;
	var l{% $r %} = 0.0;
{%- end %}
	for (var first = start; first < to; first += SLOTS) {
		let block = input[tile.table + first / SLOTS];
		let slots = min(SLOTS, to - first);
		for (var slot = 0u; slot < slots; slot++) {
			let ki = k_at + slot * HEAD_VECS;
			let vi = v_at + slot * HEAD_VECS;
{%- if .Int8 %}
			let key_scale = kv_scale(block, ki);
			let value_scale = kv_scale(block, vi);
{%- end %}
{%- range $r := seq .Queries %}
			var s{% $r %}_v = vec4<f32>(0.0);
{%- end %}
{%- range $i := seq .Vecs %}
			let k{% $i %} = kv_load(block, ki + {% $i %}u);
{%- range $r := seq $.Queries %}
			s{% $r %}_v += q{% $r %}_{% $i %} * k{% $i %};
{%- end %}
{%- end %}
{%- range $r := seq .Queries %}
			let s{% $r %} = dot(s{% $r %}_v, vec4<f32>(1.0)){% if $.Int8 %} * key_scale{% end %};
			let seen{% $r %} = first + slot <= tile.pos + {% $r %}u;
			let n{% $r %} = select(m{% $r %}, max(m{% $r %}, s{% $r %}), seen{% $r %});
			let c{% $r %} = exp(m{% $r %} - n{% $r %});
			let p{% $r %} = select(0.0, exp(s{% $r %} - n{% $r %}), seen{% $r %});
			l{% $r %} = l{% $r %} * c{% $r %} + p{% $r %};
			m{% $r %} = n{% $r %};
			let w{% $r %} = p{% $r %}{% if $.Int8 %} * value_scale{% end %};
{%- end %}
{%- range $i := seq .Vecs %}
			let v{% $i %} = kv_load(block, vi + {% $i %}u);
{%- range $r := seq $.Queries %}
			a{% $r %}_{% $i %} = a{% $r %}_{% $i %} * c{% $r %} + v{% $i %} * w{% $r %};
{%- end %}
{%- end %}
		}
	}
{%- range $r := seq .Queries %}
	if ({% $r %}u < tile.rows) {
{%- if $.Splits %}
		if (context > length) {
			let at = ((index * HEADS + head) * splits + split) * (HEAD_VECS + 1u);
{%- range $i := seq $.Vecs %}
			parts[at + {% $i %}u] = a{% $r %}_{% $i %};
{%- end %}
			parts[at + HEAD_VECS] = vec4<f32>(m{% $r %}, l{% $r %}, 0.0, 0.0);
			return;
		}
{%- end %}
		let at = row{% $r %} * Y_VECS + head * HEAD_VECS;
{%- range $i := seq $.Vecs %}
		y[at + {% $i %}u] = a{% $r %}_{% $i %} / l{% $r %};
{%- end %}
	}
{%- end %}
}
