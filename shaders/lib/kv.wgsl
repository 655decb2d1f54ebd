{%- define "kv_vec" %}{% if .Int8 %}u32{% else if .Half %}vec2<u32>{% else %}vec4<f32>{% end %}{% end %}

{%- define "kv_read" %}
{%- range $c := seq .Chunks %}
{% $.Binding %} var<storage, read> kv{% $c %}: array<{% template "kv_vec" $ %}>;
{%- end %}

// kv_raw reads vector `at` of a block as it is stored: [key, value][kv head][slot][HEAD_VECS].
fn kv_raw(block: u32, at: u32) -> {% template "kv_vec" . %} {
{%- if eq .Chunks 1 %}
	return kv0[block * BLOCK_VECS + at];
{%- else %}
	let i = (block % CHUNK_BLOCKS) * BLOCK_VECS + at;
	var v: {% template "kv_vec" . %};
	switch (block / CHUNK_BLOCKS) {
{%- range $c := seq .Chunks %}
		case {% $c %}u: { v = kv{% $c %}[i]; }
{%- end %}
		default: { }
	}
	return v;
{%- end %}
}

// kv_unpack is 4 elements as they are stored{% if .Int8 %}, not yet scaled{% end %}.
fn kv_unpack(v: {% template "kv_vec" . %}) -> vec4<f32> {
{%- if .Int8 %}
	return vec4<f32>(bitcast<vec4<i32>>(vec4<u32>(v << 24u, v << 16u, v << 8u, v)) >> vec4<u32>(24u));
{%- else if .Half %}
	return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
{%- else %}
	return v;
{%- end %}
}

// kv_load is vector `at` of a block{% if .Int8 %}, not yet scaled{% end %}.
fn kv_load(block: u32, at: u32) -> vec4<f32> { return kv_unpack(kv_raw(block, at)); }
{%- if .Int8 %}

// kv_scale is what the elements of vector at's token and head are multiplied by: [key, value][kv head][slot].
fn kv_scale(block: u32, at: u32) -> f32 { return bitcast<f32>(kv_raw(block, SCALES_AT + at / HEAD_VECS)); }
{%- end %}

// kv_scaled is 4 elements as they were written, but for rounding.
fn kv_scaled(block: u32, at: u32) -> vec4<f32> { return kv_load(block, at){% if .Int8 %} * kv_scale(block, at){% end %}; }
{%- end %}

{%- define "tile" %}
// Tile is query rows row .. row + rows - 1 of one sequence, at positions from pos on; table is the offset of its block table.
struct Tile { row: u32, rows: u32, table: u32, pos: u32 }
fn load_tile(offset: u32, i: u32) -> Tile {
	let at = offset + i * 4u;
	return Tile(input[at], input[at + 1u], input[at + 2u], input[at + 3u]);
}
{%- end %}

{%- define "split" %}
// split_length is how many tokens a part of a context of that length has: all of them up to WHOLE, then SPLIT, or more so that parts
// stay within MAX_SPLITS. It depends on the sequence alone, so that a sequence's sums are the same in any batch.
fn split_length(context: u32) -> u32 {
	if (context <= WHOLE) { return WHOLE; }
	return max(SPLIT, (context + MAX_SPLITS * SPLIT - 1u) / (MAX_SPLITS * SPLIT) * SPLIT);
}
{%- end %}

{%- define "window" %}
// window_start is the first token that is read of a context: that of the block with the first in its window.
fn window_start(context: u32) -> u32 { return (max(context, WINDOW) - WINDOW) / SLOTS * SLOTS; }
{% end %}

{%- define "kv_store" %}
// kv_store writes elements at and at + 1 of a block, at an even.
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
{%- end %}
