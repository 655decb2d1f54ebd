// Q4_1: a block is 32 nibbles q, value d * q + m (ggml block_q4_1; nibbles repacked into column order).
struct Block { q: vec4<u32>, d: f32, m: f32 }
{% template "nibbles" %}
{% template "pair" %}

fn load_block(row: u32, b: u32) -> Block {
	let s = unpack2x16float(ws[row * SCALE_WORDS + b]);
	return Block(wq[row * QUANT_VECS + b], s.x, s.y);
}

fn load_unit(row: u32, u: u32) -> Unit {
	let w = load_nibbles(row, u);
	let s = unpack2x16float(ws[row * SCALE_WORDS + (u >> 2u)]);
	return Unit(w.lo * s.x + s.y, w.hi * s.x + s.y);
}
{% template "nibble_piece" %}

struct Factors { d: f32, m: f32 }
fn factors(word: u32, odd: bool) -> Factors {
	let pair = unpack2x16float(word);
	return Factors(pair.x, pair.y);
}
const RAISED = vec4<f32>(2048.0, 128.0, 2048.0, 128.0);
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return fma(raised0(p) - RAISED, vec4<f32>(f.d), vec4<f32>(f.m)); }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return fma(raised1(p) - RAISED, vec4<f32>(f.d), vec4<f32>(f.m)); }
