// Q3_K: a block is 32 q of 3 bits, value d * (scale - 32) * (q - 4), with 6 bits of scale for each 16 columns and d for 8 blocks (ggml
// block_q3_K). Piece has the low bits of column 8u + i at bit 4i of word u if u < 2, else at bit 4i + 2 of word u - 2, and its high bit at
// bit 4i + u of h.
// A column takes MatvecStream about 5.1 instructions, with 4 rows a lane (counted, for NVIDIA; q4_0 takes 3.9).
struct Piece { q: vec2<u32>, h: u32 }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i], ws[row * SCALE_WORDS + i]); }
fn turn(p: Piece) -> Piece { return Piece(vec2<u32>(p.q.y, p.q.x >> 2u), p.h >> 1u); }
{% template "hidden_zero" %}

// joined are 8 columns as nibbles, whose top bits do not count. raised brings them to bit 20 of mantissas: 8 + q. A column takes 0.5
// operations to join its bits, 0.9 shifts and a LOP3.
fn joined(p: Piece) -> u32 { return (p.q.x & 0x33333333u) | ((p.h << 2u) & 0xccccccccu); }
fn raised(w: vec4<u32>) -> vec4<f32> { return bitcast<vec4<f32>>((w & vec4<u32>(0x700000u)) | vec4<u32>(0x41000000u | hidden_zero())); }
fn raw0(p: Piece) -> vec4<f32> { return raised(vec4<u32>(joined(p) << 20u, joined(p) << 16u, joined(p) << 12u, joined(p) << 8u)); }
fn raw1(p: Piece) -> vec4<f32> { return raised(vec4<u32>(joined(p) << 4u, joined(p), joined(p) >> 4u, joined(p) >> 8u)); }
const RAISED: vec4<f32> = vec4<f32>(12.0, 12.0, 12.0, 12.0); // 8 and 4

// Scale is what scales four blocks: a byte each of two scales' low bits, of all 8 blocks a nibble of their high bits, and d.
struct Scale { low: u32, high: u32, d: f32 }
fn load_scale(row: u32, b: u32) -> Scale {
	let at = row * SCALE_WORDS;
	let small = at + SMALL_AT + (b >> 3u) * 3u;
	return Scale(ws[small + ((b >> 2u) & 1u)], ws[small + 2u], bitcast<f32>(ws[at + SCALES_AT + (b >> 3u)]));
}
fn scale_at(s: Scale, b: u32, second: u32) -> vec2<f32> {
	let low = s.low >> ((b & 3u) * 8u + second * 4u);
	let high = s.high >> ((b & 7u) * 4u + second * 2u);
	return vec2<f32>(s.d * (f32((low & 15u) | ((high & 3u) << 4u)) - 32.0), 0.0);
}
fn scale0(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, b, 0u); }
fn scale1(s: Scale, b: u32) -> vec2<f32> { return scale_at(s, b, 1u); }
{% template "factors" . %}
{% template "piece_block" . %}
