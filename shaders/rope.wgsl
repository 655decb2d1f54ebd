// Rope rotates q in place, rotates k, and writes k and v into their KV pages: Su et al. 2021 (RoFormer), Kwon et al. 2023.
// A lane takes 4 elements of one head of one row: two rotated pairs, or 4 elements that are not rotated. With int8 pages a
// workgroup takes whole heads, whose lanes agree on the scale: max|v| / 127, elements rounded to even. So it does where heads of q and k are
// normalised first: v / sqrt(mean(v²) + eps) * gain, for LayerNorm with the mean taken off.
// Grid: ceil(rows * (HEADS + 2 KV_HEADS) * HEAD_VECS / LANES) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read_write> qkv: array<f32>;
{%- range $c := seq .Chunks %}
{% $.Binding %} var<storage, read_write> kv{% $c %}: array<{% if or $.Half $.Int8 %}u32{% else %}f32{% end %}>;
{%- end %}
{%- if .Norm %}
{% .Binding %} var<storage, read> gain: array<f32>;
var<workgroup> parts: array<f32, 64>; // of each lane
{%- if .Means %}
var<workgroup> means: array<f32, 64>;
{%- end %}
{%- end %}
{% if .Int8 %}
var<workgroup> values: array<f32, 256>; // 4 of each lane, in the order of a head
var<workgroup> tops: array<u32, 64>;    // largest magnitude of each lane, as bits: NaN is above all numbers

// kv_store writes word at of a block: 4 elements, or a scale.
fn kv_store(block: u32, at: u32, word: u32) {
	let i = (block % CHUNK_BLOCKS) * BLOCK_VECS + at;
	switch (block / CHUNK_BLOCKS) {
{%- range $c := seq .Chunks %}
		case {% $c %}u: { kv{% $c %}[i] = word; }
{%- end %}
		default: { }
	}
}

fn magnitude(v: f32) -> u32 { return bitcast<u32>(v) & 0x7fffffffu; }

// quantize is v in units of 1 / inverse, as a byte.
fn quantize(v: f32, inverse: f32) -> u32 { return u32(clamp(i32(round(v * inverse)), -127, 127)) & 255u; }
{%- else %}
{% template "kv_store" . %}
{%- end %}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let id = (wid.x + wid.y * nwg.x) * LANES + local;
	let quad = id % HEAD_VECS;
	let head = (id / HEAD_VECS) % (HEADS + 2u * KV_HEADS);
	let row = id / HEAD_VECS / (HEADS + 2u * KV_HEADS);
	let live = local < LANES && row < step.rows;
{%- if not (or .Int8 .Norm) %}
	if (!live) { return; }
{%- end %}
	let base = row * Q_VECS * 4u + head * HEAD_VECS * 4u;
	var lo = quad * 4u; // first pair of neighbours
	var hi = lo + 2u;   // second pair of neighbours
	let rotated = quad < ROTATED / 4u && head < HEADS + KV_HEADS;
{%- if .HalfSplit %}
	if (rotated) {
		lo = quad * 2u;
		hi = lo + ROTATED / 2u;
	}
{%- end %}
	var a = 0.0;
	var b = 0.0;
	var c = 0.0;
	var d = 0.0;
	if (live) {
		a = qkv[base + lo];
		b = qkv[base + lo + 1u];
		c = qkv[base + hi];
		d = qkv[base + hi + 1u];
	}
{%- if .Norm %}
	let begin = local / HEAD_VECS * HEAD_VECS; // lane of this head
	var mean = 0.0;
{%- if .Means %}
	means[local] = (a + b) + (c + d);
	workgroupBarrier();
	for (var i = 0u; i < HEAD_VECS; i++) { mean += means[min(begin + i, 63u)]; }
	mean /= f32(HEAD_VECS * 4u);
{%- end %}
	let centred = vec4<f32>(a, b, c, d) - mean;
	parts[local] = dot(centred, centred);
	workgroupBarrier();
	if (live && head < HEADS + KV_HEADS) {
		var square = 0.0;
		for (var i = 0u; i < HEAD_VECS; i++) { square += parts[begin + i]; }
		let by = inverseSqrt(square / f32(HEAD_VECS * 4u) + EPS);
		let g = head * HEAD_VECS * 4u;
		a = centred.x * by * gain[g + lo];
		b = centred.y * by * gain[g + lo + 1u];
		c = centred.z * by * gain[g + hi];
		d = centred.w * by * gain[g + hi + 1u];
	}
{%- end %}
	if (live && rotated) {
		let at = {% .Rotations %} + row * ROTATED + quad * 4u;
		let cos0 = bitcast<f32>(input[at]);
		let sin0 = bitcast<f32>(input[at + 1u]);
		let cos1 = bitcast<f32>(input[at + 2u]);
		let sin1 = bitcast<f32>(input[at + 3u]);
		let a0 = a;
		let b0 = b;
		let c0 = c;
		let d0 = d;
{%- if .HalfSplit %}
		a = a0 * cos0 - c0 * sin0;
		c = a0 * sin0 + c0 * cos0;
		b = b0 * cos1 - d0 * sin1;
		d = b0 * sin1 + d0 * cos1;
{%- else %}
		a = a0 * cos0 - b0 * sin0;
		b = a0 * sin0 + b0 * cos0;
		c = c0 * cos1 - d0 * sin1;
		d = c0 * sin1 + d0 * cos1;
{%- end %}
	}
	if (live && {% if .Norm %}{% else %}rotated && {% end %}head < HEADS) {
		qkv[base + lo] = a;
		qkv[base + lo + 1u] = b;
		qkv[base + hi] = c;
		qkv[base + hi + 1u] = d;
	}
{%- if .Int8 %}
	let first = local / HEAD_VECS * HEAD_VECS; // lane of this head
	if (local < LANES) {
		values[first * 4u + lo] = a;
		values[first * 4u + lo + 1u] = b;
		values[first * 4u + hi] = c;
		values[first * 4u + hi + 1u] = d;
		tops[local] = max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(d)));
	}
	workgroupBarrier();
	if (!live || head < HEADS) { return; }
	var bits = 0u;
	for (var i = 0u; i < HEAD_VECS; i++) { bits = max(bits, tops[first + i]); }
	let top = bitcast<f32>(bits);
	let inverse = select(0.0, 127.0 / top, top > 1e-30); // a head of zeros has a scale of zero, one with a NaN or an infinity no numbers
	let slot = input[step.slots + row];
	// Keys' heads come first, values' after: the order of a block.
	let token = (head - HEADS) * SLOTS + slot % SLOTS;
	let at = local * 4u;
	kv_store(slot / SLOTS, token * HEAD_VECS + quad, quantize(values[at], inverse) | (quantize(values[at + 1u], inverse) << 8u) |
		(quantize(values[at + 2u], inverse) << 16u) | (quantize(values[at + 3u], inverse) << 24u));
	if (quad == 0u) { kv_store(slot / SLOTS, SCALES_AT + token, bitcast<u32>(top * (1.0 / 127.0))); }
{%- else %}
	if ({% if .Norm %}!live || {% end %}head < HEADS) { return; }
	let slot = input[step.slots + row];
	// Keys' heads come first, values' after: the order of a block.
	let at = ((head - HEADS) * SLOTS + slot % SLOTS) * HEAD_VECS * 4u;
	kv_store(slot / SLOTS, at + lo, a, b);
	kv_store(slot / SLOTS, at + hi, c, d);
{%- end %}
}
