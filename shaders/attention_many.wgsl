// AttentionMany is prefill attention over paged KV: tiles of up to ROWS query rows of one sequence and one head, KEYS tokens at a time.
// A lane holds the scores of ROW_RUN rows with 4 tokens and, for the same rows, every ACROSS-th vector of the head of the output. Both
// products are made as a matrix product's tiles are: operands pass through workgroup memory DEPTH vectors (of the head, or of 4
// tokens) at a time, and the next ones are fetched meanwhile. Online softmax: Milakov & Gimelshein 2018; tiling: Dao 2023
// (FlashAttention-2). Causal by position. Tiles come last first: they see most.
// Grid: tiles * HEADS workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> q: array<vec4<f32>>;
{%- template "kv_read" . %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% template "tile" . %}
{%- if .Windowed %}{% template "window" . %}{% end %}
{%- if .Capped %}{% template "soft_cap" . %}{% end %}
// What belongs to rows, by [depth][row group], and to tokens, by [depth][lane across]. Pitches are odd, so that neighbouring lanes do
// not meet in a memory bank; the inner index is a constant where speed counts.
var<workgroup> left: array<array<vec4<f32>, LEFT_PITCH>, LEFTS>;    // q [row], maxima of 4 rows, weights [row] of 4 tokens
var<workgroup> right: array<array<vec4<f32>, RIGHT_PITCH>, RIGHTS>; // keys [token], values [token][vector]

// score adds the product of two vectors to a sum.
fn score(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }
{%- define "many_keys" %}
		// Where the keys are that this lane fetches; those beyond the context are the last again, and masked.
{%- range $n := seq .KeyFetches %}
		{
			let t = min({% $.From %} + (local + {% $n %}u * LANES) / DEPTH % KEYS, context - 1u);
			block{% $n %} = input[tile.table + t / SLOTS];
			key{% $n %} = k_at + t % SLOTS * HEAD_VECS + local % DEPTH;
		}
{%- end %}
{%- end %}
{%- define "many_fetch_scores" %}
{%- range $n := seq .QueryFetches %}
			f{% $n %} = q[query{% $n %} + {% $.Chunk %} * DEPTH];
{%- end %}
{%- range $n := seq .KeyFetches %}
			f{% add $n $.QueryFetches %} = kv_scaled(block{% $n %}, key{% $n %} + {% $.Chunk %} * DEPTH);
{%- end %}
{%- end %}
{%- define "many_fetch_values" %}
{%- range $n := seq .ValueFetches %}
			{
				let t = min(first + {% $.Turn %} * DEPTH * 4u + (local + {% $n %}u * LANES) / HEAD_VECS, context - 1u);
				f{% $n %} = kv_scaled(input[tile.table + t / SLOTS], v_at + t % SLOTS * HEAD_VECS + (local + {% $n %}u * LANES) % HEAD_VECS);
			}
{%- end %}
{%- end %}

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let id = wid.x + wid.y * nwg.x;
	let head = id % HEADS;
	if (id / HEADS >= step.many_count) { return; }
	let tile = load_tile(step.many_tiles, step.many_count - 1u - id / HEADS);
	let context = tile.pos + tile.rows;
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
	let down = local / ACROSS;
	let across = local % ACROSS;
	let row = down * ROW_RUN; // this lane's first
	let live = row < tile.rows;
{%- range $n := seq .QueryFetches %}
	let query{% $n %} = (tile.row + min((local + {% $n %}u * LANES) / DEPTH, tile.rows - 1u)) * Q_VECS + head * HEAD_VECS + local % DEPTH;
{%- end %}
{%- range $n := seq .KeyFetches %}
	var block{% $n %} = 0u;
	var key{% $n %} = 0u;
{%- end %}
{%- range $n := seq .Fetches %}
	var f{% $n %} = vec4<f32>(0.0);
{%- end %}
{%- range $i := seq .RowRun %}{% range $n := seq $.OutVecs %}
	var a{% $i %}_{% $n %} = vec4<f32>(0.0);
{%- end %}{% end %}
{%- range $g := seq (div .RowRun 4) %}
	var m{% $g %} = vec4<f32>(-1e30);
	var l{% $g %} = vec4<f32>(0.0);
{%- end %}
{%- if .Windowed %}
	let start = window_start(tile.pos + 1u);
{%- template "many_keys" .At "start" "0u" "" %}
{%- else %}
{%- template "many_keys" .At "0u" "0u" "" %}
{%- end %}
{%- template "many_fetch_scores" .At "" "0u" "" %}
	for (var first = {% if .Windowed %}start{% else %}0u{% end %}; first < context; first += KEYS) {
{%- range $i := seq .RowRun %}{% range $j := seq 4 %}
		var s{% $i %}_{% $j %} = 0.0;
{%- end %}{% end %}
		for (var chunk = 0u; chunk < HEAD_VECS / DEPTH; chunk++) {
			workgroupBarrier();
{%- range $n := seq .QueryFetches %}
			{
				let r = (local + {% $n %}u * LANES) / DEPTH;
				{% if $.QueryPart %}if (r < ROWS) {% end %}{ left[local % DEPTH * DOWN + r / ROW_RUN][r % ROW_RUN] = f{% $n %} * SCALE2; }
			}
{%- end %}
{%- range $n := seq .KeyFetches %}
			{
				let t = (local + {% $n %}u * LANES) / DEPTH;
				{% if $.KeyPart %}if (t < KEYS) {% end %}{ right[local % DEPTH * ACROSS + t / 4u][t % 4u] = f{% add $n $.QueryFetches %}; }
			}
{%- end %}
			workgroupBarrier();
			if (chunk + 1u < HEAD_VECS / DEPTH) {
{%- template "many_fetch_scores" .At "" "(chunk + 1u)" "" %}
			} else {
{%- template "many_fetch_values" .At "" "" "0u" %}
			}
			if (live) {
{%- range $d := seq .Depth %}
				{
{%- range $j := seq 4 %}
					let k{% $j %} = right[{% $d %}u * ACROSS + across][{% $j %}u];
{%- end %}
{%- range $i := seq $.RowRun %}
					let q{% $i %} = left[{% $d %}u * DOWN + down][{% $i %}u];
{%- range $j := seq 4 %}
					s{% $i %}_{% $j %} = score(q{% $i %}, k{% $j %}, s{% $i %}_{% $j %});
{%- end %}
{%- end %}
				}
{%- end %}
			}
		}
		// Maxima of the rows.
{%- range $i := seq .RowRun %}{% range $j := seq 4 %}
		s{% $i %}_{% $j %} = select(-1e30, {% if $.Capped %}soft_cap(s{% $i %}_{% $j %}, CAP2){% else %}s{% $i %}_{% $j %}{% end %}, first + across * 4u + {% $j %}u <= tile.pos + row + {% $i %}u
			{%- if $.Windowed %} && first + across * 4u + {% $j %}u + WINDOW > tile.pos + row + {% $i %}u{% end %});
{%- end %}{% end %}
		workgroupBarrier();
{%- range $g := seq (div .RowRun 4) %}
		left[{% $.Slot $g %} / TOP_RUN * DOWN + down][{% $.Slot $g %} % TOP_RUN] = vec4<f32>(
{%- range $c := seq 4 %}{% if $c %}, {% end %}{% $.Max (add (mul $g 4) $c) %}{% end %});
		let o{% $g %} = m{% $g %};
{%- end %}
		workgroupBarrier();
{%- range $z := seq .Tops %}
		m{% mod $z $.TopVecs %} = max(m{% mod $z $.TopVecs %}, left[{% div $z $.TopRun %}u * DOWN + down][{% mod $z $.TopRun %}u]);
{%- end %}
{%- range $g := seq (div .RowRun 4) %}
		let c{% $g %} = exp2(o{% $g %} - m{% $g %});
		l{% $g %} *= c{% $g %};
{%- end %}
{%- range $i := seq .RowRun %}
		{
			let p = exp2(vec4<f32>({% range $j := seq 4 %}{% if $j %}, {% end %}s{% $i %}_{% $j %}{% end %}) - m{% div $i 4 %}.{% comp (mod $i 4) %});
			l{% div $i 4 %}.{% comp (mod $i 4) %} += (p.x + p.y) + (p.z + p.w);
{%- range $j := seq 4 %}
			s{% $i %}_{% $j %} = p.{% comp $j %};
{%- end %}
{%- range $n := seq $.OutVecs %}
			a{% $i %}_{% $n %} *= c{% div $i 4 %}.{% comp (mod $i 4) %};
{%- end %}
		}
{%- end %}
		for (var turn = 0u; turn < ACROSS / DEPTH; turn++) {
			workgroupBarrier();
{%- range $n := seq .ValueFetches %}
			{
				let t = (local + {% $n %}u * LANES) / HEAD_VECS;
				let v = (local + {% $n %}u * LANES) % HEAD_VECS;
				{% if $.ValuePart %}if (t < DEPTH * 4u) {% end %}{ right[t / 4u * ACROSS + v % ACROSS][t % 4u * OUT_VECS + v / ACROSS] = f{% $n %}; }
			}
{%- end %}
			if (across / DEPTH == turn) {
{%- range $i := seq .RowRun %}
				left[across % DEPTH * DOWN + down][{% $i %}u] = vec4<f32>({% range $j := seq 4 %}{% if $j %}, {% end %}s{% $i %}_{% $j %}{% end %});
{%- end %}
			}
			workgroupBarrier();
			if (turn + 1u < ACROSS / DEPTH) {
{%- template "many_fetch_values" .At "" "" "(turn + 1u)" %}
			} else {
{%- template "many_keys" .At "first + KEYS" "" "" %}
{%- template "many_fetch_scores" .At "" "0u" "" %}
			}
			if (live) {
{%- range $d := seq .Depth %}
				{
{%- range $j := seq 4 %}{% range $n := seq $.OutVecs %}
					let v{% $j %}_{% $n %} = right[{% $d %}u * ACROSS + across][{% add (mul $j $.OutVecs) $n %}u];
{%- end %}{% end %}
{%- range $i := seq $.RowRun %}
					let p{% $i %} = left[{% $d %}u * DOWN + down][{% $i %}u];
{%- range $j := seq 4 %}{% range $n := seq $.OutVecs %}
					a{% $i %}_{% $n %} = fma(v{% $j %}_{% $n %}, vec4<f32>(p{% $i %}.{% comp $j %}), a{% $i %}_{% $n %});
{%- end %}{% end %}
{%- end %}
				}
{%- end %}
			}
		}
	}
	workgroupBarrier();
{%- range $g := seq (div .RowRun 4) %}
	left[{% $.Slot $g %} / TOP_RUN * DOWN + down][{% $.Slot $g %} % TOP_RUN] = l{% $g %};
	l{% $g %} = vec4<f32>(0.0);
{%- end %}
	workgroupBarrier();
{%- range $z := seq .Tops %}
	l{% mod $z $.TopVecs %} += left[{% div $z $.TopRun %}u * DOWN + down][{% mod $z $.TopRun %}u];
{%- end %}
{%- range $i := seq .RowRun %}
	if (row + {% $i %}u < tile.rows) {
		let at = (tile.row + row + {% $i %}u) * Y_VECS + head * HEAD_VECS;
{%- range $n := seq $.OutVecs %}
		if (across + {% $n %}u * ACROSS < HEAD_VECS) { y[at + across + {% $n %}u * ACROSS] = a{% $i %}_{% $n %} / l{% div $i 4 %}.{% comp (mod $i 4) %}; }
{%- end %}
	}
{%- end %}
}
