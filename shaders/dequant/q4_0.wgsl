// Q4_0: a block is 32 nibbles q, value d * (q - 8) (ggml block_q4_0; nibbles repacked into column order). Units hold q;
// the -8 is the block's minimum.
struct Block { q: vec4<u32>, d: f32, m: f32 }
{% template "scale" %}
{% template "nibbles" %}

fn scaled_block(row: u32, b: u32, d: f32) -> Block { return Block(wq[row * QUANT_VECS + b], d, -8.0 * d); }

fn load_unit(row: u32, u: u32) -> Unit {
	let w = load_nibbles(row, u);
	let d = scale(row, u >> 2u);
	return Unit(w.lo * d - 8.0 * d, w.hi * d - 8.0 * d);
}
{% template "nibble_piece" %}

// Factors are d and d times what takes a raised nibble to q - 8: exact, as all of these products are.
struct Factors { d: f32, minus: vec2<f32> }
fn factors(word: u32, odd: bool) -> Factors {
	let pair = unpack2x16float(word);
	let d = select(pair.x, pair.y, odd);
	return Factors(d, d * vec2<f32>(-2056.0, -136.0));
}
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return fma(raised0(p), vec4<f32>(f.d), f.minus.xyxy); }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return fma(raised1(p), vec4<f32>(f.d), f.minus.xyxy); }
