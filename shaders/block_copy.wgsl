// BlockCopy moves whole KV blocks of one layer's pool: within the pool for each (from, to) of the step's copies, or for
// its list of blocks from the pool to staging memory (save) or back (restore), block i there at i * COPY_VECS.
// Copies are done in no order: a block that is written is named once. Grid: ceil(blocks * COPY_VECS / 64) workgroups.
{% .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> input: array<u32>;
{%- range $c := seq .Chunks %}
{% $.Binding %} var<storage, {% if $.Save %}read{% else %}read_write{% end %}> kv{% $c %}: array<vec4<u32>>;
{%- end %}
{%- if or .Save .Restore %}
{% .Binding %} var<storage, {% if .Save %}read_write{% else %}read{% end %}> staging: array<vec4<u32>>;
{%- end %}
{% if not .Restore %}
// block_load reads 16 bytes of a block.
fn block_load(block: u32, at: u32) -> vec4<u32> {
	let i = (block % CHUNK_BLOCKS) * COPY_VECS + at;
	var v = vec4<u32>(0u);
	switch (block / CHUNK_BLOCKS) {
{%- range $c := seq .Chunks %}
		case {% $c %}u: { v = kv{% $c %}[i]; }
{%- end %}
		default: { }
	}
	return v;
}
{% end %}
{%- if not .Save %}
// block_store writes 16 bytes of a block.
fn block_store(block: u32, at: u32, v: vec4<u32>) {
	let i = (block % CHUNK_BLOCKS) * COPY_VECS + at;
	switch (block / CHUNK_BLOCKS) {
{%- range $c := seq .Chunks %}
		case {% $c %}u: { kv{% $c %}[i] = v; }
{%- end %}
		default: { }
	}
}
{% end %}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>, @builtin(local_invocation_index) local: u32) {
	let id = (wid.x + wid.y * nwg.x) * 64u + local;
	let index = id / COPY_VECS;
	let at = id % COPY_VECS;
	if (index >= step.copy_count) { return; }
{%- if .Save %}
	staging[id] = block_load(input[step.copies + index], at);
{%- else if .Restore %}
	block_store(input[step.copies + index], at, staging[id]);
{%- else %}
	let pair = step.copies + index * 2u;
	block_store(input[pair + 1u], at, block_load(input[pair], at));
{%- end %}
}
