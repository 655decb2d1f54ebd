// AttentionFew is decode attention: y[row, head] = softmax(q·Kᵀ·scale)·V over paged KV for tiles of one query row. A workgroup
// takes one row, QUERY_HEADS heads that share a KV head, and one part of the context, TILE tokens at a time. KEY_LANES lanes read a key
// side by side, each lane some vectors of KEYS keys, and the values that it needs first, before anything is computed of them; dot products
// are added up in workgroup memory. Then lanes own output columns, and GROUPS of lanes RUN tokens each. Numbers of heads lie side
// by side in a vector. Online softmax: Milakov & Gimelshein 2018; parts of a long context are merged by attention_merge.
// With a window, what is cut in parts begins with the block of the first token in it.
// A head's sums are in one order, whatever QUERY_HEADS is.
// Grid: tiles * (HEADS / QUERY_HEADS) * splits workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read> q: array<vec4<f32>>;
{%- template "kv_read" . %}
{% .Binding %} var<storage, read_write> y: array<vec4<f32>>;
{% .Binding %} var<storage, read_write> parts: array<vec4<f32>>;
{% template "tile" . %}
{% template "split" . %}
{%- if .Windowed %}{% template "window" . %}{% end %}
{%- if .Capped %}{% template "soft_cap" . %}{% end %}
var<workgroup> queries: array<array<vec4<f32>, QUERY_PITCH>, KEY_LANES>; // [key lane][head][vector of the lane]
var<workgroup> dots: array<array<{% .Score %}, DOT_PITCH>, DOTS>;        // [vector of heads][token][key lane]{% if eq .Wide 4 %}; at the end sums, see sum_row{% end %}
{%- if lt .Wide 4 %}
var<workgroup> sums: array<array<vec4<f32>, DOT_PITCH>, SUMS>;
{%- end %}
var<workgroup> scores: array<array<{% .Score %}, RUN>, SCORES>;          // [vector of heads][group][token]
var<workgroup> reduced: array<{% .Score %}, REDUCED>;                    // [vector of heads][8]
var<workgroup> blocks: array<u32, BLOCKS>;                               // [buffer][block of the tile]

// score adds the product of two vectors to a sum.
fn score(a: vec4<f32>, b: vec4<f32>, sum: f32) -> f32 { return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum)))); }
{%- define "few_keys" %}
		// The lane's vectors of its keys, of {% .Count %} from block {% .Buffer %} on; lanes past the end read the last.
{%- range $u := seq .Keys %}
		let i{% $u %} = min({% $u %}u * AT_ONCE + key, {% $.Count %} - 1u);
		let b{% $u %} = blocks[{% $.Buffer %} + i{% $u %} / SLOTS];
		let w{% $u %} = k_at + i{% $u %} % SLOTS * HEAD_VECS + part;
{%- range $i := seq $.KeyVecs %}
		k{% $u %}_{% $i %} = kv_raw(b{% $u %}, w{% $u %} + {% $i %}u * KEY_LANES);
{%- end %}
{%- end %}
{%- end %}

@compute @workgroup_size({% .Lanes %})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
	let id = wid.x + wid.y * nwg.x;
	let chunk = id % (HEADS / QUERY_HEADS);
	let split = (id / (HEADS / QUERY_HEADS)) % step.splits;
	let index = id / (HEADS / QUERY_HEADS) / step.splits;
	if (index >= step.few_count) { return; }
	let tile = load_tile(step.few_tiles, index);
	let context = tile.pos + 1u;
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
	let head = chunk * QUERY_HEADS;
	let k_at = (head / GROUP) * SLOTS * HEAD_VECS;
	let v_at = k_at + KV_HEADS * SLOTS * HEAD_VECS;
	// As reader of keys: token key of every AT_ONCE, and vectors part, part + KEY_LANES and so on of each.
	let key = lane / KEY_LANES;
	let part = lane % KEY_LANES;
	// As owner of an output column, in a group with RUN tokens of each tile. Lanes left over are a group that counts for nothing.
	let column = lane % HEAD_VECS;
	let group = lane / HEAD_VECS;
	for (var i = lane; i < QUERY_HEADS * HEAD_VECS; i += LANES) {
		let vector = i % HEAD_VECS;
		queries[vector % KEY_LANES][i / HEAD_VECS * KEY_VECS + vector / KEY_LANES] = q[tile.row * Q_VECS + head * HEAD_VECS + i] * SCALE;
	}
	for (var i = TILE + lane; i < GROUPS_UP * RUN; i += LANES) {
{%- range $v := seq .ScoreVecs %}
		scores[{% $v %}u * GROUPS_UP + i / RUN][i % RUN] = {% $.Score %}(0.0);
{%- end %}
	}
	let last_block = tile.table + (to - 1u) / SLOTS;
	if (lane < TILE / SLOTS) { blocks[lane] = input[min(tile.table + start / SLOTS + lane, last_block)]; }
{%- range $h := seq .QueryHeads %}
	var a{% $h %} = vec4<f32>(0.0);
{%- end %}
{%- range $v := seq .ScoreVecs %}
	var m{% $v %} = {% $.Score %}(-1e30);
	var l{% $v %} = {% $.Score %}(0.0);
{%- end %}
	var buffer = 0u;
{%- range $u := seq .Keys %}{% range $i := seq $.KeyVecs %}
	var k{% $u %}_{% $i %}: {% template "kv_vec" $ %};
{%- end %}{% end %}
	workgroupBarrier();
{%- if .Next %}
	{
		let count = min(TILE, to - start);
{%- template "few_keys" .At "count" "buffer" %}
	}
{%- end %}
	for (var first = start; first < to; first += TILE) {
		let count = min(TILE, to - first);
		let next_block = input[min(tile.table + (first + TILE) / SLOTS + lane, last_block)];
{%- if not .Next %}
{%- template "few_keys" .At "count" "buffer" %}
{%- end %}
{%- if .Int8 %}
		// The scales of token `lane`.
		let own = min(lane, count - 1u);
		let own_block = blocks[buffer + own / SLOTS];
		let key_scale = kv_scale(own_block, k_at + own % SLOTS * HEAD_VECS);
		let value_scale = kv_scale(own_block, v_at + own % SLOTS * HEAD_VECS);
{%- end %}
{%- range $n := seq .Ahead %}
		let j{% $n %} = min(group * RUN + {% $n %}u, count - 1u);
		let v{% $n %} = kv_raw(blocks[buffer + j{% $n %} / SLOTS], v_at + j{% $n %} % SLOTS * HEAD_VECS + column);
{%- end %}
{%- range $u := seq .Keys %}{% range $h := seq $.QueryHeads %}
		var d{% $u %}_{% $h %} = 0.0;
{%- end %}{% end %}
{%- range $i := seq .KeyVecs %}
		{
{%- range $u := seq $.Keys %}
			let k{% $u %} = kv_unpack(k{% $u %}_{% $i %});
{%- end %}
{%- range $h := seq $.QueryHeads %}
			let q{% $h %} = queries[part][{% add (mul $h $.KeyVecs) $i %}u];
{%- range $u := seq $.Keys %}
			d{% $u %}_{% $h %} = score(q{% $h %}, k{% $u %}, d{% $u %}_{% $h %});
{%- end %}
{%- end %}
		}
{%- end %}
{%- range $u := seq .Keys %}{% range $v := seq $.ScoreVecs %}
		dots[{% $v %}u * TILE + {% $u %}u * AT_ONCE + key][part] = {% $.Pack (printf "d%d" $u) $v %};
{%- end %}{% end %}
		workgroupBarrier();
		buffer = TILE / SLOTS - buffer;
		if (lane < TILE / SLOTS) { blocks[buffer + lane] = next_block; }
{%- range $v := seq .ScoreVecs %}
		var s{% $v %} = {% $.Score %}(-1e30);
{%- end %}
		if (lane < count{% if .Windowed %} && first + lane + WINDOW >= context{% end %}) {
{%- range $v := seq .ScoreVecs %}
			s{% $v %} = {% if $.Int8 %}key_scale * ({% end %}{% range $j := seq $.KeyLanes %}{% if $j %} + {% end %}dots[{% $v %}u * TILE + lane][{% $j %}u]{% end %}{% if $.Int8 %}){% end %};
{%- end %}
{%- if .Capped %}
{%- range $h := seq .QueryHeads %}
			s{% div $h 4 %}{% $.Of $h %} = soft_cap(s{% div $h 4 %}{% $.Of $h %}, CAP);
{%- end %}
{%- end %}
		}
		if (lane < TILE) {
{%- range $v := seq .ScoreVecs %}
			scores[{% $v %}u * GROUPS_UP + lane / RUN][lane % RUN] = s{% $v %};
{%- end %}
		}
		workgroupBarrier();
		if (lane < 8u) {
{%- range $v := seq .ScoreVecs %}
			var n{% $v %} = m{% $v %};
{%- end %}
			for (var i = lane; i < TILE; i += 8u) {
{%- range $v := seq .ScoreVecs %}
				n{% $v %} = max(n{% $v %}, scores[{% $v %}u * GROUPS_UP + i / RUN][i % RUN]);
{%- end %}
			}
{%- range $v := seq .ScoreVecs %}
			reduced[{% $v %}u * 8u + lane] = n{% $v %};
{%- end %}
		}
		workgroupBarrier();
{%- range $v := seq .ScoreVecs %}
		var n{% $v %} = reduced[{% mul $v 8 %}u];
{%- range $i := seq 7 %}
		n{% $v %} = max(n{% $v %}, reduced[{% add (mul $v 8) (add $i 1) %}u]);
{%- end %}
		let c{% $v %} = exp(m{% $v %} - n{% $v %});
		m{% $v %} = n{% $v %};
		l{% $v %} *= c{% $v %};
{%- end %}
		if (lane < TILE) {
{%- range $v := seq .ScoreVecs %}
			var p{% $v %} = {% $.Score %}(0.0);
			if (lane < count) { p{% $v %} = exp(s{% $v %} - n{% $v %}); }
			l{% $v %} += p{% $v %};
			scores[{% $v %}u * GROUPS_UP + lane / RUN][lane % RUN] = p{% $v %}{% if $.Int8 %} * value_scale{% end %};
{%- end %}
		}
{%- range $h := seq .QueryHeads %}
		a{% $h %} *= c{% div $h 4 %}{% $.Of $h %};
{%- end %}
		workgroupBarrier();
{%- if .Next %}
		if (first + TILE < to) {
			let count = min(TILE, to - first - TILE);
{%- template "few_keys" .At "count" "buffer" %}
		}
{%- end %}
{%- range $n := seq .Ahead %}
		{
			let v = kv_unpack(v{% $n %});
{%- range $v := seq $.ScoreVecs %}
			let p{% $v %} = scores[{% $v %}u * GROUPS_UP + group][{% $n %}u];
{%- end %}
{%- range $h := seq $.QueryHeads %}
			a{% $h %} = fma(v, vec4<f32>(p{% div $h 4 %}{% $.Of $h %}), a{% $h %});
{%- end %}
		}
{%- end %}
{%- if lt .Ahead .Run %}
		let old = TILE / SLOTS - buffer;
		for (var n = AHEAD; n < RUN; n += AHEAD) {
{%- range $n := seq .Ahead %}
			let j{% $n %} = min(group * RUN + n + {% $n %}u, count - 1u);
			let v{% $n %} = kv_raw(blocks[old + j{% $n %} / SLOTS], v_at + j{% $n %} % SLOTS * HEAD_VECS + column);
{%- end %}
{%- range $n := seq .Ahead %}
			{
				let v = kv_unpack(v{% $n %});
{%- range $v := seq $.ScoreVecs %}
				let p{% $v %} = scores[{% $v %}u * GROUPS_UP + group][n + {% $n %}u];
{%- end %}
{%- range $h := seq $.QueryHeads %}
				a{% $h %} = fma(v, vec4<f32>(p{% div $h 4 %}{% $.Of $h %}), a{% $h %});
{%- end %}
			}
{%- end %}
		}
{%- end %}
	}
	// Tokens' weights and groups' sums are added up, the sums of SUM_HEADS heads at a time.
{%- range $r := seq $.Rounds %}
{%- if $r %}
	workgroupBarrier();
{%- end %}
{%- range $h := $.Round $r %}
	{% $.Sums %}[{% mod $h $.SumHeads %}u * AT_ONCE + key][part] = a{% $h %};
{%- end %}
	workgroupBarrier();
{%- if eq $r 0 %}
	if (lane < TILE) {
{%- range $v := seq $.ScoreVecs %}
		scores[{% $v %}u * GROUPS_UP + lane / RUN][lane % RUN] = l{% $v %};
{%- end %}
	}
	workgroupBarrier();
	if (lane < 8u) {
{%- range $v := seq $.ScoreVecs %}
		var n{% $v %} = {% $.Score %}(0.0);
{%- end %}
		for (var i = lane; i < TILE; i += 8u) {
{%- range $v := seq $.ScoreVecs %}
			n{% $v %} += scores[{% $v %}u * GROUPS_UP + i / RUN][i % RUN];
{%- end %}
		}
{%- range $v := seq $.ScoreVecs %}
		reduced[{% $v %}u * 8u + lane] = n{% $v %};
{%- end %}
	}
	workgroupBarrier();
{%- range $v := seq $.ScoreVecs %}
	l{% $v %} = {% range $i := seq 8 %}{% if $i %} + {% end %}reduced[{% add (mul $v 8) $i %}u]{% end %};
{%- end %}
{%- end %}
{%- range $h := $.Round $r %}
	if (group == {% mod $h $.Groups %}u) {
		var a = vec4<f32>(0.0);
		for (var other = column; other < GROUPS * HEAD_VECS; other += HEAD_VECS) {
			a += {% $.Sums %}[{% mod $h $.SumHeads %}u * AT_ONCE + other / KEY_LANES][other % KEY_LANES];
		}
		if (context{% if $.Windowed %} - unseen{% end %} > length) {
			let at = ((index * HEADS + head + {% $h %}u) * step.splits + split) * (HEAD_VECS + 1u);
			parts[at + column] = a;
			if (column == 0u) { parts[at + HEAD_VECS] = vec4<f32>(m{% div $h 4 %}{% $.Of $h %}, l{% div $h 4 %}{% $.Of $h %}, 0.0, 0.0); }
		} else {
			y[tile.row * Y_VECS + (head + {% $h %}u) * HEAD_VECS + column] = a / l{% div $h 4 %}{% $.Of $h %};
		}
	}
{%- end %}
{%- end %}
}
