// AttentionNarrow computes what Attention does, shaped for a CPU's SIMD unit: one lane per (tile of QUERIES rows, AT_ONCE heads
// of a KV head, split), no barrier. A key or value vector is loaded once for all of the lane's query rows and heads: loads
// are what costs there.
// Grid: ceil(tiles * HEADS / AT_ONCE * splits / 8) workgroups of one vector.
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
{%- if .Windowed %}{% template "window" . %}{% end %}
{%- if .Capped %}{% template "soft_cap" . %}{% end %}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = (wid.x + wid.y * nwg.x) * 8u + lane;
	let lanes = HEADS / AT_ONCE;
	let head = id % lanes * AT_ONCE; // the first
	let splits = {% if .Splits %}step.splits{% else %}1u{% end %};
	let split = (id / lanes) % splits;
	let index = id / lanes / splits;
	if (index >= step.{% .TileCount %}) { return; }
	let tile = load_tile(step.{% .TileOffset %}, index);
	let context = tile.pos + tile.rows;
{%- if .Splits %}
{%- if .Windowed %}
	let unseen = window_start(context);
	let length = split_length(context - unseen);
	let start = unseen + split * length;
{%- else %}
	let length = split_length(context);
	let start = split * length;
{%- end %}
	if (start >= context) { return; }
	let to = min(start + length, context);
{%- else %}
	let start = {% if .Windowed %}window_start(tile.pos + 1u){% else %}0u{% end %};
	let to = context;
{%- end %}
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
{%- range $r := seq .Queries %}
	let row{% $r %} = tile.row + min({% $r %}u, tile.rows - 1u);
{%- end %}
{%- range $p := seq .Pairs %}{% $r := div $p $.AtOnce %}{% $h := mod $p $.AtOnce %}
	let q{% $p %} = row{% $r %} * Q_VECS + (head + {% $h %}u) * HEAD_VECS;
{%- range $i := seq $.Vecs %}
	let q{% $p %}_{% $i %} = q[q{% $p %} + {% $i %}u] * SCALE;
	var a{% $p %}_{% $i %} = vec4<f32>(0.0);
{%- end %}
	var m{% $p %} = -1e30;
	var l{% $p %} = 0.0;
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
{%- range $p := seq .Pairs %}
			var s{% $p %}_v = vec4<f32>(0.0);
{%- end %}
{%- range $i := seq .Vecs %}
			let k{% $i %} = kv_load(block, ki + {% $i %}u);
{%- range $p := seq $.Pairs %}
			s{% $p %}_v += q{% $p %}_{% $i %} * k{% $i %};
{%- end %}
{%- end %}
{%- range $p := seq .Pairs %}
			let s{% $p %} = {% if $.Capped %}soft_cap({% end %}dot(s{% $p %}_v, vec4<f32>(1.0)){% if $.Int8 %} * key_scale{% end %}{% if $.Capped %}, CAP){% end %};
			let seen{% $p %} = first + slot <= tile.pos + {% div $p $.AtOnce %}u{% if $.Windowed %} && first + slot + WINDOW > tile.pos + {% div $p $.AtOnce %}u{% end %};
			let n{% $p %} = select(m{% $p %}, max(m{% $p %}, s{% $p %}), seen{% $p %});
			let c{% $p %} = exp(m{% $p %} - n{% $p %});
			let p{% $p %} = select(0.0, exp(s{% $p %} - n{% $p %}), seen{% $p %});
			l{% $p %} = l{% $p %} * c{% $p %} + p{% $p %};
			m{% $p %} = n{% $p %};
			let w{% $p %} = p{% $p %}{% if $.Int8 %} * value_scale{% end %};
{%- end %}
{%- range $i := seq .Vecs %}
			let v{% $i %} = kv_load(block, vi + {% $i %}u);
{%- range $p := seq $.Pairs %}
			a{% $p %}_{% $i %} = a{% $p %}_{% $i %} * c{% $p %} + v{% $i %} * w{% $p %};
{%- end %}
{%- end %}
		}
	}
{%- if .Splits %}
	let at = ((index * HEADS + head) * splits + split) * (HEAD_VECS + 1u);
{%- end %}
{%- range $p := seq .Pairs %}{% $r := div $p $.AtOnce %}{% $h := mod $p $.AtOnce %}
	if ({% $r %}u < tile.rows) {
{%- if $.Splits %}
		if (context{% if $.Windowed %} - unseen{% end %} > length) {
			let at = at + {% $h %}u * splits * (HEAD_VECS + 1u);
{%- range $i := seq $.Vecs %}
			parts[at + {% $i %}u] = a{% $p %}_{% $i %};
{%- end %}
			parts[at + HEAD_VECS] = vec4<f32>(m{% $p %}, l{% $p %}, 0.0, 0.0);
		} else {
{%- else %}
		{
{%- end %}
			let at = row{% $r %} * Y_VECS + (head + {% $h %}u) * HEAD_VECS;
{%- range $i := seq $.Vecs %}
			y[at + {% $i %}u] = a{% $p %}_{% $i %} / l{% $p %};
{%- end %}
		}
	}
{%- end %}
}
