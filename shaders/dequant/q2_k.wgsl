// Q2_K: a block is 32 q of 2 bits, value d * scale * q - dmin * minimum, with 4 bits of scale and of minimum for each 16 columns and d and
// dmin for 8 blocks (ggml block_q2_K). Piece has columns 8u + i and 8u + 4 + i at bits 8h + 2i and 8h + 2i + 16 of word u - 2h, h = u / 2
// and i < 4.
struct Piece { q: vec2<u32> }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i]); }
fn turn(p: Piece) -> Piece { return Piece(vec2<u32>(p.q.y, p.q.x >> 8u)); }
{% template "small_halves" %}

// NORMAL takes columns to q; SMALL is what it takes to 1. A column takes half a mask and a conversion.
const NORMAL: vec4<f32> = vec4<f32>(16777216.0, 4194304.0, 1048576.0, 262144.0);
const SMALL: vec4<f32> = vec4<f32>(5.9604644775390625e-8, 2.384185791015625e-7, 9.5367431640625e-7, 3.814697265625e-6);
fn raw0(p: Piece) -> vec4<f32> {
	return vec4<f32>(small_halves(p.q.x & 0x00030003u).x, small_halves(p.q.x & 0x000c000cu).x, small_halves(p.q.x & 0x00300030u).x, small_halves(p.q.x & 0x00c000c0u).x);
}
fn raw1(p: Piece) -> vec4<f32> {
	return vec4<f32>(small_halves(p.q.x & 0x00030003u).y, small_halves(p.q.x & 0x000c000cu).y, small_halves(p.q.x & 0x00300030u).y, small_halves(p.q.x & 0x00c000c0u).y);
}

// Scale is what scales two blocks: two bytes each of scale (low) and minimum, and their super-block's d and dmin.
struct Scale { small: u32, d: u32 }
fn load_scale(row: u32, b: u32) -> Scale {
	let at = row * SCALE_WORDS;
	return Scale(ws[at + SMALL_AT + (b >> 1u)], ws[at + SCALES_AT + (b >> 3u)]);
}
fn scale_at(s: Scale, bit: u32) -> vec2<f32> {
	let small = s.small >> bit;
	let d = unpack2x16float(s.d);
	return vec2<f32>(d.x * f32(small & 15u), -d.y * f32((small >> 4u) & 15u));
}
fn scale0(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, (b & 1u) << 4u); }
fn scale1(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, ((b & 1u) << 4u) + 8u); }
{% template "factors" . %}
{% template "piece_block" . %}
