// Q4_0: a block is 32 nibbles q, value d * (q - 8) (ggml block_q4_0; nibbles repacked into column order). Units hold q;
// the -8 is the block's minimum.
struct Block { q: vec4<u32>, d0: f32, m0: f32 }
{% template "scale" %}
{% template "nibbles" %}

fn scaled_block(row: u32, b: u32, d: f32) -> Block { return Block(wq[row * QUANT_VECS + b], d, -8.0 * d); }

fn load_unit(row: u32, u: u32) -> Unit {
	let w = load_nibbles(row, u);
	let d = scale(row, u >> 2u);
	return Unit(w.lo * d - 8.0 * d, w.hi * d - 8.0 * d);
}
{% template "nibble_piece" %}

const RAISED: vec4<f32> = vec4<f32>(4.76837158203125e-7, 7.62939453125e-6, 4.76837158203125e-7, 7.62939453125e-6); // 8
{% template "half_scale" %}
{% template "factors" . %}
