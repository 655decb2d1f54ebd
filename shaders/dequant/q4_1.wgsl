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

const RAISED: vec4<f32> = vec4<f32>(16.0, 16.0, 16.0, 16.0);
fn scales(word: u32, odd: bool) -> vec2<f32> { return unpack2x16float(word); }

struct Factors { d: f32, m: f32 }
fn factors(word: u32, odd: bool) -> Factors {
	let pair = scales(word, odd);
	return Factors(pair.x, pair.y);
}
fn quad0(p: Piece, f: Factors) -> vec4<f32> { return fma(raw0(p) - RAISED, vec4<f32>(f.d), vec4<f32>(f.m)); }
fn quad1(p: Piece, f: Factors) -> vec4<f32> { return fma(raw1(p) - RAISED, vec4<f32>(f.d), vec4<f32>(f.m)); }
