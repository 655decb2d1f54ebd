{%- define "linear_bindings" %}
{%- .StepWGSL %}
{% .Binding %} var<uniform> step: Step;
{% .Binding %} var<storage, read> x: array<vec4<f32>>;
{% .Binding %} var<storage, read> wq: array<{% .Format.Vec %}>;
{%- if .HasScales %}
{% .Binding %} var<storage, read> ws: array<u32>;
{%- end %}
{% .Binding %} var<storage, read_write> y: array<f32>;
{%- if .Norm %}
{% .Binding %} var<storage, read> gain: array<vec4<f32>>;
{%- end %}
{%- if .Bias %}
{% .Binding %} var<storage, read> bias: array<f32>;
{%- end %}
{% template "rope_bindings" . %}
{% template "finish" . %}
{%- end %}

{%- define "rope_bindings" %}
{%- if .Roped %}
{% .Binding %} var<storage, read> input: array<u32>;
{%- range $c := seq .Rope.KV.Chunks %}
{% $.Binding %} var<storage, read_write> kv{% $c %}: array<{% if $.Rope.KV.Half %}u32{% else %}f32{% end %}>;
{%- end %}
{%- end %}
{%- end %}

{%- define "finish" %}
{%- if .Gate %}{% template "activation" . %}{% end %}
// finish stores output n of token t.
fn finish(t: u32, n: u32, value: f32) {
	let i = t * Y_STRIDE + Y_OFFSET + n;
	y[i] = {% if .Residual %}y[i] + {% end %}value{% if .Bias %} + bias[Y_OFFSET + n]{% end %};
}
{%- end %}

{%- define "store" %}
{%- if .Roped %}{% template "store_rope" . %}{% else %}
// store finishes weight rows n .. n + PER_LANE - 1 of token t, as far as they are there.
fn store(t: u32, n: u32, v: vec4<f32>) {
{%- if .Gate %}
	if (n < N) { finish(t, n / 2u, activation(v.x) * v.y); }
{%- if eq .PerLane 4 %}
	if (n + 2u < N) { finish(t, n / 2u + 1u, activation(v.z) * v.w); }
{%- end %}
{%- else %}
	if (n < N) { finish(t, n, v.x); }
{%- if ge .PerLane 2 %}
	if (n + 1u < N) { finish(t, n + 1u, v.y); }
{%- end %}
{%- if eq .PerLane 4 %}
	if (n + 2u < N) { finish(t, n + 2u, v.z); }
	if (n + 3u < N) { finish(t, n + 3u, v.w); }
{%- end %}
{%- end %}
}
{%- end %}
{%- end %}

{%- define "store_rope" %}
const HEADS: u32 = {% .Rope.Heads %}u;
const KV_HEADS: u32 = {% .Rope.KV.KVHeads %}u;
const HEAD_DIM: u32 = {% .Rope.KV.HeadDim %}u;
const ROTATED: u32 = {% .Rope.Rotated %}u;
const SLOTS: u32 = {% .Rope.KV.Slots %}u;
const BLOCK_VECS: u32 = {% .Rope.KV.Vecs %}u;
const CHUNK_BLOCKS: u32 = {% .Rope.KV.ChunkBlocks %}u;
{% template "kv_store" .Rope.KV %}

// store_pair finishes weight rows n and n + 1 of token t, neighbours in a head: rotates q and k, stores q, and writes k and v into their pages,
// as Rope does: Su et al. 2021 (RoFormer), Kwon et al. 2023.
fn store_pair(t: u32, n: u32, v: vec2<f32>) {
	if (n >= N) { return; }
	let head = n / HEAD_DIM;
	let i = n % HEAD_DIM;
	var r = v{% if .Bias %} + vec2<f32>(bias[n], bias[n + 1u]){% end %};
	if (head < HEADS + KV_HEADS && i < ROTATED) {
		let at = step.rotations + t * ROTATED + i;
		let cos_ = bitcast<f32>(input[at]);
		let sin_ = bitcast<f32>(input[at + 1u]);
		r = vec2<f32>(r.x * cos_ - r.y * sin_, r.x * sin_ + r.y * cos_);
	}
	if (head < HEADS) {
		y[t * Y_STRIDE + n] = r.x;
		y[t * Y_STRIDE + n + 1u] = r.y;
		return;
	}
	let slot = input[step.slots + t];
	// Keys' heads come first, values' after: the order of a block.
	kv_store(slot / SLOTS, ((head - HEADS) * SLOTS + slot % SLOTS) * HEAD_DIM + i, r.x, r.y);
}

// store finishes weight rows n .. n + PER_LANE - 1 of token t.
fn store(t: u32, n: u32, v: vec4<f32>) {
	store_pair(t, n, v.xy);
{%- if eq .PerLane 4 %}
	store_pair(t, n + 2u, v.zw);
{%- end %}
}
{%- end %}

{%- define "activation" %}
// activation is SiLU: v * sigmoid(v).
fn activation(v: f32) -> f32 { return v / (1.0 + exp(-v)); }
{% end %}
