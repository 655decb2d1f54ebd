// Q6_K: a block is 32 q of 6 bits, value d * scale * (q - 32), with a scale for each 16 columns and d for 8 blocks (ggml block_q6_K).
// Piece has nibbles in column order, and in h the two high bits of column 8u + 2k + i at bit 8k + 2i + 4 of word u if u < 2, else at bit
// 8k + 2i of word u - 2.
// A column takes MatvecStream about 5.1 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
struct Piece { q: vec4<u32>, h: vec2<u32> }
fn load_piece(row: u32, i: u32) -> Piece {
	let at = row * SCALE_WORDS + i * 2u;
	return Piece(wq[row * QUANT_VECS + i], vec2<u32>(ws[at], ws[at + 1u]));
}
fn turn(p: Piece) -> Piece { return Piece(p.q.yzww, vec2<u32>(p.h.y, p.h.x << 4u)); }
{% template "hidden_zero" %}

// even and odd are columns 0, 2, 4, 6 and 1, 3, 5, 7 as bytes, with what does not count above 6 bits. raised brings them to bit 17 of
// mantissas: 64 + q. A column takes 0.63 operations to join its bits, a shift and a LOP3.
fn even(p: Piece) -> u32 { return (p.q.x & 0x0f0f0f0fu) | (p.h.x & 0xf0f0f0f0u); }
fn odd(p: Piece) -> u32 { return ((p.q.x >> 4u) & 0x0f0f0f0fu) | ((p.h.x >> 2u) & 0xf0f0f0f0u); }
fn raised(w: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>((w & vec4<u32>(0x7e0000u)) | vec4<u32>(0x42800000u | hidden_zero())); }
fn raw0(p: Piece) -> vec4<f32> { return raised(vec4<u32>(even(p) << 17u, odd(p) << 17u, even(p) << 9u, odd(p) << 9u)); }
fn raw1(p: Piece) -> vec4<f32> { return raised(vec4<u32>(even(p) << 1u, odd(p) << 1u, even(p) >> 7u, odd(p) >> 7u)); }
const RAISED: vec4<f32> = vec4<f32>(96.0, 96.0, 96.0, 96.0); // 64 and 32

// Scale is what scales two blocks: two i8 each, and their super-block's d.
struct Scale { small: u32, d: f32 }
fn load_scale(row: u32, b: u32) -> Scale {
	let at = row * SCALE_WORDS;
	return Scale(ws[at + SMALL_AT + (b >> 1u)], bitcast<f32>(ws[at + SCALES_AT + (b >> 3u)]));
}
fn scale_at(s: Scale, bit: u32) -> vec2<f32> { return vec2<f32>(s.d * f32(bitcast<i32>(s.small << bit) >> 24u), 0.0); }
fn scale0(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, 24u - ((b & 1u) << 4u)); }
fn scale1(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, 16u - ((b & 1u) << 4u)); }
{% template "factors" . %}
{% template "piece_block" . %}
