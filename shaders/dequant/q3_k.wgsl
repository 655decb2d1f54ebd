// Q3_K: a block is 32 q of 3 bits, value d * (scale - 32) * (q - 4), with 6 bits of scale for each 16 columns and d for 8 blocks (ggml
// block_q3_K). Piece has the low bits of column 8u + i at bit 4i of word u if u < 2, else at bit 4i + 2 of word u - 2, and its high bit at
// bit 4i + u of h.
struct Piece { q: vec2<u32>, h: u32 }
fn load_piece(row: u32, i: u32) -> Piece { return Piece(wq[row * QUANT_VECS + i], ws[row * SCALE_WORDS + i]); }
fn turn(p: Piece) -> Piece { return Piece(vec2<u32>(p.q.y, p.q.x >> 2u), p.h >> 1u); }
{% template "small_halves" %}

// joined are 8 columns as nibbles, whose top bits do not count: 0.3 operations a column to join its bits, half a mask and an eighth of a shift to
// take it out. Odd columns stand 4 bits up.
fn joined(p: Piece) -> u32 { return (p.q.x & 0x33333333u) | ((p.h << 2u) & 0xccccccccu); }
const NORMAL: vec4<f32> = vec4<f32>(16777216.0, 1048576.0, 16777216.0, 1048576.0);
const RAISED: vec4<f32> = vec4<f32>(2.384185791015625e-7, 3.814697265625e-6, 2.384185791015625e-7, 3.814697265625e-6); // 4
fn raw0(p: Piece) -> vec4<f32> {
	let near = joined(p);
	let far = near >> 8u;
	return vec4<f32>(small_halves(near & 0x00070007u).x, small_halves(near & 0x00700070u).x, small_halves(far & 0x00070007u).x, small_halves(far & 0x00700070u).x);
}
fn raw1(p: Piece) -> vec4<f32> {
	let near = joined(p);
	let far = near >> 8u;
	return vec4<f32>(small_halves(near & 0x00070007u).y, small_halves(near & 0x00700070u).y, small_halves(far & 0x00070007u).y, small_halves(far & 0x00700070u).y);
}

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
