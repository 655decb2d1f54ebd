{%- define "kv_read" %}
{%- range $c := seq .Chunks %}
{% $.Binding %} var<storage, read> kv{% $c %}: array<{% if $.Half %}vec2<u32>{% else %}vec4<f32>{% end %}>;
{%- end %}

// kv_load reads vector `at` of a block: [key, value][kv head][slot][HEAD_VECS].
fn kv_load(block: u32, at: u32) -> vec4<f32> {
{%- if eq .Chunks 1 %}
	let v = kv0[block * BLOCK_VECS + at];
{%- else %}
	let i = (block % CHUNK_BLOCKS) * BLOCK_VECS + at;
	var v: {% if .Half %}vec2<u32>{% else %}vec4<f32>{% end %};
	switch (block / CHUNK_BLOCKS) {
{%- range $c := seq .Chunks %}
		case {% $c %}u: { v = kv{% $c %}[i]; }
{%- end %}
		default: { }
	}
{%- end %}
{%- if .Half %}
	return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y));
{%- else %}
	return v;
{%- end %}
}
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
// split_length is how many tokens a part of a context of that length has: SPLIT, or more so that parts stay within MAX_SPLITS.
// It depends on the sequence alone, so that a sequence's sums are the same in any batch.
fn split_length(context: u32) -> u32 {
	return max(SPLIT, (context + MAX_SPLITS * SPLIT - 1u) / (MAX_SPLITS * SPLIT) * SPLIT);
}
{%- end %}
