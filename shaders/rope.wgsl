// Rope rotates q in place, rotates k, and writes k and v into their KV pages: Su et al. 2021 (RoFormer), Kwon et al. 2023.
// A lane takes 4 elements of one head of one row: two rotated pairs, or 4 elements that are not rotated.
// Grid: ceil(rows * (HEADS + 2 KV_HEADS) * HEAD_VECS / 64) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{% .Binding %} var<storage, read_write> qkv: array<f32>;
{%- range $c := seq .Chunks %}
{% $.Binding %} var<storage, read_write> kv{% $c %}: array<{% if $.Half %}u32{% else %}f32{% end %}>;
{%- end %}

// kv_store writes elements at and at + 1 of a block.
fn kv_store(block: u32, at: u32, a: f32, b: f32) {
	let i = (block % CHUNK_BLOCKS) * BLOCK_VECS * 4u + at;
	switch (block / CHUNK_BLOCKS) {
{%- range $c := seq .Chunks %}
		case {% $c %}u: {
{%- if $.Half %}
			kv{% $c %}[i / 2u] = pack2x16float(vec2<f32>(a, b));
{%- else %}
			kv{% $c %}[i] = a;
			kv{% $c %}[i + 1u] = b;
{%- end %}
		}
{%- end %}
		default: { }
	}
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let id = (wid.x + wid.y * nwg.x) * 64u + local;
	let quad = id % HEAD_VECS;
	let head = (id / HEAD_VECS) % (HEADS + 2u * KV_HEADS);
	let row = id / HEAD_VECS / (HEADS + 2u * KV_HEADS);
	if (row >= step.rows) { return; }
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
	var a = qkv[base + lo];
	var b = qkv[base + lo + 1u];
	var c = qkv[base + hi];
	var d = qkv[base + hi + 1u];
	if (rotated) {
		let at = step.rotations + row * ROTATED + quad * 4u;
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
	if (head < HEADS) {
		if (!rotated) { return; }
		qkv[base + lo] = a;
		qkv[base + lo + 1u] = b;
		qkv[base + hi] = c;
		qkv[base + hi + 1u] = d;
		return;
	}
	let slot = input[step.slots + row];
	// Keys' heads come first, values' after: the order of a block.
	let at = ((head - HEADS) * SLOTS + slot % SLOTS) * HEAD_VECS * 4u;
	kv_store(slot / SLOTS, at + lo, a, b);
	kv_store(slot / SLOTS, at + hi, c, d);
}
